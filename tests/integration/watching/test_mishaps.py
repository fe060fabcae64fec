"""What happens to the machine below: the database goes away, the disk is full, the clock is set back. Each time a refusal
with a code, an alarm, nothing lost, and recovery without anybody's help."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import documents
from tests.hsm_support import ROOT
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

FOLDERS = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *map(Path, ("/usr/local/bin", "/usr/bin")))


def sign(found: House) -> httpx.Response:
    document = documents.pdf(Path(tempfile.mkdtemp(prefix="kyso-doc-")) / "a.pdf").read_bytes()
    return found.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", document, "application/pdf")},
        data={"order": json.dumps({"key": "seal", "format": "PAdES", "level": "B-B"})},
    )


def alarms(found: House) -> set[str]:
    return {one.code for one in found.services.watch.look(found.services, remembered=0.0)}


@dataclass
class Server:
    url: str
    stop: Callable[[], None]
    start: Callable[[], None]


@pytest.fixture
def postgresql() -> Iterator[Server]:
    """A server of its own on a Unix socket, which can be stopped as an outage does it."""
    pytest.importorskip("psycopg")
    places = [folder for folder in FOLDERS if (folder / "initdb").exists()]
    if not places:
        pytest.skip("no PostgreSQL server on this machine")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user and subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
        pytest.skip("running as root and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="kyso-pg-"))
    folder.chmod(0o777)

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(places[0] / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def start() -> None:
        run("pg_ctl", "-o", f"-k {folder} -h ''", "-l", f"{folder}/log", "-w", "start")

    def stop() -> None:
        run("pg_ctl", "-m", "immediate", "stop")

    try:
        run("initdb", "-U", "kyso", "-A", "trust", "--no-sync")
        start()
        yield Server(f"postgresql+psycopg://kyso@/postgres?host={folder}", stop, start)
        with contextlib.suppress(subprocess.CalledProcessError):
            stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_goes_away_refuses_alarms_and_comes_back(tmp_path: Path, postgresql: Server):
    """No key is used while nothing can be put on record; the ledger is whole afterwards."""
    found = house(tmp_path, database=postgresql.url)
    assert 201 == sign(found).status_code
    used = found.token.signed
    postgresql.stop()
    refused = sign(found)
    assert 503 == refused.status_code
    assert refused.json()["code"] in ("database-unavailable", "ledger-unavailable")
    assert refused.headers["retry-after"]
    assert used == found.token.signed
    assert "database-away" in alarms(found)
    assert 200 == found.ask("GET", "/metrics", name=None).status_code
    postgresql.start()
    assert 201 == sign(found).status_code
    assert "database-away" not in alarms(found)
    assert found.services.ledger.verify().size == found.services.ledger.state().size
    found.services.database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "kyso-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs cannot be mounted here (needs root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_alarms_and_recovers(small_disk: Path):
    """A signature that was made stays; the next is refused by a code before a key is used, and works when there is room."""
    found = house(small_disk, alarms={"disk_bytes": 2 << 20, "disk_inodes": 0})
    first = sign(found)
    assert 201 == first.status_code
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(os.urandom(4096)):
            pass
    used = found.token.signed
    refused = sign(found)
    assert 503 == refused.status_code, refused.text
    assert refused.json()["code"] in ("database-unavailable", "ledger-unavailable", "storage-full"), refused.text
    assert used == found.token.signed
    assert {"disk-full"} <= alarms(found)
    ballast.unlink()
    assert 201 == sign(found).status_code
    assert "disk-full" not in alarms(found)
    assert 200 == found.ask("GET", first.json()["document"]).status_code
    assert found.services.ledger.verify().size == found.services.ledger.state().size


CLOCK = """
import pathlib, sys, time
sys.path.insert(0, {root!r})
from tests.http_support import house
from tests.integration.watching.test_mishaps import alarms, sign
from signer.clock import ClockUnreliable

setting = pathlib.Path({setting!r})
found = house(pathlib.Path({home!r}), authority={{"key": "tsa", "policy": "1.2.3"}}, alarms={{"certificate_days": 0}})
found.services.watch.clock.synchronised = lambda: True
assert sign(found).status_code == 201
assert not {{"clock-jumped", "clock-behind", "clock-unreliable"}} & alarms(found)
before = time.time()
setting.write_text("-3600")
assert time.time() < before - 3000, "the clock was not set"
told = alarms(found)
assert {{"clock-jumped", "clock-behind", "clock-unreliable"}} <= told, told
try:
    found.services.timestamps.clock.now()
except ClockUnreliable:
    pass
else:
    raise AssertionError("a timestamp would be issued")
answer = sign(found)
assert answer.status_code in (201, 422, 503), answer.text
if answer.status_code != 201:
    assert answer.json()["code"], answer.text
setting.write_text("0")
found.services.timestamps.clock.now()
assert sign(found).status_code == 201
assert "clock-unreliable" not in alarms(found) and "clock-behind" not in alarms(found)
assert found.services.ledger.verify().size == found.services.ledger.state().size
print("recovered")
"""


def test_a_clock_set_back_an_hour_stops_timestamps_alarms_and_recovers(tmp_path: Path):
    """At the level of the process, below the C library: nothing of ours is replaced. The ledger stays whole, whatever the time."""
    if shutil.which("gcc") is None:
        pytest.skip("no compiler on this machine")
    library, setting = tmp_path / "clock.so", tmp_path / "clock"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    setting.write_text("0")
    script = CLOCK.format(root=str(ROOT), setting=str(setting), home=str(tmp_path / "home"))
    environment = {**os.environ, "LD_PRELOAD": str(library), "KYSO_CLOCK": str(setting)}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.stdout.endswith("recovered\n"), ran.stderr[-3000:]
