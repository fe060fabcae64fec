"""The hostile-api test as a program: a keeper under a user of its own, and in the api's place a program that attacks it.

    python -m tests.integration.hsm.hostile_api [--json]

As root it gives keeper and api a user each and one group, and the keeper's folder the mode that `kyso-keepers.service` gives
it: what is shipped (hsm/README.md, Keepers apart). It forks both: they run with what this program has imported. It prints
each attempt with its outcome, then what the keeper's log and `kyso audit verify` say. Without root there is one user for
both, and nothing to show: it says so and ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from asn1crypto import cms

import hsm.activating
import hsm.keeper
from api.composition import compose
from api.settings import Settings
from api.workflows.keys import Keys
from api.workflows.keyuse import KeyUser
from hsm.activation import Party
from hsm.canary import TBS as CANARY
from hsm.counting import Limits
from hsm.launch import KeyConfig
from hsm.token import Token, TokenAdmin
from hsm.uselog import KeyUse, history
from tests.authenticator import Passkey
from tests.hsm_support import ROOT, Box, a_box, signed_attributes
from tests.integration.hsm.hostile_program import MECHANISM, SIGNED, Attempt, Hostile, Loot

KEEPER, API = 64_101, 64_102
"""Two users without a name, both of the group `API`."""
UNIT = ROOT / "docker" / "systemd" / "kyso-keepers.service"
ORIGIN, PARTY = "http://localhost:8080", Party("localhost", ("http://localhost:8080",))
NOT_ROOT = 77


@dataclass
class Trial:
    """What came of it."""

    attempts: list[Attempt]
    uses: tuple[KeyUse, ...]
    audit: dict[str, Any]
    audit_status: int
    legitimate: dict[str, bytes]
    """What was signed as it should be, by name."""
    findings: list[str] = field(default_factory=list)

    @property
    def persons_uses(self) -> list[KeyUse]:
        return [use for use in self.uses if use.key.startswith("person") and use.ledger_number]


def trial() -> Trial:
    """Set up, attack, look."""
    person = KeyConfig(holder="person", party=PARTY)
    keys = {
        "person": person,
        "person-2": person,
        "tsa": KeyConfig(shapes=("tst-attributes",)),
        "ledger": KeyConfig(shapes=("checkpoint",)),
        "limited": KeyConfig(limits=Limits(per_minute=9)),
    }
    with a_box(keys=keys) as box, tempfile.TemporaryDirectory(prefix="kyso-api-") as folder:
        home = Path(folder)
        box.make_token()
        (mode,) = re.findall(r"^StateDirectoryMode=(\d+)$", UNIT.read_text(), re.MULTILINE)
        _give(box.path, KEEPER, mode=int(mode, 8))
        (box.path / "tokens").chmod(0o700)
        with _keeper(box) as pid:
            passkey = Passkey(PARTY.rp_id)
            _enrol(box, [*keys, "seal"], passkey)
            (home / "kyso.toml").write_text("")
            (home / "run").mkdir(mode=0o700)
            (home / "run" / "permit.secret").write_bytes(box.secret)
            legitimate, loot = _at_work(box, home, passkey, pid)  # as root, who may: only its outcome matters
            _give(home, API, mode=0o700)
            attempts = _as_user(API, lambda: Hostile(loot).run())
            alive = _is_alive(pid)
        uses = history(box.path / "box.uses")
        status, audit = _audit(home, box.path / "box.uses")
        found = Trial(attempts, uses, audit, status, legitimate)
        found.findings = list(_judged(found, alive=alive))
        return found


def _at_work(box: Box, home: Path, passkey: Passkey, pid: int) -> tuple[dict[str, bytes], Loot]:
    """The api before it is hijacked: a seal and a person's key used as they should be, with lines in the ledger."""
    services = compose(Settings(home=home), permit_secret=box.secret, tokens={"box": box.token})
    token = Token(box.path / "s")
    keys = Keys({"box": token})
    user = KeyUser(services.ledger, keys, (home / "run" / "permit.secret").read_bytes)
    made: dict[str, bytes] = {}

    def agree(tbs: bytes) -> Any:
        asked = token.begin_activation("person", ((MECHANISM, hashlib.sha256(tbs).digest()),))
        assertion = passkey.get(asked.challenge, origin=ORIGIN)
        return assertion, token.activate(assertion).id

    def use(key: str, tbs: bytes, activation: str = "") -> None:
        user.once(keys.find(key), mechanism=MECHANISM, tbs=tbs, facts={"caller": "cal_demo"}, activation=activation)
        made[f"{key} {len(made)}"] = tbs

    for n in range(3):
        use("seal", signed_attributes(b"as it should be %d" % n))
    used_tbs, open_tbs = signed_attributes(b"the person's letter"), signed_attributes(b"the person's next letter")
    used, used_activation = agree(used_tbs)
    use("person", used_tbs, used_activation)
    _, open_activation = agree(open_tbs)
    challenge = token.begin_activation("person", ((MECHANISM, bytes(32)),)).challenge
    services.database.close()
    return made, Loot(
        socket=box.path / "s",
        admin_socket=box.path / "a",
        keepers=box.path,
        home=home,
        secret=box.secret,
        keeper_pid=pid,
        rp_id=PARTY.rp_id,
        origin=ORIGIN,
        used=used,
        used_activation=used_activation,
        used_tbs=used_tbs,
        open_activation=open_activation,
        open_tbs=open_tbs,
        credential=passkey.id,
        challenge=challenge,
    )


# --- judged by what others kept ---------------------------------------------------------------------------------------


