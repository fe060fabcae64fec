"""`kyso ceremony` with a real SoftHSM: from the script to a record, over days, cut off, and with wrong inputs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.ledger import Ledger
from api.store.database import open_database
from tests.cli_support import ROOT, kyso
from tests.hsm_support import PIN, SO_PIN, SOFTHSM, need_softhsm
from tests.pki import Authority

pytestmark = pytest.mark.appliance

SETTINGS = """
[modules.hsm]
library = "{library}"
token = "kyso-mau"
pin_file = "secrets/hsm.pin"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}

[keys.so-cai]
shapes = ["checkpoint"]
"""
SCRIPT = """
title = "Lễ tạo khóa con dấu (demo)"
module = "hsm"
present = [{ role = "Chủ trì", name = "Người thứ nhất (demo)" }, { role = "Giám sát", name = "Người thứ hai (demo)" }]

[[keys]]
ref = "dau-2026"
purpose = "seal"
algorithm = "p256"
subject = "CN=Đảng ủy xã Mẫu,C=VN"

[[keys]]
ref = "so-cai"
purpose = "checkpoints"
algorithm = "ed25519"
"""
KILLED_IN = """
import os, signal, sys
from api.workflows import ceremony
true = ceremony.Ceremony.add
def add(self, step, facts=ceremony.NOTHING, *, key="", begun=False, now):
    if (step, begun) == ("key", False):
        os.kill(os.getpid(), signal.SIGKILL)
    true(self, step, facts, key=key, begun=begun, now=now)
ceremony.Ceremony.add = add
from api.cli import run
sys.exit(run(sys.argv[1:]))
"""
"""kill -9 after the key was made, before that is noted."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    need_softhsm()
    made = tmp_path / "home"
    for folder in (made, made / "secrets", made / "tokens"):
        folder.mkdir()
    (made / "kyso.toml").write_text(SETTINGS.format(library=SOFTHSM))
    (made / "softhsm2.conf").write_text(f"directories.tokendir = {made}/tokens\nobjectstore.backend = file\n")
    (made / "secrets" / "hsm.pin").write_text(PIN)
    (made / "secrets" / "hsm.pin").chmod(0o600)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "kyso-mau", "--so-pin", SO_PIN, "--pin", PIN],
        env={**os.environ, "SOFTHSM2_CONF": str(made / "softhsm2.conf")},
        check=True,
        capture_output=True,
    )
    return made


def the_record(home: Path) -> tuple[str, bytes]:
    (folder,) = (home / "ceremonies").iterdir()
    return folder.name, (folder / "record.json").read_bytes()


def noted(home: Path) -> list[str]:
    """The digests of records in the ledger, in order."""
    database = open_database(f"sqlite:///{home}/kyso.db")
    try:
        lines = Ledger(database).read(limit=100, kind="CHANGED")
        for line in lines:
            assert "Người" not in line.text
        return [line.facts["record_sha256"] for line in lines if line.facts["what"] == "ceremony"]
    finally:
        database.close()


def test_a_ceremony_from_the_script_to_a_closed_record(home: Path, tmp_path: Path):
    """Cut off by kill -9 behind a new key it goes on with that key; days later the certificate of another key is refused,
    the right one is stored, a test signature verifies; every state of the record is in the ledger by its digest."""
    script = tmp_path / "keys.toml"
    script.write_text(SCRIPT)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN, "ceremony", "start", str(script), "--yes"],
        cwd=ROOT,
        env={**os.environ, "KYSO_HOME": str(home)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert -signal.SIGKILL == killed.returncode, killed
    ran = kyso("ceremony", "start", script, "--yes", home=home)
    assert 0 == ran.status, ran
    identity, record = the_record(home)
    entries = [(one["step"], one["key"]) for one in json.loads(record)["entries"]]
    assert [
        ("present", ""),
        ("token", ""),
        ("key", "dau-2026"),
        ("request", "dau-2026"),
        ("key", "so-cai"),
    ] == entries
    request = x509.load_pem_x509_csr((home / "ceremonies" / identity / "dau-2026.csr").read_bytes())
    assert request.is_signature_valid
    assert hashlib.sha256(record).hexdigest() in ran.out

    issuing = Authority.root().authority()
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(issuing.signer("Khác (demo)").pem)
    refused = kyso("ceremony", "certify", identity, "dau-2026", wrong, "--yes", home=home)
    assert 65 == refused.status
    assert "certificate-mismatch" in refused.err[-1]
    assert record == the_record(home)[1]

    right = tmp_path / "right.pem"
    right.write_bytes(issuing.certify("Đảng ủy xã Mẫu", request.public_key()).public_bytes(Encoding.PEM))
    done = kyso("ceremony", "certify", identity, "dau-2026", right, "--yes", home=home)
    assert 0 == done.status, done
    _, record = the_record(home)
    steps = [one["step"] for one in json.loads(record)["entries"]]
    assert ["certificate", "test", "closed"] == steps[-3:]
    assert hashlib.sha256(record).hexdigest() == noted(home)[-1]
    paper = (home / "ceremonies" / identity / "record.md").read_text()
    assert hashlib.sha256(record).hexdigest() in paper
    assert "| Giám sát | Người thứ hai (demo) | |" in paper
    again = kyso("ceremony", "certify", identity, "dau-2026", right, "--yes", home=home)
    assert 0 == again.status
    assert record == the_record(home)[1]


def test_a_key_that_was_there_before_is_no_ceremonys(home: Path, tmp_path: Path):
    """Whoever made it, it was not these witnesses: refused, and the record says nothing of it."""
    assert 0 == kyso("key", "create", "dau-2026", "--algorithm", "p256", home=home).status
    script = tmp_path / "keys.toml"
    script.write_text(SCRIPT)
    ran = kyso("ceremony", "start", script, "--yes", home=home)
    assert 65 == ran.status
    assert "key-exists" in ran.err[-1]
    assert b"dau-2026" not in json.dumps(json.loads(the_record(home)[1])["entries"]).encode()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("Giám sát", "Chủ trì"), "present"),
        (('subject = "CN=Đảng ủy xã Mẫu,C=VN"', ""), "subject"),
        (('algorithm = "p256"', 'algorithm = "rsa1024"'), "algorithm"),
        (("title", "titel"), "title"),
        (('name = "Người thứ hai (demo)"', 'name = ""'), "Giám sát"),
    ],
)
def test_a_script_that_is_wrong_makes_nothing(home: Path, tmp_path: Path, change: tuple[str, str], where: str):
    """The sentence names the place; no key is made."""
    from api.workflows.ceremony import CeremonyUnusable, read_script

    script = tmp_path / "keys.toml"
    script.write_text(SCRIPT.replace(*change))
    if where == "Giám sát":
        ran = kyso("ceremony", "start", script, "--yes", home=home)
        assert 69 == ran.status
        assert where in ran.err[-1]
        return
    with pytest.raises(CeremonyUnusable, match=where):
        read_script(script)


def test_nobody_to_confirm_and_no_such_ceremony(home: Path, tmp_path: Path):
    """Without a terminal each step would go unseen: it asks for --yes. An id that is a path is no id."""
    script = tmp_path / "keys.toml"
    script.write_text(SCRIPT)
    ran = kyso("ceremony", "start", script, home=home)
    assert 64 == ran.status
    assert "--yes" in ran.err[-1]
    for identity in ("../secrets", "20261122-000000", "x"):
        assert 69 == kyso("ceremony", "show", identity, home=home).status
