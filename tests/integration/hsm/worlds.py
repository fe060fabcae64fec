"""The tokens that the token suite runs on, each with a keeper before it and nothing shared with the machine.

A world is a token of one's own: its daemon, its state, how to take it away and bring it back, and its own word on how
many PINs it has refused. Each function skips, with what is missing, where the machine lacks it.

| World | Daemon | Kept apart by |
|---|---|---|
| softhsm | – | SOFTHSM2_CONF |
| p11-kit | `p11-kit server` over SoftHSM | its Unix socket |
| piv | pcscd, vsmartcard-vpcd, the card of `pivcard` | network and mount namespace |
| tpm | swtpm | its Unix socket |
| opencryptoki | pkcsslotd | mount and IPC namespace, which the keeper enters too |
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hsm.keys import NewKey
from hsm.lifecycle import PinSource
from tests.hsm_support import SO_PIN, SOFTHSM, Box, a_box, eventually

MODULES = Path("/usr/lib/x86_64-linux-gnu")
ROOT = Path(__file__).parents[3]


@dataclass
class World:
    """One token and what a test may do to it."""

    name: str
    box: Box
    pull: Callable[[], None] | None = None
    put_back: Callable[[], None] | None = None
    refusals: Callable[[], int] | None = None
    """How many wrong PINs the token itself has counted since the last right one, or since ever."""
    tell: Callable[[str], dict[str, int]] = field(default=lambda _: {})
    """PIV: a word to the reader, answered by the card's counters."""


def module_at(*places: str) -> Path:
    """The module's library; skips where none of the packages' places has it."""
    for place in places:
        for folder in (MODULES, Path("/usr/lib"), Path("/usr/lib/aarch64-linux-gnu")):
            if (folder / place).exists():
                return folder / place
    pytest.skip(f"no {places[0]} on this machine")


def need(*programs: str) -> None:
    """Skip where a program is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for program in programs:
        if shutil.which(program, path=path) is None:
            pytest.skip(f"no {program} on this machine")


def need_namespaces(*kinds: str) -> None:
    """Skip where this user may not make namespaces."""
    need("unshare")
    if subprocess.run(["unshare", *kinds, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"this user may not make namespaces ({' '.join(kinds)})")


@contextmanager
def ending(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End the process afterwards."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def initialise(box: Box, *, so_pin: str = SO_PIN) -> None:
    """A new token on the box's module, made by the keeper itself, which stays started."""
    (box.path / "so").write_text(so_pin)
    box.start()
    with box.admin as admin:
        admin.initialise("box", so_pin=PinSource(file=str(box.path / "so")), pin=PinSource(file=str(box.path / "pin")))


def make_keys(box: Box, *algorithms: NewKey) -> None:
    """Keys named after their algorithm."""
    for algorithm in algorithms:
        box.create(algorithm, algorithm)


@contextmanager
def softhsm() -> Iterator[World]:
    """SoftHSM 2: every algorithm; pulled out by moving its folder away."""
    with a_box() as box:
        box.make_token()
        box.start()
        make_keys(box, "rsa2048", "rsa3072", "p256", "p384", "ed25519")
        tokens, away = box.path / "tokens", box.path / "away"

        def pull() -> None:
            tokens.rename(away)
            tokens.mkdir()

        def put_back() -> None:
            tokens.rmdir()
            away.rename(tokens)

        yield World("softhsm", box, pull, put_back)


