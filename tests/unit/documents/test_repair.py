"""A broken PDF is mended only when the order asks, only while nobody has signed it, and the same way every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from signer import pipeline
from signer.repair import DocumentSigned
from tests import readers
from tests.documents import encrypted, pdf
from tests.unit.documents.test_kinds import agree
from tests.unit.signer.conftest import Hand
from verify.errors import DocumentBroken

pytestmark = pytest.mark.pades


def without_table(path: Path, source: Path) -> Path:
    """The cross-reference table is lost, as by a transfer in text mode; the trailer is there."""
    data = source.read_bytes()
    path.write_bytes(data[: data.rindex(b"xref\n0")] + data[data.rindex(b"trailer") :])
    return path


def with_bytes_before(path: Path, source: Path) -> Path:
    path.write_bytes(b"From: mail gateway\r\n\r\n" + source.read_bytes())
    return path


def with_zeros_behind(path: Path, source: Path) -> Path:
    path.write_bytes(source.read_bytes() + bytes(4096))
    return path


DAMAGES = [without_table, with_bytes_before, with_zeros_behind]


@pytest.mark.parametrize("damage", DAMAGES)
def test_refused_unless_asked(damage, hand: Hand, tmp_path: Path) -> None:
    """Without `repair` the refusal says that it was not asked for, and nothing is written."""
    broken = damage(tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf"))
    with pytest.raises(DocumentBroken) as refused:
        hand.sign(broken, tmp_path / "out.pdf")
    assert refused.value.facts["repair"] == "not-asked"
    assert (tmp_path / "out.pdf").stat().st_size == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_mended_when_asked(damage, hand: Hand, tmp_path: Path) -> None:
    """With `repair` the mended file is signed, its own digest is told, and all readers accept it."""
    broken, out = damage(tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf")), tmp_path / "out.pdf"
    prepared = hand.prepare(broken, out, repair=True)
    mended = out.read_bytes()[: prepared.original_size]
    assert prepared.original_sha256 == hashlib.sha256(mended).hexdigest()
    signed = hand.sign(broken, out, repair=True)
    assert "REPAIRED" in signed.warnings
    agree(out)


def test_sound_documents_are_left_alone(hand: Hand, tmp_path: Path) -> None:
    """Asking for a repair changes nothing of a document that needs none."""
    source, out = pdf(tmp_path / "plain.pdf"), tmp_path / "out.pdf"
    assert hand.sign(source, out, repair=True).warnings == ()
    assert out.read_bytes().startswith(source.read_bytes())


def test_another_node_mends_alike(hand: Hand, tmp_path: Path) -> None:
    """`restore` lays out the very same bytes from the broken original."""
    broken = without_table(tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf"))
    prepared = hand.prepare(broken, tmp_path / "one.pdf", repair=True)
    with broken.open("rb") as source, (tmp_path / "two.pdf").open("w+b") as out:
        pipeline.restore(source, prepared, out=out)
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_a_signed_document_is_never_mended(hand: Hand, tmp_path: Path) -> None:
    """A broken document with a signature is refused, whatever the order asks."""
    hand.sign(pdf(tmp_path / "plain.pdf"), tmp_path / "signed.pdf")
    broken = with_bytes_before(tmp_path / "broken.pdf", tmp_path / "signed.pdf")
    with pytest.raises(DocumentSigned):
        hand.sign(broken, tmp_path / "out.pdf", repair=True)


def test_hopeless_and_encrypted_ones_are_refused(hand: Hand, tmp_path: Path) -> None:
    """What qpdf cannot read, or only with a password, stays a broken document."""
    hopeless = tmp_path / "hopeless.pdf"
    hopeless.write_bytes(b"%PDF-1.7\nnothing of the kind\n%%EOF\n")
    locked = with_bytes_before(
        tmp_path / "locked.pdf", encrypted(tmp_path / "encrypted.pdf", pdf(tmp_path / "plain.pdf"))
    )
    for broken in (hopeless, locked):
        with pytest.raises(DocumentBroken):
            hand.sign(broken, tmp_path / "out.pdf", repair=True)


def test_the_second_signer_needs_no_repair(hand: Hand, tmp_path: Path) -> None:
    """A mended and signed document goes on like any other."""
    broken = without_table(tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf"))
    hand.sign(broken, tmp_path / "1.pdf", repair=True)
    hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf")
    assert [valid for valid, _ in readers.poppler(tmp_path / "2.pdf")] == [True, True]
