"""The systemd unit: how exposed it leaves the service, and that the service works under it, workers' lock-down included."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.appliance import ROOT, free_port
from tests.documents import pdf
from tests.hsm_support import eventually
from tests.integration.image.unit_sandbox import lines

pytestmark = [pytest.mark.appliance, pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")]

UNITS = ROOT / "docker" / "systemd"
SERVICE, KEEPERS = UNITS / "kyso.service", UNITS / "kyso-keepers.service"
MOST_EXPOSURE = 1.5
SERVICE_USER, KEEPERS_USER = 64_102, 64_101
"""Two users without a name, of the service's group, as kyso.sysusers makes them with one."""


@pytest.mark.parametrize("unit", [SERVICE, KEEPERS], ids=lambda unit: unit.stem)
def test_the_exposure_is_small(tmp_path: Path, unit: Path):
    """`systemd-analyze security` finds at most 1.5 of 10, `verify` no fault in either unit."""
    for one in (SERVICE, KEEPERS):
        (tmp_path / one.name).write_text(one.read_text().replace("/opt/kyso/bin/kyso", "/bin/true"))
    told = analysed("security", "--offline=true", "--no-pager", tmp_path / unit.name)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", told)
    assert found is not None, told
    assert float(found[1]) <= MOST_EXPOSURE
    said = analysed("verify", tmp_path / unit.name).splitlines()
    assert [] == [line for line in said if "kyso" in line]  # what it says of the machine's own units is not ours


def analysed(*arguments: str | Path) -> str:
    """What systemd-analyze says."""
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_pin_is_an_encrypted_credential_of_the_keepers_alone():
    """The units name no PIN and no file of one: systemd decrypts it for the keepers, whose user and folder are not the
    service's; the service passes through that folder by its group."""
    service, keepers = SERVICE.read_text(), KEEPERS.read_text()
    assert "LoadCredentialEncrypted=token-pin\n" in keepers
    assert "LoadCredentialEncrypted=storage-key\n" in service
    for text in (service, keepers):
        assert not re.search(r"^(Environment|SetCredential)=.*[Pp][Ii][Nn]", text, re.MULTILINE)
    assert "token-pin" not in service
    for unit, key, value in (
        (SERVICE, "User", "kyso"),
        (KEEPERS, "User", "kyso-keeper"),
        (KEEPERS, "Group", "kyso"),
        (KEEPERS, "StateDirectoryMode", "0710"),
        (KEEPERS, "PrivateNetwork", "yes"),
        (KEEPERS, "PrivateUsers", None),
    ):
        assert ([value] if value else []) == lines(unit, key)
    users = (UNITS / "kyso.sysusers").read_text()
    assert {f"u {lines(SERVICE, 'User')[0]} - ", f"u {lines(KEEPERS, 'User')[0]} -:kyso "} <= set(
        re.findall(r"^u \S+ -(?::\w+)? ", users, re.MULTILINE)
    )


@pytest.fixture(scope="module")
def trial():
    """What the image's smoke test uses as well."""
    sys.path.insert(0, str(ROOT / "docker" / "image"))
    try:
        return importlib.import_module("trial")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that is not below /tmp, which the unit's service has to itself."""
    if os.geteuid() != 0:
        pytest.skip("mounts of its own take root")
    with tempfile.TemporaryDirectory(prefix="kyso-unit-", dir="/var/tmp") as folder:
        yield Path(folder)


def processes(first: int) -> list[dict[str, str]]:
    """/proc/PID/status of all processes below one."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        found[int(facts["Pid"])] = facts
    below, frontier = [first], [first]
    while frontier:
        frontier = [pid for pid, facts in found.items() if int(facts["PPid"]) in frontier]
        below += frontier
    return [found[pid] for pid in below if pid in found]


def is_open(path: Path) -> bool:
    """Whether other users get there."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


@pytest.fixture
def python(place: Path) -> Path:
    """An interpreter with this one's packages that other users may run: this one, or the machine's."""
    mine, site = Path(sys.executable), Path(sysconfig.get_path("purelib"))
    if not is_open(ROOT / "api") or not is_open(site):
        pytest.skip(f"{ROOT} is closed to other users")
    if is_open(mine):
        return mine
    machines = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if not machines.exists():
        pytest.skip(f"{mine.resolve()} is closed to other users, and there is no {machines}")
    subprocess.run([machines, "-m", "venv", "--without-pip", place / "venv"], check=True)
    (found,) = place.glob("venv/lib/python*/site-packages")
    (found / "these.pth").write_text(f"{site}\n")
    return place / "venv" / "bin" / "python"


