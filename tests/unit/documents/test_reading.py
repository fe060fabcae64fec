"""Our quick reading gives what pyHanko's own gives, object by object; what is irregular is left to pyHanko."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader

from tests import documents
from tests.documents import pdf
from tests.unit.signer.conftest import Hand
from verify.document import Limits
from verify.pdf import open_reader
from verify.pdf_parser import parse
from verify.pdf_reader import FileStream
from verify.pdf_sections import _PLAIN_TRAILER, _entries

pytestmark = pytest.mark.pades


def written(value: generic.PdfObject) -> bytes:
    out = io.BytesIO()
    value.write_to_stream(out)
    return out.getvalue()


def same(path: Path) -> int:
    """Every object of the file reads alike; the number of objects."""
    count = 0
    with path.open("rb") as ours, path.open("rb") as theirs:
        quick, slow = open_reader(ours, limits=Limits()), PdfFileReader(theirs)
        if slow.encrypted:
            return 0
        for revision in range(slow.xrefs.total_revisions):
            for ref in slow.xrefs.explicit_refs_in_revision(revision):
                try:
                    expected = slow.get_object(generic.Reference(ref.idnum, ref.generation, slow), revision=revision)
                except PdfError:
                    continue
                value = quick.get_object(generic.Reference(ref.idnum, ref.generation, quick), revision=revision)
                assert type(value) is type(expected) or isinstance(value, FileStream)
                assert written(value) == written(expected)
                count += 1
        assert written(quick.trailer.flatten()) == written(slow.trailer.flatten())
        assert [quick.xrefs.explicit_refs_in_revision(n) for n in range(quick.xrefs.total_revisions)] == [
            slow.xrefs.explicit_refs_in_revision(n) for n in range(slow.xrefs.total_revisions)
        ]
    return count


def test_generated_documents(tmp_path: Path) -> None:
    """A large table, a flat tree, and the plain case."""
    assert same(pdf(tmp_path / "plain.pdf")) > 3
    assert same(documents.pages(tmp_path / "pages.pdf", 300)) > 600


def test_real_documents(corpus: Path) -> None:
    """The corpus, as far as pyHanko reads it strictly."""
    total = 0
    known = [entry["file"] for entry in json.loads((corpus / "expected.json").read_text())["entries"]]
    for name in sorted({*known} & {f"pdf/{path.name}" for path in (corpus / "pdf").glob("*.pdf")}):
        try:
            with (corpus / name).open("rb") as file:
                reader = PdfFileReader(file)
                _ = reader.root
        except Exception:  # noqa: BLE001  whatever pyHanko raises: there is nothing to compare
            continue
        if not reader.xrefs.hybrid_xrefs_present:
            total += same(corpus / name)
    assert total > 1_000


def test_a_chain_of_signatures(tmp_path: Path, hand: Hand) -> None:
    """Short tables, trailers that others follow, fields and signatures: as in pyHanko, in each revision."""
    path = pdf(tmp_path / "0.pdf")
    for number in range(1, 4):
        hand.sign(path, tmp_path / f"{number}.pdf")
        path = tmp_path / f"{number}.pdf"
    assert same(path) > 12
    with path.open("rb") as ours, path.open("rb") as theirs:
        quick, slow = open_reader(ours, limits=Limits()), PdfFileReader(theirs)
        for revision in range(4):
            assert written(quick.trailer.flatten(revision)) == written(slow.trailer.flatten(revision))
            for ref in slow.xrefs.explicit_refs_in_revision(revision):
                assert quick.xrefs.get_last_change(ref) == slow.xrefs.get_last_change(ref)
                assert quick.xrefs.get_introducing_revision(ref) == slow.xrefs.get_introducing_revision(ref)


def test_a_signature_that_permits_nothing_in_particular_is_known_by_its_text(tmp_path: Path, hand: Hand) -> None:
    """An ordinary signature dictionary is flat and has no /Reference; a certification's has one."""
    plain, certified = tmp_path / "plain.pdf", tmp_path / "certified.pdf"
    hand.sign(pdf(tmp_path / "a.pdf"), plain)
    hand.sign(pdf(tmp_path / "b.pdf"), certified, certify=2)
    for path, expected in ((plain, True), (certified, False)):
        with path.open("rb") as file:
            reader = open_reader(file, limits=Limits())
            (field,) = reader.root["/AcroForm"]["/Fields"]
            assert reader.is_flat(field.get_object().raw_get("/V").reference, without=b"/Reference") is expected


@pytest.mark.parametrize(
    "trailer",
    [
        b"<</Root 1 0 R/Size 9/Size 8>>",
        b"<</Root 1 0 R/Size 9/Info (/Prev 5)>>",
        b"<</Root 1 0 R/Size 9%\n/Prev 5>>",
        b"<</Root 1 0 R/Si#7ae 9>>",
    ],
)
def test_an_odd_trailer_is_read_at_once(trailer: bytes) -> None:
    """Only a trailer in which nothing can be found wrong is left for later."""
    found = _PLAIN_TRAILER.match(trailer + b"startxref\n")
    assert found is None or found[0].count(b"/Size") > 1


def test_a_table_that_miscounts_its_lines_is_left_to_pyhanko() -> None:
    """The number of lines in a subsection is the one it states."""
    line = b"0000000010 00000 n \n"
    assert _entries(b"1 2\n" + 2 * line)[1] == 2
    assert _entries(b"1 3\n" + 2 * line)[0] is None
    assert _entries(b"1 1\n" + 2 * line)[0] is None


def test_a_long_stream_stays_in_its_file(tmp_path: Path) -> None:
    """Of a large document, long streams are read when they are asked for, as often as they are."""
    path = pdf(tmp_path / "large.pdf", ballast=2_000_000)
    with path.open("rb") as file:
        reader = open_reader(file, limits=Limits())
        streams = [reader.get_object(ref) for ref in reader.xrefs.explicit_refs_in_revision(0)]
        (long,) = [one for one in streams if isinstance(one, FileStream)]
        assert long.encoded_data == long.encoded_data
        assert len(long.encoded_data) == long["/Length"] > 1_000_000
        assert long._written is None


@pytest.mark.parametrize(
    "text",
    [
        b"<</A 1/A 2>>endobj",
        b"<</A 1>>stream\n",
        b"<</A#41 1>>endobj",
        b"<</A (a(b)c)>>endobj",
        b"<</A 1 % comment\n>>endobj",
        b"<</A>>endobj",
        b"<</A 1 2>>endobj",
        b"<</A [1>>endobj",
        b"[1 2]endobj",
        b"<</A 0 0 R>>endobj",
        b"<<" * 100,
        b"<</A 1>>",
    ],
)
def test_the_irregular_is_left_to_pyhanko(text: bytes) -> None:
    """None is the answer to anything that is not ordinary."""
    assert parse(text, generic.Reference(1, 0)) is None


@given(st.binary(max_size=200))
def test_never_raises(data: bytes) -> None:
    """Whatever the bytes, parsing ends in a dictionary or in None."""
    found = parse(b"<<" + data + b">>\nendobj", generic.Reference(1, 0))
    assert found is None or isinstance(found, generic.DictionaryObject)
