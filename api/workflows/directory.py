"""The directory for whoever asks: what a caller may see of it, and imports that are repeated safely.

A caller of an organisation sees what it reaches (`api.rights.Scopes`: that organisation, and with `reach = "subtree"` those
below it and what was merged into any of them) and the people who hold something there; the rest of the directory does not
exist for it. A caller of the whole appliance sees everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from api.changes import owners
from api.changes.errors import ChangesByTwo
from api.directory import importing, listing
from api.directory.faults import DirectoryImportRefused, Fault
from api.directory.importing import Imported
from api.directory.model import Delegation, Organisation, Period, Person, Post, Role
from api.directory.reading import Source
from api.directory.records import RecordKind
from api.directory.times import shown_end, shown_start
from api.errors import ClaimLost, DatabaseUnavailable, NotFound, RequestInvalid
from api.locale import Language, fill, words
from api.services import Services
from api.store import idempotency
from api.store.callers import Caller

# --- what may be seen --------------------------------------------------------------------------------------------------


def reach(services: Services, caller: Caller) -> frozenset[str] | None:
    """Ids of the organisations that the caller sees; None is all of them."""
    return services.scopes.organisations(caller)


def organisations(
    services: Services, caller: Caller, *, under: str | None = None, after: str = "", limit: int = 100
) -> dict[str, Any]:
    """Organisations that exist now, by their codes. Raises NotFound for `under` that the caller does not see."""
    tree, at = services.directory.tree(), int(services.clock().timestamp())
    seen = reach(services, caller)
    if under is not None:
        top = tree.find(under)
        if top is None or (seen is not None and top not in seen):
            raise NotFound
        below = tree.scope(top, at)
        seen = below if seen is None else seen & below
    page: list[dict[str, Any]] = []
    for one in tree.all(at):
        if one.code > after and (seen is None or one.id in seen):
            if len(page) == limit:
                return {"organisations": page, "next": page[-1]["code"]}
            page.append(organisation_json(services, one, seen=seen))
    return {"organisations": page, "next": None}


def people(services: Services, caller: Caller, *, after: str = "", limit: int = 100) -> dict[str, Any]:
    """People that the caller sees, by their codes."""
    at = int(services.clock().timestamp())
    seen = reach(services, caller)
    among = None if seen is None else services.database.read(listing.members, seen, at)
    found = services.database.read(listing.people, at, among=among, after=after, limit=limit + 1)
    page = [person_json(one) for one in found[:limit]]
    return {"people": page, "next": page[-1]["code"] if len(found) > limit else None}


def person(services: Services, caller: Caller, identity: str) -> dict[str, Any]:
    """One person with what they hold where the caller sees it. Raises NotFound for everybody else."""
    directory = services.directory
    found = directory.person(identity) if identity.isascii() and identity.isprintable() else None
    if found is None:
        raise NotFound
    seen = reach(services, caller)

    def is_seen(one: Post | Role | Delegation) -> bool:
        return seen is None or one.organisation in seen

    posts, roles = list(filter(is_seen, directory.posts(identity))), list(filter(is_seen, directory.roles(identity)))
    if seen is not None and not posts and not roles:
        raise NotFound
    zone = services.settings.zone
    return {
        **person_json(found),
        "posts": [
            {
                "id": one.id,
                "organisation": one.organisation,
                "title": one.title,
                "rank": one.rank,
                **_dates(one.period, zone),
            }
            for one in posts
        ],
        "roles": [{"organisation": one.organisation, "role": one.role, **_dates(one.period, zone)} for one in roles],
        "delegations": [
            {
                "id": one.id,
                "form": one.form,
                "giver": one.giver,
                "organisation": one.organisation,
                "reference": one.reference,
                **_dates(one.period, zone),
            }
            for one in filter(is_seen, directory.delegations(identity))
        ],
    }


def organisation_json(services: Services, one: Organisation, *, seen: frozenset[str] | None) -> dict[str, Any]:
    """An organisation as the interface tells it; a parent that the caller does not see is not named."""
    parent = services.directory.tree().parent(one.id, int(services.clock().timestamp()))
    return {
        "id": one.id,
        "code": one.code,
        "name": one.name,
        "kind": one.kind,
        "parent": parent if seen is None or parent in seen else None,
        **_dates(one.period, services.settings.zone),
    }


def person_json(one: Person) -> dict[str, Any]:
    return {"id": one.id, "code": one.code, "name": one.name}


def _dates(period: Period, zone: Any) -> dict[str, str | None]:
    return {"from": shown_start(period.start, zone) or None, "to": shown_end(period.end, zone) or None}


# --- imports -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """An import as it came over the network. `as_of` is None for today."""

    data: bytes
    form: Literal["json", "csv"]
    kind: RecordKind | None = None
    as_of: datetime | None = None
    is_trial: bool = False


@dataclass(frozen=True)
class Answered:
    """The answer in JSON, and whether it was given before."""

    text: str
    is_repeated: bool = False


def today(services: Services) -> datetime:
    """The beginning of today: what a line without a date is about."""
    return services.clock().astimezone(services.settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)


def import_(services: Services, caller: Caller, asked: Asked, *, idempotency_key: str | None) -> Answered:
    """Take the records in, or say what would be. Raises DirectoryImportRefused, IdempotencyKeyReused, …"""
    as_of = asked.as_of or today(services)
    hold_keys = owners.SUBJECT in services.settings.changes.two_administrators
    sources = (Source.of_bytes(f"request.{asked.form}", asked.data, kind=asked.kind),)
    zone = services.settings.zone
    if asked.is_trial:
        tried = importing.trial(services.database, sources, as_of=as_of, zone=zone, hold_keys=hold_keys)
        return Answered(_json(tried, asked, zone))
    claim = None
    if idempotency_key is not None:
        options = json.dumps(["directory", asked.form, asked.kind and asked.kind.name, str(asked.as_of)]).encode()
        mark = idempotency.fingerprint(order=options, document_sha256=hashlib.sha256(asked.data).hexdigest())
        claim = services.database.write(idempotency.begin, caller=caller.id, key=idempotency_key, fingerprint=mark)
        if claim.outcome == "done":
            return Answered(claim.answer or "{}", is_repeated=True)

    proposals: list[str | None] = []

    def also(connection: sa.Connection, done: Imported) -> None:
        proposals[:] = [propose_held(connection, done, as_of=as_of, by=caller, at=services.clock())]
        if claim is not None:
            idempotency.finish(connection, claim, answer=_json(done, asked, zone, proposal=proposals[0]))

    try:
        done = importing.run(
            services.database,
            sources,
            as_of=as_of,
            zone=zone,
            caller=caller.id,
            clock=services.clock,
            also=also,
            hold_keys=hold_keys,
        )
    except DatabaseUnavailable:
        raise  # it may be stored after all: the claim lapses, and an equal call changes nothing more
    except BaseException:
        if claim is not None:
            with suppress(ClaimLost, DatabaseUnavailable):
                services.database.write(idempotency.abandon, claim)
        raise
    finally:
        services.directory.forget()
    return Answered(_json(done, asked, zone, proposal=proposals[0]))


def propose_held(
    connection: sa.Connection, done: Imported, *, as_of: datetime, by: Caller | None, at: datetime
) -> str | None:
    """The proposal of what an import says about keys, where that takes two. Raises ChangesByTwo where nobody stands behind
    it."""
    if not done.held:
        return None
    if by is None:
        raise ChangesByTwo(subject=owners.SUBJECT)
    return owners.propose_within(connection, done.held, as_of=as_of, by=by, at=at)


def _json(done: Imported, asked: Asked, zone: Any, *, proposal: str | None = None) -> str:
    return json.dumps({"dry_run": asked.is_trial, **outcome_json(done, zone=zone, proposal=proposal)})


def outcome_json(done: Imported, *, zone: Any, proposal: str | None = None) -> dict[str, Any]:
    """What an import did, for programs: counts by kind. `held` lines about keys wait as a `proposal`."""
    held = {"held": len(done.held), "proposal": proposal} if done.held else {}
    return {
        **held,
        "as_of": shown_start(done.as_of, zone),
        "change": done.change or None,
        "ledger": done.ledger or None,
        "counts": {
            one.kind: {name: count for name, count in vars(one).items() if name != "kind"} for one in done.counts
        },
    }


def faults_json(refused: DirectoryImportRefused, *, language: Language) -> list[dict[str, Any]]:
    """Each fault with its place and its sentence."""
    return [
        {"file": one.file, "line": one.line, "code": one.code, "detail": sentence(one, language=language)}
        for one in refused.faults
    ]


def sentence(fault: Fault, *, language: Language) -> str:
    return fill(words(language)["directory"][fault.code], fault.facts)


def day(text: str, zone: Any) -> datetime:
    """A date as people write it. Raises RequestInvalid."""
    from api.directory.times import start_of  # noqa: PLC0415 - beside its only use

    try:
        return datetime.fromtimestamp(start_of(text, zone), zone)
    except (ValueError, OverflowError):
        raise RequestInvalid("as_of: a date, like 2025-07-01", field="as_of") from None


def totals(counts: Sequence[Any]) -> int:
    """How many lines change something."""
    return sum(one.new + one.changed + one.corrected + one.ended for one in counts)
