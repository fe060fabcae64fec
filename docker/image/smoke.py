"""Runs the image as production would, signs and verifies inside, and tells what is in the running container.

    python docker/image/smoke.py        after build.py; ends within two minutes, leaves nothing

1. two empty volumes; keepers and service set up by the image's own `kyso setup`, certificate and API key made
2. two containers: read-only root, no capabilities, no new privileges, tmpfs for /tmp, limits; the service uid 10001, in the
   image without any PKCS#11 library; the keepers uid 10002, in no network; they share the folder of the keepers' sockets
3. a document signed over HTTP and judged TOTAL_PASSED, over HTTP and by `kyso verify`
4. what the kernel says of each process; what cannot be written; what the service's container does not see of the keepers;
   the health checks; the bill of materials
5. SIGTERM: both end by themselves, in order

Exit status 69 where this machine cannot run containers, 1 where something is not as it should be.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from build import ROOT, version
from podman import NotPossibleHere, Store, run
from trial import IN_CONTAINER, KEEPERS_IN_CONTAINER, Authority, crl_server, make_homes, permit_crl

UID, KEEPERS_UID = 10001, 10002
CALL_WITHIN, READY_WITHIN, STOP_WITHIN = 60.0, 60.0, 25
HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=256m", "--pids-limit", "256", "--memory", "2g"),
    *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024", "--ulimit", "core=0:0"),
)


class NotAsItShouldBe(Exception):
    """Something in the container is not what was promised."""


@dataclass(frozen=True)
class Trial:
    """The image under test and the volumes that its two containers work on."""

    store: Store
    home: Path
    keepers: Path
    port: int

    def service(self, *arguments: str, options: tuple[str, ...] = ("--rm", "--no-healthcheck")) -> str:
        """A container of the service with these arguments of `kyso`; it sees of the keepers what compose.yml gives it."""
        volumes = ("--volume", f"{self.home}:{IN_CONTAINER}")
        if (self.keepers / "run").exists():
            volumes += ("--volume", f"{self.keepers / 'run'}:{KEEPERS_IN_CONTAINER}/run:ro")
        return self._run("--network", "host", *volumes, *options, f"localhost/kyso:{version()}", *arguments)

    def keeper(self, *arguments: str, options: tuple[str, ...] = ("--rm", "--no-healthcheck")) -> str:
        """A container of the keepers."""
        where = ("--env", f"KYSO_HOME={KEEPERS_IN_CONTAINER}", "--volume", f"{self.keepers}:{KEEPERS_IN_CONTAINER}")
        user = ("--user", f"{KEEPERS_UID}:{UID}", "--workdir", KEEPERS_IN_CONTAINER, "--network", "none")
        return self._run(*user, *where, *options, SOFTHSM, *arguments)

    def shell(self, image: str, script: str) -> str:
        return self._run("--rm", "--no-healthcheck", "--entrypoint", "/bin/sh", image, "-c", script)

    def inside(self, container: str, *command: str) -> str:
        return run(self.store.podman("exec", container, *command), seconds=CALL_WITHIN)

    def give(self, file: Path, content: bytes, *, user: int = UID) -> None:
        """A file in a volume."""
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_bytes(content)
        for one in (file.parent, file):
            os.chown(one, user, UID)

    def _run(self, *arguments: str) -> str:
        return run(self.store.podman("run", *HARDENED, *arguments), seconds=CALL_WITHIN)


SOFTHSM = "localhost/kyso:softhsm"
_DETACHED = ("--detach",)


def prepare(trial: Trial, authority: Authority, containers: list[str], *, crl_port: int) -> str:
    """1. From empty volumes to an appliance that can sign, its keepers' container among `containers`; a client's API key."""
    pins = [f"--{name}pin-file={KEEPERS_IN_CONTAINER}/{file}" for name, file in (("", "user.pin"), ("so-", "so.pin"))]
    told = ("--lang", "en", "setup", "--answers")
    trial.keeper(*told, f"{KEEPERS_IN_CONTAINER}/answers.toml", *pins, "--for", "kyso")
    containers.append(started := trial.keeper("keepers", options=_DETACHED).strip().splitlines()[-1])
    wait_for(trial.keepers / "run" / "offer.json")
    certificate = authority.certify((trial.keepers / "csr" / "trial.csr").read_bytes())
    trial.give(trial.keepers / "given" / "trial.pem", certificate, user=KEEPERS_UID)
    trial.inside(started, "kyso", "key", "import-cert", "trial", f"{KEEPERS_IN_CONTAINER}/given/trial.pem")
    key_file = ("--admin-key-file", f"{IN_CONTAINER}/admin.key")
    trial.service(*told, f"{IN_CONTAINER}/answers.toml", "--keepers", KEEPERS_IN_CONTAINER, *key_file)
    permit_crl(trial.home, crl_port=crl_port)
    trial.give(trial.home / "trust" / "root.pem", authority.pem)
    made = trial.service("caller", "create", "--name", "smoke", "--key", "trial", "--format", "json")
    return json.loads(next(line for line in made.splitlines() if line.startswith("{")))["api_key"]


def wait_for(file: Path) -> None:
    """The keepers tell what they offer once they run; the service's set-up reads it."""
    until = time.monotonic() + READY_WITHIN
    while not file.exists():
        _must(time.monotonic() < until, f"{file.name} is not there after {READY_WITHIN:.0f} s")
        time.sleep(0.1)