@dataclass(frozen=True)
class Party:
    """One of the two: its unit, its home, its user; both have the service's group."""

    unit: Path
    home: Path
    user: int
    credentials: Path
    python: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KYSO_HOME": str(self.home),
            "CREDENTIALS_DIRECTORY": str(self.credentials),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "KYSO_LANG": "en",
        }

    def run(self, *arguments: str | Path) -> str:
        """A command of its administrator: as its user, outside of the unit."""
        command = [self.python, "-c", "from api.cli import main; main()", *arguments]
        done = subprocess.run(
            command,
            env=self.environment | {"PYTHONPATH": str(ROOT)},
            cwd="/",
            user=self.user,
            group=SERVICE_USER,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def start(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        """Under the unit's restrictions, as its user."""
        who = f"{self.user}:{SERVICE_USER}"
        program = [self.python, "-c", "from api.cli import main; main()", command]
        sandbox = [sys.executable, "-m", "tests.integration.image.unit_sandbox", self.unit, self.home, who, *program]
        environment = self.environment | {"PYTHONPATH": str(ROOT)}
        with log.open("wb") as out:
            return subprocess.Popen([*sandbox], cwd=ROOT, env=environment, stdout=out, stderr=out)


@pytest.fixture
def parties(trial, place: Path, python: Path) -> tuple[Party, Party]:
    """Service and keepers with empty homes, the PIN a credential of the keepers alone."""
    place.chmod(0o755)
    service = Party(SERVICE, place / "home", SERVICE_USER, place / "none", python)
    keepers = Party(KEEPERS, place / "keepers", KEEPERS_USER, place / "credentials", python)
    trial.make_homes(service.home, keepers.home, port=free_port(), at=keepers.home, pin="credential", algorithm="p256")
    for party in (service, keepers):
        party.credentials.mkdir(mode=0o700)
        if party is keepers:
            (party.credentials / "token-pin").write_text((keepers.home / "user.pin").read_text())
        for path in (party.credentials, party.home, *party.credentials.rglob("*"), *party.home.rglob("*")):
            os.chown(path, party.user, SERVICE_USER)
    return service, keepers


@pytest.mark.skipif(os.environ.get("TEST_IMAGE") != "all", reason="changes mounts of its own process: make test-image")
@pytest.mark.skipif(ROOT.is_relative_to("/tmp"), reason="the unit's own /tmp hides a project that lies there")
def test_keepers_and_service_sign_under_their_units(trial, parties: tuple[Party, Party], tmp_path: Path):
    """Set up by `kyso setup`, each with its unit's system-call filter, read-only files, no capability, its user: ready,
    workers with a filter of their own and Landlock, a signature, a verdict, an orderly end. The PIN is where the keepers are,
    and nowhere else; whoever has become the service's user reads nothing of theirs."""
    service, keepers = parties
    pin = (keepers.home / "user.pin").read_text()
    told = ("setup", "--answers")
    pins = ("--pin-file", keepers.home / "user.pin", "--so-pin-file", keepers.home / "so.pin")
    keepers.run(*told, keepers.home / "answers.toml", *pins, "--for", str(SERVICE_USER))
    port = tomllib.loads((service.home / "answers.toml").read_text())["port"]
    started: list[subprocess.Popen[bytes]] = []
    with trial.crl_server() as (crl_port, offered):
        authority = trial.Authority.new(f"http://127.0.0.1:{crl_port}/ca.crl")
        offered["/ca.crl"] = authority.revoked()
        try:
            started.append(keepers.start("keepers", tmp_path / "keepers.log"))
            offer = keepers.home / "run" / "offer.json"
            eventually(lambda: offer.exists() or started[0].poll() is not None, within=60)
            service.run(*told, service.home / "answers.toml", "--keepers", keepers.home)
            trial.permit_crl(service.home, crl_port=crl_port)
            certificate = keepers.home / "trial.pem"
            certificate.write_bytes(authority.certify((keepers.home / "csr" / "trial.csr").read_bytes()))
            keepers.run("key", "import-cert", "trial", certificate)
            (service.home / "trust" / "root.pem").write_bytes(authority.pem)
            for path, party in ((certificate, keepers), (service.home / "trust" / "root.pem", service)):
                os.chown(path, party.user, SERVICE_USER)
            made = json.loads(service.run("caller", "create", "--name", "unit", "--key", "trial", "--format", "json"))
            started.append(service.start("serve", tmp_path / "log"))
            ready = wait_until_ready(started[1], port, tmp_path / "log")
            report = signed_and_judged(port, made["api_key"], tmp_path)
            found = {party: processes(one.pid) for party, one in zip((keepers, service), started, strict=True)}
            spied = spy(service, keepers, [int(one["Pid"]) for one in found[keepers]])
            audited = service.run("audit", "verify", "--format", "json")
        finally:
            for one in reversed(started):
                one.send_signal(signal.SIGTERM)
            statuses = [one.wait(60) for one in started]
    assert "TOTAL_PASSED" == report["verdict"]
    assert [] == json.loads(audited)["findings"]
    assert ready["workers"]["seccomp"] is True
    assert ready["workers"]["landlock"] >= 1
    for party, running in found.items():
        assert {str(party.user)} == {facts["Uid"].split()[0] for facts in running}
        assert {"0" * 16} == {facts[name] for facts in running for name in ("CapEff", "CapPrm", "CapBnd")}
        filters = [int(facts["Seccomp_filters"]) for facts in running]
        assert (1, 2 if party is service else 1) == (min(filters), max(filters))  # 2: the workers' own
    assert [0, 0] == statuses
    assert {"EACCES", "EPERM"} >= set(spied.values()), spied
    for path in (tmp_path / "log", tmp_path / "keepers.log", *service.home.rglob("*")):
        assert not path.is_file() or pin.encode() not in path.read_bytes(), path


def signed_and_judged(port: int, api_key: str, folder: Path) -> dict:
    document = pdf(folder / "plain.pdf").read_bytes()
    headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/pdf"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        order = json.dumps(
            {"key": "trial", "level": "B-B", "place": {"page": 1, "box": [60, 60, 320, 130]}, "stamp": {}}
        )
        signed = client.post("/v1/signatures", files={"document": document}, data={"order": order})
        assert 201 == signed.status_code, signed.text
        headers = {"Accept": "application/json"}
        return client.post("/v1/verifications", files={"document": signed.content}, headers=headers).json()


SPY = """
import errno, json, os, pathlib, socket, sys
home, pids = pathlib.Path(sys.argv[1]), [int(pid) for pid in sys.argv[2:]]
def connect(name):
    socket.socket(socket.AF_UNIX).connect(str(home / "run" / name))
tries = {
    "list": lambda: os.listdir(home),
    "list run": lambda: os.listdir(home / "run"),
    "kyso.toml": lambda: (home / "kyso.toml").read_bytes(),
    "log": lambda: os.listdir(home / "log"),
    "uses": lambda: (home / "log" / "keeper-trial.uses").read_bytes(),
    "tokens": lambda: os.listdir(home / "tokens"),
    "credential": lambda: (home.parent / "credentials" / "token-pin").read_bytes(),
    "management": lambda: connect("keeper-trial.admin.sock"),
    "a file": lambda: (home / "run" / "x").write_bytes(b""),
    "the socket's place": lambda: os.rename(home / "run" / "keeper-trial.sock", home / "run" / "y"),
    **{f"memory {pid}": lambda pid=pid: open(f"/proc/{pid}/mem", "rb") for pid in pids},
    **{f"kill {pid}": lambda pid=pid: os.kill(pid, 9) for pid in pids},
}
found = {}
for name, attempt in tries.items():
    try:
        attempt()
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode[error.errno]
print(json.dumps(found))
"""


def spy(service: Party, keepers: Party, pids: list[int]) -> dict[str, str]:
    """What the service's user can do to the keepers beside asking them, by name: an error's, or "done"."""
    done = subprocess.run(
        [service.python, "-c", SPY, keepers.home, *map(str, pids)],
        user=service.user,
        group=SERVICE_USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def wait_until_ready(service: subprocess.Popen[bytes], port: int, log: Path) -> dict:
    """What `/health/ready` says, once all is well."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and service.poll() is None:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
            if answer.status_code == 200:
                return answer.json()
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    service.kill()
    raise AssertionError(log.read_text()[-3000:])
