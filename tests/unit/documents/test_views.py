"""The quick view of a revision gives what pyHanko's own gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver

from tests import documents
from tests.documents import pdf
from tests.unit.signer.conftest import Hand
from verify.document import Limits
from verify.pdf import open_reader
from verify.pdf_views import View

pytestmark = pytest.mark.judging


def same(path: Path) -> int:
    """Objects and the paths to them are alike in every revision; the number of paths."""
    count = 0
    with path.open("rb") as file:
        reader = open_reader(file, limits=Limits())
        for revision in range(reader.xrefs.total_revisions):
            ours, theirs = View(reader, revision), HistoricalResolver(reader, revision)
            ours._load_reverse_xref_cache()
            theirs._load_reverse_xref_cache()
            for number in range(reader.xrefs.get_xref_container_info(revision).size):
                ref = Reference(number, 0)
                assert ours._get_usages_of_ref(ref) == theirs._get_usages_of_ref(ref)
                count += len(ours._get_usages_of_ref(ref))
                if theirs._get_usages_of_ref(ref):
                    assert type(ours.get_object(ref)) is type(theirs.get_object(ref))
                    assert ours.get_object(ref) == theirs.get_object(ref)
    return count


def test_signed_documents(tmp_path: Path, hand: Hand) -> None:
    """A chain of signatures, on a plain page and on a tagged one."""
    plain = pdf(tmp_path / "plain.pdf")
    tagged = documents.tagged(tmp_path / "tagged.pdf", plain)
    for source in (plain, tagged):
        for number in range(3):
            signed = tmp_path / f"{source.stem}-{number}.pdf"
            hand.sign(source, signed)
            source = signed  # noqa: PLW2901
        assert same(source) > 30


def test_references_lead_into_the_same_revision(tmp_path: Path, hand: Hand) -> None:
    """What an older revision's form refers to is that revision's field, not the one that was written later."""
    first, second = tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.sign(pdf(tmp_path / "0.pdf"), first)
    hand.sign(first, second)
    with second.open("rb") as file:
        reader = open_reader(file, limits=Limits())
        fields = [View(reader, revision).root["/AcroForm"]["/Fields"] for revision in (1, 2)]
    assert [len(one) for one in fields] == [1, 2]
