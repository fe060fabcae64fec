"""What a document shows of its steps is read in a real worker, behind the lock-down."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from api.sandbox import calls, start
from api.workflows.documents import DocumentWorker
from signer import procedures
from signer.procedures import Facts
from tests.unit.procedures.support import facts_of, made, take

pytestmark = pytest.mark.web


def test_a_worker_tells_the_same_facts(tmp_path: Path):
    """Before the first signature and after; whose turn it is follows."""
    procedure = procedures.load("thu-nop-dang-phi")
    path = made(tmp_path, procedure, "bao-cao", {"noi_ban_hanh": "Đảng ủy xã Mẫu (demo)"})
    with start.private() as sandbox:
        for step in ("thu-quy-ky", "bi-thu-ky", "bao-cao-dau"):
            order = calls.Survey(hashlib.sha256(path.read_bytes()).hexdigest(), facts=True)
            with sandbox.worker("test") as worker, path.open("rb") as file:
                told = DocumentWorker(worker).survey(file, order=order).facts
            assert told is not None
            facts = msgspec.json.decode(told, type=Facts)
            assert facts_of(path) == facts
            assert (step,) == procedures.state(procedure, "bao-cao", facts).next
            take(procedure, step, path)
