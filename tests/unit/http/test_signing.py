"""The twelve steps: one use of the key, on record before and after, whatever breaks in between."""

from __future__ import annotations

import contextlib
import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.errors import (
    CertificateExpired,
    CertificateMismatch,
    CertificateRevoked,
    CertificateUntrusted,
    IdempotencyKeyReused,
    LedgerUnavailable,
    NotPermitted,
    RequestInProgress,
    StaleDocument,
)
from api.refusals import CertificateStatusUnknown, KeyWithoutCertificate, SignatureInDoubt
from api.sandbox.errors import WorkerRefusal
from api.schemas import OrderRequest
from api.store import signatures, tables
from api.uploads import of_file
from api.workflows import keyuse, recovery, signing
from api.workflows.documents import CertificateVerdict
from hsm.errors import HsmError, KeeperNotAvailable, KeyNotFound, SigningInterrupted, TokenLocked, TokenNotAvailable
from tests import readers, timestamp_support
from tests.documents import pdf
from tests.http_support import House, a_use, house
from tests.pki import NOW, Authority
from verify.errors import DocumentBroken

pytestmark = pytest.mark.spine


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    return house(tmp_path / "home")


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


def sign(home: House, document: bytes, *, name: str = "client", key: str | None = None, ref: str = "seal", **order):
    """Sign as the HTTP route does."""
    settings = home.services.settings
    with of_file(io.BytesIO(document), name="a.pdf", folder=settings.tmp, limit=1 << 30) as upload:
        wanted = OrderRequest(key=ref, **order)
        return signing.sign(home.services, home.callers[name], wanted, upload, idempotency_key=key)


def states(home: House) -> list[str]:
    """States of all signature records."""
    table = signatures.table
    return home.services.database.read(lambda c: [row.state for row in c.execute(table.select())])


def files(home: House) -> list[Path]:
    """Everything in the working folder, where nothing may stay."""
    return list(home.services.settings.tmp.iterdir())


def lapse(home: House) -> None:
    """Let every claim lapse and every permit expire, as if the process had died a while ago."""

    def work(connection):
        connection.execute(signatures.table.update().values(held_until=0.0, updated_at=time.time() - 60))
        connection.execute(tables.idempotency.update().values(held_until=0.0))

    home.services.database.write(work)


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


# --- 6 to 9: the key --------------------------------------------------------------------------------------------------


def test_without_a_ledger_nothing_is_signed(home: House, document: bytes, monkeypatch: pytest.MonkeyPatch):
    """If INTENT cannot be written, the key is not used."""

    def full(*_: object, **__: object) -> int:
        raise LedgerUnavailable("disk full")

    monkeypatch.setattr(home.services.ledger, "append", full)
    with pytest.raises(LedgerUnavailable):
        sign(home, document)
    assert 0 == home.token.signed


def test_a_token_that_fails_is_a_failed_line_and_a_free_request(home: House, document: bytes):
    """No value: FAILED, the record is refused, and the same Idempotency-Key may try again."""

    def broken() -> None:
        raise TokenNotAvailable

    home.token.before = broken
    with pytest.raises(TokenNotAvailable):
        sign(home, document, key="k")
    assert (["INTENT", "FAILED"], ["refused"]) == (home.kinds(), states(home))
    home.token.before = lambda: None
    home.token.logged.clear()
    assert not sign(home, document, key="k").repeated


def test_a_keeper_that_dies_after_signing_costs_nothing(home: House, document: bytes):
    """The value is in the keeper's log: the signature is completed from it, the key is used once."""

    def dies() -> None:
        home.token.after = lambda: None
        raise SigningInterrupted

    home.token.after = dies
    sign(home, document)
    assert 1 == home.token.signed
    assert ["INTENT", "DONE", "COMPLETED"] == home.kinds()


