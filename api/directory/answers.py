"""The directory's door: who is who at a time.

    directory = Directory(database, clock=clock)
    directory.owner_of_key("seal-xa-mau")                     # -> KeyOwner | None, now
    directory.may_sign_for(person, organisation, "KT", at)    # -> Authority | Refusal
    directory.facts(key="official-1")                         # -> {"organisation": …, "post": …}: ids, for the ledger

`at` is an aware time; without it the question is about now, and its answer is remembered for `REMEMBERED` seconds, as it is
asked with every request. What stands in no row is nobody's: None, or a Refusal.

Not here: changing anything (`api.directory.importing`, `erasing`), and what a caller may see (`api.workflows.directory`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from api.directory import authority, rows
from api.directory.certificates import marks
from api.directory.model import (
    Authority,
    Delegation,
    Form,
    Holder,
    KeyOwner,
    Organisation,
    OrganisationId,
    Period,
    Person,
    PersonId,
    Post,
    Refusal,
    Role,
)
from api.directory.tree import Tree
from api.store.database import Database
from api.store.directory_tables import directory_change
from api.store.statement import Statement

Answer = TypeVar("Answer")

REMEMBERED = 2.0
"""Seconds for which an answer about now is given again."""
MOST_REMEMBERED = 10_000

NEWEST = Statement(sa.select(sa.func.max(directory_change.c.number)))


class Directory:
    """Answers from the directory of one database. Safe to share between threads."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._tree: tuple[float, Tree] | None = None
        self._known: dict[tuple[Any, ...], tuple[float, Any]] = {}

    def forget(self) -> None:
        """The directory was changed by this process: nothing that is remembered counts."""
        with self._lock:
            self._tree = None
            self._known = {}

    # --- organisations ------------------------------------------------------------------------------------------------

    def tree(self) -> Tree:
        """All organisations; at most `REMEMBERED` seconds old."""
        known = self._tree
        if known is not None and known[0] > time.monotonic():
            return known[1]
        tree = self._database.read(lambda connection: _tree(connection, known[1] if known else None))
        with self._lock:
            self._tree = (time.monotonic() + REMEMBERED, tree)
        return tree

    def organisation(self, identity: str, at: datetime | None = None) -> Organisation | None:
        """The organisation of this id or code, as it is then."""
        found = self.tree().find(identity)
        return None if found is None else self.tree().at(found, self._second(at))

    def ancestors(self, identity: str, at: datetime | None = None) -> tuple[Organisation, ...]:
        """Those above it, the nearest first."""
        return self.tree().ancestors(identity, self._second(at))

    def descendants(self, identity: str, at: datetime | None = None) -> tuple[Organisation, ...]:
        """Those below it that exist then."""
        return self.tree().descendants(identity, self._second(at))

    def scope(self, identity: str, at: datetime | None = None) -> frozenset[str]:
        """Ids of all that is an organisation's to see: itself, those below, and those that were merged into these."""
        return self._remember(("scope", identity), at, lambda second: self.tree().scope(identity, second))

    def successor(self, identity: str, at: datetime | None = None) -> OrganisationId | None:
        """Itself while it exists, then whom it was merged into; None when nobody answers for it."""
        return self.tree().successor(identity, self._second(at))

    # --- people -------------------------------------------------------------------------------------------------------

    def person(self, identity: str, at: datetime | None = None) -> Person | None:
        found = self._rows("person", at, id=identity)
        return rows.person(found[0]) if found else None

    def person_of_subject(self, subject: str, at: datetime | None = None) -> PersonId | None:
        """Whom an identity provider means by a subject."""
        found = self._rows("person_subject", at, subject=subject)
        return found[0][2] if found else None

    def posts(self, person: str, at: datetime | None = None) -> tuple[Post, ...]:
        """The posts that somebody holds, the highest first."""
        return self._remember(("posts", person), at, lambda second: self._ask(authority.posts_of, person, second))

    def roles(self, person: str, at: datetime | None = None) -> tuple[Role, ...]:
        """What somebody does in which organisations."""
        return tuple(map(rows.role, self._rows("person_role", at, person=person)))

    def delegations(self, person: str, at: datetime | None = None) -> tuple[Delegation, ...]:
        """What somebody was given, the newest first."""
        return self._ask(authority.delegations_to, person, self._second(at))

    def may_sign_for(
        self, person: str, organisation: str, form: Form, at: datetime | None = None
    ) -> Authority | Refusal:
        """By which post or delegation somebody signs for an organisation in this form, or why not."""

        def work(second: int) -> Authority | Refusal:
            tree = self.tree()
            return self._database.read(
                lambda connection: authority.may_sign_for(
                    connection, tree, person=person, organisation=organisation, form=form, at=second
                )
            )

        return self._remember(("may", person, organisation, form), at, work)

    # --- keys and certificates ----------------------------------------------------------------------------------------

    def owner_of_key(self, ref: str, at: datetime | None = None) -> KeyOwner | None:
        """Whose key it is; None for one that belongs to the appliance. After a merger the successor answers for it."""

        def work(second: int) -> KeyOwner | None:
            found = self._database.read(rows.in_force, "key_owner", second, ref=ref)
            return self._owned(found[0], second) if found else None

        return self._remember(("owner", ref), at, work)

    def keys_of(self, organisation: str, at: datetime | None = None) -> tuple[KeyOwner, ...]:
        """The keys that an organisation answers for: its own, and those of organisations that were merged into it."""
        second, tree = self._second(at), self.tree()
        theirs = [one for one in tree.scope(organisation, second) if tree.successor(one, second) == organisation]
        found = [row for one in sorted(theirs) for row in self._rows("key_owner", at, organisation=one)]
        return tuple(sorted((self._owned(row, second) for row in found), key=lambda owner: owner.ref))

    def person_of_certificate(
        self, sha256: str, at: datetime | None = None, *, certificate: bytes | None = None
    ) -> Holder | None:
        """Whose certificate it is. `certificate` (DER) lets a renewed one be known that is not on record yet.

        1. The certificate itself is on record. 2. Else one with the same public key is: it was renewed. 3. Else one of
        the same issuer and subject is, and the subject has a number that the authority gives to one person.
        """
        return self._remember(
            ("certificate", sha256, certificate is not None),
            at,
            lambda second: self._holder(sha256, second, certificate),
        )

    def facts(
        self,
        *,
        key: str | None = None,
        certificate: bytes | None = None,
        person: str | None = None,
        at: datetime | None = None,
    ) -> Mapping[str, str | int]:
        """Who signs, as ids for the ledger: organisation, person, post, delegation, those that there are, and `directory`,
        the change that all of it is read from (`api.directory.told`). Empty for a key that belongs to the appliance."""
        wanted = ("facts", key, None if certificate is None else hashlib.sha256(certificate).digest(), person)
        return self._remember(wanted, at, lambda second: self._facts(key, certificate, person, second))

    def _facts(self, key: str | None, certificate: bytes | None, person: str | None, at: int) -> dict[str, str | int]:
        tree = self.tree()
        return self._database.read(
            lambda connection: _facts(connection, tree, key=key, certificate=certificate, person=person, at=at)
        )

    # --- how it is asked ----------------------------------------------------------------------------------------------

    def _second(self, at: datetime | None) -> int:
        return int((at or self._clock()).timestamp())

    def _rows(self, table: str, at: datetime | None, **equal: str) -> list[tuple[Any, ...]]:
        return self._database.read(rows.in_force, table, self._second(at), **equal)

    def _ask(self, question: Callable[[sa.Connection, str, int], Answer], person: str, at: int) -> Answer:
        return self._database.read(question, person, at)

    def _owned(self, row: tuple[Any, ...], at: int) -> KeyOwner:
        return rows.key_owner(row, now=self.tree().successor(row[2], at))

    def _holder(self, sha256: str, at: int, certificate: bytes | None) -> Holder | None:
        return self._database.read(lambda connection: holder(connection, sha256, certificate, at))

    def _remember(self, question: tuple[Any, ...], at: datetime | None, work: Callable[[int], Answer]) -> Answer:
        """The answer; where it is about now, the one that was given a moment ago."""
        if at is not None:
            return work(int(at.timestamp()))
        known = self._known.get(question)
        if known is not None and known[0] > time.monotonic():
            answer: Answer = known[1]
            return answer
        before = self._known
        answer = work(self._second(None))
        with self._lock:
            if self._known is before:  # else the directory was changed meanwhile: the answer may be the former one
                if len(self._known) >= MOST_REMEMBERED:
                    self._known = {}
                self._known[question] = (time.monotonic() + REMEMBERED, answer)
        return answer


