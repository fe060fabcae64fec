"""The twelve steps, 1 to 5: who asks, with what, and all that is refused before the key is used."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.errors import (
    CertificateExpired,
    CertificateMismatch,
    CertificateRevoked,
    CertificateUntrusted,
    IdempotencyKeyReused,
    NotPermitted,
    StaleDocument,
)
from api.refusals import CertificateStatusUnknown, KeyWithoutCertificate
from api.sandbox.errors import WorkerRefusal
from api.workflows.documents import CertificateVerdict
from hsm.errors import KeyNotFound, TokenLocked
from tests.http_support import House, house
from tests.pki import NOW, Authority
from tests.unit.http.signing.scene import files, sign, states
from verify.errors import DocumentBroken

pytestmark = pytest.mark.spine


def test_a_signature_is_three_lines_and_one_file(home: House, document: bytes):
    """INTENT, DONE, COMPLETED; the record is signed, the original is a prefix, nothing is left in between."""
    record = sign(home, document, reason="Đồng ý").record
    assert ["INTENT", "DONE", "COMPLETED"] == home.kinds()
    assert ["signed"] == states(home)
    signed = home.services.blobs.path(record.signed_blob).read_bytes()
    assert signed.startswith(document)
    assert [] == files(home)
    assert [home.services.blobs.path(record.signed_blob)] == [
        path for path in home.services.settings.blobs.rglob("*") if path.is_file()
    ]
    assert home.services.ledger.verify().size == 3


def test_the_intent_says_who_with_what_on_what(home: House, document: bytes):
    """The auditor finds caller, key, mechanism, level and both digests before the key is used."""
    seen: list[list[str]] = []
    home.token.before = lambda: seen.append(home.kinds())
    record = sign(home, document).record
    assert [["INTENT"]] == seen
    facts = home.services.ledger.read(kind="INTENT")[0].facts
    assert ("seal", "rsassa_pkcs1v15_sha256", "B-B") == (facts["key"], facts["mechanism"], facts["level"])
    assert (home.callers["client"].id, record.id) == (facts["caller"], facts["signature"])
    assert {64} == {len(facts["document_sha256"]), len(facts["tbs_sha256"])}


# --- 1, 2: who, and again ---------------------------------------------------------------------------------------------


def test_a_key_of_others_and_a_missing_key_look_the_same(home: House, document: bytes):
    """Both are key-not-found, for the one who has no pattern for it and for the one whose pattern finds nothing."""
    for name, key in (("client", "other"), ("client", "seal-2"), ("stranger", "seal")):
        with pytest.raises(KeyNotFound) as caught:
            sign(home, document, name=name, ref=key)
        assert {"key": key} == caught.value.facts
    assert 0 == home.token.signed
    assert {"REFUSED"} == set(home.kinds())


def test_an_auditor_does_not_sign(home: House, document: bytes):
    """A role without the right is refused before anything else."""
    with pytest.raises(NotPermitted):
        sign(home, document, name="auditor")


def test_the_same_idempotency_key_signs_once(home: House, document: bytes):
    """The second call gets the first one's record; another order or document under the same key is refused."""
    first, again = sign(home, document, key="k"), sign(home, document, key="k")
    assert (False, True) == (first.repeated, again.repeated)
    assert first.record.id == again.record.id
    assert 1 == home.token.signed
    with pytest.raises(IdempotencyKeyReused):
        sign(home, document, key="k", reason="other")
    with pytest.raises(IdempotencyKeyReused):
        sign(home, document + b"\n", key="k")


def test_idempotency_keys_belong_to_their_caller(home: House, document: bytes):
    """Two callers may use the same key without meeting."""
    first = sign(home, document, key="k")
    second = sign(home, document, key="k", name="administrator")
    assert first.record.id != second.record.id


def test_a_refused_request_frees_its_key(home: House, document: bytes):
    """After a refusal the corrected order may come under the same Idempotency-Key."""
    with pytest.raises(StaleDocument):
        sign(home, document, key="k", head="00" * 32)
    assert not sign(home, document, key="k").repeated


