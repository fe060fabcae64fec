"""Form values: written with an appearance that every reader shows, or refused with a reason."""

from __future__ import annotations

import io
import subprocess
import unicodedata
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, SigFieldSpec, append_signature_field

from signer.errors import (
    FormFieldNotFound,
    FormValueInvalid,
    OrderInvalid,
    SigningForbidden,
    TextNotShowable,
)
from tests.pki import Authority
from tests.readers import poppler, qpdf
from tests.unit.signer.conftest import Hand
from tests.unit.signer.test_permissions import ours, pyhanko

pytestmark = pytest.mark.pades

MULTILINE, PASSWORD, RADIO, PUSH, COMBO, EDIT, COMB = (1 << bit for bit in (12, 13, 15, 16, 17, 18, 24))


def entry(**values: object) -> generic.DictionaryObject:
    """A dictionary of plain Python values: text starting with a slash is a name."""

    return generic.DictionaryObject({pdf_name(f"/{key}"): converted(value) for key, value in values.items()})


def converted(value: object) -> generic.PdfObject:
    if isinstance(value, generic.PdfObject):
        return value
    if isinstance(value, dict):
        return entry(**value)
    if isinstance(value, list):
        return generic.ArrayObject(map(converted, value))
    if isinstance(value, int):
        return generic.NumberObject(value)
    return pdf_name(value) if str(value).startswith("/") else pdf_string(str(value))


def form(path: Path, *fields: dict, lock: FieldMDPSpec | None = None) -> Path:
    """A page with these fields, each a dictionary without /Rect or with `kids`, and one signature field `ky`."""
    writer = PdfFileWriter()
    contents = writer.add_object(generic.StreamObject(stream_data=b""))
    page = writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 595, 842)))
    append_signature_field(writer, SigFieldSpec("ky", on_page=0, box=(50, 50, 250, 110), field_mdp_spec=lock))
    append_signature_field(writer, SigFieldSpec("ky2", on_page=0, box=(300, 50, 500, 110)))
    root_form = writer.root["/AcroForm"]
    for number, values in enumerate(fields):
        top = 780 - 40 * number
        box = {"Subtype": "/Widget", "Type": "/Annot", "F": 4, "Rect": [50, top, 250, top + 18], "P": page}
        kids = values.pop("kids", None)
        own = {"FT": "/Tx", "DA": "/Helv 0 Tf 0 0 1 rg", **values}
        if kids is None:
            reference = writer.add_object(entry(**{**box, **own}))
            writer.register_annotation(page, reference)
        else:
            parent = entry(**own)
            reference = writer.add_object(parent)
            parent[pdf_name("/Kids")] = generic.ArrayObject()
            for at, kid in enumerate(kids):
                placed = {**box, "Rect": [50 + 60 * at, top, 90 + 60 * at, top + 18], "Parent": reference, **kid}
                widget = writer.add_object(entry(**placed))
                parent["/Kids"].append(widget)
                writer.register_annotation(page, widget)
        root_form["/Fields"].append(reference)
    buffer = io.BytesIO()
    writer.write(buffer)
    path.write_bytes(buffer.getvalue())
    return path


def shown(path: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout


def value(path: Path, name: str) -> object:
    with path.open("rb") as file:
        fields = PdfFileReader(file).root["/AcroForm"]["/Fields"]
        field = next(one.get_object() for one in fields if one.get_object()["/T"] == name)
        return field["/V"]


@pytest.fixture(scope="session")
def root() -> Authority:
    return Authority.root()


DATE_SCRIPT = {"F": {"S": "/JavaScript", "JS": 'AFDate_FormatEx("yyyy-mm-dd");'}}
NUMBER_SCRIPT = {"F": {"S": "/JavaScript", "JS": 'AFNumber_Format(0, 2, 0, 0, "", true);'}}


@pytest.mark.parametrize(
    "case",
    [
        ({}, "Số 15-GT/ĐU", "Số 15-GT/ĐU"),
        ({}, unicodedata.normalize("NFD", "Nguyễn Thị Ví Dụ"), "Nguyễn Thị Ví Dụ"),
        ({"Q": 1}, "giữa", "giữa"),
        ({"Ff": MULTILINE, "Rect": [50, 500, 250, 560]}, "Dòng một\nDòng hai", "Dòng một\nDòng hai"),
        ({"AA": DATE_SCRIPT}, "22/11/2026", "2026-11-22"),
        ({"KysoKind": "/Date"}, "2026-11-22", "22/11/2026"),
        ({"AA": NUMBER_SCRIPT}, "1.234.567,89", "1.234.567,89"),
        ({"MaxLen": 5}, "12345", "12345"),
        ({"FT": "/Ch", "Ff": COMBO, "Opt": [["a", "Đồng ý"], ["b", "Không"]]}, "Đồng ý", "a"),
        ({"FT": "/Ch", "Ff": COMBO | EDIT, "Opt": ["một"]}, "hai", "hai"),
        ({"MK": {"R": 90}, "Rect": [50, 400, 68, 600]}, "xoay", "xoay"),
    ],
)
def test_a_value_is_stored_and_shown(hand: Hand, root: Authority, tmp_path: Path, case: tuple):
    """Poppler shows what was given; the signature before it stays valid by both validators; no reader has to draw."""
    field, given, stored = case
    document = form(tmp_path / "a.pdf", {"T": "x", **field})
    hand.sign(document, tmp_path / "1.pdf", field="ky", certify=2)
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="ky2", fill=(("x", given),))
    assert stored == value(tmp_path / "2.pdf", "x")
    seen = shown(tmp_path / "2.pdf")
    for line in {"a": "Đồng ý"}.get(stored, stored).split("\n"):
        assert line in seen
    assert [True, True] == pyhanko(tmp_path / "2.pdf", root)
    assert [("allowed", False), ("none", False)] == [(one.kind, one.modified) for one in ours(tmp_path / "2.pdf")]
    assert [(True, False), (True, True)] == poppler(tmp_path / "2.pdf")
    assert b"/NeedAppearances" not in (tmp_path / "2.pdf").read_bytes()
    assert "" == qpdf(tmp_path / "2.pdf")


