"""A plan becomes rows: one transaction with its line in the ledger, and a digest by which both can be compared later.

A row is never changed but for `superseded`; the digest covers all that a change wrote, without names, codes and subjects of
people, so that it still fits after one of them was erased.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa

from api.directory import rows
from api.directory.answers import newest_change
from api.directory.planning import Change, Plan
from api.ledger.line import canonical
from api.ledger.log import append_within
from api.store.directory_tables import directory_change

CHUNK = 1_000
ROWS = 24
"""Bits of a row's number behind that of its change."""


class Stale(Exception):
    """The directory has changed since the plan was made."""


def apply(
    connection: sa.Connection, plan: Plan, *, kind: str, caller: str, facts: Mapping[str, Any], at: datetime
) -> tuple[int, int]:
    """Write the plan, as part of `Database.write`; the numbers of the change and of the ledger's line.

    `facts` are what else the line says. A plan without changes leaves a line in the ledger and no change
    (number 0). Raises Stale."""
    if newest_change(connection) != plan.base:
        raise Stale
    number = plan.base + 1
    digest = hashlib.sha256()
    for table, changes in groupby(plan.changes, key=lambda change: change.table):
        _write(connection, table, changes, number=number, digest=digest)
    counts = {
        one.kind: {name: count for name, count in vars(one).items() if name != "kind" and count} for one in plan.counts
    }
    said: dict[str, Any] = {
        **facts,
        "what": f"directory-{kind}",
        "caller": caller,
        "as_of": plan.as_of,
        "counts": counts,
        **({"directory": number, "rows_sha256": digest.hexdigest()} if plan.changes else {}),
    }
    line = append_within(connection, "CHANGED", said, text=canonical(said), at=at)
    if not plan.changes:
        return 0, line
    connection.execute(
        directory_change.insert().values(
            number=number,
            kind=kind,
            at=at.timestamp(),
            as_of=plan.as_of,
            caller=caller,
            ledger_number=line,
            rows_sha256=digest.hexdigest(),
            counts_json=json.dumps(counts, sort_keys=True),
        )
    )
    return number, line


def _write(connection: sa.Connection, name: str, changes: Iterator[Change], *, number: int, digest: Any) -> None:
    """All changes of one table, some at a time."""
    table = rows.TABLES[name]
    columns = rows.COLUMNS[name][1:]
    insert = table.insert()
    supersede = table.update().where(table.c.row == sa.bindparam("former")).values(superseded=number)
    place = number << ROWS
    while chunk := list(islice(changes, CHUNK)):
        made = []
        for change in chunk:
            place += 1
            said = dict(zip(columns, change.values, strict=True))
            row = {"row": place, "id": change.id, **said, "valid_from": change.start, "valid_to": change.end}
            digest.update(leaf(name, row, replaces=change.replaces))
            made.append({**row, "recorded": number})
        connection.execute(insert, made)
        former = [{"former": change.replaces} for change in chunk if change.replaces is not None]
        if former:
            connection.execute(supersede, former)


def leaf(table: str, row: Mapping[str, Any], *, replaces: int | None) -> bytes:
    """What a digest covers of one row."""
    personal = rows.PERSONAL.get(table, ())
    said = [row[name] for name in rows.COLUMNS[table] if name not in personal]
    return (
        json.dumps(
            [table, row["row"], replaces, *said, row["valid_from"], row["valid_to"]],
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        + b"\n"
    )
