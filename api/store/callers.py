"""Callers: who may use the service, known by an API key.

An API key is `kyso_<id>_<secret>`: the id finds the row, the secret's SHA-256 is compared. The secret has 192 random
bits, so that a plain hash is enough and nothing needs to be stretched; it is shown once, at creation, and never stored.
It may expire, and `rotate` gives another while the former still opens for a stated time. `API_KEY` is what a scanner for
leaked secrets looks for.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> secret = database.write(create, name="Văn thư", role="client", keys=("seal-*",))
>>> caller = database.read(find, secret)
>>> caller.name, caller.may_use("seal-1"), caller.may_use("person-1"), caller.organisation
('Văn thư', True, False, None)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NewType, get_args

import sqlalchemy as sa

from api.errors import ApiKeyExpired, NotFound, RequestInvalid
from api.store.tables import caller as table

CallerId = NewType("CallerId", str)
Role = Literal["administrator", "operator", "auditor", "backup", "client", "official", "clerk"]
ROLES: tuple[str, ...] = get_args(Role)
Reach = Literal["organisation", "subtree"]
REACHES: tuple[str, ...] = get_args(Reach)
PREFIX = "kyso"
API_KEY = re.compile(r"kyso_[0-9a-f]{12}_[0-9a-f]{48}")
BY_ID = sa.select(table).where(table.c.id == sa.bindparam("id"))


@dataclass(frozen=True)
class Caller:
    """Who asks, however they came in.

    `keys` are patterns of key names (`*`, `?`, `[…]`, case matters): none, and no key may be used. `organisation` is an
    id of the directory; None stands for the whole appliance. `reach` says whether the organisations below it are seen
    too. `person` is the directory's id of who it is, where it is one. `told` is what the ledger says of each signature
    besides: the signing session that it is part of."""

    id: CallerId
    name: str
    role: str
    keys: tuple[str, ...]
    organisation: str | None = None
    person: str | None = None
    reach: Reach = "organisation"
    told: tuple[tuple[str, str], ...] = ()

    def may_use(self, key: str) -> bool:
        return any(fnmatchcase(key, pattern) for pattern in self.keys)


@dataclass(frozen=True)
class Entry:
    """A caller as its administrator sees it. `last_used_at` is coarse; `former_until` is set while two secrets open."""

    caller: Caller
    created_at: float
    expires_at: float | None
    former_until: float | None
    last_used_at: float | None

    def over(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def new_id() -> CallerId:
    return CallerId(secrets.token_hex(6))


def create(
    connection: sa.Connection,
    *,
    name: str,
    role: str,
    keys: tuple[str, ...],
    organisation: str | None = None,
    person: str | None = None,
    reach: str = "organisation",
    expires_at: float | None = None,
    identity: CallerId | None = None,
) -> str:
    """Make a caller; return its API key, which cannot be had again. Raises RequestInvalid for an unknown role."""
    api_key, secret_sha256 = new_api_key(identity or new_id())
    insert(
        connection,
        identity=id_of(api_key),
        secret_sha256=secret_sha256,
        name=name,
        role=role,
        keys=keys,
        organisation=organisation,
        person=person,
        reach=reach,
        expires_at=expires_at,
    )
    return api_key


def new_api_key(caller: CallerId) -> tuple[str, bytes]:
    """An API key that opens nothing yet, and the SHA-256 of its secret."""
    secret = secrets.token_hex(24)
    return f"{PREFIX}_{caller}_{secret}", _hash(secret)


def id_of(api_key: str) -> CallerId:
    return CallerId(api_key.split("_")[1])


def insert(
    connection: sa.Connection,
    *,
    identity: CallerId,
    secret_sha256: bytes,
    name: str,
    role: str,
    keys: tuple[str, ...],
    organisation: str | None = None,
    person: str | None = None,
    reach: str = "organisation",
    expires_at: float | None = None,
) -> None:
    """A caller whose secret somebody has. Raises RequestInvalid for an unknown role."""
    if role not in ROLES:
        raise RequestInvalid(f"no such role: {role}", field="role", allowed=", ".join(ROLES))
    if reach not in REACHES:
        raise RequestInvalid(f"no such reach: {reach}", field="reach", allowed=", ".join(REACHES))
    connection.execute(
        table.insert().values(
            id=identity,
            name=name,
            role=role,
            keys_json=json.dumps(keys, ensure_ascii=False),
            secret_sha256=secret_sha256,
            created_at=time.time(),
            organisation=organisation,
            person=person,
            reach=reach,
            expires_at=expires_at,
        )
    )


def rotate(connection: sa.Connection, caller: CallerId, *, overlap: float, expires_at: float | None) -> str:
    """Another API key for the caller; the one until now opens for `overlap` seconds more, one before that no longer.

    Raises NotFound."""
    api_key, secret_sha256 = new_api_key(caller)
    replace_secret(connection, caller, secret_sha256=secret_sha256, overlap=overlap, expires_at=expires_at)
    return api_key


def replace_secret(
    connection: sa.Connection, caller: CallerId, *, secret_sha256: bytes, overlap: float, expires_at: float | None
) -> None:
    """`rotate`, where somebody has the secret. Raises NotFound."""
    now = time.time()
    change = (
        table.update()
        .where(table.c.id == caller, table.c.revoked_at.is_(None))
        .values(
            former_sha256=table.c.secret_sha256,
            # A rotation prolongs no key that was about to expire.
            former_until=sa.case((table.c.expires_at < now + overlap, table.c.expires_at), else_=now + overlap),
            secret_sha256=secret_sha256,
            expires_at=expires_at,
        )
    )
    if connection.execute(change).rowcount != 1:
        raise NotFound(f"no caller {caller}")


def find(connection: sa.Connection, api_key: str) -> Caller | None:
    """The caller whose API key this is; None when it is malformed, unknown, wrong, expired or revoked."""
    try:
        entry = look_up(connection, api_key)
    except ApiKeyExpired:
        return None
    return None if entry is None else entry.caller


def look_up(connection: sa.Connection, api_key: str) -> Entry | None:
    """As `find`, with what is known of the key. Raises ApiKeyExpired where the right secret comes too late."""
    if not API_KEY.fullmatch(api_key):  # no question to the database; and PostgreSQL takes no NUL in a text
        return None
    _, identity, secret = api_key.split("_")
    row = connection.execute(BY_ID, {"id": identity}).one_or_none()
    # The same work for an unknown id: how long an answer takes must not tell which ids exist.
    hashed, now = _hash(secret), time.time()
    present = hmac.compare_digest(hashed, row.secret_sha256 if row is not None else bytes(32))
    former = hmac.compare_digest(hashed, (row.former_sha256 if row is not None else None) or bytes(32))
    if row is None or row.revoked_at is not None or not (present or former):
        return None
    until = row.expires_at if present else row.former_until or 0.0
    if until is not None and until <= now:
        raise ApiKeyExpired
    return _entry(row)


def named(connection: sa.Connection, identity: str) -> Caller | None:
    """The caller of this id; None when there is none or it was revoked or has expired."""
    row = connection.execute(BY_ID, {"id": identity}).one_or_none()
    if row is None or row.revoked_at is not None or _entry(row).over(time.time()):
        return None
    return _caller(row)


def listed(connection: sa.Connection) -> tuple[Caller, ...]:
    """All callers that are not revoked, oldest first."""
    return tuple(entry.caller for entry in entries(connection))


def entries(connection: sa.Connection) -> tuple[Entry, ...]:
    """All callers that are not revoked, with what is known of their keys, oldest first."""
    chosen = sa.select(table).where(table.c.revoked_at.is_(None)).order_by(table.c.created_at, table.c.id)
    return tuple(_entry(row) for row in connection.execute(chosen))


def expiring(connection: sa.Connection, *, before: float) -> tuple[Entry, ...]:
    """Those whose API key expires before that time (Unix seconds) or has expired, soonest first."""
    chosen = (
        sa.select(table)
        .where(table.c.revoked_at.is_(None), table.c.expires_at < before)
        .order_by(table.c.expires_at, table.c.id)
    )
    return tuple(_entry(row) for row in connection.execute(chosen))


def revoke(connection: sa.Connection, caller: CallerId) -> None:
    """From now on the caller's API keys open nothing. Raises NotFound."""
    change = table.update().where(table.c.id == caller, table.c.revoked_at.is_(None)).values(revoked_at=time.time())
    if connection.execute(change).rowcount != 1:
        raise NotFound(f"no caller {caller}")


def used(connection: sa.Connection, when: Mapping[str, float]) -> None:
    """Note when callers were last here (id → Unix seconds); whoever calls this sees to it that it is seldom."""
    for identity, at in when.items():
        connection.execute(table.update().where(table.c.id == identity).values(last_used_at=at))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    return Entry(_caller(row), row.created_at, row.expires_at, row.former_until, row.last_used_at)


def _caller(row: sa.Row[tuple[object, ...]]) -> Caller:
    return Caller(
        CallerId(row.id), row.name, row.role, tuple(json.loads(row.keys_json)), row.organisation, row.person, row.reach
    )
