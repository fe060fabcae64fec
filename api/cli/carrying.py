"""`kyso verify --evidence`: what a judgement rested on, as a ZIP to carry away (`api.workflows.evidence`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from api import settings as kyso_settings
from api.cli import console
from api.cli.console import t
from api.cli.output import atomic
from api.evidence.reading import is_evidence
from api.workflows import evidence
from api.workflows.documents import DocumentWorker
from api.workflows.evidence import Made

Out = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        help=t(
            "ghi bộ bằng chứng (ZIP) để kiểm tra lại ở nơi khác",
            "write the evidence (ZIP), to be checked elsewhere",
        ),
    ),
]


LedgerKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--ledger-key",
        help=t(
            "khóa công khai của nhật ký trong bộ bằng chứng, chuỗi hoặc tệp",
            "verifier key of the ledger in a ZIP of evidence, text or file",
        ),
    ),
]


def check(files: Sequence[Path], out: Path | None) -> None:
    """Refuse what has no evidence before any work is done."""
    if out is None:
        return
    if len(files) != 1:
        raise console.usage(t("--evidence: chỉ một tài liệu", "--evidence: one document only"))
    if only(files):
        raise console.usage(t("--evidence: tệp này đã là bằng chứng", "--evidence: this file is evidence already"))


def only(files: Iterable[Path]) -> bool:
    """Whether each of these is a ZIP of evidence."""
    return all(map(_is_evidence, files))


def write(out: Path, worker: DocumentWorker, source: BinaryIO, made: Made, *, password: str | None) -> None:
    with atomic(out) as file:
        evidence.write(file, worker, source, made, zone=kyso_settings.load().zone, password=password)


def _is_evidence(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_evidence(file)
    except OSError:
        return False
