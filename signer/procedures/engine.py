"""What may happen next to a document of a procedure, by what the document itself shows. Pure functions; no file is read.

    state(procedure, "giay-gioi-thieu", facts).next                     # ("o2-ky", "o3-ky")
    require(procedure, "o3-ky", who=Who("official", "dang-uy-co-so"), facts=facts, fill={})      # raises ProcedureError
    parts = order_for(procedure, "o3-ky", facts=facts, fill={})
    replace(order, **parts.changes())                                   # a SignOrder; or parts.request(), as over HTTP

The order of steps:

1. A step is done when its field is signed. What was gone past stays unsigned: nobody signs before what is done.
2. Behind the last step that is done, steps may be left out that are optional; and whole bodies that may be skipped, if
   none of their steps is done. Within its own body no required step is left out: no seal without the person's signature.
3. So the steps that may come next are known from the document alone, and it is complete when all that is left may be
   left out.

A step is refused, in this order: unknown; done; a signature that does not hold; not its turn; not by this one; a field
that lacks; what a former signer forbade; what is to be filled, is missing or not the step's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from signer.errors import SignatureBroken, SignerError
from signer.model import FieldPlan, Level
from signer.procedure_errors import (
    FieldMissing,
    FillNotOfStep,
    NumberMissing,
    OutOfOrder,
    ProcedureError,
    StepDone,
    StepUnknown,
    WrongRole,
)
from signer.procedures.facts import Facts
from signer.procedures.model import FORM, Document, Procedure, Role, Step
from signer.xades.earlier import WouldBreakSignature

CERTIFIED = 2
"""The first signature certifies: from then on fields are filled and signed, and nothing else (ISO 32000-1 Table 254)."""

_YEAR = re.compile(r"(\d{4})-\d{2}-\d{2}|\d{1,2}[/.-]\d{1,2}[/.-](\d{4})")


@dataclass(frozen=True)
class Who:
    """Who asks: role, the level of the organisation they ask for (the directory's kind), and, where it is known, which of
    the procedure's bodies that is: two organisations of one level may take part."""

    role: Role
    level: str
    body: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a document is: names of steps that are `done`, that were gone past (`passed`), and that may come `next`."""

    document: str
    done: tuple[str, ...]
    passed: tuple[str, ...]
    next: tuple[str, ...]
    complete: bool


@dataclass(frozen=True)
class Numbering:
    """What the register is asked for: the number as numbers are compared (composed, in capitals, single spaces), and the
    year it belongs to. An organisation gives each once a year in a procedure."""

    number: str
    year: int


@dataclass(frozen=True)
class Parts:
    """What the procedure settles of an order. `profile` and `look` name the look, `over` the field beneath a seal."""

    document: str
    step: str
    field: str
    level: Level
    certify: int | None
    fields: tuple[FieldPlan, ...]
    fill: tuple[tuple[str, str], ...]
    profile: str
    look: str
    over: str | None
    numbering: Numbering | None

    def changes(self) -> dict[str, Any]:
        """For `dataclasses.replace(SignOrder)`: all but the look, for which somebody has to bring pictures."""
        kept = ("field", "level", "certify", "fields", "fill")
        return {name: getattr(self, name) for name in kept}

    def request(self) -> dict[str, Any]:
        """The same as `POST /v1/signatures` takes it in `order`, without what is not set."""
        told = asdict(self)
        plans = [_without_nothing(plan) for plan in told["fields"]]
        order = {"field": self.field, "level": self.level, "fill": dict(self.fill), "fields": plans}
        return order if self.certify is None else order | {"certify": self.certify}


def state(procedure: Procedure, document: str, facts: Facts) -> Progress:
    """Done, passed, next. Raises StepUnknown for a document that the procedure does not have."""
    whole = procedure.documents.get(document)
    if whole is None:
        raise StepUnknown("the procedure has no such document", procedure=procedure.name, step=document[:80])
    done = [facts.signed(step.field) is not None for step in whole.steps]
    last = max((at for at, is_done in enumerate(done) if is_done), default=-1)
    begun = {step.body for step, is_done in zip(whole.steps, done, strict=True) if is_done}
    later = whole.steps[last + 1 :]
    coming = [
        step
        for at, step in enumerate(later)
        if all(_may_pass(one, procedure, begun, towards=step.body) for one in later[:at])
    ]
    return Progress(
        document=document,
        done=tuple(step.name for step, is_done in zip(whole.steps, done, strict=True) if is_done),
        passed=tuple(
            step.name for step, is_done in zip(whole.steps[: max(last, 0)], done, strict=False) if not is_done
        ),
        next=tuple(step.name for step in coming),
        complete=all(_may_pass(one, procedure, begun, towards=None) for one in later),
    )


def _may_pass(step: Step, procedure: Procedure, begun: set[str], *, towards: str | None) -> bool:
    """Rule 2."""
    if step.presence == "optional":
        return True
    return procedure.bodies[step.body].skip == "allowed" and step.body not in begun and step.body != towards


def refusal(
    procedure: Procedure, step: str, *, who: Who, facts: Facts, fill: Mapping[str, str] | None = None
) -> SignerError | None:
    """Why the step is not to be taken, None if it may; `fill` None does not ask about values yet. For lists of what waits;
    whoever acts calls `require`."""
    try:
        require(procedure, step, who=who, facts=facts, fill=fill)
    except (ProcedureError, SignatureBroken, WouldBreakSignature) as refused:
        return refused
    return None


def require(
    procedure: Procedure, step: str, *, who: Who, facts: Facts, fill: Mapping[str, str] | None
) -> tuple[Document, Step]:
    """The step that may be taken. Raises ProcedureError, SignatureBroken, WouldBreakSignature; see above."""
    document, wanted = procedure.find(step)
    progress = state(procedure, document.name, facts)
    if step in progress.done:
        raise StepDone(step=step, field=wanted.field)
    for signed in facts.signatures:
        if not signed.sound:
            raise SignatureBroken(field=signed.field)
    if step not in progress.next:
        raise OutOfOrder(step=step, next=", ".join(progress.next) or "-", reason="not-next")
    _require_history(document, procedure, facts, step=step)
    _require_who(procedure, wanted, who)
    _require_fields(document, wanted, facts)
    if fill is not None:
        _require_fill(document, wanted, fill)
    return document, wanted


def order_for(procedure: Procedure, step: str, *, facts: Facts, fill: Mapping[str, str]) -> Parts:
    """What the signature of this step is to be. `fill` holds what the clerk writes; `require` came before it."""
    document, wanted = procedure.find(step)
    is_first = not facts.signatures
    beneath = next((one.field for one in document.steps if one.name == wanted.over), None)
    return Parts(
        document=document.name,
        step=step,
        field=wanted.field,
        level=wanted.level,
        certify=CERTIFIED if is_first else None,
        fields=_plans(document, facts) if is_first else (),
        fill=tuple((name, fill[name].strip()) for name in wanted.fill),
        profile=procedure.profile,
        look=wanted.look,
        over=beneath,
        numbering=_numbering(wanted, fill),
    )


def _require_history(document: Document, procedure: Procedure, facts: Facts, *, step: str) -> None:
    """What is signed was signed by the rules of this procedure: no required step of a body that took part lacks."""
    done = [facts.signed(one.field) is not None for one in document.steps]
    last = max((at for at, is_done in enumerate(done) if is_done), default=-1)
    begun = {one.body for one, is_done in zip(document.steps, done, strict=True) if is_done}
    for one, is_done in zip(document.steps[: last + 1], done, strict=False):
        if not is_done and not _may_pass(one, procedure, begun, towards=None):
            raise OutOfOrder(
                "a step before the last signature was left out", step=step, next=one.name, reason="history"
            )


def _require_who(procedure: Procedure, step: Step, who: Who) -> None:
    body = procedure.bodies[step.body]
    if who.role != step.role:
        raise WrongRole(step=step.name, wanted=step.role, found=who.role, reason="role")
    if who.level not in body.levels:
        raise WrongRole(step=step.name, wanted=", ".join(body.levels), found=who.level, reason="level")
    if who.body not in (None, body.name):
        raise WrongRole(step=step.name, wanted=body.name, found=str(who.body), reason="body")


def _require_fields(document: Document, step: Step, facts: Facts) -> None:
    """All fields are there or can still be created; those of this step are open, and it closes what it is to close."""
    for name, planned in document.fields.items():
        there = facts.field(name)
        kind = "signature" if planned.kind == "signature" else "value"
        if there is not None and there.kind != kind:
            raise FieldMissing("the field is of another kind", field=name, reason="kind")
        if there is None and facts.signatures and name in (step.field, *step.fill):
            raise FieldMissing(field=name, reason="signed-without")
    box = facts.field(step.field)
    lacking = set(_locks(document, step, facts)) - set(box.closes if box is not None else _locks(document, step, facts))
    if lacking:
        raise FieldMissing("the field does not close what it is to close", field=step.field, reason="lock")
    if facts.level == 1:
        raise WouldBreakSignature("the document was certified without further changes", field=step.field)
    for name in (step.field, *step.fill):
        there = facts.field(name)
        if there is not None and not there.open:
            raise WouldBreakSignature("a signature closed the field", field=name)
    if not facts.signatures and facts.level is not None:
        raise WouldBreakSignature("the document was certified already", field=step.field)


def _require_fill(document: Document, step: Step, fill: Mapping[str, str]) -> None:
    for name in fill:
        if name not in step.fill:
            raise FillNotOfStep(step=step.name, field=name[:80])
    for name in step.fill:
        if not fill.get(name, "").strip():
            raise NumberMissing(step=step.name, field=name, label=document.fields[name].label)
    _numbering(step, fill)


def _plans(document: Document, facts: Facts) -> tuple[FieldPlan, ...]:
    """The fields that are not there yet, each signature's with what it closes."""
    closing = {step.field: _locks(document, step, facts) for step in document.steps}
    return tuple(
        FieldPlan(
            field.name,
            kind=field.kind,
            anchor=field.anchor,
            label=field.label,
            max_length=field.max_length,
            lock=closing.get(field.name, ()),
        )
        for field in document.fields.values()
        if facts.field(field.name) is None
    )


def _locks(document: Document, step: Step, facts: Facts) -> tuple[str, ...]:
    """`form` in the step's locks stands for all that the document brought with it."""
    brought = tuple(one.name for one in facts.fields if one.kind == "value" and one.name not in document.fields)
    return tuple(name for lock in step.locks for name in (brought if lock == FORM else (lock,)))


def _numbering(step: Step, fill: Mapping[str, str]) -> Numbering | None:
    if step.number is None or step.date is None:
        return None
    year = _YEAR.fullmatch(fill[step.date].strip())
    if year is None:
        raise NumberMissing("the date has no year", step=step.name, field=step.date, label=step.date)
    number = " ".join(unicodedata.normalize("NFC", fill[step.number]).upper().split())
    return Numbering(number, int(year[1] or year[2]))


def _without_nothing(plan: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in plan.items() if value not in (None, ())}
    if "anchor" in told:
        told["anchor"] = {name: value for name, value in told["anchor"].items() if value is not None}
    return told
