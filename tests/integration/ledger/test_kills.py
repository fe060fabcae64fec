"""What `kill -9` between INTENT and DONE leaves, what an audit says of it, and how the service closes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api.workflows import checkpoints, recovery
from tests.cli_support import ROOT
from tests.integration.ledger.conftest import World

pytestmark = pytest.mark.appliance

SCRIPT = """
import hashlib, os, signal, sys
from pathlib import Path
from api.composition import compose
from api.settings import Settings
from hsm.token import Token
from tests.hsm_support import signed_attributes

home, box, secret = Path(sys.argv[1]), Path(sys.argv[2]), bytes.fromhex(sys.argv[3])
services = compose(Settings(home=home), permit_secret=secret, tokens={"box": Token(box / "s")})
user, seal = services.key_user, services.keys.find("seal")
for where in ("before", "after"):
    tbs = signed_attributes(where.encode())
    digest = hashlib.sha256(tbs).hexdigest()
    number = user.intend({"key": "seal", "caller": "killed", "mechanism": "ecdsa_sha256", "tbs_sha256": digest})
user.sign(seal, mechanism="ecdsa_sha256", tbs=tbs, number=number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(world: World) -> None:
    """An api process that dies with two uses between INTENT and DONE: one that the keeper was not asked for yet, and
    one that it made."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(world.home), str(world.box.path), world.box.secret.hex()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )
    assert -signal.SIGKILL == ran.returncode


def test_what_a_kill_leaves_is_told_and_closed(fresh: World, tmp_path: Path) -> None:
    """Two open lines: the keeper knows that one use took place and the other did not. Nothing is wrong with the ledger;
    recovery closes both from the keeper's log, with the value and without, and uses no key."""
    fresh.use()
    checkpoints.make(fresh.services)
    killed(fresh)
    copy = fresh.copy(tmp_path)
    ran = copy.verify()
    assert (0, []) == (ran.status, ran.err), ran
    assert "open: key seal was to be used at" in ran.out
    assert "(line 6); nothing says what became of it. The keeper did sign" in ran.out
    assert "(line 5); nothing says what became of it. The keeper never began" in ran.out
    said = json.loads(copy.verify("--format", "json").out)
    assert [(5, "seal", "OPEN_NEVER"), (6, "seal", "OPEN_DONE")] == [
        (one["line"], one["key"], one["keeper"]) for one in said["open"]
    ]
    uses = fresh.box.token.uses(0).total
    for line in fresh.services.ledger.open_intents():
        recovery._reconcile(fresh.services, key="seal", number=line.number)
    assert uses == fresh.box.token.uses(0).total
    closed = [(line.kind, line.facts["intent"], "value" in line.facts) for line in fresh.services.ledger.read(since=6)]
    assert [("FAILED", 5, False), ("DONE", 6, True)] == closed
    (tmp_path / "later").mkdir()
    ran = fresh.copy(tmp_path / "later").verify()
    assert (0, False) == (ran.status, "open:" in ran.out), ran
