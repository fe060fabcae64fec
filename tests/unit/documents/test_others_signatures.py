"""Documents that others signed before: a legacy PKCS#7 box, and whatever the corpus has."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.errors import SignerError
from tests import readers
from tests.unit.documents.test_kinds import intact
from tests.unit.signer.conftest import Hand
from verify.errors import VerifyError

pytestmark = pytest.mark.pades


def test_behind_a_legacy_signature(corpus: Path, hand: Hand, tmp_path: Path) -> None:
    """A first box with adbe.pkcs7.detached stays valid when a PAdES signature follows."""
    source, out = corpus / "pdf" / "pkcs7.pdf", tmp_path / "out.pdf"
    before = [valid for valid, _ in readers.poppler(source)]
    assert before.count(True) >= 1
    hand.sign(source, out)
    assert [valid for valid, _ in readers.poppler(out)] == [*before, True]
    assert intact(out)[-1]


def test_the_corpus_is_signed_or_refused(corpus: Path, hand: Hand, tmp_path: Path) -> None:
    """Each file is signed validly with its bytes untouched, or refused with a code; nothing else happens."""
    signed = 0
    for source in sorted((corpus / "pdf").glob("*.pdf")):
        out = tmp_path / source.name
        try:
            hand.sign(source, out)
        except (SignerError, VerifyError) as refusal:
            assert refusal.code  # noqa: PT017  either outcome is right
            continue
        assert out.read_bytes().startswith(source.read_bytes())
        assert any(valid and whole for valid, whole in readers.poppler(out)), source.name
        signed += 1
    assert signed > 30