def _judged(found: Trial, *, alive: bool) -> Iterator[str]:
    """What went wrong, in sentences; nothing is what is hoped for."""
    for attempt in found.attempts:
        if not attempt.held:
            yield f"{attempt.group}: {attempt.name}: {attempt.outcome}"
    if not alive:
        yield "the keeper did not live through it"
    if [hashlib.sha256(tbs).hexdigest() for name, tbs in found.legitimate.items() if name.startswith("person")] != [
        use.tbs_sha256 for use in found.persons_uses
    ]:
        yield "a person's key was used for something that the person did not agree to"
    signed = [tbs for attempt in found.attempts for tbs in attempt.tbs]
    known = {hashlib.sha256(tbs).hexdigest() for tbs in (*signed, *found.legitimate.values())}
    done = [use for use in found.uses if use.state == "done" and use.ledger_number]
    if {use.tbs_sha256 for use in done} != known or len(done) != len(signed) + len(found.legitimate):
        yield "the keeper's log and what was signed are not the same"
    if any(not _is_attributes(tbs) for tbs in signed):
        yield "something was signed that is no signed attributes"
    codes = {finding["code"] for finding in found.audit.get("findings", ())}
    if "USE_WITHOUT_LINE" not in codes or found.audit_status == 0:
        yield f"the audit did not find the uses without a line: {codes or found.audit}"


def _is_attributes(tbs: bytes) -> bool:
    """By another parser than the keeper's: the attributes of RFC 5652 §5.3, strictly, about ordinary content."""
    try:
        parsed = cms.CMSAttributes.load(tbs, strict=True)
        kinds = {one["type"].native for one in parsed}
        content = next(one["values"][0].native for one in parsed if one["type"].native == "content_type")
    except (ValueError, TypeError, StopIteration):
        return False
    return {"content_type", "message_digest"} <= kinds and content == "data" and tbs != CANARY


def _audit(home: Path, uses: Path) -> tuple[int, dict[str, Any]]:
    """`kyso audit verify`, as an auditor runs it."""
    command = [sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())"]
    command += ["audit", "verify", "--uses", str(uses), "--format", "json"]
    environment = {**os.environ, "KYSO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    try:
        return ran.returncode, json.loads(ran.stdout)
    except ValueError:
        return ran.returncode, {"error": ran.stdout + ran.stderr}


# --- users and processes ----------------------------------------------------------------------------------------------


def _become(user: int) -> None:
    os.setgroups([])
    os.setgid(API)
    os.setuid(user)
    os.environ["HOME"] = "/nonexistent"


def _give(folder: Path, user: int, *, mode: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, API)
    folder.chmod(mode)


def _as_user(user: int, act: Callable[[], Any]) -> Any:
    """What `act` returns, run in a process of this user."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status = 1
        with contextlib.suppress(BaseException):
            try:
                _become(user)
                with os.fdopen(writing, "wb") as out:
                    pickle.dump(act(), out)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
                raise
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        data = answer.read()
    os.waitpid(pid, 0)
    return pickle.loads(data)


@contextlib.contextmanager
def _keeper(box: Box) -> Iterator[int]:
    """The keeper, as a process of its own user; the api's user may speak to its first socket."""
    config = msgspec.structs.replace(box.config, peers=(API,), parent=os.getpid(), die_with_parent=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.dup2(reading, 0)
        errors = os.open(box.path / "err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 2)
        _become(KEEPER)
        with contextlib.suppress(BaseException):
            hsm.keeper.main()
        os._exit(1)
    os.close(reading)
    with os.fdopen(writing, "wb") as told:
        told.write(msgspec.json.encode(config))
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _enrol(box: Box, keys: list[str], passkey: Passkey) -> None:
    """An administrator, as root on the machine, and the person."""
    with TokenAdmin(box.path / "a", patience=20) as admin:
        for ref in keys:
            admin.create_key(ref, "p256")
        invited = admin.begin_enrolment("person")
        admin.enrol("person", code=invited.code, registration=passkey.create(invited.challenge, origin=ORIGIN))


def _is_alive(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) == (0, 0)


def told(found: Trial) -> str:
    """The table."""
    width = max(len(attempt.name) for attempt in found.attempts)
    lines, group = [], ""
    for attempt in found.attempts:
        if attempt.group != group:
            group = attempt.group
            lines.append(f"\n{group}")
        mark = "seen" if attempt.outcome == SIGNED and attempt.held else "held" if attempt.held else "BROKEN"
        lines.append(f"  {attempt.name:<{width}}  {attempt.outcome:<26} {mark}")
    signed = sum(len(attempt.tbs) for attempt in found.attempts)
    codes = sorted({finding["code"] for finding in found.audit.get("findings", ())})
    lines += [
        "",
        f"{len(found.attempts)} attempts, {sum(one.held for one in found.attempts)} held; "
        f"uses of a person's key that the person did not agree to: {len(found.persons_uses) - 1}",
        f"uses of seals without a ledger line: {signed}, all well formed, all in the keeper's log; "
        f"kyso audit verify ends with {found.audit_status} and finds {', '.join(codes)}",
        *(f"FOUND: {one}" for one in found.findings),
    ]
    return "\n".join(lines)


def main() -> int:
    if os.getuid() != 0 or shutil.which("softhsm2-util") is None:
        print("wants root, to give keeper and api a user each, and SoftHSM", file=sys.stderr)
        return NOT_ROOT
    found = trial()
    if "--json" in sys.argv:
        rows = [{"group": a.group, "name": a.name, "outcome": a.outcome, "held": a.held} for a in found.attempts]
        print(json.dumps({"attempts": rows, "findings": found.findings, "table": told(found)}))
    else:
        print(told(found))
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
