"""A PIN that a TPM has sealed, as a systemd credential: opened here by systemd's own tool and a TPM in software.

What this does not show, because it takes systemd as the first process of a machine: that the unit's own
`LoadCredentialEncrypted=` puts it into the service's folder, and that PCRs of a real boot are measured.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsm.lifecycle import PinSource
from tests.hsm_support import PIN, a_box

pytestmark = pytest.mark.appliance


@contextmanager
def a_tpm(folder: Path) -> Iterator[str]:
    """A TPM of its own; yields the device as systemd-creds names it."""
    folder.mkdir(parents=True)
    socket = folder / "s"
    command = [
        *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}"),
        *("--ctrl", f"type=unixio,path={socket}.ctrl", "--server", f"type=unixio,path={socket}"),
        *("--flags", "not-need-init,startup-clear"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"swtpm:path={socket}"
    finally:
        process.terminate()
        process.wait(10)


def creds(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["systemd-creds", *arguments], input=given, capture_output=True, check=False, timeout=60)


@pytest.fixture
def tools() -> None:
    for tool in ("systemd-creds", "swtpm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.mark.usefixtures("tools")
def test_a_keeper_opens_its_token_with_a_pin_that_a_tpm_sealed(monkeypatch: pytest.MonkeyPatch):
    """Sealed by one TPM, the PIN is opened by that TPM and under its own name alone; the keeper finds it in the folder that
    systemd would make, and nowhere else. On the disk it is cipher text."""
    with a_box(pin=PinSource(credential="token-pin")) as box, a_tpm(box.path / "t1") as tpm:
        box.make_token()
        sealed, folder = box.path / "token-pin.cred", box.path / "credentials"
        folder.mkdir()
        options = ("--with-key=tpm2", f"--tpm2-device={tpm}", "--name=token-pin")
        made = creds("encrypt", *options, "-", str(sealed), given=PIN.encode())
        if made.returncode:
            pytest.skip(f"systemd-creds cannot use a TPM here: {made.stderr.decode()[-200:]}")
        assert PIN.encode() not in sealed.read_bytes()
        with a_tpm(box.path / "t2") as another:
            assert creds("decrypt", f"--tpm2-device={another}", "--name=token-pin", str(sealed), "-").returncode
        assert creds("decrypt", f"--tpm2-device={tpm}", "--name=other", str(sealed), "-").returncode

        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        box.start()
        with box.admin as admin:
            assert ("locked", "pin-unreadable") == (admin.status().state, admin.status().reason)
        box.stop()
        opened = creds("decrypt", f"--tpm2-device={tpm}", "--name=token-pin", str(sealed), str(folder / "token-pin"))
        assert 0 == opened.returncode, opened.stderr
        assert "operational" == box.start().status().state
