"""The link that a look may show: what a telephone reads on paper is the address, whichever way the page is turned."""

from __future__ import annotations

import pikepdf
import pytest
import segno

from signer.stamp.views import View
from tests.looks_support import page, pdfium, poppler, seen, sign
from tests.unit.stamp.test_looks import plan

pytestmark = pytest.mark.web

LINK = "https://kyso.example.vn/?lang=vi"
DPI = 300
QUIET = 2


@pytest.mark.parametrize("draw", [pdfium, poppler])
@pytest.mark.parametrize("turn", [0, 90])
def test_every_module_is_black_or_white_as_the_code_has_it(tmp_path, draw, turn):
    """Not mirrored, not upside down, nothing missing: module by module, as two renderers show it."""
    made = sign(page(tmp_path / "a.pdf", Rotate=turn), tmp_path / "b.pdf", plan("dang/phu-luc", link=LINK))
    with pikepdf.open(made) as document:
        shown = View(seen(document.pages[0]), turn)  # type: ignore[arg-type]
        box = shown.to_view(tuple(map(float, document.pages[0].Annots[0].Rect)))  # type: ignore[arg-type]
    image = draw(made, dpi=DPI).convert("L")
    wanted = [list(map(bool, row)) for row in segno.make(LINK, error="m", micro=False, boost_error=False).matrix]
    side = 20 * 72 / 25.4
    module = side / (len(wanted) + 2 * QUIET)
    left, top = box[2] - side, (box[1] + box[3] + side) / 2
    found = [
        [
            image.getpixel(
                (
                    round((left + (QUIET + column + 0.5) * module) * DPI / 72),
                    round((shown.height - top + (QUIET + row + 0.5) * module) * DPI / 72),
                )
            )
            < 128
            for column in range(len(wanted))
        ]
        for row in range(len(wanted))
    ]
    assert wanted == found
