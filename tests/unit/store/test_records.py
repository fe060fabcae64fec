"""Records of signatures and idempotency keys: one worker at a time, nothing done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from api.errors import ClaimLost, IdempotencyKeyReused, RequestInProgress
from api.store import idempotency, signatures
from api.store.database import Database, open_database
from api.store.signatures import Hold

pytestmark = pytest.mark.spine


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


@pytest.fixture
def hold(database: Database) -> Hold:
    return new(database)


def new(database: Database, *, lease: float = 60.0) -> Hold:
    return database.write(
        signatures.create,
        caller="c1",
        order='{"key":"seal"}',
        document_sha256="ab" * 32,
        document_blob="00" * 16,
        prepared=b"prepared",
        ledger_number=7,
        lease=lease,
    )


def to_completing(database: Database, hold: Hold) -> None:
    database.write(signatures.to_completing, hold, value=b"value")


def at_once(count: int, work: Callable[[], None]) -> None:
    start = threading.Barrier(count)

    def go() -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=go) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_record_keeps_all_that_completion_needs(database: Database, hold: Hold) -> None:
    """Order, document, what was prepared, the value and the ledger number are there at every step they belong to."""
    to_completing(database, hold)
    record = database.read(signatures.get, hold.id)
    assert record is not None
    assert (record.state, record.order, record.document_blob) == ("completing", '{"key":"seal"}', "00" * 16)
    assert (record.prepared, record.value, record.ledger_number) == (b"prepared", b"value", 7)
    database.write(signatures.to_signed, hold, result='{"sha256":"00"}', signed_blob="11" * 16, signed_sha256="00")
    record = database.read(signatures.get, hold.id)
    assert record is not None
    assert (record.state, record.result, record.signed_blob) == ("signed", '{"sha256":"00"}', "11" * 16)
    assert database.read(signatures.by_ledger_number, 7) == record
    assert database.write(signatures.tidy) == 1
    record = database.read(signatures.get, hold.id)
    assert record is not None
    assert (record.state, record.prepared) == ("signed", None)
    assert database.read(signatures.get, "sig_unknown") is None


def test_steps_are_made_in_order_and_an_end_is_an_end(database: Database, hold: Hold) -> None:
    """No document before the value, no second value, nothing after the end."""
    with pytest.raises(ClaimLost):
        database.write(signatures.to_signed, hold, result="{}", signed_blob="b", signed_sha256="00")
    to_completing(database, hold)
    with pytest.raises(ClaimLost):
        database.write(signatures.to_completing, hold, value=b"other")
    with pytest.raises(ClaimLost):
        database.write(signatures.to_in_doubt, hold, error_code="signing-interrupted")
    database.write(signatures.to_refused, hold, error_code="value-refused")
    with pytest.raises(ClaimLost):
        database.write(signatures.to_signed, hold, result="{}", signed_blob="b", signed_sha256="00")
    assert database.write(signatures.claim, hold.id) is None


def test_a_signature_in_doubt_completes_when_the_value_turns_up(database: Database, hold: Hold) -> None:
    """The keeper's own log knew the value: the record goes on without using the key again."""
    database.write(signatures.to_in_doubt, hold, error_code="signing-interrupted")
    assert database.read(signatures.unfinished) == ()
    assert database.write(signatures.claim, hold.id) is None
    again = database.write(signatures.claim, hold.id, states=("in-doubt",))
    assert again is not None
    database.write(signatures.to_completing, again, value=b"value")
    assert database.read(signatures.get, hold.id).state == "completing"  # type: ignore[union-attr]


def test_only_one_of_many_claims_a_record(database: Database) -> None:
    """Eight threads want the record of a dead process: one gets it."""
    hold = new(database, lease=-1)
    claims: list[Hold | None] = []
    at_once(8, lambda: claims.append(database.write(signatures.claim, hold.id)))
    assert sum(claim is not None for claim in claims) == 1


def test_who_lost_a_record_changes_nothing_any_more(database: Database) -> None:
    """A process that slept over its lease finds its work taken over."""
    slow = new(database, lease=-1)
    assert database.read(signatures.unfinished) == (slow.id,)
    quick = database.write(signatures.claim, slow.id)
    assert quick is not None
    assert database.read(signatures.unfinished) == ()
    for step in (signatures.renew, signatures.release):
        with pytest.raises(ClaimLost):
            database.write(step, slow)
    with pytest.raises(ClaimLost):
        database.write(signatures.to_completing, slow, value=b"slow")
    database.write(signatures.to_completing, quick, value=b"quick")