def test_a_keeper_that_dies_before_signing_is_asked_again(home: House, document: bytes):
    """Its log knows nothing of the use: the same use is asked for once more."""

    def dies() -> None:
        home.token.before = lambda: None
        raise SigningInterrupted

    home.token.before = dies
    sign(home, document)
    assert 1 == home.token.signed
    assert ["INTENT", "DONE", "COMPLETED"] == home.kinds()


def test_a_keeper_that_dies_while_signing_leaves_a_doubt(home: House, document: bytes):
    """Begun and no more: IN_DOUBT, nothing is signed again, not even for the same Idempotency-Key."""

    def dies() -> None:
        number = home.services.ledger.state().size
        home.token.logged[number] = a_use("started")
        raise SigningInterrupted

    home.token.before = dies
    with pytest.raises(SignatureInDoubt) as caught:
        sign(home, document, key="k")
    assert caught.value.facts["signature"]
    assert (["INTENT", "IN_DOUBT"], ["in-doubt"]) == (home.kinds(), states(home))
    with pytest.raises(SignatureInDoubt):
        sign(home, document, key="k")
    assert 0 == home.token.signed


def test_a_doubt_ends_when_the_keepers_log_knows_the_value(home: House, document: bytes):
    """The log that comes back with `done` completes the same signature."""
    test_a_keeper_that_dies_while_signing_leaves_a_doubt(home, document)
    record = home.services.database.read(lambda c: c.execute(signatures.WITH_PREPARATION).one())
    prepared = recovery.wire.unpack(record.prepared, recovery.Prepared)
    value = home.token.signers["seal"].sign(prepared.tbs, "rsassa_pkcs1v15_sha256")
    home.token.logged[record.ledger_number] = a_use("done", value)
    assert record.id == sign(home, document, key="k").record.id
    assert ["INTENT", "IN_DOUBT", "DONE", "COMPLETED"] == home.kinds()


def test_a_keeper_that_is_away_is_waited_for_and_then_named(home: House, document: bytes):
    """Nothing was sent: FAILED, and the caller is told to come back."""
    home.services.keys.all()
    home.token.away = True
    home.services.keys._lists["soft"] = type(home.services.keys._lists["soft"])(
        home.services.keys._lists["soft"].keys, time.monotonic() + 60, None
    )
    with pytest.raises(KeeperNotAvailable):
        sign(home, document)
    assert (["INTENT", "FAILED"], ["refused"]) == (home.kinds(), states(home))


# --- 10 to 12, and recovery -------------------------------------------------------------------------------------------


def test_a_silent_timestamp_authority_puts_the_signature_off(home: House, document: bytes):
    """503 with the id; the value is kept; the same Idempotency-Key completes it without the key."""
    with pytest.raises(WorkerRefusal) as caught:
        sign(home, document, key="k", level="B-T")
    assert "timestamp-unavailable" == caught.value.code
    assert (["INTENT", "DONE"], ["completing"]) == (home.kinds(), states(home))
    signer = timestamp_support.tsa_signer()
    authority = timestamp_support.authority(signer)
    home.outside.answer = lambda request: authority.respond(request, sign=lambda tbs: signer.sign(tbs, "ecdsa_sha256"))
    outcome = sign(home, document, key="k", level="B-T")
    assert caught.value.facts["signature"] == outcome.record.id
    assert (1, "B-T") == (home.token.signed, json.loads(outcome.record.result)["level"])
    assert ["INTENT", "DONE", "COMPLETED"] == home.kinds()


def test_a_job_finishes_what_was_put_off(home: House, document: bytes):
    """Without any further request the signature is completed when the authority is back."""
    with pytest.raises(WorkerRefusal):
        sign(home, document, level="B-T")
    signer = timestamp_support.tsa_signer()
    authority = timestamp_support.authority(signer)
    home.outside.answer = lambda request: authority.respond(request, sign=lambda tbs: signer.sign(tbs, "ecdsa_sha256"))
    _make_jobs_due(home)
    assert home.services.jobs.run_one(recovery.handlers(home.services))
    assert (["signed"], 1) == (states(home), home.token.signed)