@contextmanager
def p11_kit() -> Iterator[World]:
    """SoftHSM behind p11-kit's remote protocol; pulled out by ending the server."""
    client = module_at("pkcs11/p11-kit-client.so")
    need("p11-kit")
    with a_box(library=client) as box, contextlib.ExitStack() as stack:
        box.make_token()
        address = box.path / "p11"

        def serve() -> subprocess.Popen[bytes]:
            address.unlink(missing_ok=True)
            server = subprocess.Popen(
                ["p11-kit", "server", "--foreground", "--provider", str(SOFTHSM), "--name", str(address), "pkcs11:"],
                env=os.environ | box.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stack.enter_context(ending(server))
            eventually(address.exists)
            return server

        servers = [serve()]
        box.environment |= {"P11_KIT_SERVER_ADDRESS": f"unix:path={address}"}
        box.start()
        make_keys(box, "rsa2048", "p256")

        def pull() -> None:
            # Each connection has a child of the server; they end with it only when told.
            subprocess.run(["pkill", "-TERM", "-P", str(servers[-1].pid)], check=False)
            servers[-1].terminate()
            servers[-1].wait(5)

        yield World("p11-kit", box, pull, lambda: servers.append(serve()))


@contextmanager
def piv() -> Iterator[World]:
    """A PIV card in a virtual reader, through OpenSC."""
    library = module_at("opensc-pkcs11.so", "pkcs11/opensc-pkcs11.so")
    module_at("pcsc/drivers/serial/libifdvpcd.so")
    need("pcscd")
    need_namespaces("--net", "--mount")
    with a_box(library=library, label="Cán bộ Kyso 9A") as box:
        folder = box.path / "reader"
        folder.mkdir(mode=0o700)
        reader = subprocess.Popen(
            ["unshare", "--net", "--mount", sys.executable, "-m", "tests.integration.hsm.cardreader", str(folder)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None
        with reader.stdin as ask, reader.stdout as answers:

            def tell(word: str) -> dict[str, int]:
                ask.write(word + "\n")
                ask.flush()
                found: dict[str, int] = json.loads(answers.readline())
                return found

            try:
                tell("status")
                (folder / "opensc.conf").write_text(
                    "app default { card_drivers = PIV-II; framework pkcs15 { use_file_caching = no; } }\n"
                )
                box.environment |= {
                    "PCSCLITE_CSOCK_NAME": str(folder / "pcscd.comm"),
                    "OPENSC_CONF": str(folder / "opensc.conf"),
                }
                box.start()
                eventually(lambda: box.token.status().state == "operational")
                log = folder / "pcscd.log"

                def pull() -> None:
                    noticed = log.read_text().count("Card Removed")
                    tell("pull")
                    eventually(lambda: log.read_text().count("Card Removed") > noticed)

                def put_back() -> None:
                    tell("insert")

                yield World("piv", box, pull, put_back, lambda: tell("status")["refused"], tell)
            finally:
                box.stop()
        reader.wait(10)


@contextmanager
def tpm(algorithm: NewKey) -> Iterator[World]:
    """A TPM 2.0 in software, through tpm2-pkcs11, with one key; pulled out by ending it."""
    library = module_at("libtpm2_pkcs11.so.1", "pkcs11/libtpm2_pkcs11.so")
    module_at("libtss2-tcti-swtpm.so.0")
    need("swtpm")
    with a_box(library=library) as box, contextlib.ExitStack() as stack:
        folder = box.path / "tpm"
        for name in ("state", "store"):
            (folder / name).mkdir(parents=True)
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}/state", "--flags", "not-need-init",
                   "--server", f"type=unixio,path={folder}/s", "--ctrl", f"type=unixio,path={folder}/s.ctrl"]  # fmt: skip

        def run() -> subprocess.Popen[bytes]:
            for stale in (folder / "s", folder / "s.ctrl"):
                stale.unlink(missing_ok=True)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.enter_context(ending(process))
            eventually((folder / "s").exists)
            _tpm(folder, "8001 0000000c 00000144 0000")  # TPM2_Startup(TPM_SU_CLEAR)
            return process

        running = [run()]
        box.environment |= {
            "TPM2_PKCS11_STORE": f"{folder}/store",
            "TPM2_PKCS11_TCTI": f"swtpm:path={folder}/s",
            "TSS2_LOG": "all+NONE",
        }
        initialise(box)
        # One key: without a resource manager before it (/dev/tpmrm0), a TPM has room for three objects.
        make_keys(box, algorithm)

        def pull() -> None:
            _tpm(folder, "8001 0000000c 00000145 0000")  # TPM2_Shutdown(TPM_SU_CLEAR)
            running[-1].terminate()
            running[-1].wait(5)

        def refusals() -> int:
            # TPM2_GetCapability(TPM_CAP_TPM_PROPERTIES, TPM_PT_LOCKOUT_COUNTER, 1): the last four bytes are the value.
            return int.from_bytes(_tpm(folder, "8001 00000016 0000017a 00000006 0000020e 00000001")[-4:], "big")

        yield World(f"tpm-{algorithm}", box, pull, lambda: running.append(run()), refusals)


def _tpm(folder: Path, command: str) -> bytes:
    """One TPM command (TPM 2.0 Library, part 3); the simulator serves one connection after another."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(folder / "s"))
        connection.sendall(bytes.fromhex(command))
        return connection.recv(4096)


_SLOT_DAEMON = """
set -e
for there in /run /var/lib/opencryptoki; do mount -t tmpfs tmpfs $there; done
mkdir -p /run/lock/opencryptoki/swtok /run/opencryptoki /var/lib/opencryptoki/swtok/TOK_OBJ
chgrp -R pkcs11 /run/lock/opencryptoki /run/opencryptoki /var/lib/opencryptoki
chmod -R 770 /run/lock/opencryptoki /run/opencryptoki /var/lib/opencryptoki
printf 'version opencryptoki-3.8\\nslot 0\\n{\\nstdll = libpkcs11_sw.so\\n}\\n' > /run/slots
mount --bind /run/slots /etc/opencryptoki/opencryptoki.conf
echo $$ > "$1/pid"
exec pkcsslotd -f
"""


@contextmanager
def opencryptoki() -> Iterator[World]:
    """opencryptoki's software token: RSA alone, and no mechanism that hashes PKCS#1 v1.5 with SHA-2."""
    library = module_at("pkcs11/libopencryptoki.so", "opencryptoki/libopencryptoki.so")
    need("pkcsslotd", "nsenter")
    need_namespaces("--mount", "--ipc")
    with a_box(library=library) as box:
        folder = box.path / "slots"
        folder.mkdir()
        process = subprocess.Popen(
            ["unshare", "--mount", "--ipc", "sh", "-c", _SLOT_DAEMON, "sh", str(folder)],
            env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(folder / "err").open("wb"),
        )  # fmt: skip
        with ending(process):
            eventually(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "")
            time.sleep(0.3)  # until the daemon has made its shared memory: there is no sign of it outside
            box.inside = ("nsenter", "--target", (folder / "pid").read_text().strip(), "--mount", "--ipc")
            initialise(box, so_pin="87654321")  # the security officer's PIN of a token that nobody made yet
            make_keys(box, "rsa2048")
            try:
                yield World("opencryptoki", box)
            finally:
                box.stop()


WORLDS: dict[str, Callable[[], AbstractContextManager[World]]] = {
    "softhsm": softhsm,
    "p11-kit": p11_kit,
    "piv": piv,
    "tpm-p256": lambda: tpm("p256"),
    "tpm-rsa2048": lambda: tpm("rsa2048"),
    "opencryptoki": opencryptoki,
}