def test_letters_in_a_comb_stand_in_their_cells(hand: Hand, tmp_path: Path):
    """A comb field spreads its letters over equal cells."""
    hand.sign(
        form(tmp_path / "a.pdf", {"T": "x", "Ff": COMB, "MaxLen": 8}),
        tmp_path / "1.pdf",
        field="ky",
        fill=(("x", "Đ1234"),),
    )
    assert "Đ1234" == "".join(shown(tmp_path / "1.pdf").split("Người")[0].split())


def test_widgets_apart_from_their_field(hand: Hand, tmp_path: Path):
    """One text in two places, radio buttons: our verifier takes it for filling (pyHanko does not know such forms)."""
    document = form(
        tmp_path / "a.pdf",
        {"T": "x", "kids": [{}, {}]},
        {"T": "chon", "FT": "/Btn", "Ff": RADIO, "kids": [{"AP": {"N": {"mot": {}}}}, {"AP": {"N": {"hai": {}}}}]},
    )
    hand.sign(document, tmp_path / "1.pdf", field="ky", certify=2)
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="ky2", fill=(("x", "mười"), ("chon", "hai")))
    assert 2 == shown(tmp_path / "2.pdf").count("mười")
    assert "/hai" == value(tmp_path / "2.pdf", "chon")
    assert [("allowed", False), ("none", False)] == [(one.kind, one.modified) for one in ours(tmp_path / "2.pdf")]


@pytest.mark.parametrize(("given", "stored"), [("true", "/Yes"), ("yes", "/Yes"), ("false", "/Off"), ("Off", "/Off")])
def test_a_check_box_without_a_drawing_gets_one(hand: Hand, root: Authority, tmp_path: Path, given, stored):
    """On and off are drawn, and the widget shows the state of the value."""
    document = form(tmp_path / "a.pdf", {"T": "x", "FT": "/Btn", "Rect": [50, 700, 64, 714]})
    hand.sign(document, tmp_path / "1.pdf", field="ky")
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="ky2", fill=(("x", given),))
    assert stored == value(tmp_path / "2.pdf", "x")
    assert [True, True] == pyhanko(tmp_path / "2.pdf", root)


@pytest.mark.parametrize(
    "case",
    [
        ({}, "日本", TextNotShowable, "characters"),
        ({}, "rất dài " * 60, TextNotShowable, "does-not-fit"),
        ({}, "hai\ndòng", FormValueInvalid, "several-lines"),
        ({"MaxLen": 5}, "123456", FormValueInvalid, "too-long"),
        ({"KysoKind": "/Date"}, "31/02/2026", FormValueInvalid, "date"),
        ({"KysoKind": "/Date"}, "hôm nay", FormValueInvalid, "date"),
        ({"AA": NUMBER_SCRIPT}, "mười", FormValueInvalid, "number"),
        ({"Ff": PASSWORD}, "x", FormValueInvalid, "field-type"),
        ({"Ff": 1}, "x", SigningForbidden, "field-read-only"),
        ({"FT": "/Ch", "Opt": ["một"]}, "hai", FormValueInvalid, "option"),
        ({"FT": "/Btn"}, "có lẽ", FormValueInvalid, "option"),
        ({"FT": "/Btn", "Ff": PUSH}, "true", FormValueInvalid, "field-type"),
        ({"Rect": [0, 0, 0, 0]}, "x", FormValueInvalid, "field-invisible"),
        ({"Rect": "x"}, "x", FormValueInvalid, "field-unreadable"),
    ],
)
def test_values_that_a_field_does_not_take(hand: Hand, tmp_path: Path, case: tuple):
    """Refused by name and reason, and nothing is written."""
    field, given, error, reason = case
    with pytest.raises(error) as refused:
        hand.sign(form(tmp_path / "a.pdf", {"T": "x", **field}), tmp_path / "1.pdf", field="ky", fill=(("x", given),))
    assert (reason, "x") == (refused.value.facts["reason"], refused.value.facts["field"])
    assert b"" == (tmp_path / "1.pdf").read_bytes()


def test_fields_that_are_not_there(hand: Hand, tmp_path: Path):
    """An unknown name, and a signature field, take no value; the same name twice is a mistake."""
    document = form(tmp_path / "a.pdf", {"T": "x"})
    for name in ("y", "ky2"):
        with pytest.raises(FormFieldNotFound) as refused:
            hand.sign(document, tmp_path / "1.pdf", field="ky", fill=((name, "1"),))
        assert "x" == refused.value.facts["fields"]
    with pytest.raises(OrderInvalid):
        hand.sign(document, tmp_path / "1.pdf", field="ky", fill=(("x", "1"), ("x", "2")))


def test_a_locked_field_is_not_filled(hand: Hand, tmp_path: Path):
    """The first signer locked the number with the signature."""
    document = form(tmp_path / "a.pdf", {"T": "x"}, {"T": "y"}, lock=FieldMDPSpec(FieldMDPAction.INCLUDE, ["x"]))
    hand.sign(document, tmp_path / "1.pdf", field="ky", fill=(("x", "1"),))
    with pytest.raises(SigningForbidden) as refused:
        hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="ky2", fill=(("x", "2"),))
    assert ("field-locked", "x", "ky") == tuple(refused.value.facts[key] for key in ("reason", "field", "by"))
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="ky2", fill=(("y", "2"),))
