"""`kyso setup` with a real SoftHSM: whole, with wrong inputs, killed between steps, on a full disk."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.store import callers
from api.store.database import open_database
from tests.cli_support import ROOT, Ran, kyso
from tests.hsm_support import PIN, SO_PIN, SOFTHSM, WRONG_PIN, need_softhsm

pytestmark = pytest.mark.appliance

ANSWERS = """
module = "hsm"
library = "{library}"
token = "kyso-mau"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}
pin = "{pin}"
storage_kept_by = "Chánh Văn phòng"

[[keys]]
ref = "seal"
purpose = "seal"
algorithm = "p256"
subject = "CN=Đảng ủy xã Mẫu,C=VN"

[[keys]]
ref = "ledger"
purpose = "checkpoints"
algorithm = "ed25519"
"""
KILLED_AT = """
import os, signal, sys
from api.setting_up import record
true, step = record.Record.done, sys.argv[1]
def done(self, name, fact=""):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
    true(self, name, fact)
record.Record.done = done
from api.cli import run
sys.exit(run(sys.argv[2:]))
"""
"""Ends the command as `kill -9` would, after the step was done and before that is noted."""


@dataclass
class Desk:
    """A folder with answers and PIN files, and a home beside them."""

    folder: Path
    home: Path

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def arguments(self, *, pin: str = "pin") -> list[str]:
        return [
            "setup",
            *("--answers", str(self.folder / "answers.toml")),
            *("--pin-file", str(self.folder / pin)),
            *("--so-pin-file", str(self.folder / "so")),
            *("--admin-key-file", str(self.folder / "admin.key")),
        ]

    def setup(self, *, pin: str = "pin") -> Ran:
        return kyso(*self.arguments(pin=pin), home=self.home)

    def answers(self, *, library: str = str(SOFTHSM), pin: str = "file") -> None:
        self.write("answers.toml", ANSWERS.format(library=library, pin=pin))

    def record(self) -> dict[str, object]:
        return json.loads((self.home / "setup.json").read_text())


def a_desk(folder: Path, home: Path) -> Desk:
    need_softhsm()
    (home / "tokens").mkdir(parents=True)
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\n")
    made = Desk(folder, home)
    made.answers()
    made.write("pin", PIN + "\n")
    made.write("so", SO_PIN)
    return made


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path, tmp_path / "home")


def test_from_nothing_to_a_home_that_can_be_served(desk: Desk):
    """Token, keys, request, administrator, configuration; the PIN in its file alone, the API key in its own; run again it
    changes nothing, and what somebody edited meanwhile is shown as a difference and stays."""
    ran = desk.setup()
    assert 0 == ran.status, ran
    assert "[9/9]" in ran.out
    assert "BEGIN CERTIFICATE REQUEST" in (desk.home / "csr" / "seal.csr").read_text()
    assert (0o600, PIN) == (
        (desk.home / "secrets" / "hsm.pin").stat().st_mode & 0o777,
        (desk.home / "secrets" / "hsm.pin").read_text(),
    )
    api_key = (desk.folder / "admin.key").read_text().strip()
    for file in desk.home.rglob("*"):
        if file.is_file() and "tokens" not in file.parts and file.name != "hsm.pin":
            content = file.read_bytes()
            assert PIN.encode() not in content, file
            assert SO_PIN.encode() not in content, file
            assert api_key.encode() not in content, file
    key = desk.home / "secrets" / "storage.key"  # documents are encrypted from the first start on
    assert 0o600 == key.stat().st_mode & 0o777
    assert 'key_file = "secrets/storage.key"' in (desk.home / "kyso.toml").read_text()
    assert "Chánh Văn phòng" in ran.out
    toml = (desk.home / "kyso.toml").read_bytes(), key.read_bytes()
    again = desk.setup()
    assert 0 == again.status
    assert toml == ((desk.home / "kyso.toml").read_bytes(), key.read_bytes())
    assert api_key == (desk.folder / "admin.key").read_text().strip()
    said = kyso("status", "--format", "json", home=desk.home)
    found = json.loads(said.out)
    assert ("operational", False, 69) == (found["state"], found["service"], said.status)
    assert {"do": "certificate", "about": "seal"} in found["next"]
    assert ["ledger", "seal"] == [key["ref"] for key in found["keys"]]
    assert [("administrator", "administrator")] == administrators(desk)
    file = desk.home / "kyso.toml"  # somebody edits it
    file.write_text(file.read_text().replace("port = 8080", "port = 9090"))
    ran = desk.setup()
    assert 65 == ran.status
    assert "-port = 9090" in ran.out
    assert "+port = 8080" in ran.out
    assert "setup-file-edited" in ran.err[-1]
    assert "port = 9090" in file.read_text()


def administrators(desk: Desk) -> list[tuple[str, str]]:
    database = open_database(f"sqlite:///{desk.home}/kyso.db")
    try:
        return [(one.name, one.role) for one in database.read(callers.listed)]
    finally:
        database.close()


def test_killed_behind_step_after_step_it_goes_on_there(desk: Desk):
    """A kill -9 between doing a step and noting it, again and again: the next run goes on, and in the end there is one
    token, one of each key, one API key."""
    for step in ("token", "administrator"):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_AT, step, *desk.arguments()],
            cwd=ROOT,
            env={**os.environ, "KYSO_HOME": str(desk.home), "KYSO_LANG": "en"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert -signal.SIGKILL == killed.returncode, killed
        assert desk.record()["finished"] is False
    ran = desk.setup()
    assert 0 == ran.status, ran
    assert "goes on from there" in ran.out
    assert desk.record()["finished"] is True
    assert [("administrator", "administrator")] == administrators(desk)
    assert 1 == len(list((desk.home / "tokens").iterdir()))
    keys = json.loads(kyso("key", "list", "--format", "json", home=desk.home).out)
    assert ["ledger", "seal"] == sorted(key["ref"] for key in keys)


def test_a_library_that_crashes_ends_it_before_anything_is_made(desk: Desk):
    """No file but the folders; the sentence names the library."""
    library = "/usr/lib/x86_64-linux-gnu/libc.so.6"
    desk.answers(library=library)
    ran = desk.setup()
    assert 69 == ran.status
    assert "setup-check-failed" in ran.err[-1]
    assert library in ran.err[-1]
    assert not (desk.home / "kyso.toml").exists()
    assert not (desk.home / "setup.json").exists()


def test_a_wrong_pin_for_a_token_that_is_there_is_kept_nowhere(desk: Desk):
    """The token says no once; the wrong PIN reaches no file, and the set-up is not finished."""
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "kyso-mau", "--so-pin", SO_PIN, "--pin", PIN],
        env={**os.environ, "SOFTHSM2_CONF": str(desk.home / "softhsm2.conf")},
        check=True,
        capture_output=True,
    )
    desk.write("wrong", WRONG_PIN)
    ran = desk.setup(pin="wrong")
    assert 69 == ran.status
    assert "token-locked" in ran.err[-1]
    assert desk.record()["finished"] is False
    assert not (desk.home / "secrets" / "hsm.pin").exists()


def typing(command: list[str], home: Path, answers: list[str]) -> tuple[str, int]:
    """Run a command in a terminal of its own and type an answer to each question; what was shown, and its status."""
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_LANG": "vi", "COLUMNS": "120"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, environment)
    shown, since, left, deadline = b"", 0, list(answers), time.monotonic() + 90
    talking = select.poll()
    talking.register(terminal, select.POLLIN)
    while time.monotonic() < deadline:
        if talking.poll(300):
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data
        elif left and shown[since:].endswith(b": "):
            since = len(shown)
            os.write(terminal, left.pop(0).encode() + b"\n")
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_person_is_asked_few_questions_and_a_pin_can_be_kept_nowhere(desk: Desk):
    """In a terminal, in Vietnamese: Enter takes what stands in brackets, a PIN that was typed differently twice is asked
    again and never shown. With `typed` no file has it, and who starts the service is told to unlock."""
    answers = [
        "",
        str(SOFTHSM),
        "",
        "",
        "Đảng ủy xã Mẫu",
        "typed",
        "Thủ quỹ",
        "",
        "",
        "",
        "https://ky.example.vn",
        "",
        "",
    ]
    pins = [SO_PIN, SO_PIN, PIN, WRONG_PIN, PIN, PIN]
    command = [sys.executable, "-c", "from api.cli import main; main()", "setup"]
    shown, status = typing(command, desk.home, answers + pins)
    assert 0 == status, shown
    assert "[9/9]" in shown
    assert 'kept_by = "Thủ quỹ"' in (desk.home / "kyso.toml").read_text()
    assert "hai lần không giống nhau" in shown
    assert "kyso unlock" in shown
    for pin in (PIN, SO_PIN, WRONG_PIN):
        assert pin not in shown
    assert not (desk.home / "secrets" / "hsm.pin").exists()
    assert "CERTIFICATE REQUEST" in (desk.home / "csr" / "tsa.csr").read_text()


def test_nobody_to_ask(tmp_path: Path):
    """Without a terminal and without answers it says so at once."""
    ran = kyso("setup", home=tmp_path)
    assert 64 == ran.status
    assert "--answers" in ran.err[-1]


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    place = tmp_path / "tiny"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_found_before_anything_is_begun(tmp_path: Path, tiny: Path):
    """Less than is needed: the check says how much there is; nothing was made."""
    desk = a_desk(tmp_path, tiny / "home")
    ran = desk.setup()
    assert 69 == ran.status
    assert "MiB" in ran.err[-1]
    assert not (desk.home / "kyso.toml").exists()


def test_a_disk_that_fills_up_meanwhile_stops_it_and_room_lets_it_go_on(tmp_path: Path, tiny: Path, monkeypatch):
    """Whatever step it hits, nothing is half written, and the same command ends it once there is room."""
    desk = a_desk(tmp_path, tiny / "home")
    roomy = [
        sys.executable,
        "-c",
        "import sys; from api.setting_up import checks; checks.disk.__kwdefaults__['least'] = 0\n",
    ]
    roomy[2] += "from api.cli import run; sys.exit(run(sys.argv[1:]))"
    environment = {**os.environ, "KYSO_HOME": str(desk.home), "KYSO_LANG": "en"}
    (tiny / "ballast").write_bytes(b"\0" * 2_060_000)
    full = subprocess.run(
        [*roomy, *desk.arguments()], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert 69 == full.returncode, full
    (tiny / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", tiny], check=True)
    done = subprocess.run(
        [*roomy, *desk.arguments()], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == done.returncode, done
    assert desk.record()["finished"] is True
