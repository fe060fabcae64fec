"""API keys: they expire, are exchanged, revoked at once, and tell when they were last used."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from starlette.requests import Request

from api import auth
from api.auth import Gate, need_of, needs
from api.errors import ApiKeyExpired, NotAuthenticated, NotFound, NotPermitted, RequestInvalid
from api.store import callers
from api.store.callers import API_KEY, ROLES, Caller, CallerId
from api.store.database import Database, open_database

pytestmark = pytest.mark.appliance

DAY = 86_400.0


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


def asking(secret: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {secret}".encode())]})


def made(database: Database, **more: object) -> str:
    return database.write(callers.create, name="c", role="client", keys=("*",), **more)


def entry(database: Database) -> callers.Entry:
    (found,) = database.read(callers.entries)
    return found


def test_a_key_can_be_told_by_scanners(database: Database) -> None:
    """One pattern fits every API key, and nothing shorter."""
    secret = made(database)
    assert API_KEY.fullmatch(secret)
    assert API_KEY.search(f"token={secret}\n")
    assert not API_KEY.search(secret[:-1])


def test_an_expired_key_says_so_to_who_has_it(database: Database) -> None:
    """The right secret, too late: a code of its own. A wrong secret for the same caller learns nothing."""
    secret = made(database, expires_at=time.time() - 1)
    with pytest.raises(ApiKeyExpired):
        Gate(database).find(asking(secret))
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    with pytest.raises(NotAuthenticated) as caught:
        Gate(database).find(asking(wrong))
    assert "not-authenticated" == caught.value.code
    assert database.read(callers.find, secret) is None
    assert database.read(callers.named, secret.split("_")[1]) is None


def test_while_a_key_is_exchanged_both_open(database: Database) -> None:
    """Old and new open until the overlap is over; the one before the old no longer."""
    first = made(database)
    identity = CallerId(first.split("_")[1])
    second = database.write(callers.rotate, identity, overlap=60.0, expires_at=time.time() + DAY)
    assert all(database.read(callers.find, secret) is not None for secret in (first, second))
    assert entry(database).former_until == pytest.approx(time.time() + 60, abs=10)
    third = database.write(callers.rotate, identity, overlap=0.0, expires_at=None)
    assert [None, None, identity] == [
        found and found.id for found in (database.read(callers.find, secret) for secret in (first, second, third))
    ]


def test_an_exchange_prolongs_no_key(database: Database) -> None:
    """A key that was to expire in a minute opens no longer than that, whatever overlap was asked for."""
    first = made(database, expires_at=time.time() + 60)
    database.write(callers.rotate, CallerId(first.split("_")[1]), overlap=DAY, expires_at=None)
    assert entry(database).former_until == pytest.approx(time.time() + 60, abs=10)


def test_a_revoked_caller_has_no_key_at_all(database: Database) -> None:
    """Neither the present secret nor the former opens, and none can be made."""
    first = made(database)
    identity = CallerId(first.split("_")[1])
    second = database.write(callers.rotate, identity, overlap=DAY, expires_at=None)
    database.write(callers.revoke, identity)
    assert [None, None] == [database.read(callers.find, secret) for secret in (first, second)]
    with pytest.raises(NotFound):
        database.write(callers.rotate, identity, overlap=0.0, expires_at=None)


def test_alarms_hear_of_keys_that_are_about_to_expire(database: Database) -> None:
    """Soonest first; those that never expire, and revoked ones, are not among them."""
    now = time.time()
    for days in (40, 5, None, 20):
        made(database, expires_at=None if days is None else now + days * DAY)
    gone = made(database, expires_at=now + DAY)
    database.write(callers.revoke, CallerId(gone.split("_")[1]))
    found = database.read(callers.expiring, before=now + 30 * DAY)
    assert [5, 20] == [round((one.expires_at or 0) - now) // int(DAY) for one in found]


def test_a_key_is_remembered_for_two_seconds_and_no_longer(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoked caller is let in no longer than that by a process that knew it."""
    elapsed = [100.0]
    monkeypatch.setattr(auth.time, "monotonic", lambda: elapsed[0])
    secret, gate = made(database), Gate(database)
    identity = gate.find(asking(secret)).id
    database.write(callers.revoke, identity)
    elapsed[0] += 1.9
    assert gate.recall(asking(secret)) is not None
    elapsed[0] += 0.2
    assert gate.recall(asking(secret)) is None
    with pytest.raises(NotAuthenticated):
        gate.find(asking(secret))


def test_when_a_key_was_used_is_noted_once_an_hour(database: Database) -> None:
    """A thousand requests are one write, in the background."""
    secret, gate = made(database), Gate(database)
    for _ in range(3):
        gate.find(asking(secret))
    assert entry(database).last_used_at is None
    gate.note_uses()
    noted = entry(database).last_used_at
    assert noted == pytest.approx(time.time(), abs=10)
    gate.find(asking(secret))
    gate.note_uses()
    assert noted == entry(database).last_used_at


def test_another_way_in_is_asked_where_there_is_no_api_key(database: Database) -> None:
    """A token or a certificate makes a caller too; an API key comes first."""
    other = Caller(CallerId("t"), "token", "client", ())

    class Token:
        def recall(self, request: Request) -> Caller | None:
            return self.find(request)

        def find(self, request: Request) -> Caller | None:
            return other if "token" in request.headers.get("authorization", "") else None

    gate = Gate(database, ways=(Token(),))
    assert other == gate.find(asking("token"))
    assert other == gate.recall(asking("token"))
    with pytest.raises(NotAuthenticated):
        gate.find(asking("kyso_1_token"))
    with pytest.raises(NotAuthenticated):
        gate.find(asking("x"))


def test_an_unknown_role_or_reach_is_refused(database: Database) -> None:
    """Nothing half known is stored."""
    for more in ({"role": "king"}, {"role": "client", "reach": "world"}):
        with pytest.raises(RequestInvalid):
            database.write(callers.create, name="c", keys=(), **more)


def test_every_role_has_permissions_and_every_permission_a_role() -> None:
    """The one table is complete."""
    assert set(ROLES) == set(auth.PERMISSIONS)
    assert set(auth.EVERY_PERMISSION) == set().union(*auth.PERMISSIONS.values())


def test_a_caller_of_an_organisation_does_nothing_for_the_whole_appliance() -> None:
    """Not even as an administrator; and an unknown role may nothing."""
    local = Caller(CallerId("c"), "c", "administrator", ("*",), organisation="org_1")
    assert auth.may(local, "see-keys")
    assert [] == [one for one in auth.WHOLE if auth.may(local, one)]
    stranger = Caller(CallerId("c"), "c", "king", ("*",))
    assert [] == [one for one in auth.EVERY_PERMISSION if auth.may(stranger, one)]
    with pytest.raises(NotPermitted):
        auth.require(local, "administer")


def test_a_declaration_stays_with_its_endpoint() -> None:
    """And an endpoint without one has none."""

    @needs("backup")
    def endpoint() -> None: ...

    assert ("backup", None) == (need_of(endpoint), need_of(print))