def wait_until_ready(trial: Trial, container: str) -> dict[str, object]:
    """What `/health/ready` says, once it says 200."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"http://127.0.0.1:{trial.port}/health/ready", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code == httpx.codes.OK:
            return answer.json()
        time.sleep(0.2)
    logs = run(trial.store.podman("logs", "--tail", "20", container), seconds=CALL_WITHIN)
    raise NotAsItShouldBe(f"not ready after {READY_WITHIN:.0f} s:\n{logs}")


def sign_and_verify(trial: Trial, container: str, api_key: str) -> dict[str, str]:
    """3. One document, through HTTP as a workflow system would."""
    document = trial.home / "sample.pdf"
    run([sys.executable, ROOT / "docker/demo/sample.py", document], seconds=CALL_WITHIN)
    headers = {"Authorization": f"Bearer {api_key}", "Accept-Language": "en"}
    with httpx.Client(base_url=f"http://127.0.0.1:{trial.port}", headers=headers, timeout=CALL_WITHIN) as client:
        order = json.dumps({"key": "trial", "level": "B-B", "field": "o1_chi_uy", "stamp": {}})
        signed = client.post(
            "/v1/signatures",
            files={"document": document.read_bytes()},
            data={"order": order},
            headers={"Accept": "application/pdf", "Idempotency-Key": "smoke"},
        )
        _must(signed.status_code == httpx.codes.CREATED, f"signing: {signed.status_code} {signed.text[:500]}")
        (trial.home / "signed.pdf").write_bytes(signed.content)
        os.chown(trial.home / "signed.pdf", UID, UID)
        report = client.post("/v1/verifications", files={"document": signed.content}).json()
    _must(report["verdict"] == "TOTAL_PASSED", f"verifying: {json.dumps(report)[:800]}")
    told = trial.inside(container, "kyso", "verify", f"{IN_CONTAINER}/signed.pdf", "--format", "json")
    _must('"TOTAL_PASSED"' in told, f"kyso verify: {told[-800:]}")
    return {
        "signed": f"{len(signed.content)} bytes over HTTP, with a visible stamp",
        "verdict": f"{report['verdict']} over HTTP and by `kyso verify` in the container",
    }


def look_inside(trial: Trial, container: str, *, uid: int, roles: set[str]) -> dict[str, str]:
    """4. What the kernel says of a container's processes, and what they cannot write."""
    pid = run(trial.store.podman("inspect", "--format", "{{.State.Pid}}", container), seconds=CALL_WITHIN).strip()
    found = processes(int(pid))
    known = {process["role"] for process in found} - {"other"}
    _must(known in (roles, roles | {"worker"}), f"processes: {found}")
    for process in found:
        _must((process["Uid"], process["Gid"]) == (str(uid), str(UID)), f"uid: {process}")
        _must(
            {process[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}, f"capability: {process}"
        )
        _must((process["NoNewPrivs"], process["Seccomp"]) == ("1", "2"), f"seccomp: {process}")
    root = next(line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines() if line.split()[4] == "/")
    _must("ro" in root.split()[5].split(","), f"the root is mounted as {root.split()[5]}")
    tried = trial.inside(container, "/bin/sh", "-c", _WRITES)
    _must(tried.strip() == "", f"writable: {tried}")
    core = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line).split()
    _must(core[4:6] == ["0", "0"], f"core dumps: {core}")
    return {
        "processes": ", ".join(f"{process['role']} ({process['Seccomp_filters']})" for process in found)
        + "  (system-call filters each)",
        "uid, gid": f"{uid}, {UID} in all of them",
        "capabilities": "none: CapPrm, CapEff, CapBnd, CapAmb are 0 in all of them",
        "privileges": "NoNewPrivs 1, Seccomp 2 (filter) in all of them; core dumps 0",
        "root": f"{root.split()[5]}; no write to /, /etc, /opt, /usr, /var; /tmp is noexec",
    }


