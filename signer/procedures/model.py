"""The values of a procedure: who signs what, where and in which order. Read from files (`reading`), never changed.

procedure = load("chuyen-sinh-hoat-chinh-thuc")
document, step = procedure.find("o3-dau")
step.role, procedure.bodies[step.body].levels        # ("clerk", ("dang-uy-co-so",))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from signer.model import Anchor, Level
from signer.procedure_errors import StepUnknown

Role = Literal["official", "clerk", "appliance"]
"""Who takes a step: an official with a certificate of their own; the clerk (văn thư), with the organisation's seal; the
appliance by itself, with a key of its own."""
Kind = Literal["signature", "text", "date"]
Skip = Literal["never", "allowed"]
Presence = Literal["required", "optional"]

FORM = "form"
"""Among the fields that a signature closes: all that the document brought with it, such as the member's name."""


@dataclass(frozen=True)
class Body:
    """An organisation that takes part: `levels` are kinds of organisations as the directory knows them. `skip` says
    whether the procedure can go past it, as a level may not exist."""

    name: str
    title: Mapping[str, str]
    levels: tuple[str, ...]
    skip: Skip


@dataclass(frozen=True)
class FormField:
    """A field that the first signature creates next to words on the page; lengths in points."""

    name: str
    kind: Kind
    label: str
    anchor: Anchor
    max_length: int | None


@dataclass(frozen=True)
class Step:
    """One signature. `fill` are the fields that it must fill, `number` and `date` two of them; `locks` the fields that
    it closes. `over` is the step over whose picture a seal stands. `presence` optional: initials, for one."""

    name: str
    title: Mapping[str, str]
    body: str
    role: Role
    field: str
    level: Level
    look: str
    presence: Presence
    fill: tuple[str, ...]
    number: str | None
    date: str | None
    locks: tuple[str, ...]
    over: str | None


@dataclass(frozen=True)
class Document:
    """A document of the procedure: its fields by name, its steps in order. `template` names the source it can be made
    from (`signer.procedures.templates`), if there is one."""

    name: str
    title: Mapping[str, str]
    template: str | None
    fields: Mapping[str, FormField]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Procedure:
    """A procedure, and the whole text that it was read from. `profile` names the looks (`signer.stamp.profiles`)."""

    name: str
    title: Mapping[str, str]
    source: str
    profile: str
    bodies: Mapping[str, Body]
    documents: Mapping[str, Document]
    text: str

    def find(self, step: str) -> tuple[Document, Step]:
        """The step, and the document that it signs. Raises StepUnknown."""
        for document in self.documents.values():
            for one in document.steps:
                if one.name == step:
                    return document, one
        raise StepUnknown(procedure=self.name, step=step[:80])