def test_a_released_record_can_be_claimed_at_once(database: Database, hold: Hold) -> None:
    """Waiting for a slow timestamp authority, a worker lets go; a job goes on."""
    to_completing(database, hold)
    assert database.write(signatures.claim, hold.id) is None
    database.write(signatures.release, hold)
    assert database.write(signatures.claim, hold.id) is not None


def test_the_same_call_twice_has_one_answer(database: Database) -> None:
    """In progress, then done; another caller's key of the same name is another key."""
    begin = {"caller": "c1", "key": "k", "fingerprint": "f"}
    claim = database.write(idempotency.begin, **begin)
    assert claim.outcome == "new"
    with pytest.raises(RequestInProgress):
        database.write(idempotency.begin, **begin)
    assert database.write(idempotency.begin, **{**begin, "caller": "c2"}).outcome == "new"
    database.write(idempotency.attach, claim, signature="sig_1")
    database.write(idempotency.finish, claim, answer="201")
    again = database.write(idempotency.begin, **begin)
    assert (again.outcome, again.answer, again.signature) == ("done", "201", "sig_1")


def test_a_key_stands_for_one_request(database: Database) -> None:
    """Another order or document under the same key is refused, whether the first is done or not."""
    claim = database.write(idempotency.begin, caller="c1", key="k", fingerprint="f")
    with pytest.raises(IdempotencyKeyReused):
        database.write(idempotency.begin, caller="c1", key="k", fingerprint="other")
    database.write(idempotency.finish, claim, answer="201")
    with pytest.raises(IdempotencyKeyReused):
        database.write(idempotency.begin, caller="c1", key="k", fingerprint="other")
    order = b'{"key":"seal"}'
    marks = {
        idempotency.fingerprint(order=order, document_sha256="00"),
        idempotency.fingerprint(order=order + b"0", document_sha256="0"),
        idempotency.fingerprint(order=order, document_sha256="01"),
    }
    assert len(marks) == 3


def test_a_dead_processs_request_is_taken_over(database: Database) -> None:
    """After the lease one of the equal calls goes on from the record; the dead one's claim counts no more."""
    begin = {"caller": "c1", "key": "k", "fingerprint": "f"}
    dead = database.write(idempotency.begin, **begin, signature="sig_1", lease=-1)
    outcomes: list[str] = []

    def call() -> None:
        try:
            claim = database.write(idempotency.begin, **begin)
            outcomes.append(f"{claim.outcome} {claim.signature}")
        except RequestInProgress:
            outcomes.append("in progress")

    at_once(6, call)
    assert sorted(outcomes) == ["in progress"] * 5 + ["resumed sig_1"]
    with pytest.raises(ClaimLost):
        database.write(idempotency.finish, dead, answer="201")


def test_a_paused_request_goes_on_and_an_abandoned_one_never_was(database: Database) -> None:
    """`pause` lets the next equal call resume; `abandon` frees the key for any request."""
    begin = {"caller": "c1", "key": "k", "fingerprint": "f"}
    claim = database.write(idempotency.begin, **begin, signature="sig_1")
    database.write(idempotency.pause, claim)
    resumed = database.write(idempotency.begin, **begin)
    assert (resumed.outcome, resumed.signature) == ("resumed", "sig_1")
    database.write(idempotency.abandon, resumed)
    assert database.write(idempotency.begin, **{**begin, "fingerprint": "other"}).outcome == "new"
    with pytest.raises(ClaimLost):
        database.write(idempotency.abandon, resumed)


def test_old_answers_are_forgotten_and_unfinished_requests_are_not(database: Database) -> None:
    """`purge` leaves what is still being worked on."""
    for key in ("done", "open"):
        claim = database.write(idempotency.begin, caller="c1", key=key, fingerprint="f")
        if key == "done":
            database.write(idempotency.finish, claim, answer="201")
    assert database.write(idempotency.purge) == 0
    assert database.write(idempotency.purge, kept=-1.0) == 1
    with pytest.raises(RequestInProgress):
        database.write(idempotency.begin, caller="c1", key="open", fingerprint="f")


def test_claim_and_record_are_stored_together(database: Database) -> None:
    """A request's key and its signature record in one transaction: neither is ever there alone."""
    wanted = signatures.new_id()

    def work(connection: object) -> None:
        idempotency.begin(connection, caller="c1", key="k", fingerprint="f", signature=wanted)  # type: ignore[arg-type]
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)
    assert database.write(idempotency.begin, caller="c1", key="k", fingerprint="g").outcome == "new"