def newest_change(connection: sa.Connection) -> int:
    """The number of the newest change; 0 before the first."""
    ((number,),) = NEWEST.rows(connection)
    return int(number or 0)


def _tree(connection: sa.Connection, known: Tree | None) -> Tree:
    change = newest_change(connection)
    if known is not None and known.change == change:
        return known
    return Tree((rows.organisation(row[:-1]) for row in rows.current(connection, "organisation")), change=change)


def holder(connection: sa.Connection, sha256: str, certificate: bytes | None, at: int) -> Holder | None:
    """See `Directory.person_of_certificate`. Raises ValueError for octets that are no certificate."""
    # 1
    if found := rows.in_force(connection, "certificate", at, sha256=sha256):
        return _held(found[-1], "certificate")
    if certificate is None:
        return None
    seen = marks(certificate)
    # 2
    if found := rows.in_force(connection, "certificate", at, public_key_sha256=seen.public_key):
        return _held(found[-1], "public-key")
    # 3
    if seen.subject is not None and (
        found := rows.in_force(connection, "certificate", at, subject_sha256=seen.subject)
    ):
        return _held(found[-1], "subject")
    return None


def _held(row: tuple[Any, ...], how: Any) -> Holder:
    _, _, person, organisation, _, _, start, end = row
    return Holder(person, organisation, how, Period(start, end))


