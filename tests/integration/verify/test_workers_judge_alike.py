"""A locked-down worker says of a document what the same code says outside: nothing it needs is missing there."""

from __future__ import annotations

import io
import random
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from api.sandbox import calls, start
from api.sandbox.errors import WorkerDied, WorkerRefusal
from api.sandbox.pool import Worker
from api.workflows.documents import DocumentWorker
from tests.fuzzing import seeds
from tests.fuzzing.mutations import Recipe, mutate
from tests.unit.verify.world import DEFAULT, NOW
from verify import engine
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.report import Report, to_json
from verify.trust import Trust

pytestmark = pytest.mark.judging

LARGEST = 60_000
"""Bytes of a file: what reading needs does not depend on how much there is to read."""


def test_every_document_is_judged_alike() -> None:
    """Our documents and the corpus: the same report, or the same refusal. Libraries import and read files late, and in
    a worker that fails in silence: as a refusal of the document, or a change that counts as forbidden."""
    files = [path for path in (*seeds.ours(), *seeds.corpus()) if path.stat().st_size <= LARGEST]
    differing = []
    with start.private() as sandbox:
        for path in files:
            with sandbox.worker("test") as worker, path.open("rb") as file:
                order = calls.Verify(path.name, Trust(), "default", NOW)
                try:
                    report = worker.call("verify", order, files=[file.fileno()], fetcher=Offline(), result=Report)
                    there: object = to_json(report)
                except WorkerRefusal as error:
                    there = error.code
            if there != here(path):
                differing.append(path.name)
    assert differing == []


def test_mutated_documents_end_in_a_report_or_a_code() -> None:
    """No mutation of our documents ends a worker, nor an operation in an error that nobody meant."""
    ours = seeds.ours()
    with start.private() as sandbox:
        for number in range(40):
            recipe = Recipe.draw(random.Random(f"worker:{number}"))
            with tempfile.TemporaryFile() as file, sandbox.worker("test") as worker:
                file.write(mutate(ours[number % len(ours)].read_bytes(), recipe))
                file.flush()
                order = calls.Verify("a.pdf", Trust(), "default", NOW)
                with suppress(WorkerRefusal):
                    worker.call("verify", order, files=[file.fileno()], fetcher=Offline(), result=Report)


class DyingWhileDrawing:
    """A worker whose process ends at the first page that it draws; it gets no further than the real one would."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def call(self, op: str, order: calls.Verify, **rest: object) -> object:
        if order.pictures == "drawn":
            raise WorkerDied(reason="PDFium")
        return self.worker.call(op, order, **rest)


def test_a_page_that_ends_its_worker_keeps_nothing_from_being_judged() -> None:
    """The document is judged without pictures: what came after the first signature is suspicious, and that is said."""
    path = seeds.HERE / "signed-filled-signed.pdf"
    with start.private() as sandbox, sandbox.worker("test") as worker, path.open("rb") as file:
        documents = DocumentWorker(DyingWhileDrawing(worker))
        report = documents.verify(file, name="a", trust=Trust(), policy="default", at=NOW, fetcher=Offline())
    first, second = (one.changes for one in report.signatures)
    assert ("suspicious", "not-drawn time") == (first.kind, first.details[-1])
    assert second.kind == "none"


def here(path: Path) -> object:
    try:
        return to_json(
            engine.judge(
                io.BytesIO(path.read_bytes()), name=path.name, trust=Trust(), policy=DEFAULT, at=NOW, fetcher=Offline()
            )
        )
    except VerifyError as error:
        return error.code
