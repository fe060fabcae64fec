"""From inside a real worker: whatever a hijacked one would try is refused by the kernel."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tests.sandbox_support import ATTEMPTS, Number, Text
from verify.fetcher import Offline

pytestmark = pytest.mark.spine


def call(worker, op, args, result, **more):
    return worker.call(op, args, files=more.pop("files", []), fetcher=Offline(), result=result, **more)


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_worker_may_not(sandbox, name):
    """The attempt ends in EPERM, whoever the service runs as, and the parent it aimed at lives."""
    with sandbox.worker("somebody") as worker:
        assert call(worker, "attempt", Text(f"{name}|{os.getpid()}"), str) == "EPERM"


def test_every_attempt_does_something_outside(tmp_path):
    """The attempts are real: outside a worker, those that do no harm succeed."""
    harmless = [
        "open a file",
        "list a folder",
        "ask whether a file exists",
        "make an internet socket",
        "open a handle of its parent",
        "signal itself by kill",
        "make an anonymous file",
        "make a page executable",
    ]
    for name in harmless:
        ATTEMPTS[name](os.getpid())


def test_a_worker_may_not_allocate_a_gibibyte(sandbox):
    """An allocation of 1 GiB is refused, one of 64 MiB is not."""
    with sandbox.worker("somebody") as worker:
        assert call(worker, "allocate", Number(1 << 30), str) == "MemoryError"
        assert call(worker, "allocate", Number(64 << 20), str) == "allowed"


def test_a_worker_holds_its_channel_and_nothing_else(sandbox):
    """Besides /dev/null as 0, 1 and 2 a worker has one descriptor."""
    with sandbox.worker("somebody") as worker:
        descriptors = call(worker, "facts", Text(), dict)["descriptors"]

    assert [0, 1, 2] == descriptors[:3]
    assert len(descriptors) == 4


def test_a_worker_may_not_write_beyond_its_limit(sandbox, tmp_path):
    """An output that grows beyond the limit is refused as too costly, not written."""
    from api.sandbox.errors import DocumentTooCostly

    with (tmp_path / "out").open("w+b") as out, sandbox.worker("somebody") as worker:
        assert call(worker, "fill", Number(1 << 20), int, files=[out.fileno()]) == 1 << 20
        with pytest.raises(DocumentTooCostly) as refusal:
            call(worker, "crash-writing", Text("output"), type(None), files=[out.fileno()])

    assert refusal.value.facts == {"limit": "output"}
    assert (tmp_path / "out").stat().st_size == 1 << 20


def test_the_parent_of_a_worker_has_one_thread_and_no_web_framework(sandbox):
    """What a worker is forked from never imported a web framework, a database, an HTTP client or a PKCS#11 library."""
    with sandbox.worker("somebody") as worker:
        modules = set(call(worker, "modules", Text(), list))

    forbidden = {"fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "alembic", "httpx", "pkcs11", "asyncio"}
    assert modules & forbidden == set()


def test_this_process_survived_the_attempts():
    """Nobody killed the parent that the attempts aimed at."""
    assert threading.main_thread().is_alive()
    assert signal.getsignal(signal.SIGINT) is not None
