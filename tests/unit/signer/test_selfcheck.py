"""The self-check finds every way in which a finished file could differ from what was signed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from signer import pipeline, selfcheck
from signer.errors import SelfCheckFailed
from signer.model import Prepared
from tests.documents import pdf
from tests.unit.signer.conftest import Hand

pytestmark = pytest.mark.spine


@pytest.fixture
def finished(hand: Hand, tmp_path: Path) -> tuple[Path, Prepared]:
    """A finished file and what it was prepared from."""
    source, out = pdf(tmp_path / "a.pdf"), tmp_path / "out.pdf"
    prepared = hand.prepare(source, out)
    with out.open("r+b") as target:
        pipeline.complete(prepared, hand.value(prepared), out=target, fetcher=hand.fetcher)
    return out, prepared


def recheck(out: Path, prepared: Prepared) -> str:
    with out.open("rb") as file:
        return selfcheck.check(file, prepared, prefixes=None)


def test_a_finished_file_passes_again(finished: tuple[Path, Prepared]):
    """The check depends on the file alone: it passes as often as it is asked."""
    assert recheck(*finished) == recheck(*finished)


def damage(kind: str, data: bytearray, prepared: Prepared) -> bytearray:
    """Change the finished file in one way."""
    start = prepared.gap_start
    match kind:
        case "a byte of the original":
            data[100] ^= 1
        case "a byte of the revision":
            data[prepared.gap_end + 5] ^= 1
        case "a byte appended":
            data += b"\n"
        case "a byte cut off":
            del data[-1]
        case "the value of the signature":
            position = bytes.fromhex(data[start + 1 : prepared.gap_end - 1].decode()).rstrip(b"\0")
            offset = start + 1 + 2 * (len(position) - 1)
            data[offset] = ord("0") if data[offset] != ord("0") else ord("1")
        case "something behind the signature value":
            data[prepared.gap_end - 3 : prepared.gap_end - 1] = b"41"
        case "no hexadecimal digits":
            data[start + 1 : start + 3] = b"zz"
        case "no signature at all":
            data[start + 1 : prepared.gap_end - 1] = b"0" * (prepared.gap_end - start - 2)
    return data


@pytest.mark.parametrize(
    "kind",
    [
        "a byte of the original",
        "a byte of the revision",
        "a byte appended",
        "a byte cut off",
        "the value of the signature",
        "something behind the signature value",
        "no hexadecimal digits",
        "no signature at all",
    ],
)
def test_a_damaged_file_is_not_released(finished: tuple[Path, Prepared], kind: str):
    """Whatever differs from what was signed, the file stays inside."""
    out, prepared = finished
    out.write_bytes(damage(kind, bytearray(out.read_bytes()), prepared))
    with pytest.raises(SelfCheckFailed):
        recheck(out, prepared)


def test_a_signature_of_another_document_is_not_released(finished: tuple[Path, Prepared]):
    """The digest in the signed attributes must be the file's, not just a valid one."""
    out, prepared = finished
    with pytest.raises(SelfCheckFailed):
        recheck(out, replace(prepared, document_digest=bytes(32)))


def test_a_level_that_was_not_reached_is_not_released(finished: tuple[Path, Prepared]):
    """A file without a timestamp does not pass for B-T."""
    out, prepared = finished
    with pytest.raises(SelfCheckFailed):
        recheck(out, replace(prepared, order=replace(prepared.order, level="B-T")))


def test_a_certificate_that_is_not_the_signer_s_is_not_released(finished: tuple[Path, Prepared], hand: Hand, authority):
    """The value must verify with the key of the certificate that was ordered."""
    out, prepared = finished
    other = authority.signer("Người khác (demo)", key="rsa2048")
    with pytest.raises(SelfCheckFailed):
        recheck(out, replace(prepared, order=replace(prepared.order, certificate=other.der)))