def _make_jobs_due(home: House) -> None:
    home.services.database.write(lambda c: c.execute(tables.job.update().values(due=0.0)).rowcount)


@pytest.mark.parametrize("point", ["before the keeper", "after the keeper", "before completion", "after the blob"])
def test_a_crash_anywhere_is_recovered_without_a_second_use(
    home: House, document: bytes, monkeypatch: pytest.MonkeyPatch, point: str
):
    """kill -9 at each point between INTENT and COMPLETED: at most one use, and the record comes to an end."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object):
        raise Killed

    if point == "before the keeper":
        home.token.before = die
    elif point == "after the keeper":
        home.token.after = die
    elif point == "before completion":
        home.documents.before = lambda op: die() if op == "complete" else None
    else:
        append = home.services.ledger.append
        monkeypatch.setattr(
            home.services.ledger,
            "append",
            lambda kind, *a, **k: die() if kind == "COMPLETED" else append(kind, *a, **k),
        )
    with pytest.raises(Killed):
        sign(home, document, key="k")
    monkeypatch.undo()
    home.token.before = home.token.after = lambda: None
    home.documents.before = lambda _op: None
    with pytest.raises(RequestInProgress):
        sign(home, document, key="k")
    lapse(home)
    assert 1 == recovery.scan(home.services)
    assert home.services.jobs.run_one(recovery.handlers(home.services))
    outcome = sign(home, document, key="k")
    assert 1 == home.token.signed
    if point == "before the keeper":
        assert ["INTENT", "FAILED", "INTENT", "DONE", "COMPLETED"] == home.kinds()
    else:
        assert outcome.repeated
        assert "COMPLETED" == home.kinds()[-1]
    assert "signed" in states(home)
    assert () == home.services.ledger.open_intents()


def test_a_half_written_completion_is_laid_out_again(home: House, document: bytes):
    """Killed while the signature was written into the draft's gap, and more behind it: the document is whole after."""

    class Killed(BaseException):
        pass

    def die(op: str) -> None:
        if op == "complete":
            raise Killed

    home.documents.before = die
    with pytest.raises(Killed):
        sign(home, document, key="k")
    home.documents.before = lambda _op: None
    (draft,) = (path for path in home.services.settings.blobs.rglob("*") if path.is_file())
    with draft.open("r+b") as file:
        file.seek(len(document) + 300)
        file.write(b"ff" * 400)
        file.seek(0, 2)
        file.write(b"evidence that was to come")
    lapse(home)
    record = sign(home, document, key="k").record
    assert draft == home.services.blobs.path(record.signed_blob or "")
    signed = draft.read_bytes()
    assert signed.startswith(document)
    assert signed.rstrip().endswith(b"%%EOF")
    assert [(True, True)] == readers.pyhanko(draft)


def test_timestamps_that_were_never_sent_are_closed(home: House):
    """An old INTENT without a record is settled by the keeper's log."""
    home.services.ledger._clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    home.services.key_user.intend({"key": "seal", "caller": "tsa"})
    done = home.services.key_user.intend({"key": "seal", "caller": "tsa"})
    home.token.logged[done] = a_use("done", b"value")
    assert 2 == recovery.scan(home.services)
    while home.services.jobs.run_one(recovery.handlers(home.services)):
        pass
    assert {"FAILED", "DONE"} == set(home.kinds()[2:])
    assert () == home.services.ledger.open_intents()


def test_errors_of_the_keeper_never_hold_the_pin_or_the_permit(home: House, document: bytes):
    """What goes out of a failed use is a code and the key's name."""
    home.token.before = lambda: (_ for _ in ()).throw(HsmError("no", key="seal"))
    with pytest.raises(HsmError) as caught:
        sign(home, document)
    assert {"key": "seal"} == caught.value.facts
