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
    """Three are free; 1, 2, 4 … seconds follow; the tenth locks for good, also after a restart, until it is lifted."""
    pauses = []
    for count in range(1, 11):
        with CredentialStore.open(path) as store:
            store.refused("chu-tich", credential=b"?", reason="signature")
            lock = store.lock_of("chu-tich")
            assert store.lock_of("another") is None
        if lock is None or lock.until is None:
            pauses.append(lock)
        else:
            assert count == lock.failures
            pauses.append(lock.until - clock.now)
            clock.now = lock.until + 0.001
    assert [None, None, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0] == pauses[:9]
    assert (10, None) == (pauses[9].failures, pauses[9].until)
    clock.now += 1e7
    with CredentialStore.open(path) as store:
        assert store.lock_of("chu-tich") == pauses[9]
        store.lift("chu-tich")
        assert store.lock_of("chu-tich") is None


def test_an_activation_ends_a_row_of_failures(path: Path, clock: Clock) -> None:
    """Counters go on where they were, by the next process, too."""
    with CredentialStore.open(path) as store:
        store.enrol(ONE)
        for _ in range(9):
            store.refused("chu-tich", credential=ONE.id, reason="signature")
        identity = store.activated(ONE, text=b"text", expires_at=1, assertion=ASSERTION, sign_count=6)
        store.refused("chu-tich", credential=ONE.id, reason="sign-count")
    with CredentialStore.open(path) as store:
        assert store.lock_of("chu-tich") is None
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
