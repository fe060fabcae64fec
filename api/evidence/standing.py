"""`directory.json` in a ZIP of evidence: by which post and delegation somebody signed, as the directory knew it then.

The ledger's line names ids and the change of the directory that they were read from; here stand the words behind them. Ids
are proved with the line; titles and dates are what the appliance says. People have no name here: the certificate has.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

import msgspec
import sqlalchemy as sa

from api.directory import rows, rules
from api.directory.model import Period
from api.directory.times import shown_end, shown_start
from api.ledger import Line
from api.reports.text import clean

DIRECTORY = "directory.json"


class Times(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}, omit_defaults=True):
    """Days, the last one included; a missing one is not known, or open."""

    start: str = ""
    end: str = ""


class OrganisationPart(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str
    kind: str


class PostPart(msgspec.Struct, frozen=True):
    id: str
    organisation: str
    title: str
    rank: str
    period: Times


class DelegationPart(msgspec.Struct, frozen=True):
    id: str
    form: str
    giver: str
    receiver: str
    organisation: str
    reference: str
    period: Times


class StandingPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one line of the ledger says of who signed. `directory` is the change whose rows it was read from."""

    line: int
    at: str
    directory: int
    person: str | None = None
    organisation: OrganisationPart | None = None
    post: PostPart | None = None
    delegation: DelegationPart | None = None

    def words(self, language: str) -> str:
        """In one line, for the page."""
        said = [self.post.title] if self.post else []
        if self.delegation:
            form = rules.word("forms", self.delegation.form, language)
            said.append(f"{self.delegation.form}. ({form}), {self.delegation.reference}")
        said += [f"{self.organisation.name} ({self.organisation.code})"] if self.organisation else []
        return clean("; ".join(said) or self.person or "–")


def standing(connection: sa.Connection, line: Line, *, zone: tzinfo) -> StandingPart | None:
    """What was known when the line was written; None where it names nobody."""
    change = line.facts.get("directory")
    if not isinstance(change, int):
        return None
    at = int(line.at.timestamp())

    def known(table: str, name: str) -> tuple[Any, ...] | None:
        identity = line.facts.get(name)
        return rows.as_known(connection, table, identity, change=change, at=at) if isinstance(identity, str) else None

    organisation, post, delegation = (known(name, name) for name in ("organisation", "post", "delegation"))
    person = line.facts.get("person")
    return StandingPart(
        line.number,
        line.at.astimezone(zone).isoformat(),
        change,
        person if isinstance(person, str) else None,
        OrganisationPart(*organisation[:4]) if organisation else None,
        _post(post, zone) if post else None,
        _delegation(delegation, zone) if delegation else None,
    )


def files(parts: tuple[StandingPart, ...]) -> Mapping[str, bytes]:
    """Content by name; nothing where the lines name nobody."""
    return {DIRECTORY: msgspec.json.format(msgspec.json.encode(parts), indent=2) + b"\n"} if parts else {}


def _post(row: tuple[Any, ...], zone: tzinfo) -> PostPart:
    one = rows.post(row)
    return PostPart(one.id, one.organisation, one.title, one.rank, _times(one.period, zone))


def _delegation(row: tuple[Any, ...], zone: tzinfo) -> DelegationPart:
    one = rows.delegation(row)
    return DelegationPart(
        one.id, one.form, one.giver, one.receiver, one.organisation, one.reference, _times(one.period, zone)
    )


def _times(period: Period, zone: tzinfo) -> Times:
    return Times(shown_start(period.start, zone), shown_end(period.end, zone))