def look_from_the_service(trial: Trial, container: str, keepers: str, ready: dict) -> dict[str, str]:
    """4. What the service's container sees of its keepers, and how both say that they are well."""
    seen = trial.inside(container, "/opt/kyso/bin/python", "-c", _SEEN).strip()
    _must(seen == "EACCES False", f"the keepers as the service sees them: {seen}")
    networks = trial.inside(keepers, "/bin/sh", "-c", "ls /sys/class/net").split()
    _must(networks == ["lo"], f"the keepers' networks: {networks}")
    run(trial.store.podman("healthcheck", "run", container), seconds=CALL_WITHIN)
    trial.inside(keepers, "/opt/kyso/bin/python", "-P", "-m", "api.probe", "--keepers")
    workers = ready["workers"]
    _must(workers["seccomp"] is True, f"workers: {workers}")
    return {
        "keepers": "their management socket refuses the service (EACCES); PIN, token, log of uses and a PKCS#11 library are "
        "not in its container; they have no network",
        "workers": f"seccomp {workers['seccomp']}, Landlock ABI {workers['landlock']}",
        "health checks": "pass inside both containers",
    }


_SEEN = f"""\
import errno, pathlib, socket
found, place = [], pathlib.Path("{KEEPERS_IN_CONTAINER}")
try:
    socket.socket(socket.AF_UNIX).connect(str(place / "run" / "keeper-trial.admin.sock"))
except OSError as error:
    found.append(errno.errorcode[error.errno])
others = [place / name for name in ("kyso.toml", "log", "tokens", "secrets")] + [pathlib.Path("/usr/lib/softhsm")]
print(*found, any(path.exists() for path in others))
"""
_WRITES = """\
for folder in / /etc /opt/kyso /usr /var /var/lib /home /root /run; do
  (: > $folder/kyso-write-test) 2>/dev/null && echo $folder
done
printf '#!/bin/sh\\ntrue\\n' > /tmp/kyso-test && chmod 700 /tmp/kyso-test && /tmp/kyso-test 2>/dev/null && echo /tmp is exec
rm -f /tmp/kyso-test
"""
_CONTENTS = """\
find / -xdev -type f -perm /6000 2>/dev/null
ls -d /usr/lib/softhsm /opt/kyso/bin/pip* /opt/kyso/lib/python3*/site-packages/pip /usr/bin/gcc 2>/dev/null
test -d /opt/kyso/lib/python3*/site-packages/tests && echo tests
true
"""


def look_at_image(trial: Trial, image: str) -> dict[str, str]:
    """4. What production's image does not hold, and its bill of materials."""
    extra = trial.shell(image, _CONTENTS).strip()
    _must(not extra, f"in the image without need: {extra}")
    bill = json.loads(trial.shell(image, "cat /usr/share/kyso/sbom.cdx.json"))
    kinds = [component.get("purl", "").partition("/")[0] for component in bill["components"]]
    _must(min(kinds.count("pkg:pypi"), kinds.count("pkg:deb")) > 20, f"bill of materials: {len(kinds)} components")
    return {
        "not in it": "setuid files, pip, compilers, SoftHSM, tests",
        "materials": f"CycloneDX {bill['specVersion']}: {kinds.count('pkg:pypi')} Python packages, "
        f"{kinds.count('pkg:deb')} Debian packages",
    }


def stop(trial: Trial, container: str) -> str:
    """5. SIGTERM, and what is left."""
    started = time.monotonic()
    run(trial.store.podman("stop", "--time", str(STOP_WITHIN), container), seconds=STOP_WITHIN + 20)
    code = run(trial.store.podman("inspect", "--format", "{{.State.ExitCode}}", container), seconds=CALL_WITHIN).strip()
    _must(code == "0", f"exit status {code} after SIGTERM")
    return f"by SIGTERM in {time.monotonic() - started:.1f} s, exit status 0"