def test_the_authoritys_key_signs_no_documents(tmp_path: Path, document: bytes):
    """A key whose shapes are timestamps alone does not exist for documents, whatever the caller's pattern."""
    home = house(tmp_path / "stamps", keys={"seal": {"shapes": ["tst-attributes"]}})
    with pytest.raises(KeyNotFound):
        sign(home, document)
    assert ["REFUSED"] == home.kinds()


# --- 3 to 5: refused before the key is used ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sub_indication", "error"),
    [
        ("REVOKED_NO_POE", CertificateRevoked),
        ("OUT_OF_BOUNDS_NO_POE", CertificateExpired),
        ("NO_CERTIFICATE_CHAIN_FOUND", CertificateUntrusted),
        ("CHAIN_CONSTRAINTS_FAILURE", CertificateUntrusted),
        (None, CertificateUntrusted),
    ],
)
def test_a_bad_certificate_never_gets_to_the_key(home: House, document: bytes, sub_indication, error):
    """The worker's judgement becomes a code; the key is not used, the refusal is on record."""
    home.documents.verdict = CertificateVerdict("INDETERMINATE", sub_indication, (), ())
    with pytest.raises(error):
        sign(home, document)
    assert 0 == home.token.signed
    assert ["REFUSED"] == home.kinds()
    assert [] == files(home)


def test_judgements_are_remembered(home: House, document: bytes):
    """Ten signatures ask for one judgement; a bad one is remembered too."""
    for _ in range(3):
        sign(home, document)
    assert 1 == home.documents.judged


def test_unknown_revocation_is_a_setting(tmp_path: Path, document: bytes):
    """`warn` signs, `refuse` does not."""
    for wanted in ("warn", "refuse"):
        home = house(tmp_path / wanted, signing={"revocation_unknown": wanted})
        home.documents.verdict = CertificateVerdict("INDETERMINATE", "TRY_LATER", (), ())
        refuses = pytest.raises(CertificateStatusUnknown) if wanted == "refuse" else contextlib.nullcontext()
        with refuses:
            sign(home, document)


def test_periods_and_foreign_certificates_are_seen_without_a_worker(home: House, document: bytes):
    """Expired, of another key, none at all: refused each time, from the certificate itself."""
    issuing = Authority.root().authority()
    good = home.token.signers["seal"]
    expired = issuing.signer("x", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    home.token.signers = {"seal": expired}
    home.services.keys._lists.clear()
    with pytest.raises(CertificateExpired):
        sign(home, document)
    info = home.token.keys()[0]
    home.token.keys = lambda: (replace(info, certificate=good.der),)
    home.services.keys._lists.clear()
    with pytest.raises(CertificateMismatch):
        sign(home, document)
    home.token.keys = lambda: (replace(info, certificate=None),)
    home.services.keys._lists.clear()
    with pytest.raises(KeyWithoutCertificate):
        sign(home, document)
    assert (0, 0) == (home.token.signed, home.documents.judged)


def test_a_locked_token_says_so(home: House, document: bytes):
    """While nothing could be probed, the reason is the token's state and not a missing mechanism."""
    home.token.state = "locked"
    with pytest.raises(TokenLocked):
        sign(home, document)


def test_a_broken_document_costs_no_use_of_the_key(home: House):
    """The signer's refusal arrives with its own code, and is on record."""
    with pytest.raises(WorkerRefusal) as caught:
        sign(home, b"%PDF-1.7 nothing")
    assert DocumentBroken.code == caught.value.code
    assert ["REFUSED"] == home.kinds()
    assert ([], []) == (states(home), files(home))


def test_refusals_are_on_record_at_a_bounded_rate(home: House, document: bytes):
    """Nobody fills the ledger by being refused: after the burst, refusals are counted instead."""
    for _ in range(80):
        with pytest.raises(StaleDocument):
            sign(home, document, head="00" * 32)
    assert 50 <= len(home.kinds()) < 70
