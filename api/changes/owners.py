"""Whose keys are whose, decided by two: the lines of an import that say so are taken out of it and proposed.

O1. An import is planned whole: what is wrong with any line refuses all of it, as ever (`api.directory`).
O2. Lines about keys that say nothing new are dropped; the others become one proposal, with ids in the place of codes, so
    that no name or code of a person lies in it. The same lines proposed before and not yet decided are that proposal.
O3. Everything else of the import is written, with the proposal, in one transaction. The next import of the same files
    changes nothing more, and proposes nothing twice.
O4. Decided: the lines are planned again, as the directory is then, and written with a line in the ledger.

It is not undone: who had a key before is said by another import.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AwareDatetime, Field

from api.changes import store
from api.changes.errors import ChangeNotAsProposed
from api.directory.applying import Stale, apply
from api.directory.planning import Plan, plan
from api.directory.reading import Source
from api.directory.rows import TABLES
from api.ledger.line import canonical
from api.ledger.log import append_within
from api.schema_base import Input
from api.store.callers import Caller

if TYPE_CHECKING:
    from api.services import Services

KIND, SUBJECT = "key-owners", "keys"
REASON = "import"
Cell = Literal["ref", "organisation", "person", "from", "to"]
NAMED: tuple[Cell, ...] = ("organisation", "person")


class KeyOwners(Input):
    """Lines of the directory's section `keys`, with ids of organisations and people."""

    as_of: AwareDatetime
    """From when lines without a beginning hold."""
    lines: tuple[dict[Cell, Annotated[str, Field(max_length=200)]], ...] = Field(min_length=1, max_length=5_000)


def propose_within(
    connection: sa.Connection, held: Sequence[Mapping[str, str]], *, as_of: datetime, by: Caller, at: datetime
) -> str:
    """O2 and O3: the id of the proposal. Raises ChangeNotAsProposed where there are too many lines."""
    lines = [{name: _id(connection, name, cell) for name, cell in line.items()} for line in held]
    if len(lines) > 5_000:
        raise ChangeNotAsProposed("more than 5000 keys get another owner: import fewer at a time")
    for known in store.listed(connection, state="proposed"):
        if known.kind == KIND and json.loads(known.payload)["lines"] == lines:
            return known.id
    payload = KeyOwners.model_validate({"as_of": as_of, "lines": lines}).model_dump_json(exclude_none=True)
    change = store.new(KIND, subject=SUBJECT, payload=payload, reason=REASON, by=by.id)
    facts = {"what": "change-proposed", "change": change.id, "kind": KIND, "sha256": change.sha256, "caller": by.id}
    facts |= {"person": by.person} if by.person else {}
    append_within(connection, "CHANGED", facts, text=canonical(facts), at=at)
    store.insert(connection, change)
    return change.id


def effect(services: Services, payload: KeyOwners) -> dict[str, Any]:
    """Owners before and after, of the keys that get others. Raises ChangeNotAsProposed."""
    asked = json.loads(payload.model_dump_json())
    made = services.database.read(_planned, services, asked)
    refs = sorted({str(change.values[0]) for change in made.changes})
    if not refs:
        raise ChangeNotAsProposed("the keys have these owners already")
    before = services.database.read(_owners, refs)
    after = {ref: list(rows) for ref, rows in before.items()}
    for change in made.changes:
        rows = after[str(change.values[0])]
        rows[:] = [row for row in rows if row[0] != change.replaces]
        rows.append([None, *change.values[1:], change.start, change.end])
    return {"owners": asked, "before": before, "after": after}


def apply_within(connection: sa.Connection, services: Services, effect: Mapping[str, Any], *, by: str) -> None:
    """O4. Raises ChangeNotAsProposed where the directory is another one by now."""
    made = _planned(connection, services, effect["owners"])
    try:
        apply(connection, made, kind="import", caller=by, facts={"proposal": KIND}, at=services.clock())
    except Stale:
        raise ChangeNotAsProposed("the directory was changed a moment ago") from None


def stand(connection: sa.Connection, effect: Mapping[str, Any]) -> bool:
    """Whether the keys have the owners that they had when the effect was worked out."""
    return bool(_owners(connection, list(effect["before"])) == effect["before"])


def _planned(connection: sa.Connection, services: Services, asked: Mapping[str, Any]) -> Plan:
    source = Source.of_bytes("keys.json", json.dumps({"keys": asked["lines"]}).encode())
    as_of = int(datetime.fromisoformat(asked["as_of"]).timestamp())
    made = plan(connection, [source], as_of=as_of, zone=services.settings.zone)
    if made.faults.count:
        raise ChangeNotAsProposed(f"the directory does not take these lines: {made.faults.told[0].code}")
    return made


def _owners(connection: sa.Connection, refs: Sequence[str]) -> dict[str, list[list[Any]]]:
    table = TABLES["key_owner"]
    found: dict[str, list[list[Any]]] = {ref: [] for ref in refs}
    columns = (table.c.row, table.c.organisation, table.c.person, table.c.valid_from, table.c.valid_to)
    for start in range(0, len(refs), 500):
        chosen = sa.select(table.c.ref, *columns).where(
            table.c.ref.in_(refs[start : start + 500]), table.c.superseded.is_(None)
        )
        for ref, *row in connection.execute(chosen.order_by(table.c.row)):
            found[ref].append(list(row))
    return found


def _id(connection: sa.Connection, name: str, cell: str) -> str:
    """The id of what a code names; everything else as it is."""
    if name not in NAMED:
        return cell
    table = TABLES[name]
    wanted = sa.select(table.c.id).where(table.c.code == cell).order_by(table.c.row.desc()).limit(1)
    return str(connection.execute(wanted).scalar() or cell)
