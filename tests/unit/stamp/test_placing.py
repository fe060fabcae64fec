"""Where a signature goes on pages that are turned, cropped, huge or nonsense; by words, by coordinates, over HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pikepdf
import pytest

from signer import errors
from signer.model import Anchor, LookPlan, Place, Stamp
from tests.http_support import House, house
from tests.looks_support import hand, page, pdfium, poppler, sign
from tests.unit.signer.test_anchors import page_with
from tests.unit.stamp.test_images import header
from tests.unit.stamp.test_orders import encoded
from tests.unit.stamp.test_rules import DPI, extent

pytestmark = pytest.mark.web

WORDS = (("T/M ĐẢNG ỦY", 250, 420), ("KT. BÍ THƯ", 255, 404), ("PHÓ BÍ THƯ", 252, 388), ("Nguyễn Văn Mẫu", 250, 300))
BELOW = Anchor("KT. BÍ THƯ", size=(150, 60), offset=(-32, -84))
HAND = LookPlan("dang", "nguoi-ky", signature=hand())


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [(0, 0, 0, 0), (60, 40, 30, 50)], ids=["whole", "cropped"])
@pytest.mark.parametrize("draw", [pdfium, poppler])
def test_a_hand_stands_below_the_words(tmp_path, turn, crop, draw):
    """Between title and name, upright, wherever the page begins, however it is turned, and whatever is cut off it."""
    media = (-200, -300, 395, 542)
    source = page_with(tmp_path / "a.pdf", *WORDS, rotate=turn, box=media)
    with pikepdf.open(source, allow_overwriting_input=True) as document:
        left, bottom, right, top = (cut for cut in crop)
        shown = [media[0] + left, media[1] + bottom, media[2] - right, media[3] - top]
        document.pages[0].obj.CropBox = pikepdf.Array(shown)
        document.save(source)
    made = sign(source, tmp_path / "b.pdf", HAND, anchor=BELOW)
    image = draw(made, dpi=DPI)
    box = [edge * 72 / DPI for edge in extent(image, "blue")]
    # What is cut off at the reader's left and bottom, by how the page is turned.
    cut = {0: crop[:2], 90: (crop[1], crop[2]), 180: crop[2:], 270: (crop[3], crop[0])}[turn]
    height = image.height * 72 / DPI
    across, up = (box[0] + box[2]) / 2 + cut[0], height - (box[1] + box[3]) / 2 + cut[1]
    assert (255 - 32 + 75, 404 - 84 + 30) == pytest.approx((across, up), abs=6)
    assert box[2] - box[0] > 1.5 * (box[3] - box[1]), "wider than high: it is upright"


PAGES = {
    "huge": {"MediaBox": [0, 0, 9_999_999, 9_999_999]},
    "far away": {"MediaBox": [-9_999_999, 0, -9_999_000, 842]},
    "empty": {"MediaBox": [100, 100, 100, 700]},
    "cropped away": {"MediaBox": [0, 0, 595, 842], "CropBox": [700, 0, 800, 100]},
    "cropped": {"MediaBox": [0, 0, 595, 842], "CropBox": [300, 0, 595, 842]},
    "crop beyond the page": {"MediaBox": [300, 0, 595, 842], "CropBox": [0, 0, 595, 842]},
    "turned": {"MediaBox": [200, 0, 1042, 595], "Rotate": 90},
    "negative": {"MediaBox": [-595, -842, 0, 0]},
}


TEXT = {"look": None, "stamp": Stamp(lines=("a",))}


@pytest.mark.parametrize(
    ("kind", "seen"),
    [*((kind, {"look": HAND}) for kind in PAGES), *((kind, TEXT) for kind in PAGES if kind != "huge")],
    ids=[*(f"{kind}, look" for kind in PAGES), *(f"{kind}, text" for kind in PAGES if kind != "huge")],
)
def test_a_place_that_nobody_sees_is_refused(tmp_path, kind, seen):
    """Before anything is written: off the page, or cut off; a look also on a page that is larger than readers count."""
    source = page(tmp_path / "a.pdf", **PAGES[kind])
    with pytest.raises(errors.PlaceOutsidePage) as refused:
        sign(source, tmp_path / "b.pdf", place=Place(1, (100, 100, 250, 160)), **seen)
    assert "place-outside-page" == refused.value.code
    assert b"" == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.parametrize(
    ("box", "number"),
    [
        ((100, 100, 100, 160), 1),
        ((250, 160, 100, 100), 1),
        ((500, 100, 650, 160), 1),
        ((100, float("nan"), 250, 160), 1),
        ((-1e300, 100, 1e300, 160), 1),
        ((100, 100, 250, 160), 0),
        ((100, 100, 250, 160), 2),
    ],
    ids=["flat", "upside down", "over the edge", "no number", "endless", "page 0", "page 2 of 1"],
)
def test_a_box_that_is_none_is_refused(tmp_path, box, number):
    """A field is never off its page."""
    with pytest.raises(errors.PlaceOutsidePage):
        sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", HAND, place=Place(number, box))


def test_where_the_page_begins_below_zero_so_may_the_place(tmp_path):
    """Negative coordinates are coordinates."""
    made = sign(
        page(tmp_path / "a.pdf", MediaBox=[-595, -842, 0, 0]),
        tmp_path / "b.pdf",
        HAND,
        place=Place(1, (-300, -700, -150, -640)),
    )
    extent(pdfium(made), "blue")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> House:
    return house(tmp_path_factory.mktemp("office") / "home")


BAD = {
    "huge page": ({"MediaBox": [0, 0, 9_999_999, 9_999_999]}, hand(), "place-outside-page", "trang"),
    "page seen nowhere": ({"CropBox": [700, 0, 800, 100]}, hand(), "place-outside-page", "trang"),
    "100 megapixels": ({}, header(10_000, 10_000), "picture-too-large", "10000 × 10000 px"),
    "white ground": ({}, header(400, 200, colour=2), "picture-opaque", "trong suốt"),
    "broken picture": ({}, hand()[:-40], "picture-unreadable", "PNG"),
    "coarse picture": ({}, hand(width=80), "picture-resolution", "dpi"),
}


@pytest.mark.parametrize("name", BAD)
def test_whoever_asks_is_told_in_vietnamese_what_to_do(office, tmp_path: Path, name):
    """A code and a sentence that names what was found; no key was used, nothing is kept."""
    changes, png, code, words = BAD[name]
    order = {
        "key": "seal",
        "profile": "dang/nguoi-ky",
        "images": {"signature": encoded(png)},
        "place": {"page": 1, "box": [330, 120, 500, 200]},
    }
    file = io.BytesIO(page(tmp_path / "a.pdf", **changes).read_bytes())
    answer = office.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", file, "application/pdf")},
        data={"order": json.dumps(order)},
        headers={"Accept-Language": "vi"},
    )
    assert (422, code) == (answer.status_code, answer.json()["code"])
    assert words in answer.json()["detail"]
    assert "INTENT" not in office.kinds()