def _facts(
    connection: sa.Connection, tree: Tree, *, key: str | None, certificate: bytes | None, person: str | None, at: int
) -> dict[str, str | int]:
    organisation: str | None = None
    # 1. whose key or certificate it is
    if key is not None and (found := rows.in_force(connection, "key_owner", at, ref=key)):
        owner = rows.key_owner(found[0], now=tree.successor(found[0][2], at))
        organisation, person = owner.organisation, owner.person or person
    elif certificate is not None and (whose := holder(connection, marks(certificate).certificate, certificate, at)):
        organisation, person = whose.organisation, whose.person or person
    # 2. by which post, and, where that is not a chief's or deputy's there, by which delegation
    post, delegation = _standing(connection, tree, person, organisation, at) if person else (None, None)
    organisation = organisation or (delegation.organisation if delegation else post.organisation if post else None)
    said = {
        "organisation": organisation,
        "person": person,
        "post": post.id if post else None,
        "delegation": delegation.id if delegation else None,
    }
    facts: dict[str, str | int] = {name: value for name, value in said.items() if value is not None}
    return {**facts, "directory": newest_change(connection)} if facts else {}


def _standing(
    connection: sa.Connection, tree: Tree, person: str, organisation: str | None, at: int
) -> tuple[Post | None, Delegation | None]:
    """The highest post in the organisation, else below it; a delegation for it that counts, if the post does not."""
    posts = authority.posts_of(connection, person, at)
    here = [post for post in posts if organisation in (None, post.organisation)]
    if here and here[0].rank != "member":
        return here[0], None
    for one in authority.delegations_to(connection, person, at):
        if organisation in (None, one.organisation):
            allowed = authority.may_sign_for(
                connection, tree, person=person, organisation=one.organisation, form=one.form, at=at
            )
            if isinstance(allowed, Authority) and allowed.delegation is not None:
                return allowed.post, allowed.delegation
    below = (post for post in posts if organisation is not None and tree.inside(post.organisation, organisation, at))
    return (here[0] if here else next(below, None)), None
