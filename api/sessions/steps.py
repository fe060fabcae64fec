"""What a procedure's step lays down for a signature: its field, fields for later signers, level, look, and what the
signer fills in. The seam to `signer.procedures`, which decides by what a worker read of the document.

Asked twice: before anybody is asked to sign (order of steps, role, level of the organisation), and at consent, with what
is filled in. A number is given once (`take`), in the transaction of the consent. A session without a procedure is signed
as its own order says.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import signer
from api.errors import RequestInvalid
from api.services import Services
from api.sessions.model import Session, SessionDocument
from api.sessions.schema import DocumentRequest
from signer.model import Anchor

if TYPE_CHECKING:
    from signer.procedures import Facts, Numbering, Parts, Procedure, Who

CHOSEN = frozenset({"level", "allow_degraded", "reason"})
"""What an order may say of a document that a procedure is about: the procedure says the rest."""


@dataclass(frozen=True)
class Field:
    """A form field that the signer fills in."""

    name: str
    label: str
    kind: str


@dataclass(frozen=True)
class Step:
    """`order` as in `POST /v1/signatures`; `anchor` is where the field will be, while it is not there."""

    order: Mapping[str, Any] = field(default_factory=dict)
    look: str = "plain"
    fields: tuple[Field, ...] = ()
    anchor: Anchor | None = None
    who: Mapping[str, str | None] | None = None
    bodies: Mapping[str, str] = field(default_factory=dict)
    """Body → organisation, with the one that takes this step."""
    title: Mapping[str, str] | None = None
    """What people call the step, by language."""


NONE = Step()


def settle(
    request: DocumentRequest,
    *,
    facts: Any,
    role: str,
    level: str,
    organisation: str | None,
    bodies: Mapping[str, str],
) -> Step:
    """The step that is asked for, if it may be taken now by somebody of this role in this organisation, which is of this
    kind; `bodies` are known from before. `facts` are builtins, as the worker told them. Raises ProcedureError and what
    stands against the step."""
    if request.procedure is None:
        return NONE
    from signer import procedures  # noqa: PLC0415 - reads PDFs, which this process does not: only its values are used

    if set(request.order) - CHOSEN:
        raise RequestInvalid("the procedure lays the order down", field=sorted(set(request.order) - CHOSEN)[0])
    if facts is None:
        raise RequestInvalid("a procedure is about PDF documents", document=request.document)
    told = msgspec.convert(facts, procedures.Facts)
    procedure = procedures.load(request.procedure)
    if unknown := set(request.bodies) - set(procedure.bodies):
        raise RequestInvalid("the procedure has no such body", field="bodies", body=min(unknown))
    who = procedures.Who(role, level, _body(procedure, request.step or "", organisation, bodies))  # type: ignore[arg-type]
    document, wanted = procedures.require(procedure, request.step or "", who=who, facts=told, fill=None)
    planned = document.fields[wanted.field]
    return Step(
        order={"level": wanted.level, "field": wanted.field},
        look=wanted.look,
        fields=tuple(Field(name, document.fields[name].label, document.fields[name].kind) for name in wanted.fill),
        anchor=planned.anchor if told.field(wanted.field) is None else None,
        who={"role": role, "level": level, "body": who.body},
        bodies={**bodies, wanted.body: organisation} if organisation is not None else bodies,
        title=dict(wanted.title),
    )


def _body(procedure: Procedure, step: str, organisation: str | None, bodies: Mapping[str, str]) -> str | None:
    """Which body the organisation is: that of the step, if nobody else is known to be; else the one that it is known as."""
    _, wanted = procedure.find(step)
    if organisation is None or bodies.get(wanted.body, organisation) == organisation:
        return wanted.body if organisation is not None else None
    return next((body for body, taken in bodies.items() if taken == organisation), "-")


def parts_of(one: SessionDocument, fill: Mapping[str, Any]) -> tuple[Procedure, Parts] | None:
    """What the step is with these values; None without a procedure. Raises ProcedureError and what stands against it."""
    if one.request["procedure"] is None:
        return None
    from signer import procedures  # noqa: PLC0415 - as above

    facts: Facts = msgspec.convert(one.request["facts"], procedures.Facts)
    procedure = procedures.load(one.request["procedure"])
    who: Who = procedures.Who(**one.request["who"])
    values = {name: str(value) for name, value in fill.items()}
    procedures.require(procedure, one.request["step"], who=who, facts=facts, fill=values)
    return procedure, procedures.order_for(procedure, one.request["step"], facts=facts, fill=values)


@cache
def digest_of(procedure: str) -> str:
    """SHA-256 of a procedure's file: which one was in force when somebody signed."""
    return hashlib.sha256((Path(signer.__file__).parent / "procedures" / f"{procedure}.toml").read_bytes()).hexdigest()


def order_of(services: Services, one: SessionDocument, fill: Mapping[str, Any], *, key: str) -> dict[str, Any]:
    """What the step adds to the document's order; the look of its profile where there are pictures for the key."""
    found = parts_of(one, fill)
    if found is None:
        return {}
    _, parts = found
    order = {name: value for name, value in parts.request().items() if name != "level"}
    if (services.settings.home / "pictures" / key).is_dir():
        order["profile"] = f"{parts.profile}/{parts.look}"
        if parts.over is not None:
            order["look"] = {"over": parts.over}
    return order


def number_of(session: Session, one: SessionDocument, fill: Mapping[str, Any]) -> tuple[str, str, int, str] | None:
    """(organisation, procedure, year, number) that the step takes from the register, if it takes one."""
    found = parts_of(one, fill)
    if found is None or found[1].numbering is None:
        return None
    numbering: Numbering = found[1].numbering
    plain = unicodedata.normalize("NFC", numbering.number).strip().upper()
    return session.organisation or "", found[0].name, numbering.year, plain
