"""Whoever signs a document is told of a signature in it that is broken by what it covers."""

from __future__ import annotations

import re
from pathlib import Path

import pikepdf
import pytest

from tests import documents
from tests.documents import pdf
from tests.unit.signer.conftest import Hand

pytestmark = pytest.mark.pades

RANGE = re.compile(rb"/ByteRange \[0 (\d+) (\d+) (\d+) *\]")


@pytest.fixture
def signed(hand: Hand, tmp_path: Path) -> Path:
    out = tmp_path / "signed.pdf"
    hand.sign(pdf(tmp_path / "a.pdf"), out)
    return out


def ranged(path: Path, **change: int) -> Path:
    """The document with other numbers in the last byte range, written over the old ones."""
    data = path.read_bytes()
    *_, found = RANGE.finditer(data)
    numbers = [int(found[group]) + change.get(name, 0) for group, name in enumerate(("first", "second", "last"), 1)]
    text = b"/ByteRange [0 %d %d %d" % tuple(numbers)
    path.write_bytes(data[: found.start()] + text.ljust(len(found[0]) - 1) + b"]" + data[found.end() :])
    return path


def test_sound_ones_are_not_suspected(hand: Hand, signed: Path, tmp_path: Path):
    """One signature, and a second over the first; one with space behind it."""
    second = tmp_path / "second.pdf"
    assert () == hand.sign(signed, second).warnings
    assert () == hand.sign(second, tmp_path / "third.pdf").warnings
    second.write_bytes(second.read_bytes() + b"\r\n\r\n")
    assert () == hand.sign(second, tmp_path / "third.pdf").warnings


@pytest.mark.parametrize(
    "change",
    [{"first": -2}, {"second": 2, "last": -2}, {"last": -20}, {"last": 9_000}],
    ids=["gap-too-large", "gap-misses-its-end", "stops-before-the-end", "goes-beyond-the-end"],
)
def test_a_byte_range_that_is_none_is_told(hand: Hand, signed: Path, tmp_path: Path, change: dict[str, int]):
    """Once for the document, also where a sound signature came after it."""
    ranged(signed, **change)
    second = tmp_path / "second.pdf"
    assert ("SIGNATURE_BROKEN",) == hand.sign(signed, second).warnings
    assert ("SIGNATURE_BROKEN",) == hand.sign(second, tmp_path / "third.pdf").warnings


def test_a_signature_without_a_value_is_told(hand: Hand, signed: Path, tmp_path: Path):
    """Its dictionary says neither what it covers nor with what value."""

    def strip(document: pikepdf.Pdf) -> None:
        value = document.Root.AcroForm.Fields[0].V
        del value["/ByteRange"]

    damaged = documents.changed(tmp_path / "damaged.pdf", signed, strip)
    assert ("SIGNATURE_UNREADABLE",) == hand.sign(damaged, tmp_path / "out.pdf").warnings


def test_a_signature_that_is_wrongly_written_is_told(hand: Hand, signed: Path, tmp_path: Path):
    """The rest of the document can be read, so it is signed."""
    data = signed.read_bytes()
    end = data.index(b"endobj", data.index(b"/ByteRange"))
    signed.write_bytes(data[:end] + b"endobx" + data[end + 6 :])
    assert ("AMBIGUOUS_PARSE", "SIGNATURE_UNREADABLE") == hand.sign(signed, tmp_path / "out.pdf").warnings


def test_sound_ones_of_an_encrypted_document_are_not_suspected(hand: Hand, tmp_path: Path):
    """Their values are not encrypted (ISO 32000-1 §7.6.1)."""
    plain, first = (
        documents.encrypted(tmp_path / "a.pdf", pdf(tmp_path / "b.pdf"), user="x", owner="y"),
        tmp_path / "first.pdf",
    )
    hand.sign(plain, first, password="y")
    assert () == hand.sign(first, tmp_path / "second.pdf", password="y").warnings
