"""The twelve steps, 6 to 9: one use of the key, on record before and after, whatever breaks in between."""

from __future__ import annotations

import time

import pytest

from api.errors import LedgerUnavailable
from api.refusals import SignatureInDoubt
from api.store import signatures
from api.workflows import recovery
from hsm.errors import KeeperNotAvailable, SigningInterrupted, TokenNotAvailable
from tests.http_support import House, a_use
from tests.unit.http.signing.scene import sign, states

pytestmark = pytest.mark.spine


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
