"""What of the appliance a caller's organisation reaches: keys, signatures, ledger lines, callers, people.

A caller without an organisation belongs to the whole appliance: role and patterns alone decide, as ever. One of an
organisation reaches what belongs to it, and with `reach = "subtree"` also what is below it; a key that nobody owns is
the appliance's, and to such a caller it does not exist. What is not reached is answered as what is not there.

Ids that are merely named by the caller are no matter here; who belongs where is the directory's (`api.directory`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import sqlalchemy as sa

from api import auth
from api.directory.model import Holder, KeyOwner, Post, Role
from api.rights.errors import RightCertificate
from api.rights.rule import NO_KEYS
from api.store.callers import Caller
from api.store.database import Database
from api.store.dialect import utc_text
from api.store.directory_tables import key_owner
from api.store.signatures import SignatureRecord
from api.store.tables import caller as caller_table
from api.store.tables import ledger as ledger_table

REMEMBERED = 2.0
"""Seconds for which what an organisation reaches is not asked again."""
MOST_REMEMBERED = 10_000
LINE_TIME, SECONDS = len('{"at":"') + 1, len("2026-11-22T09:00:00")
"""Where in a ledger line's canonical text its time stands, and how much of it tells the second."""


class WhoIsWho(Protocol):
    """The part of `api.directory.Directory` that is asked here."""

    def scope(self, identity: str, at: datetime | None = None) -> frozenset[str]: ...
    def successor(self, identity: str, at: datetime | None = None) -> str | None: ...
    def owner_of_key(self, ref: str, at: datetime | None = None) -> KeyOwner | None: ...
    def posts(self, person: str, at: datetime | None = None) -> tuple[Post, ...]: ...
    def roles(self, person: str, at: datetime | None = None) -> tuple[Role, ...]: ...
    def person_of_certificate(
        self, sha256: str, at: datetime | None = None, *, certificate: bytes | None = None
    ) -> Holder | None: ...


class Scopes:
    """Answers for one database and its directory. Safe to share between threads."""

    def __init__(
        self, database: Database, directory: WhoIsWho, *, asks_person: Callable[[str], bool] = lambda _ref: True
    ) -> None:
        """`asks_person` says whether the keeper wants a person's activation before it uses a key."""
        self._database = database
        self._directory = directory
        self._asks_person = asks_person
        self._known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}

    def organisations(self, caller: Caller) -> frozenset[str] | None:
        """Ids of the organisations that the caller reaches; None for the whole appliance."""
        if caller.organisation is None:
            return None
        asked = (caller.organisation, caller.reach)
        known = self._known.get(asked)
        if known is None or known[0] <= time.monotonic():
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[asked] = (time.monotonic() + REMEMBERED, self._organisations(*asked))
        return known[1]

    def _organisations(self, organisation: str, reach: str) -> frozenset[str]:
        """Itself and those that were merged into it; with the subtree, those below as well."""
        within = self._directory.scope(organisation)
        if reach != "subtree":
            within = frozenset(one for one in within if self._directory.successor(one) == organisation)
        return within | {organisation}

    def reaches(self, caller: Caller, organisation: str | None) -> bool:
        """Whether something of this organisation is within the caller's reach; None is the appliance."""
        within = self.organisations(caller)
        return within is None or organisation in within

    def sees_key(self, caller: Caller, ref: str) -> bool:
        """Whether a key of this name may exist for the caller at all."""
        if caller.organisation is None:
            return True
        owner = self._directory.owner_of_key(ref)
        return self.reaches(caller, None if owner is None else owner.organisation)

    def may_use_key(self, caller: Caller, ref: str) -> bool:
        """Whether the caller may sign with it: pattern, organisation, and a person's key only in that person's name.

        Callers that are systems (`client`) may name a person's key where the keeper wants that person's activation."""
        if not caller.may_use(ref) or ref.startswith(NO_KEYS):
            return False
        if caller.organisation is None and caller.role not in ("official", "clerk"):
            return True
        owner = self._directory.owner_of_key(ref)
        if not self.reaches(caller, None if owner is None else owner.organisation):
            return False
        person = None if owner is None else owner.person
        if person is None:
            return auth.may(caller, "sign-for-organisation")
        return person == caller.person or (caller.role == "client" and self._asks_person(ref))

    def require_certificate(self, caller: Caller, certificate: bytes) -> None:
        """Raise RightCertificate unless it is one that the caller may ask a signature of: for an official the own one,
        for others of an organisation that of its people or seals."""
        if caller.organisation is None and caller.role not in ("official", "clerk"):
            return
        sha256 = hashlib.sha256(certificate).hexdigest()
        holder = self._directory.person_of_certificate(sha256, certificate=certificate)
        if holder is None or not self._reaches_holder(caller, holder):
            raise RightCertificate(certificate=sha256)

    def _reaches_holder(self, caller: Caller, holder: Holder) -> bool:
        if holder.person is not None and holder.person == caller.person:
            return True
        if not auth.may(caller, "sign-for-organisation"):
            return False
        if holder.organisation is not None:
            return self.reaches(caller, holder.organisation)
        posts = () if holder.person is None else self._directory.posts(holder.person)
        return any(self.reaches(caller, post.organisation) for post in posts)

    def sees_person(self, caller: Caller, person: str) -> bool:
        """Whether somebody holds a post or a role within reach."""
        within = self.organisations(caller)
        if within is None:
            return True
        held = {one.organisation for one in self._directory.posts(person)}
        held |= {one.organisation for one in self._directory.roles(person)}
        return not held.isdisjoint(within)

    def sees_caller(self, caller: Caller, identity: str) -> bool:
        """Whether another caller, revoked or not, is within reach."""
        within = self.organisations(caller)
        if within is None:
            return True
        asked = sa.select(caller_table.c.organisation).where(caller_table.c.id == identity)
        return self._database.read(lambda connection: connection.execute(asked).scalar()) in within

    def sees_signature(self, caller: Caller, record: SignatureRecord) -> bool:
        """Whether a record that others asked for is within reach: by whom it was asked for, or whose key it was then."""
        within = self.organisations(caller)
        if within is None:
            return True
        if self.sees_caller(caller, record.caller):
            return True
        key = json.loads(record.order).get("key")
        owner = self._directory.owner_of_key(key, datetime.fromtimestamp(record.created_at, UTC)) if key else None
        return owner is not None and owner.organisation in within

    def lines(self, caller: Caller) -> sa.ColumnElement[bool] | None:
        """The condition on the ledger's rows that the caller may see; None for all of them.

        A line is an organisation's if one of its callers asked, or if a key is named that was its own at the line's time:
        what others did with it before and after is theirs."""
        within = self.organisations(caller)
        if within is None:
            return None
        callers = sa.select(caller_table.c.id).where(caller_table.c.organisation.in_(within))
        at = sa.func.substr(ledger_table.c.line, LINE_TIME, SECONDS)
        start = sa.case((key_owner.c.valid_from > 0, key_owner.c.valid_from), else_=0)
        its_own = sa.exists().where(
            key_owner.c.ref == ledger_table.c.key,
            key_owner.c.organisation.in_(within),
            key_owner.c.superseded.is_(None),
            at >= utc_text(start),
            sa.or_(key_owner.c.valid_to.is_(None), at < utc_text(key_owner.c.valid_to)),
        )
        return sa.or_(ledger_table.c.caller.in_(callers), its_own)
