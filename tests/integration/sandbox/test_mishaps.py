"""What a document does to its worker costs one refusal: the next call works."""

from __future__ import annotations

import os
import time

import pytest

from api.sandbox.errors import DocumentTooCostly, WorkerDied, WorkerRefusal
from tests.sandbox_support import Number, Text
from verify.fetcher import Offline

pytestmark = pytest.mark.spine


def echo(worker) -> str:
    return worker.call("echo", Text("alive"), files=[], fetcher=Offline(), result=str)


def crash(worker, how, **limits):
    return worker.call("crash", Text(how), files=[], fetcher=Offline(), result=type(None), **limits)


@pytest.mark.parametrize("how", ["abort", "segfault", "exit"])
def test_a_crash_costs_one_refusal(sandbox, how):
    """A worker that ends by itself is a refusal of the document, and the next call gets another worker."""
    with sandbox.worker("somebody") as worker:
        with pytest.raises(WorkerDied) as refusal:
            crash(worker, how)

        assert (refusal.value.code, refusal.value.actor) == ("document-crashed-worker", "caller")
        assert echo(worker) == "alive"


@pytest.mark.parametrize(
    ("how", "limit", "bounds"),
    [
        ("loop", "cpu", {"cpu": 0.3, "wall": 20}),
        ("stubborn loop", "cpu", {"cpu": 0.3, "wall": 20}),
        ("native loop", "cpu", {"cpu": 0.3, "wall": 20}),
        ("sleep", "wall", {"cpu": 5, "wall": 0.3}),
        ("memory", "memory", {"cpu": 20, "wall": 40}),
        ("recursion", "depth", {"cpu": 5, "wall": 20}),
    ],
)
def test_a_costly_document_costs_one_refusal(sandbox, how, limit, bounds):
    """A loop in Python, one that swallows every exception, one in native code, a stall, a hoard of memory and a deep
    recursion each end in the refusal that names the limit."""
    with sandbox.worker("somebody") as worker:
        with pytest.raises(DocumentTooCostly) as refusal:
            crash(worker, how, **bounds)

        assert (refusal.value.code, refusal.value.facts) == ("document-too-costly", {"limit": limit})
        assert echo(worker) == "alive"


def test_an_unforeseen_exception_tells_its_place_and_nothing_else(sandbox):
    """The refusal names the exception's type and line of code; the text, which may hold a path, stays inside."""
    with sandbox.worker("somebody") as worker, pytest.raises(WorkerDied) as refusal:
        crash(worker, "surprise")

    assert refusal.value.facts["exception"] == "KeyError"
    assert str(refusal.value.facts["place"]).startswith("tests.sandbox_support:")
    assert "/" not in f"{refusal.value} {refusal.value.facts}"


def test_a_refusal_of_the_core_keeps_its_code(sandbox):
    """An error that the core raises arrives with its code, actor, sentence and facts."""
    with sandbox.worker("somebody") as worker, pytest.raises(WorkerRefusal) as refusal:
        worker.call("refuse", Text("lời"), files=[], fetcher=Offline(), result=str)

    error = refusal.value
    assert ("document-broken", "caller", "lời", {"page": 3}) == (error.code, error.actor, str(error), error.facts)


def test_a_worker_dies_after_a_refusal(sandbox):
    """The process that refused is never used again, for anybody."""
    with sandbox.worker("somebody") as worker:
        before = worker.call("facts", Text(), files=[], fetcher=Offline(), result=dict)["pid"]
        with pytest.raises(WorkerRefusal):
            worker.call("refuse", Text("no"), files=[], fetcher=Offline(), result=str)
        after = worker.call("facts", Text(), files=[], fetcher=Offline(), result=dict)["pid"]

    assert before != after
    assert_gone(before)


def test_a_worker_that_has_grown_is_replaced(sandbox):
    """A call that left the worker large is answered, and the next one gets a fresh worker."""
    with sandbox.worker("somebody") as worker:
        pids = [
            worker.call("grow", Number(size), files=[], fetcher=Offline(), result=int) for size in (1, 1, 300 << 20, 1)
        ]

    assert pids[0] == pids[1] == pids[2] != pids[3]


def test_a_worker_killed_from_outside_is_replaced_within_the_call(sandbox):
    """An operator or the kernel may kill a worker: the document is not blamed for it."""
    with sandbox.worker("somebody") as worker:
        pid = worker.call("facts", Text(), files=[], fetcher=Offline(), result=dict)["pid"]
        os.kill(pid, 9)
        assert echo(worker) == "alive"


def test_a_result_of_another_type_is_not_taken(sandbox):
    """A worker that answers something else than was asked for counts as crashed."""
    with sandbox.worker("somebody") as worker, pytest.raises(WorkerDied):
        worker.call("echo", Text("text"), files=[], fetcher=Offline(), result=int)


def test_a_call_that_does_not_exist_is_the_developers_fault(sandbox):
    """An unknown operation, wrong arguments and wrong files are refused under one code."""
    with sandbox.worker("somebody") as worker:
        for op, args, files in (("no-such", Text(), []), ("echo", ("no", "text"), []), ("echo", Text(), [0])):
            with pytest.raises(WorkerRefusal) as refusal:
                worker.call(op, args, files=files, fetcher=Offline(), result=str)
            assert ("sandbox-call-invalid", "developer") == (refusal.value.code, refusal.value.actor)


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} lives")