def processes(first: int) -> list[dict[str, str]]:
    """Facts of /proc about a process and all below it, outermost first."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    wanted, frontier = [first], [first]
    while frontier:
        frontier = [pid for pid, parent in sorted(parents.items()) if parent in frontier]
        wanted += frontier
    found = []
    for pid in wanted:
        try:
            lines = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
            )
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # ended meanwhile
        facts = {name: value.split("\t")[0].strip() for name, value in lines.items()}
        found.append(facts | {"role": _role(command)})
    parents_of_workers = {process["Pid"] for process in found if process["role"] == "workers"}
    return [process | {"role": "worker"} if process["PPid"] in parents_of_workers else process for process in found]


def _role(command: str) -> str:
    names = {
        "hsm.keeper": "keeper",
        "hsm.lane": "lane",
        "api.sandbox.forkserver": "workers",
        "api.serve": "api",
        "kyso serve": "supervisor",
        "kyso keepers": "supervisor",
    }
    return next((role for part, role in names.items() if part in command), "other")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotAsItShouldBe(otherwise)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _can_run(store: Store, image: str) -> None:
    """Whether this kernel lets a container start at all; the reason where it does not."""
    command = store.podman("run", "--rm", *HARDENED, "--entrypoint", "/bin/true", image)
    try:
        run(command, seconds=CALL_WITHIN)
    except subprocess.CalledProcessError as error:
        raise NotPossibleHere(f"containers cannot be run here: {error.output.strip()[-600:]}") from None


def smoke(store: Store, tell: Callable[[str, str], None]) -> None:
    """All of it; raises NotPossibleHere, NotAsItShouldBe, CalledProcessError."""
    _can_run(store, SOFTHSM)
    with tempfile.TemporaryDirectory(prefix="kyso-image-") as folder, crl_server() as (crl_port, offered):
        Path(folder).chmod(0o755)
        trial = Trial(store, Path(folder) / "home", Path(folder) / "keepers", _free_port())
        make_homes(trial.home, trial.keepers, port=trial.port)
        for home, user in ((trial.home, UID), (trial.keepers, KEEPERS_UID)):
            for path in (home, *home.rglob("*")):
                os.chown(path, user, UID)
        authority = Authority.new(f"http://127.0.0.1:{crl_port}/ca.crl")
        offered["/ca.crl"] = authority.revoked()
        containers: list[str] = []
        try:
            api_key = prepare(trial, authority, containers, crl_port=crl_port)
            tell("set up", "keepers and service by `kyso setup` in the image; certificate, API key")
            keepers = containers[0]
            containers.append(container := trial.service(options=_DETACHED).strip().splitlines()[-1])
            ready = wait_until_ready(trial, container)
            for name, text in sign_and_verify(trial, container, api_key).items():
                tell(name, text)
            for whose, one, uid, roles in (
                ("service", container, UID, {"supervisor", "workers", "api"}),
                ("keepers", keepers, KEEPERS_UID, {"supervisor", "keeper"}),
            ):
                for name, text in look_inside(trial, one, uid=uid, roles=roles).items():
                    tell(f"{whose}: {name}", text)
            for name, text in look_from_the_service(trial, container, keepers, ready).items():
                tell(name, text)
            tell("stopped", f"service {stop(trial, container)}; keepers {stop(trial, keepers)}")
        finally:
            for one in containers:
                run(store.podman("rm", "--force", "--time", "1", one), seconds=CALL_WITHIN)
        for name, text in look_at_image(trial, f"localhost/kyso:{version()}").items():
            tell(name, text)


def main() -> int:
    started = time.monotonic()
    store = Store.default()
    try:
        with store.alone():
            smoke(store, lambda name, text: print(f"{name:<22} {text}", flush=True))
    except NotPossibleHere as error:
        print(f"kyso: image: {error}", file=sys.stderr)
        return 69
    except NotAsItShouldBe as error:
        print(f"kyso: image: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"kyso: image: {' '.join(error.cmd[-6:])}: {error.output.strip()[-1500:]}", file=sys.stderr)
        return 1
    print(f"smoke test    passed in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
