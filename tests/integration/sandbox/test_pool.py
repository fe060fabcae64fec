"""Who gets which worker, who waits, what is left behind, and how a worker asks for what it needs."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.sandbox import start
from api.sandbox.errors import SandboxBusy, SandboxNotAvailable, WorkerDied
from api.sandbox.pool import Sandbox, SandboxLimits
from tests.sandbox_support import OPS, Number, Questions, Text
from verify.fetcher import FetchFailed, FetchRequest, Offline

pytestmark = pytest.mark.spine


def pid(worker) -> int:
    return worker.call("facts", Text(), files=[], fetcher=Offline(), result=dict)["pid"]


def echo(sandbox, client="somebody", text="alive") -> str:
    with sandbox.worker(client) as worker:
        return worker.call("echo", Text(text), files=[], fetcher=Offline(), result=str)


class Answers:
    """A fetcher that knows some answers and counts the questions."""

    def __init__(self, **known: bytes) -> None:
        self.known, self.asked = known, []

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request.url)
        if request.url not in self.known:
            raise FetchFailed("no answer", reason="http-404")
        return self.known[request.url]


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_a_document_meets_the_same_worker_again(sandbox):
    """Prepare and complete of one document run in one process, also when the client has others in between."""
    with sandbox.worker("a") as first, sandbox.worker("a") as second:
        pids = [pid(first), pid(second), pid(first), pid(second)]

    assert pids[0] == pids[2] != pids[1] == pids[3]


@pytest.fixture
def many_open():
    """A process with more than a thousand open files, as a busy service is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("this machine lets a process open fewer files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with ExitStack() as held:
        for _ in range(1100):
            held.enter_context(Path(os.devnull).open("rb"))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_workers_serve_a_process_with_many_open_files(sandbox, many_open):
    """Also one that was there before: whether it lives is asked of a descriptor beyond 1023."""
    assert "alive" == echo(sandbox, "busy")
    assert "alive" == echo(sandbox, "busy")


def test_a_worker_serves_one_client_again(sandbox):
    """The next document of the same client finds the worker of the last one."""
    with sandbox.worker("a") as worker:
        first = pid(worker)
    with sandbox.worker("a") as worker:
        assert pid(worker) == first


def test_a_worker_is_never_shared_between_clients(pool):
    """However few workers there are, no process serves two clients."""
    sandbox = pool(workers=2)
    seen = {"a": set(), "b": set(), "c": set()}
    for _ in range(3):
        for client, pids in seen.items():
            with sandbox.worker(client) as worker:
                pids.add(pid(worker))

    assert seen["a"] & seen["b"] == seen["b"] & seen["c"] == seen["a"] & seen["c"] == set()


def test_a_worker_ends_after_a_number_of_uses(pool):
    """The bound on uses holds: with two, the third call meets another process."""
    sandbox = pool(uses=2)
    with sandbox.worker("a") as worker:
        pids = [pid(worker) for _ in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_an_idle_worker_is_let_go(pool):
    """A worker that was idle for longer than the limit is not used again."""
    sandbox = pool(idle=0.05)
    with sandbox.worker("a") as worker:
        first = pid(worker)
        time.sleep(0.1)
        assert pid(worker) != first


def test_clients_beyond_the_bound_share_what_there_is(pool):
    """Twelve threads of one client on two workers all get their answers, from two processes at a time."""
    sandbox = pool(workers=2)
    answers, busiest = [], []

    def work(number: int) -> None:
        with sandbox.worker("a") as worker:
            for _ in range(5):
                answers.append(worker.call("echo", Text(str(number)), files=[], fetcher=Offline(), result=str))
                busiest.append(sandbox._busy + len(sandbox._idle))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted(str(number) for number in range(12) for _ in range(5))
    assert max(busiest) <= 2


def test_a_queue_that_does_not_move_is_told(pool):
    """Who waits longer for a worker than the limit is told that all are busy."""
    sandbox = pool(workers=1, queue=0.2)
    stalled = threading.Thread(target=_stall, args=(sandbox,))
    stalled.start()
    time.sleep(0.3)
    with pytest.raises(SandboxBusy) as refusal:
        echo(sandbox)
    stalled.join()

    assert (refusal.value.code, refusal.value.actor) == ("sandbox-not-available", "operator")
    assert echo(sandbox) == "alive"


def _stall(sandbox) -> None:
    from api.sandbox.errors import DocumentTooCostly

    with sandbox.worker("slow") as worker, pytest.raises(DocumentTooCostly):
        worker.call("crash", Text("sleep"), files=[], fetcher=Offline(), result=str, wall=1.0)


def test_no_descriptors_are_left_behind(pool, tmp_path):
    """After calls, refusals, crashes, fetches and files the client has as many descriptors as before."""
    sandbox = pool(workers=2)
    echo(sandbox)
    sandbox.close()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    with (tmp_path / "in").open("w+b") as source, (tmp_path / "out").open("w+b") as out:
        source.write(b"bytes")
        source.flush()
        for _ in range(5):
            with sandbox.worker("a") as worker:
                files = [source.fileno(), out.fileno()]
                assert worker.call("copy", Text(), files=files, fetcher=Offline(), result=int) == 5
                with pytest.raises(WorkerDied):
                    worker.call("crash", Text("exit"), files=[], fetcher=Offline(), result=str)
    sandbox.close()

    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    assert (tmp_path / "out").read_bytes() == b"bytes"


def test_large_answers_arrive(sandbox):
    """A page as a picture or a large revision is larger than the socket's buffer."""
    with sandbox.worker("a") as worker:
        assert worker.call("big", Number(20_000_000), files=[], fetcher=Offline(), result=bytes) == bytes(20_000_000)


# --- asking -----------------------------------------------------------------------------------------------------------


def ask(sandbox, requests, fetcher) -> list[str]:
    with sandbox.worker("a") as worker:
        return worker.call("ask", Questions(tuple(requests)), files=[], fetcher=fetcher, result=list[str])


def test_a_worker_gets_what_it_asks_for(sandbox):
    """Answers and failures arrive, with the facts of the failure, in the midst of an operation."""
    fetcher = Answers(a=b"one", b=b"two")
    requests = [FetchRequest("ocsp", "a", b"?"), FetchRequest("crl", "c"), FetchRequest("certificate", "b")]

    assert ask(sandbox, requests, fetcher) == ["one", "failed: no answer [('reason', 'http-404')]", "two"]


def test_a_timestamp_holds_no_worker(pool):
    """While a timestamp is being fetched the only worker serves others; then the operation runs again."""
    sandbox = pool(workers=1, queue=2)
    meanwhile = []

    class Slow(Answers):
        def fetch(self, request: FetchRequest, /) -> bytes:
            if request.kind == "timestamp":
                meanwhile.append(echo(sandbox, client="other"))
            return super().fetch(request)

    fetcher = Slow(tsa=b"token", ocsp=b"good")
    requests = [FetchRequest("ocsp", "ocsp"), FetchRequest("timestamp", "tsa", b"?"), FetchRequest("crl", "gone")]

    assert ask(sandbox, requests, fetcher)[:2] == ["good", "token"]
    assert meanwhile == ["alive"]
    assert fetcher.asked == ["ocsp", "tsa", "gone"]


def test_a_timestamp_that_fails_is_not_asked_for_twice(sandbox):
    """The second authority is asked after the first has failed, and each of them once."""
    fetcher = Answers(second=b"token")
    requests = [FetchRequest("timestamp", "first", b"?"), FetchRequest("timestamp", "second", b"?")]

    assert ask(sandbox, requests, fetcher) == ["failed: no answer [('reason', 'http-404')]", "token"]
    assert fetcher.asked == ["first", "second"]


def test_a_worker_that_never_stops_asking_is_ended(pool):
    """The number of questions for one document is bounded."""
    sandbox = pool(fetches=10)
    fetcher = Answers()

    with pytest.raises(WorkerDied):
        ask(sandbox, [FetchRequest("crl", str(number)) for number in range(100)], fetcher)
    assert len(fetcher.asked) == 10


def test_a_fetcher_that_breaks_costs_no_worker_its_place(pool):
    """An error of the client's own ends the call, frees the place and reaches the caller unchanged."""

    class Broken:
        def fetch(self, request: FetchRequest, /) -> bytes:
            raise ZeroDivisionError

    sandbox = pool(workers=1, queue=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            ask(sandbox, [FetchRequest("crl", "x")], Broken())

    assert echo(sandbox) == "alive"


def test_waiting_for_an_answer_is_not_the_documents_time(pool):
    """The wall limit counts the worker's time, not the fetcher's."""

    class Slow(Answers):
        def fetch(self, request: FetchRequest, /) -> bytes:
            time.sleep(0.6)
            return b"late"

    assert ask(pool(wall=0.5), [FetchRequest("crl", "x")], Slow()) == ["late"]


# --- the fork server --------------------------------------------------------------------------------------------------


def test_the_pool_recovers_when_the_fork_server_is_restarted(tmp_path):
    """A killed fork server costs waiting: calls made meanwhile are answered by the next one."""
    path = tmp_path / "workers.sock"
    with start.listen(path) as listener:
        server = start.start(listener, extra=OPS)
        sandbox = Sandbox(path, limits=SandboxLimits(workers=2, uses=1, start=10))
        assert echo(sandbox) == "alive"
        server.kill()
        server.wait()
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(echo(sandbox)))
        waiting.start()
        time.sleep(0.3)
        server = start.start(listener, extra=OPS)
        waiting.join()
        assert answers == ["alive"]
        server.terminate()
        server.wait()
        sandbox.close()


def test_a_fork_server_ends_when_it_is_told_to_while_it_forks(tmp_path):
    """What a handler raises in a hook around a fork is swallowed by Python, and the end would be with it."""
    path = tmp_path / "workers.sock"
    told, telling = os.pipe()
    with start.listen(path) as listener, socket.socket(socket.AF_UNIX) as comer, os.fdopen(told) as lines:
        server = start.start(listener, extra=("--ops", "tests.slow_forks"), stderr=telling)
        os.close(telling)
        comer.connect(os.fspath(path))
        while next(lines) != "forking\n":
            pass
        server.terminate()
        try:
            assert server.wait(10) == 0
        finally:
            server.kill()


def test_a_worker_at_work_outlives_its_fork_server(tmp_path):
    """A killed fork server does not take the documents with it that are being worked on."""
    path = tmp_path / "workers.sock"
    with start.listen(path) as listener:
        server = start.start(listener, extra=OPS)
        sandbox = Sandbox(path, limits=SandboxLimits(workers=2))
        with sandbox.worker("a") as worker:
            first = pid(worker)
            server.kill()
            server.wait()
            assert pid(worker) == first
        sandbox.close()


def test_a_fork_server_that_stays_away_is_told(tmp_path):
    """After the time for a restart the caller is told that there are no workers."""
    sandbox = Sandbox(tmp_path / "nobody.sock", limits=SandboxLimits(start=0.3))
    with pytest.raises(SandboxNotAvailable) as refusal:
        echo(sandbox)

    assert (refusal.value.code, refusal.value.actor) == ("sandbox-not-available", "operator")


def test_readiness_learns_what_holds_the_workers(sandbox):
    """`check` answers from a worker that was really locked down."""
    state = sandbox.check()

    assert state.seccomp is True
    assert state.landlock_abi >= 0


def test_only_this_user_reaches_the_fork_server(workers_socket):
    """The socket's mode is 0600."""
    assert workers_socket.stat().st_mode & 0o777 == 0o600


def test_workers_of_a_client_that_is_gone_end(workers_socket):
    """A worker whose client closes the channel ends by itself."""
    from api.sandbox.process import connect
    from tests.integration.sandbox.test_mishaps import assert_gone

    orphan = connect(workers_socket, wait=5)
    orphan._channel.close()

    assert_gone(orphan.pid)
    os.close(orphan._pidfd)


def test_a_private_fork_server_ends_with_its_command(tmp_path):
    """A command that is killed leaves no fork server behind."""
    from tests.integration.sandbox.test_mishaps import assert_gone

    program = (
        "import os, time; from pathlib import Path; from api.sandbox import start\n"
        f"server = start.start(start.listen(Path({str(tmp_path / 's')!r})), extra=('--ops', 'tests.sandbox_support'))\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    command = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    server = int(command.stdout.readline())
    command.kill()
    command.wait()
    command.stdout.close()

    assert_gone(server)
