"""What the rules ask of a look, measured on the page; what is refused; what becomes of earlier signatures."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageChops

from signer import errors
from signer.archives import Archive, archive_of
from signer.model import FieldPlan, LookPlan, Place, Stamp
from signer.stamp.views import View, overlap
from tests import documents, readers
from tests.looks_support import AT, hand, page, pdfium, poppler, seal, sign
from tests.unit.stamp.test_looks import ORGANISATION, plan

pytestmark = pytest.mark.web

BOX = (330.0, 120.0, 500.0, 200.0)
DPI = 144


def extent(image: Image.Image, colour: str) -> tuple[int, int, int, int]:
    """The rectangle of what is red or blue."""
    red, _, blue = image.convert("RGB").split()
    lead = ImageChops.subtract(red, blue) if colour == "red" else ImageChops.subtract(blue, red)
    box = lead.point([255 if shade > 40 else 0 for shade in range(256)]).getbbox()
    assert box is not None
    return box


def signed_by_a_person(folder: Path, **changes: object) -> Path:
    return sign(page(folder / "a.pdf", **changes), folder / "b.pdf", plan("dang/nguoi-ky"), place=Place(1, BOX))


@pytest.mark.parametrize("draw", [pdfium, poppler])
@pytest.mark.parametrize("mm", [24.0, 36.0])
def test_a_seal_is_as_large_as_it_is(tmp_path, draw, mm):
    """By the resolution that its picture states: measured on the page, within half a millimetre."""
    source = signed_by_a_person(tmp_path)
    wanted = LookPlan("nha-nuoc", "dau", seal=seal(mm=mm))
    box = extent(draw(sign(source, tmp_path / "c.pdf", wanted), dpi=DPI), "red")
    assert mm == pytest.approx((box[2] - box[0]) / DPI * 25.4, abs=0.5)
    assert mm == pytest.approx((box[3] - box[1]) / DPI * 25.4, abs=0.5)


def test_a_seal_that_states_nothing_has_the_size_of_the_order_else_of_the_profile(tmp_path):
    """30 mm where the order says so, 36 mm by the profile."""
    source = signed_by_a_person(tmp_path)
    for stated, mm in ((30.0, 30.0), (None, 36.0)):
        made = sign(source, tmp_path / "c.pdf", LookPlan("dang", "dau", seal=seal(mm=None), seal_mm=stated))
        box = extent(pdfium(made, dpi=DPI), "red")
        assert mm == pytest.approx((box[2] - box[0]) / DPI * 25.4, abs=0.5)


def test_the_seal_covers_the_left_third_of_the_persons_picture(tmp_path):
    """Of the picture that is seen, not of its box; at its height."""
    source = signed_by_a_person(tmp_path)
    person = extent(pdfium(source, dpi=DPI), "blue")
    box = extent(pdfium(sign(source, tmp_path / "c.pdf", plan("dang/dau")), dpi=DPI), "red")
    assert (person[2] - person[0]) / 3 == pytest.approx(box[2] - person[0], abs=4)
    assert (person[1] + person[3]) / 2 == pytest.approx((box[1] + box[3]) / 2, abs=4)


def test_the_hand_stays_visible_under_the_seal(tmp_path):
    """Both are transparent where they have no ink."""
    source = signed_by_a_person(tmp_path)
    before, after = (pdfium(path, dpi=DPI) for path in (source, sign(source, tmp_path / "c.pdf", plan("dang/dau"))))
    assert extent(before, "blue") == pytest.approx(extent(after, "blue"), abs=8)


def test_an_attachment_has_ten_points_upright_black_and_no_picture(tmp_path):
    """In an embedded subset with the measures of Times New Roman; number and ISO time can be read back."""
    made = sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("nha-nuoc/phu-luc"))
    text = subprocess.run(["pdftotext", "-raw", made, "-"], capture_output=True, text=True, check=True).stdout
    assert ["15-CV/ĐU", "2026-11-22T09:00:00+07:00"] == text.strip("\f\n").split("\n")
    with pikepdf.open(made) as document:
        form = document.pages[0].Annots[0].AP.N
        assert re.findall(rb"/F1 ([\d.]+) Tf", form.read_bytes()) == [b"10"]
        assert b"0 g" in form.read_bytes()
        assert "/XObject" not in form.Resources
        assert re.fullmatch(r"/[A-Z]{6}\+LiberationSerif", str(form.Resources.Font.F1.BaseFont))


def test_a_name_of_combining_marks_is_shown_in_nfc(tmp_path):
    """A number typed on a Mac reads as the same number."""
    decomposed = unicodedata.normalize("NFD", "15-QĐ/Tỉnh ủy Thừa Thiên Huế")
    made = sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("dang/phu-luc", values=(("number", decomposed),)))
    text = subprocess.run(["pdftotext", "-raw", made, "-"], capture_output=True, text=True, check=True).stdout
    assert "Số 15-QĐ/Tỉnh ủy Thừa Thiên Huế" in text


def test_what_stands_in_the_corner_already_is_not_covered(tmp_path):
    """The next one goes below it."""
    one = sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("nha-nuoc/phu-luc"))
    two = sign(one, tmp_path / "c.pdf", plan("nha-nuoc/sao-y"), name=ORGANISATION)
    sign(two, tmp_path / "d.pdf", plan("nha-nuoc/so-hoa"), name=ORGANISATION)
    with pikepdf.open(tmp_path / "d.pdf") as document:
        boxes = [tuple(map(float, field.Rect)) for field in document.pages[0].Annots]
    assert 3 == len(boxes)
    assert not any(overlap(one, other) for at, one in enumerate(boxes) for other in boxes[:at])  # type: ignore[arg-type]
    assert len({round(box[2]) for box in boxes}) == 1, "all end at the same margin"


def test_earlier_signatures_stay_whole(tmp_path):
    """For poppler and pyHanko; and for our own verdict nothing but a signature came later."""
    path = signed_by_a_person(tmp_path)
    for number, name in enumerate(("dang/dau", "dang/phu-luc", "nha-nuoc/sao-y", "dang/so-hoa")):
        path = sign(path, tmp_path / f"{number}.pdf", plan(name, over="Signature1" if name == "dang/dau" else None))
    assert [(True, False)] * 4 + [(True, True)] == readers.poppler(path)
    assert all(holds for holds, _ in readers.pyhanko(path))
    assert "" == readers.qpdf(path)
    assert ["allowed"] * 4 + ["none"] == changes_of(path)


def changes_of(path: Path) -> list[str]:
    """What was done after each signature, as our verdict has it."""
    import verify.policy
    from verify import engine
    from verify.fetcher import Offline
    from verify.trust import Trust

    with path.open("rb") as file:
        report = engine.judge(
            file,
            name="a.pdf",
            trust=Trust(),
            policy=verify.policy.load("default"),
            at=AT + timedelta(hours=1),
            fetcher=Offline(),
        )
    assert all(one.intact for one in report.signatures)
    return [one.changes.kind for one in report.signatures]


def test_the_fields_of_others_are_kept_free(tmp_path):
    """A placed look stands over no field, signed or empty; a seal may over a signature, not over a date."""
    fields = (FieldPlan("Ngày", kind="date", place=Place(1, (50, 50, 150, 70))),)
    source = sign(
        page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("dang/nguoi-ky"), place=Place(1, BOX), fields=fields
    )
    for box, look in (((480, 150, 560, 190), "dang/ky-nhay"), ((0, 0, 110, 110), "dang/dau")):
        with pytest.raises(errors.PlaceOverField):
            sign(source, tmp_path / "c.pdf", plan(look), place=Place(1, box))
    sign(source, tmp_path / "c.pdf", plan("dang/dau"), place=Place(1, (300, 100, 410, 210)))


def test_a_person_may_have_text_below_the_picture(tmp_path):
    """Where the order says so."""
    stamp = Stamp(lines=("Người ký: Nguyễn Văn Mẫu",))
    made = sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("dang/nguoi-ky"), place=Place(1, BOX), stamp=stamp)
    text = subprocess.run(["pdftotext", "-raw", made, "-"], capture_output=True, text=True, check=True).stdout
    assert "Người ký: Nguyễn Văn Mẫu" in text
    extent(pdfium(made), "blue")


def test_a_link_is_a_code_of_rectangles(tmp_path):
    """At least 15 mm wide, with no picture in it."""
    made = sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("dang/phu-luc", link="https://kyso.example/"))
    with pikepdf.open(made) as document:
        form = document.pages[0].Annots[0].AP.N
        assert "/XObject" not in form.Resources
        squares = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", form.read_bytes())
    assert max(float(x) + float(w) for x, _, w, _ in squares) - min(float(x) for x, *_ in squares) > 15 * 72 / 25.4


ARCHIVES = [(1, False, "/Mask"), (2, True, "/SMask"), (3, True, "/SMask")]


@pytest.mark.parametrize(("part", "transparent", "kind"), ARCHIVES)
def test_an_archive_stays_one(tmp_path, part, transparent, kind):
    """PDF/A-1 knows no transparency: there the picture has a stencil. Colours are told without a device."""
    source = documents.pdfa(tmp_path / "a.pdf", part=part)
    made = sign(source, tmp_path / "b.pdf", plan("dang/nguoi-ky"), place=Place(1, BOX))
    with pikepdf.open(made) as document:
        picture = document.pages[0].Annots[0].AP.N.Resources.XObject.I1
        assert {kind} == {"/Mask", "/SMask"} & set(picture.keys())
        assert "/CalRGB" == str(picture.ColorSpace[0])
    assert Archive(part, has_intent=True).has_transparency == transparent
    person, plain = (
        extent(pdfium(path, dpi=DPI), "blue")
        for path in (
            made,
            sign(page(tmp_path / "c.pdf"), tmp_path / "d.pdf", plan("dang/nguoi-ky"), place=Place(1, BOX)),
        )
    )
    assert plain == pytest.approx(person, abs=2)


def test_metadata_tells_the_part_in_both_ways_of_writing_it():
    """As an element and as an attribute; an archive that does not say is taken for the strictest."""
    for text, part in (("<pdfaid:part>2</pdfaid:part>", 2), ('pdfaid:part="3"', 3), ("pdfaid:", 1)):
        document = pikepdf.new()
        document.Root.Metadata = document.make_stream(text.encode())
        buffer = io.BytesIO()
        document.save(buffer, fix_metadata_version=False)
        from pyhanko.pdf_utils.reader import PdfFileReader

        found = archive_of(PdfFileReader(buffer).root)
        assert found == Archive(part, has_intent=False)


REFUSED = {
    "no hand": (LookPlan("dang", "nguoi-ky", seal=seal()), errors.PictureMissing, {"picture": "signature"}),
    "no seal": (LookPlan("dang", "sao-y", signature=hand()), errors.PictureMissing, {"picture": "seal"}),
    "hand for a seal": (LookPlan("dang", "sao-y", seal=hand()), errors.PictureColour, {"colour": "red"}),
    "seal for a hand": (LookPlan("dang", "nguoi-ky", signature=seal()), errors.PictureColour, {"colour": "blue"}),
    "coarse hand": (
        LookPlan("dang", "nguoi-ky", signature=hand(width=120)), errors.PictureResolution, {"picture": "signature"},
    ),
    "coarse seal": (LookPlan("dang", "sao-y", seal=seal(side=150)), errors.PictureResolution, {"picture": "seal"}),
    "huge seal": (LookPlan("dang", "sao-y", seal=seal(mm=127)), errors.SealSize, {"wanted": "10–60 mm"}),
    "no number": (LookPlan("dang", "phu-luc"), errors.OrderInvalid, {"value": "number"}),
    "blank number": (LookPlan("dang", "phu-luc", values=(("number", " "),)), errors.OrderInvalid, {"value": "number"}),
    "another's name": (
        LookPlan("dang", "so-hoa", values=(("signer", "Người khác"),)), errors.OrderInvalid, {"value": "signer"},
    ),
    "hidden letters": (
        LookPlan("dang", "phu-luc", values=(("number", "15\u202e51"),)), errors.TextNotShowable, {"characters": "U+202E"},
    ),
    "no look": (LookPlan("dang", "khac"), errors.ProfileUnknown, {"profile": "dang/khac"}),
    "a script for a link": (
        LookPlan("dang", "so-hoa", link="javascript:alert(1)"), errors.OrderInvalid, {"reason": "link"},
    ),
    "a link over a hand": (
        LookPlan("dang", "dau", seal=seal(), link="https://kyso.example/"),
        errors.OrderInvalid,
        {"reason": "link"},
    ),
    "nobody to seal": (LookPlan("dang", "dau", seal=seal()), errors.FieldNotFound, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shown_by_the_rules_is_refused(tmp_path, name):
    """With a code, and with what was found and wanted; nothing is half done."""
    look, expected, facts = REFUSED[name]
    place = Place(1, BOX) if look.look == "nguoi-ky" else None
    with pytest.raises(expected) as refused:
        sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", look, place=place)
    assert facts == {key: value for key, value in refused.value.facts.items() if key in facts}


@pytest.mark.parametrize(
    ("look", "box", "expected", "reason"),
    [
        ("dang/sao-y", (10, 10, 90, 90), errors.SealSize, None),
        ("dang/phu-luc", (10, 10, 60, 40), errors.TextNotShowable, "does-not-fit"),
        ("dang/gop-y", (10, 10, 30, 20), errors.TextNotShowable, "does-not-fit"),
        ("dang/nguoi-ky", None, errors.OrderInvalid, "look-place"),
    ],
)
def test_a_box_that_does_not_hold_the_look_is_refused(tmp_path, look, box, expected, reason):
    """A seal is not made smaller, text is not clipped and of a rule's size not shrunk, a hand is not left out."""
    place = None if box is None else Place(1, box)
    with pytest.raises(expected) as refused:
        sign(page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan(look), place=place)
    assert reason is None or reason == refused.value.facts["reason"]


