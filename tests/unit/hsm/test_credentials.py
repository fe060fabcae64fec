"""The keeper's record of credentials: chained, mended after a crash, and the schedule of pauses after failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsm import credentials
from hsm.activation import Assertion, Credential
from hsm.credentials import CredentialStore
from hsm.errors import ActivationUnknown, CredentialNotFound, UseLogBroken

pytestmark = pytest.mark.appliance

ONE = Credential("chu-tich", b"id-of-a-credential", b"cose", "model", 0.0, sign_count=5)
ASSERTION = Assertion(ONE.id, b"{}", b"data", b"signature")


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(credentials, "time", made)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper-box.credentials"


def test_failures_pause_longer_and_longer_and_then_lock(path: Path, clock: Clock) -> None:
    """Three are free; a minute follows, then two, four … and never more than an hour, also after a restart; each ends by
    itself. Another key, and another who asks for the same key, have counts of their own. An administrator ends it at once."""
    pauses: list[float | None] = []
    for count in range(1, 12):
        with CredentialStore.open(path) as store:
            store.refused(ONE, asker="a", reason="signature")
        with CredentialStore.open(path) as store:
            lock = store.lock_of(ONE.key, asker="a")
            assert (None, None) == (store.lock_of("another", asker="a"), store.lock_of(ONE.key, asker="b"))
            assert lock == store.of(ONE.key).lock
            if lock is None:
                pauses.append(None)
                continue
            assert (count, "a") == (lock.failures, lock.asker)
            pauses.append(lock.until - clock.now)
            clock.now = lock.until + 0.001
            assert store.lock_of(ONE.key, asker="a") is None
    minutes = [None if pause is None else round(pause / 60) for pause in pauses]
    assert [None, None, 1, 2, 4, 8, 16, 32, 60, 60, 60] == minutes
    with CredentialStore.open(path) as store:
        store.refused(ONE, asker="a", reason="signature")
        assert store.lock_of(ONE.key, asker="a")
        store.lift(ONE.key)
        assert store.lock_of(ONE.key, asker="a") is None


def test_a_day_without_a_failure_ends_a_row(path: Path, clock: Clock) -> None:
    """Three are free again."""
    with CredentialStore.open(path) as store:
        for _ in range(9):
            store.refused(ONE, asker="a", reason="signature")
        clock.now += 24 * 3600 + 1
        for _ in range(2):
            store.refused(ONE, asker="a", reason="signature")
            assert store.lock_of(ONE.key, asker="a") is None


def test_who_says_to_be_another_each_time_has_a_hundred_tries_an_hour(path: Path, clock: Clock) -> None:
    """An api that lies about who asks is stopped as well, and everybody with it until the hour is over; a restart forgets
    nothing."""
    with CredentialStore.open(path) as store:
        for number in range(100):
            assert store.lock_of(ONE.key, asker=f"a{number}") is None
            store.refused(ONE, asker=f"a{number}", reason="signature")
            clock.now += 1
    with CredentialStore.open(path) as store:
        lock = store.lock_of(ONE.key, asker="somebody else")
        assert lock is not None
        assert (100, "") == (lock.failures, lock.asker)
        clock.now = lock.until + 0.001
        assert store.lock_of(ONE.key, asker="somebody else") is None
        store.refused(ONE, asker="a", reason="signature")
        assert store.lock_of(ONE.key, asker="somebody else")


def test_an_activation_ends_a_row_of_failures(path: Path, clock: Clock) -> None:
    """Counters go on where they were, by the next process, too."""
    with CredentialStore.open(path) as store:
        store.enrol(ONE)
        for _ in range(9):
            store.refused(ONE, asker="a", reason="signature")
            store.refused(ONE, asker="b", reason="signature")
        identity = store.activated(ONE, text=b"text", expires_at=1, assertion=ASSERTION, sign_count=6, asker="a")
        store.refused(ONE, asker="a", reason="sign-count")
    with CredentialStore.open(path) as store:
        assert store.lock_of("chu-tich", asker="a") is None
        assert store.lock_of("chu-tich", asker="b"), "another's row is another's"
        (kept,) = store.of("chu-tich").credentials
        assert (6, 1, True) == (kept.sign_count, kept.activations, kept.copied)
        assert (b"text", ASSERTION) == (store.activation(identity).text, store.activation(identity).assertion)
        with pytest.raises(ActivationUnknown):
            store.activation(identity[:-1] + "x")
        with pytest.raises(CredentialNotFound):
            store.revoke("chu-tich", b"another")


def test_a_code_ends_by_its_time_and_by_its_use(path: Path, clock: Clock) -> None:
    """And by the next code."""
    with CredentialStore.open(path) as store:
        store.invite("chu-tich", code_sha256="aa", expires_at=clock.now + 10)
        store.invite("chu-tich", code_sha256="bb", expires_at=clock.now + 10)
        assert "bb" == store.invitation("chu-tich")
        clock.now += 11
        assert "" == store.invitation("chu-tich")
        store.invite("chu-tich", code_sha256="cc", expires_at=clock.now + 10)
        store.enrol(ONE)
        assert "" == store.invitation("chu-tich")


def test_a_torn_end_is_cut_off_and_a_change_is_refused(path: Path) -> None:
    """As the log of uses has it."""
    with CredentialStore.open(path) as store:
        store.enrol(ONE)
    path.write_bytes(path.read_bytes() + b'{"sequence":2,"at')
    with CredentialStore.open(path) as store:
        assert store.credential("chu-tich", ONE.id)
    path.write_bytes(path.read_bytes().replace(b'"model"', b'"MODEL"'))
    with pytest.raises(UseLogBroken):
        CredentialStore.open(path)
