"""What a document shows of its steps is read in a real worker, behind the lock-down."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.sandbox import start
from api.sandbox.errors import WorkerRefusal
from api.workflows.documents import DocumentWorker
from signer import procedures
from tests.unit.procedures.support import facts_of, made, take

pytestmark = pytest.mark.web


def test_a_worker_tells_the_same_facts(tmp_path: Path):
    """Before the first signature and after; whose turn it is follows. What is no PDF is refused with a code."""
    procedure = procedures.load("thu-nop-dang-phi")
    path = made(tmp_path, procedure, "bao-cao", {"noi_ban_hanh": "Đảng ủy xã Mẫu (demo)"})
    with start.private() as sandbox:
        for step in ("thu-quy-ky", "bi-thu-ky", "bao-cao-dau"):
            with sandbox.worker("test") as worker, path.open("rb") as file:
                facts = DocumentWorker(worker).steps(file)
            assert facts_of(path) == facts
            assert (step,) == procedures.state(procedure, "bao-cao", facts).next
            take(procedure, step, path)
        (tmp_path / "no.pdf").write_bytes(b"%PDF-1.7 nothing")
        with (
            sandbox.worker("test") as worker,
            (tmp_path / "no.pdf").open("rb") as file,
            pytest.raises(WorkerRefusal) as no,
        ):
            DocumentWorker(worker).steps(file)
    assert no.value.code.startswith("document-")
