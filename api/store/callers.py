"""Callers: who may use the service, known by an API key.

An API key is `kyso_<id>_<secret>`: the id finds the row, the secret's SHA-256 is compared. The secret has 192 random
bits, so that a plain hash is enough and nothing needs to be stretched; it is shown once, at creation, and never stored.

>>> import tempfile
>>> from api.store.database import open_database
>>> database = open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db")
>>> secret = database.write(create, name="Văn thư", role="client", keys=("seal-*",))
>>> caller = database.read(find, secret)
>>> caller.name, caller.may_use("seal-1"), caller.may_use("person-1")
('Văn thư', True, False)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NewType, get_args

import sqlalchemy as sa

from api.errors import NotFound, RequestInvalid
from api.store.tables import caller as table

CallerId = NewType("CallerId", str)
Role = Literal["administrator", "operator", "auditor", "client"]
ROLES: tuple[str, ...] = get_args(Role)
PREFIX = "kyso"
BY_ID = sa.select(table).where(table.c.id == sa.bindparam("id"))


@dataclass(frozen=True)
class Caller:
    """`keys` are patterns of key names (`*`, `?`, `[…]`, case matters): none, and no key may be used."""

    id: CallerId
    name: str
    role: str
    keys: tuple[str, ...]

    def may_use(self, key: str) -> bool:
        return any(fnmatchcase(key, pattern) for pattern in self.keys)


def create(connection: sa.Connection, *, name: str, role: str, keys: tuple[str, ...]) -> str:
    """Make a caller; return its API key, which cannot be had again. Raises RequestInvalid for an unknown role."""
    if role not in ROLES:
        raise RequestInvalid(f"no such role: {role}", field="role", allowed=", ".join(ROLES))
    identity, secret = secrets.token_hex(6), secrets.token_hex(24)
    connection.execute(
        table.insert().values(
            id=identity,
            name=name,
            role=role,
            keys_json=json.dumps(keys, ensure_ascii=False),
            secret_sha256=_hash(secret),
            created_at=time.time(),
        )
    )
    return f"{PREFIX}_{identity}_{secret}"


def find(connection: sa.Connection, api_key: str) -> Caller | None:
    """The caller whose API key this is; None when it is malformed, unknown, wrong or revoked."""
    prefix, _, rest = api_key.partition("_")
    identity, _, secret = rest.partition("_")
    if prefix != PREFIX or not (identity.isascii() and identity.isalnum()):  # PostgreSQL takes no NUL in a text
        return None
    row = connection.execute(BY_ID, {"id": identity}).one_or_none()
    # The same work for an unknown id: how long an answer takes must not tell which ids exist.
    expected = row.secret_sha256 if row is not None else bytes(32)
    if not hmac.compare_digest(_hash(secret), expected) or row is None or row.revoked_at is not None:
        return None
    return _caller(row)


def named(connection: sa.Connection, identity: str) -> Caller | None:
    """The caller of this id; None when there is none or it was revoked."""
    row = connection.execute(BY_ID, {"id": identity}).one_or_none()
    return None if row is None or row.revoked_at is not None else _caller(row)


def listed(connection: sa.Connection) -> tuple[Caller, ...]:
    """All callers that are not revoked, oldest first."""
    chosen = sa.select(table).where(table.c.revoked_at.is_(None)).order_by(table.c.created_at, table.c.id)
    return tuple(_caller(row) for row in connection.execute(chosen))


def revoke(connection: sa.Connection, caller: CallerId) -> None:
    """From now on the caller's API key opens nothing. Raises NotFound."""
    change = table.update().where(table.c.id == caller, table.c.revoked_at.is_(None)).values(revoked_at=time.time())
    if connection.execute(change).rowcount != 1:
        raise NotFound(f"no caller {caller}")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _caller(row: sa.Row[tuple[object, ...]]) -> Caller:
    return Caller(CallerId(row.id), row.name, row.role, tuple(json.loads(row.keys_json)))
