"""Every look in both profiles, as two renderers show it, against stored pictures; on pages of every kind.

The pictures in `tests/looks` are PDFium's, looked at by a person when they were stored. To store them anew:

    STORE_LOOKS=1 pytest tests/unit/stamp/test_looks.py -k stored
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from signer.model import LookPlan, Place
from signer.stamp import profiles
from signer.stamp.views import View
from tests import readers
from tests.looks_support import difference, hand, page, pdfium, poppler, seal, seen, sign

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed"),
]

STORED = Path(__file__).parents[2] / "looks"
WIDTH, HEIGHT, DPI = 420, 260, 60
MOST_MEAN, MOST_ANYWHERE = 1.0, 60
"""Of 255, after a blur of two pixels. Measured: 0.1 and 20 between poppler and PDFium; another place, size, colour or
word makes 1.5 and 100."""
BOX = (230, 60, 380, 130)
ORGANISATION = "Đảng ủy xã Mẫu (demo)"
VALUES = {
    "phu-luc": (("number", "15-CV/ĐU"),),
    "van-ban-den": (("number", "123"), ("date", "22/11/2026")),
    "gop-y": (("note", "Đồng ý, đề nghị bổ sung danh sách kèm theo."),),
}
PAGES = {
    "turned 90": {"MediaBox": [0, 0, HEIGHT, WIDTH], "Rotate": 90},
    "turned 180": {"MediaBox": [0, 0, WIDTH, HEIGHT], "Rotate": 180},
    "turned 270": {"MediaBox": [0, 0, HEIGHT, WIDTH], "Rotate": 270},
    "turned -90": {"MediaBox": [0, 0, HEIGHT, WIDTH], "Rotate": -90},
    "cropped": {"MediaBox": [0, 0, 800, 900], "CropBox": [100, 300, 100 + WIDTH, 300 + HEIGHT]},
    "negative": {"MediaBox": [-500, -400, WIDTH - 500, HEIGHT - 400]},
    "cropped, negative, turned": {
        "MediaBox": [-900, -900, 900, 900],
        "CropBox": [-300, -250, HEIGHT - 300, WIDTH - 250],
        "Rotate": 90,
    },
    "corners exchanged": {"MediaBox": [WIDTH, HEIGHT, 0, 0]},
    "crop beyond the page": {"MediaBox": [0, 0, WIDTH, HEIGHT], "CropBox": [-50, -50, WIDTH + 50, HEIGHT + 50]},
    "other unit": {"MediaBox": [0, 0, WIDTH / 2, HEIGHT / 2], "UserUnit": 2},
}
ALL = [f"{profile}/{look}" for profile in profiles.SHIPPED for look in profiles.load(profile).looks]


def plan(name: str, **further: object) -> LookPlan:
    profile, look = name.split("/")
    values = further.pop("values", VALUES.get(look, ()))
    return LookPlan(profile, look, signature=hand(), seal=seal(), values=values, **further)  # type: ignore[arg-type]


def placed(source: Path, box: tuple[float, float, float, float] = BOX) -> Place:
    """A box as the page's reader sees it."""
    with pikepdf.open(source) as document:
        entries = document.pages[0].obj
        turn, unit = int(entries.get("/Rotate", 0)) % 360, float(entries.get("/UserUnit", 1))
        view = View(seen(document.pages[0]), turn, unit)  # type: ignore[arg-type]
    return Place(1, view.to_page(box))


def made(folder: Path, name: str, **changes: object) -> Path:
    """A page with this look: a seal over a person's signature, the others alone."""
    source = page(folder / "page.pdf", **(changes or {"MediaBox": [0, 0, WIDTH, HEIGHT]}))
    look = name.split("/")[1]
    out = folder / "signed.pdf"
    if look == "dau":
        person = sign(source, folder / "person.pdf", plan("dang/nguoi-ky"), place=placed(source))
        return sign(person, out, plan(name), name=ORGANISATION)
    rule = profiles.find(*name.split("/")).place
    who = ORGANISATION if look not in ("nguoi-ky", "gop-y", "ky-nhay") else "Nguyễn Văn Mẫu"
    box = {"ky-nhay": (60, 60, 110, 85)}.get(look, BOX)
    return sign(source, out, plan(name), name=who, place=placed(source, box) if rule == "given" else None)


def require_same(path: Path, stored: Path) -> None:
    expected = Image.open(stored)
    for draw in (pdfium, poppler):
        mean, most = difference(expected, draw(path, dpi=DPI))
        assert (mean <= MOST_MEAN, most <= MOST_ANYWHERE) == (True, True), (draw.__name__, mean, most)


@pytest.mark.parametrize("name", ALL)
def test_every_look_is_the_stored_picture(tmp_path, name):
    """As PDFium and poppler show it, whole page."""
    path, stored = made(tmp_path, name), STORED / f"{name.replace('/', '-')}.png"
    if os.environ.get("STORE_LOOKS"):
        stored.parent.mkdir(exist_ok=True)
        pdfium(path, dpi=DPI).quantize(32, method=Image.Quantize.MEDIANCUT).save(stored, optimize=True)
    require_same(path, stored)
    assert all(holds for holds, _ in readers.poppler(path))


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("name", ["nha-nuoc/dau", "dang/sao-y"])
def test_the_page_may_lie_as_it_likes(tmp_path, name, kind):
    """Turned, cropped, begun at negative coordinates: its reader sees what the reader of a plain page sees."""
    path = made(tmp_path, name, **PAGES[kind])
    # Neither renderer heeds /UserUnit: they draw the page at half its size.
    shown = poppler(path, dpi=DPI * PAGES[kind].get("UserUnit", 1))
    mean, most = difference(Image.open(STORED / f"{name.replace('/', '-')}.png"), shown)
    assert (mean <= MOST_MEAN, most <= MOST_ANYWHERE) == (True, True), (mean, most)
