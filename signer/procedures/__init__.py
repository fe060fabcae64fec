"""Procedures: which documents, who signs what in which order, and what a clerk fills; as data, one file a procedure.

    procedure = load("chuyen-sinh-hoat-chinh-thuc")
    facts = read(file)                                                  # in a worker: what the document shows
    state(procedure, "giay-gioi-thieu", facts).next                     # steps that may come now
    require(procedure, "o3-dau", who=Who("clerk", "dang-uy-co-so"), facts=facts, fill={"o3_so": "15", "o3_ngay": day})
    parts = order_for(procedure, "o3-dau", facts=facts, fill=…)         # field, certification, fields, fill, lock, level

A session asks `refusal` before it shows the document (without `fill`) and `require` again at consent; then it merges
`parts.request()` into the order over HTTP, or `parts.changes()` into a `SignOrder`; draws `parts.look` of
`parts.profile` (over the field `parts.over`); and has the register take `parts.numbering`.

A further procedure is a further file: beside this module, or as text in `parse`. The README says what each key means.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from signer.procedure_errors import ProcedureInvalid, ProcedureUnknown
from signer.procedures.engine import (
    CERTIFIED,
    Numbering,
    Parts,
    Progress,
    Who,
    order_for,
    refusal,
    require,
    state,
)
from signer.procedures.facts import Facts, FieldFacts, SignedFacts, read
from signer.procedures.model import Body, Document, FormField, Procedure, Step
from signer.procedures.reading import parse

__all__ = [
    "CERTIFIED",
    "Body",
    "Document",
    "Facts",
    "FieldFacts",
    "FormField",
    "Numbering",
    "Parts",
    "Procedure",
    "Progress",
    "SignedFacts",
    "Step",
    "Who",
    "load",
    "names",
    "order_for",
    "parse",
    "read",
    "refusal",
    "require",
    "state",
]


@cache
def names() -> tuple[str, ...]:
    """The procedures beside this module."""
    return tuple(sorted(file.name[:-5] for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")))


@cache
def load(name: str) -> Procedure:
    """A procedure beside this module, read once. Raises ProcedureUnknown, ProcedureInvalid."""
    if name not in names():
        raise ProcedureUnknown(procedure=name[:80], step="-", known=", ".join(names()))
    procedure = parse(resources.files(__name__).joinpath(f"{name}.toml").read_text("utf-8"))
    if procedure.name != name:
        raise ProcedureInvalid("the file has another name than the procedure", where="name")
    return procedure
