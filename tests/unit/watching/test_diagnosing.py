"""`kyso diagnose`: everything that helps, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from api.cli import diagnosing
from tests.cli_support import kyso
from tests.hsm_support import ROOT

pytestmark = pytest.mark.appliance


def test_the_file_holds_versions_settings_state_and_log_without_a_secret(tmp_path: Path):
    """A vendor's password in a module's environment, a database's password, an API key in a log line: all masked."""
    home, log = tmp_path / "home", tmp_path / "service.log"
    home.mkdir(mode=0o700)
    (home / "kyso.toml").write_text(
        """
        [modules.usb]
        library = "/opt/none.so"
        token = "the-label"
        pin_file = "secrets/usb.pin"
        [modules.usb.environment]
        VENDOR_PASSWORD = "kanari-vendor"
        """
    )
    log.write_text(
        json.dumps({"event": "request", "path": "/x", "note": "Bearer kanari-bearer", "pin": "kanari-pin"})
        + "\nTraceback kanari-foreign\n"
    )
    ran = kyso("diagnose", "-o", tmp_path / "d.zip", "--log", log, home=home)
    assert 0 == ran.status, ran.err
    with zipfile.ZipFile(tmp_path / "d.zip") as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"versions.json", "settings.json", "state.json", "files.json", "log.jsonl"} == texts.keys()
    assert "kanari" not in "".join(texts.values())
    assert "the-label" in texts["settings.json"]
    assert "secrets/usb.pin" in texts["settings.json"]
    assert '"request"' in texts["log.jsonl"]
    assert "fastapi" in json.loads(texts["versions.json"])["packages"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database", "postgresql+psycopg://kyso:kanari@db/kyso"),
        ("password", "kanari"),
        ("webhook_secret", "kanari"),
        ("", "Authorization: Basic kanari"),
        ("", "kyso_0123456789ab_kanarikanarikanarikanari"),
        ("", "eyJhbGciOiJub25lIn0.kanari.kanari"),
    ],
)
def test_secrets_are_known_by_their_names_and_by_their_look(name: str, value: str):
    """Twice, for one of the two may fail."""
    assert "kanari" not in json.dumps(diagnosing.masked({name: value}))


def test_a_hardened_process_belongs_to_root_in_proc_and_has_no_core():
    """What is not dumpable cannot be read by others of its own user, and leaves no core file."""
    if os.getuid() != 0:
        pytest.skip("another user is needed")
    code = (
        "import os; from api import hardening; os.setgid(65534); os.setuid(65534);"
        "hardening._libc.prctl(4, 1, 0, 0, 0);"  # changing users has made it so already: begin as any program does
        "before = os.stat('/proc/self/mem').st_uid; hardening.harden();"
        "print(before, os.stat('/proc/self/mem').st_uid, hardening.state())"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "65534 0 State(core_limit=0, dumpable=False)" == ran.stdout.strip()
