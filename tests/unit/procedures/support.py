"""A document that goes through the steps of a procedure, each by another key, and what readers say of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from signer import procedures
from signer.procedures import Facts, Parts, Procedure, Who
from signer.procedures.templates import build
from tests.pki import Authority
from tests.unit.signer.conftest import Hand

ROOT = Authority.root()
DAY = "2026-11-22"


def facts_of(path: Path) -> Facts:
    with path.open("rb") as file:
        return procedures.read(file)


def hand_of(step: str) -> Hand:
    """Somebody with a key of their own."""
    return Hand(ROOT.signer(f"{step} (demo)", key="p256"), "ecdsa_sha256")


def who_for(procedure: Procedure, step: str) -> Who:
    """Whom the procedure expects."""
    _, wanted = procedure.find(step)
    return Who(wanted.role, procedure.bodies[wanted.body].levels[0], wanted.body)


def values_for(procedure: Procedure, step: str, *, number: str = "15-GT/ĐU") -> dict[str, str]:
    """What the clerk writes at this step."""
    document, wanted = procedure.find(step)
    return {name: DAY if document.fields[name].kind == "date" else number for name in wanted.fill}


def take(procedure: Procedure, step: str, path: Path, *, fill: Mapping[str, str] | None = None) -> Parts:
    """Sign the file at `path` as this step, after asking; at B-B, as no authority is about."""
    values = values_for(procedure, step) if fill is None else fill
    facts = facts_of(path)
    procedures.require(procedure, step, who=who_for(procedure, step), facts=facts, fill=values)
    parts = procedures.order_for(procedure, step, facts=facts, fill=values)
    out = path.with_suffix(".next")
    hand_of(step).sign(path, out, **(parts.changes() | {"level": "B-B"}))
    out.replace(path)
    return parts


def made(folder: Path, procedure: Procedure, document: str, values: Mapping[str, str]) -> Path:
    """The document from its template, filled."""
    template = procedure.documents[document].template
    assert template is not None
    path = folder / f"{document}.pdf"
    path.write_bytes(build(template, values=values))
    return path
