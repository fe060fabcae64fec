"""Links that stand in a page's list itself, and fields in the form's list itself, as some writers have them."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from tests.documents import changed, pdf
from tests.longterm_support import Hand, World
from tests.readers import poppler, qpdf
from verify.report import Report

pytestmark = pytest.mark.pades


@pytest.fixture(scope="module")
def hand() -> Hand:
    return World().hand()


def link(address: str) -> Dictionary:
    action = Dictionary(S=Name.URI, URI=address)
    return Dictionary(
        Type=Name.Annot, Subtype=Name.Link, Rect=Array([10, 10, 90, 30]), Border=Array([0, 0, 0]), A=action
    )


def with_link(document: pikepdf.Pdf) -> None:
    document.pages[0].obj.Annots = Array([link("https://example.com/")])


def with_field(document: pikepdf.Pdf) -> None:
    field = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T="a", V="b", Rect=Array([10, 50, 90, 70]))
    document.Root.AcroForm = Dictionary(Fields=Array([field]))


@pytest.mark.parametrize("change", [with_link, with_field], ids=["link", "field"])
def test_such_a_document_is_signed_twice_and_archived(hand: Hand, tmp_path: Path, change):
    """Two signatures at B-LTA, each of which adds to the lists: nothing that a later one did counts as a change."""
    plain = changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), change)
    hand.sign(plain, tmp_path / "1.pdf")
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf")
    report = judged(hand, tmp_path / "2.pdf")
    assert "TOTAL_PASSED" == report.verdict, report
    assert {"allowed"} == {one.changes.kind for one in report.signatures}
    assert 2 == sum(valid for valid, _ in poppler(tmp_path / "2.pdf"))
    assert "" == qpdf(tmp_path / "2.pdf")


@pytest.mark.parametrize("others", [(), ("https://example.org/",), ("https://example.com/", "https://example.org/")])
def test_a_link_that_is_replaced_removed_or_added_is_a_change(hand: Hand, tmp_path: Path, others: tuple[str, ...]):
    """What stands in the list itself is compared with all that is in it."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    hand.sign(changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), with_link), tmp_path / "1.pdf", level="B-B")
    with (tmp_path / "1.pdf").open("rb") as file, (tmp_path / "2.pdf").open("wb") as out:
        writer = IncrementalPdfFileWriter(file)
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        (present,) = [one for one in page["/Annots"] if isinstance(one, generic.DictionaryObject)]
        widgets = [one for one in page["/Annots"] if one is not present]
        links = [replaced(present, address) for address in others]
        page[generic.pdf_name("/Annots")] = generic.ArrayObject([*links, *widgets])
        writer.update_container(page)
        writer.write(out)
    (signature,) = judged(hand, tmp_path / "2.pdf").signatures
    assert signature.changes.modified


def replaced(link, address: str):
    from pyhanko.pdf_utils import generic

    action = generic.DictionaryObject(link["/A"]) | {generic.pdf_name("/URI"): generic.TextStringObject(address)}
    return generic.DictionaryObject({**link, generic.pdf_name("/A"): generic.DictionaryObject(action)})


def judged(hand: Hand, path: Path) -> Report:
    return hand.world.judge(path)