PAGES = {
    "small": {"MediaBox": [0, 0, 100, 60]},
    "empty": {"MediaBox": [0, 0, 595, 842], "CropBox": [700, 0, 800, 100]},
    "huge": {"MediaBox": [0, 0, 9_999_999, 9_999_999]},
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_without_room_is_refused(tmp_path, kind):
    """Too small, empty, or larger than readers count; the seal does not hang over the edge either."""
    with pytest.raises(errors.PlaceOutsidePage):
        sign(page(tmp_path / "a.pdf", **PAGES[kind]), tmp_path / "b.pdf", plan("dang/sao-y"))


def test_a_large_plan_has_its_corner(tmp_path):
    """A0 and more."""
    made = sign(page(tmp_path / "a.pdf", MediaBox=[0, 0, 14_400, 14_400]), tmp_path / "b.pdf", plan("dang/phu-luc"))
    with pikepdf.open(made) as document:
        right = float(document.pages[0].Annots[0].Rect[2])
    assert 14_400 - 10 * 72 / 25.4 == pytest.approx(right, abs=0.1)


def test_the_seal_does_not_leave_the_page(tmp_path):
    """A hand that stands at the page's edge has no room for it."""
    source = sign(
        page(tmp_path / "a.pdf"), tmp_path / "b.pdf", plan("dang/nguoi-ky"), place=Place(1, (2, 100, 92, 150))
    )
    with pytest.raises(errors.PlaceOutsidePage) as refused:
        sign(source, tmp_path / "c.pdf", plan("dang/dau"))
    assert "seal" == refused.value.facts["reason"]


def test_of_several_signatures_one_is_named(tmp_path):
    """A seal does not guess whose hand it confirms."""
    one = signed_by_a_person(tmp_path)
    two = sign(one, tmp_path / "c.pdf", plan("dang/nguoi-ky"), place=Place(1, (200, 400, 350, 470)), field="Khác")
    with pytest.raises(errors.OrderInvalid) as refused:
        sign(two, tmp_path / "d.pdf", plan("dang/dau"))
    assert "look-over" == refused.value.facts["reason"]
    sign(two, tmp_path / "d.pdf", plan("dang/dau", over="Khác"))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_there_and_back(turn):
    """A box as seen is the same box after a way through the page's coordinates; A is where it is by hand."""
    view = View((10, 20, 110, 70), turn)
    assert (view.width, view.height) == ((100, 50) if turn in (0, 180) else (50, 100))
    assert pytest.approx((5, 6, 15, 26)) == view.to_view(view.to_page((5, 6, 15, 26)))
    by_hand = {0: (10, 20, 11, 22), 90: (108, 20, 110, 21), 180: (109, 68, 110, 70), 270: (10, 69, 12, 70)}
    assert pytest.approx(by_hand[turn]) == view.to_page((0, 0, 1, 2))


def test_it_needs_no_file_once_it_is_loaded():
    """A worker opens none: profile, font, decoder and code are there."""
    program = """
import resource, io, sys
sys.path.insert(0, ".")
from tests.looks_support import AT, seal, signer
from signer.model import LookPlan, SignOrder
from signer.stamp import looks
from pyhanko.pdf_utils.writer import PdfFileWriter
look = LookPlan("dang", "sao-y", seal=seal(side=1200), link="https://kyso.example/")
order = SignOrder(certificate=signer().der, chain=(), mechanism="ecdsa_sha256", signing_time=AT, look=look)
looks.preload()
looks.qr.draw("https://warm.example/", left=0, bottom=0, side=60)
writer = PdfFileWriter()
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
held = looks.contents(order)
width, height = looks.natural_size(held)
print(len(looks.draw(writer, held, width=width, height=height, archive=None).data))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert int(run.stdout or 0) > 50, run.stderr
