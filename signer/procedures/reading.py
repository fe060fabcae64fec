"""Reads the file of a procedure. What is not known is refused, by its place in the file: a misspelt rule would be none.

parse(text)                      # raises ProcedureInvalid: where="documents.giay-gioi-thieu.steps.o3-dau.number"
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from signer.errors import ProfileInvalid, ProfileUnknown
from signer.model import Anchor, Level
from signer.procedure_errors import ProcedureInvalid
from signer.procedures.model import FORM, Body, Document, FormField, Kind, Presence, Procedure, Role, Skip, Step
from signer.stamp import profiles

LARGEST = 64 * 1024
"""Characters of a file."""
_MOST = 100

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
FieldName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$", max_length=300)]
Points = Annotated[float, Meta(ge=-2000, le=2000)]
Length = Annotated[float, Meta(gt=0, le=2000)]


class _Strict(Struct, forbid_unknown_fields=True):
    """Keys that are not listed are refused."""


class _Title(_Strict):
    vi: Text
    en: Text


class _Anchor(_Strict):
    text: Text
    width: Length
    height: Length
    right: Points = 0.0
    up: Points = 0.0
    page: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class _Field(_Strict):
    label: Text
    anchor: _Anchor
    kind: Kind = "signature"
    max_length: Annotated[int, Meta(ge=1, le=4000)] | None = None


class _Step(_Strict):
    name: Name
    title: _Title
    body: Name
    role: Role
    field: FieldName
    look: Name
    level: Literal["B-T", "B-LT", "B-LTA"] = "B-T"
    presence: Presence = "required"
    fill: tuple[FieldName, ...] = ()
    number: FieldName | None = None
    date: FieldName | None = None
    locks: tuple[FieldName, ...] = ()
    over: Name | None = None


class _Body(_Strict):
    title: _Title
    levels: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=_MOST)]
    skip: Skip = "never"


class _Document(_Strict):
    title: _Title
    fields: Annotated[dict[FieldName, _Field], Meta(min_length=1, max_length=_MOST)]
    steps: Annotated[tuple[_Step, ...], Meta(min_length=1, max_length=_MOST)]
    template: Name | None = None


class _Procedure(_Strict):
    name: Name
    title: _Title
    source: Text
    profile: Name
    bodies: Annotated[dict[Name, _Body], Meta(min_length=1, max_length=_MOST)]
    documents: Annotated[dict[Name, _Document], Meta(min_length=1, max_length=_MOST)]


def parse(text: str) -> Procedure:
    """A procedure from the text of its file. Raises ProcedureInvalid.

    1. The shape: tables, keys, kinds of values.
    2. Names that are used are there, and each signature field belongs to one step.
    3. The looks are those of the profile.
    """
    if len(text) > LARGEST:
        raise ProcedureInvalid("the file is too long for a procedure", where="size")
    try:
        raw = msgspec.convert(tomllib.loads(text), _Procedure)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProcedureInvalid(f"the file is not TOML: {str(error)[:200]}", where="toml") from error
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise ProcedureInvalid(what[:300], where=re.sub(r"[`$]", "", where).lstrip(".")[:200] or "top") from error
    _require_once((step.name for document in raw.documents.values() for step in document.steps), where="documents")
    for name, document in raw.documents.items():
        _require_sound(document, raw, where=f"documents.{name}")
    return Procedure(
        name=raw.name,
        title=_title(raw.title),
        source=raw.source,
        profile=raw.profile,
        bodies={name: Body(name, _title(one.title), one.levels, one.skip) for name, one in raw.bodies.items()},
        documents={name: _document(name, one) for name, one in raw.documents.items()},
        text=text,
    )


def _require_sound(document: _Document, whole: _Procedure, *, where: str) -> None:
    boxes = [name for name, field in document.fields.items() if field.kind == "signature"]
    _require_once((step.field for step in document.steps), where=f"{where}.steps")
    unused = set(boxes) - {step.field for step in document.steps}
    _require(not unused, f"no step signs {', '.join(sorted(unused))}", where=f"{where}.fields")
    _require_once((name for step in document.steps for name in step.fill), where=f"{where}.steps")
    _require(FORM not in document.fields, f"a field cannot be called {FORM}", where=f"{where}.fields.{FORM}")
    for name, field in document.fields.items():
        only_text = field.kind == "text" or field.max_length is None
        _require(only_text, "only a text has a length", where=f"{where}.fields.{name}.max_length")
    earlier: list[_Step] = []
    for step in document.steps:
        _require_step(step, earlier, document, whole, where=f"{where}.steps.{step.name}")
        earlier.append(step)
    needed = any(step.presence == "required" and whole.bodies[step.body].skip == "never" for step in document.steps)
    _require(needed, "every step can be left out", where=f"{where}.steps")


def _require_step(step: _Step, earlier: list[_Step], document: _Document, whole: _Procedure, *, where: str) -> None:
    """2 and 3 of `parse`, for one step."""
    fields = document.fields
    _require(step.body in whole.bodies, f"there is no body {step.body}", where=f"{where}.body")
    is_box = step.field in fields and fields[step.field].kind == "signature"
    _require(is_box, f"{step.field} is no field for a signature", where=f"{where}.field")
    for name in step.fill:
        is_value = name in fields and fields[name].kind != "signature"
        _require(is_value, f"{name} is no field for a value", where=f"{where}.fill")
    _require(step.number in (None, *step.fill), "the step does not fill its number", where=f"{where}.number")
    is_day = step.date is None or (step.date in step.fill and fields[step.date].kind == "date")
    _require(is_day, "the step fills no such date", where=f"{where}.date")
    _require(
        step.number is None or step.date is not None, "a number belongs to the year of a date", where=f"{where}.date"
    )
    closable = {FORM, *(name for name, field in fields.items() if field.kind != "signature")}
    unknown = set(step.locks) - closable
    _require(not unknown, f"there is nothing to close: {', '.join(sorted(unknown))}", where=f"{where}.locks")
    beneath = next((one for one in earlier if one.name == step.over), None)
    is_person = step.over is None or (beneath is not None and beneath.body == step.body)
    _require(is_person, "a seal goes over an earlier step of its own body", where=f"{where}.over")
    try:
        profiles.find(whole.profile, step.look)
    except (ProfileUnknown, ProfileInvalid) as error:
        raise ProcedureInvalid("the profile has no such look", where=f"{where}.look") from error


def _document(name: str, raw: _Document) -> Document:
    return Document(
        name=name,
        title=_title(raw.title),
        template=raw.template,
        fields={name: _field(name, field) for name, field in raw.fields.items()},
        steps=tuple(_step(step) for step in raw.steps),
    )


def _field(name: str, raw: _Field) -> FormField:
    at = raw.anchor
    anchor = Anchor(at.text, (at.width, at.height), (at.right, at.up), at.page)
    return FormField(name, raw.kind, raw.label, anchor, raw.max_length)


def _step(raw: _Step) -> Step:
    level: Level = raw.level
    return Step(
        name=raw.name,
        title=_title(raw.title),
        body=raw.body,
        role=raw.role,
        field=raw.field,
        level=level,
        look=raw.look,
        presence=raw.presence,
        fill=raw.fill,
        number=raw.number,
        date=raw.date,
        locks=raw.locks,
        over=raw.over,
    )


def _title(raw: _Title) -> dict[str, str]:
    return {"vi": raw.vi, "en": raw.en}


def _require_once(names: Iterable[str], *, where: str) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    _require(not twice, f"there twice: {', '.join(twice)}", where=where)


def _require(condition: bool, what: str, *, where: str) -> None:
    if not condition:
        raise ProcedureInvalid(what, where=where)
