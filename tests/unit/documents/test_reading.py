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
from verify.document import Limits
from verify.pdf import open_reader
from verify.pdf_parser import parse
from verify.pdf_reader import FileStream

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
