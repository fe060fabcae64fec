"""A whole appliance, backed up while it serves, and started again from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from tests.appliance import ROOT, Appliance, free_port, serving
from tests.documents import pdf

pytestmark = pytest.mark.appliance


def kyso(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`kyso` with this KYSO_HOME, in English."""
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_LANG": "en"}
    command = [Path(sys.executable).with_name("kyso"), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


def test_an_appliance_is_restored_onto_a_bare_machine(
    appliance: Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backed up while it serves; restored it is whole, says which uses of keys came after the backup once the former
    machine's logs are there, and serves: what was signed is handed out, and new documents are signed."""
    document = pdf(tmp_path / "plain.pdf").read_bytes()
    identity, file, bare = pyrage.x25519.Identity.generate(), tmp_path / "kyso.age", tmp_path / "bare"
    (tmp_path / "identity").write_text(f"# kept elsewhere\n{identity}\n")
    signed = appliance.sign(document).json()
    made = kyso(appliance.home, "backup", file, "--recipient", identity.to_public(), "--with-keys")
    assert 0 == made.returncode, made.stderr
    assert 201 == appliance.sign(document).status_code

    wrong = kyso(bare, "restore", file, "--home", bare)
    assert 0 != wrong.returncode
    assert "recipient-unusable" in wrong.stderr
    restored = kyso(bare, "restore", file, "--home", bare, "--identity", tmp_path / "identity")
    assert 0 == restored.returncode, restored.stderr
    whole = kyso(bare, "audit", "verify")
    assert 0 == whole.returncode, whole.stdout

    ours = bare / "log" / "keeper-demo.uses"
    kept = ours.read_bytes()
    shutil.copy(appliance.home / "log" / "keeper-demo.uses", ours)
    later = kyso(bare, "audit", "verify")
    assert 1 == later.returncode
    assert "demo-official was used" in later.stdout
    ours.write_bytes(kept)

    # Served as any appliance is, on a port of its own; what the demo's certificates name still answers beside it.
    for name in ("kyso.toml", "softhsm2.conf"):
        text = (bare / name).read_text("utf-8")
        (bare / name).write_text(text.replace(str(appliance.home), str(bare)), "utf-8")
    port = free_port()
    monkeypatch.setenv("KYSO_SERVER__PORT", str(port))
    with serving(bare, port=port) as again:
        answer = again.client.get(f"/v1/signatures/{signed['id']}/document")
        assert (200, document) == (answer.status_code, answer.content[: len(document)])
        assert 201 == again.sign(document).status_code
