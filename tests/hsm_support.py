"""A SoftHSM token of one's own with a real keeper before it, for tests; and the fault shim between the two."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from hsm import permit
from hsm.keeper import KeeperConfig, KeyConfig, spawn
from hsm.keys import KeyInfo, Mechanism, NewKey
from hsm.lifecycle import PinSource
from hsm.token import Token, TokenAdmin

ROOT = Path(__file__).parents[1]
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SO_PIN, WRONG_PIN = "492716", "83710264", "773105"
ONE_OF_EACH: dict[str, NewKey] = {
    "rsa": "rsa2048",
    "p256": "p256",
    "p384": "p384",
    "ed": "ed25519",
    "tsa": "p256",
    "raw": "p256",
}
"""Keys by name: each kind, and those with shapes of their own."""

_numbers = itertools.count(1)


def need_softhsm() -> None:
    """Skip where Debian's softhsm2 is not installed."""
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")


def tlv(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


OID_DATA = bytes.fromhex("2a864886f70d010701")
OID_TST_INFO = bytes.fromhex("2a864886f70d0109100104")


def attribute(oid: bytes, *values: bytes) -> bytes:
    """One Attribute (RFC 5652 §5.3)."""
    return tlv(0x30, tlv(0x06, oid) + tlv(0x31, b"".join(sorted(values))))


def signed_attributes(seed: bytes, *, content: bytes = OID_DATA, digest: str = "sha256") -> bytes:
    """SignedAttributes as a CMS signer makes them; another `seed`, another message digest."""
    attributes = (
        attribute(bytes.fromhex("2a864886f70d010903"), tlv(0x06, content)),
        attribute(bytes.fromhex("2a864886f70d010904"), tlv(0x04, hashlib.new(digest, seed).digest())),
        attribute(bytes.fromhex("2a864886f70d010905"), tlv(0x17, b"261122090000Z")),
    )
    return tlv(0x31, b"".join(sorted(attributes)))


@dataclass
class Box:
    """A folder with a token store, its PIN files, and at most one keeper."""

    path: Path
    library: Path = SOFTHSM
    label: str = "box"
    name: str = "box"
    inside: tuple[str, ...] = ()
    """A command that starts another in a namespace, for keepers whose module is to see that one."""
    environment: dict[str, str] = field(default_factory=dict)
    keys: dict[str, KeyConfig] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    call_limit: float = 10.0
    sessions: int = 0
    pin: PinSource | None = None
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        (self.path / "tokens").mkdir()
        (self.path / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.environment = {"SOFTHSM2_CONF": str(self.path / "softhsm2.conf"), **self.environment}
        self.write_pin(PIN)
        (self.path / "so").write_text(SO_PIN)
        (self.path / "so").chmod(0o600)

    def write_pin(self, pin: str) -> None:
        """What an operator does to correct a PIN."""
        fresh = self.path / "pin.new"
        fresh.write_text(pin + "\n")
        fresh.chmod(0o600)
        fresh.replace(self.path / "pin")

    def make_token(self) -> None:
        """A token made by SoftHSM's own tool, not by ours."""
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "box", "--so-pin", SO_PIN, "--pin", PIN],
            env=os.environ | self.environment,
            check=True,
            capture_output=True,
        )

    @property
    def config(self) -> KeeperConfig:
        """What the keeper is told."""
        return KeeperConfig(
            name=self.name,
            library=str(self.library),
            token=self.label,
            pin=self.pin or PinSource(file=str(self.path / "pin")),
            sessions=self.sessions,
            environment=self.environment,
            socket=str(self.path / "s"),
            admin_socket=str(self.path / "a"),
            use_log=str(self.path / "box.uses"),
            permit_secret=self.secret.hex(),
            call_limit=self.call_limit,
            keys=self.keys,
        )

    def start(self) -> Token:
        """Start the keeper; its standard error goes to the file `err`."""
        with (self.path / "err").open("ab") as errors:
            if self.inside:
                self.process = self._spawn_inside(errors.fileno())
            else:
                self.process = spawn(self.config, stderr=errors.fileno(), pass_fds=self.pass_fds)
        return self.token

    def _spawn_inside(self, errors: int) -> subprocess.Popen[bytes]:
        """As `hsm.launch.spawn` does it, behind another command."""
        command = [*self.inside, sys.executable, "-m", "hsm.keeper"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}  # entering a mount namespace changes the folder
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors, env=environment)
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(msgspec.json.encode(self.config))
        return process

    @property
    def token(self) -> Token:
        """A new client of the sign socket."""
        return Token(self.path / "s", timeout=20.0)

    @property
    def admin(self) -> TokenAdmin:
        """A new client of the management socket."""
        return TokenAdmin(self.path / "a")

    def stop(self) -> None:
        """End the keeper, if it lives."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)
        self.process = None

    def errors(self) -> str:
        """What the keeper logged."""
        return (self.path / "err").read_text()

    def create(self, ref: str, algorithm: NewKey) -> None:
        """A key, through the management socket."""
        with self.admin as admin:
            admin.create_key(ref, algorithm)

    def permit(
        self, tbs: bytes, *, key: str, mechanism: Mechanism, number: int | None = None, expires_in: float = 60.0
    ) -> permit.Permit:
        """A permit such as the api writes."""
        return permit.issue(
            self.secret,
            key=key,
            mechanism=mechanism,
            tbs=tbs,
            ledger_number=next(_numbers) if number is None else number,
            expires_at=time.time() + expires_in,
        )

    def sign(self, token: Token, tbs: bytes, *, key: str, mechanism: Mechanism, number: int | None = None) -> bytes:
        """Permit and signature in one."""
        allowed = self.permit(tbs, key=key, mechanism=mechanism, number=number)
        return token.sign(key=key, mechanism=mechanism, tbs=tbs, permit=allowed)


@contextmanager
def a_box(**settings: object) -> Iterator[Box]:
    """A box in a folder with a short name (a socket's path has 107 bytes), gone afterwards."""
    need_softhsm()
    with tempfile.TemporaryDirectory(prefix="kb-") as folder:
        box = Box(Path(folder), **settings)  # type: ignore[arg-type]  # a test's own keywords
        try:
            yield box
        finally:
            box.stop()


def key_named(client: Token | TokenAdmin, ref: str) -> KeyInfo:
    """What the keeper says about one key."""
    infos = client.keys()
    (found,) = [info for info in infos if info.ref == ref]
    return found


def eventually(condition: Callable[[], bool], *, within: float = 10.0) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


SHIM = ROOT / "tests" / "integration" / "hsm" / "shim.c"


def build_shim(folder: Path) -> Path:
    """Compile the shim; skip where there is no compiler or no PKCS#11 header."""
    if shutil.which("gcc") is None or not Path("/usr/include/p11-kit-1/p11-kit/pkcs11.h").exists():
        pytest.skip("gcc or libp11-kit-dev is not installed")
    library = folder / "shim.so"
    command = ["gcc", "-O1", "-shared", "-fPIC", "-I/usr/include/p11-kit-1", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(command, check=True)
    return library


@contextmanager
def a_faulty_box(shim: Path, **settings: object) -> Iterator[tuple[Box, Callable[[str], None]]]:
    """A box whose module can be told to fail: call the second value with a plan."""
    with a_box(library=shim, **settings) as box:
        plan = box.path / "plan"
        plan.write_text("")
        box.environment |= {
            "KYSO_FAULT_MODULE": str(SOFTHSM),
            "KYSO_FAULT_PLAN": str(plan),
            "KYSO_FAULT_TRACE": str(box.path / "trace"),
        }

        def follow(text: str) -> None:
            fresh = box.path / "plan.new"
            fresh.write_text(text + "\n" if text else "")
            fresh.replace(plan)

        yield box, follow


def calls(box: Box, function: str) -> int:
    """How often the shim saw a function."""
    trace = box.path / "trace"
    return trace.read_text().split().count(function) if trace.exists() else 0
