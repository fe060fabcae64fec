"""The twelve steps, 10 to 12: what was begun is finished without a second use of the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from api.errors import RequestInProgress
from api.sandbox.errors import WorkerRefusal
from api.store import tables
from api.workflows import recovery
from hsm.errors import HsmError
from tests import readers, timestamp_support
from tests.http_support import House, a_use
from tests.unit.http.signing.scene import lapse, sign, states

pytestmark = pytest.mark.spine


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
