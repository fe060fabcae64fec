"""What a hijacked api does: it has all that the api has, and tries everything that the api's place allows.

It runs as the api's user, knows the permit secret, the sockets' names, the database and what the api saw of persons'
activations, and speaks the keeper's protocol, or none. Each attempt is named, and says which outcomes are no harm.
`hostile_api` starts it, and judges afterwards by what others kept.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from hsm import permit as permits
from hsm import wire
from hsm.activation import Assertion
from hsm.canary import TBS as CANARY
from hsm.checkpoint import Checkpoint
from hsm.errors import HsmError
from hsm.permit import Permit
from hsm.token import Token, _Client
from tests.authenticator import Passkey, client_data
from tests.hsm_support import OID_DATA, OID_TST_INFO, attribute, signed_attributes, tlv
from tests.unit.hsm.test_shape import SIGNED_INFO

MECHANISM = "ecdsa_sha256"
SIGNED = "signed"


@dataclass
class Loot:
    """What the api had: places, secrets, and what it saw pass."""

    socket: Path
    admin_socket: Path
    keepers: Path
    home: Path
    secret: bytes
    keeper_pid: int
    rp_id: str
    origin: str
    used: Assertion
    used_activation: str
    used_tbs: bytes
    open_activation: str
    open_tbs: bytes
    credential: bytes
    challenge: bytes
    """Of a challenge that waits for the person's answer."""


@dataclass
class Attempt:
    """One thing that was tried, what came of it, and which outcomes are no harm."""

    group: str
    name: str
    harmless: frozenset[str]
    outcome: str = ""
    tbs: list[bytes] = field(default_factory=list)
    """What was signed, if anything was."""

    @property
    def held(self) -> bool:
        return self.outcome in self.harmless


class Hostile:
    """The program."""

    def __init__(self, loot: Loot) -> None:
        self.loot = loot
        self.token = Token(loot.socket, timeout=20, patience=5)
        self.attempts: list[Attempt] = []
        self._number = 500_000
        self._signed: list[bytes] = []

    def run(self) -> list[Attempt]:
        """Every attempt, one after the other; an error of this program itself is an outcome, too."""
        for group, name, harmless, act in (
            *self.persons(),
            *self.shapes(),
            *self.permits(),
            *self.frames(),
            *self.machine(),
        ):
            attempt = Attempt(group, name, frozenset(harmless.split("|")))
            self._signed = attempt.tbs
            try:
                attempt.outcome = str(act())
            except HsmError as error:
                attempt.outcome = error.code
            except OSError as error:
                attempt.outcome = errno.errorcode.get(error.errno or 0, type(error).__name__)
            except Exception as error:  # noqa: BLE001 - shown in the table
                attempt.outcome = f"{type(error).__name__}: {error}"
            self.attempts.append(attempt)
        return self.attempts

    # -- tools -----------------------------------------------------------------------------------------------------

    def permit(self, key: str, tbs: bytes, *, number: int | None = None, seconds: float = 6.0, **odd: Any) -> Permit:
        self._number += 1
        chosen = self._number if number is None else number
        secret = odd.get("secret", self.loot.secret)
        mechanism = odd.get("mechanism", MECHANISM)
        at = time.time() + seconds
        return permits.issue(secret, key=key, mechanism=mechanism, tbs=tbs, ledger_number=chosen, expires_at=at)

    def sign(self, key: str, tbs: bytes, *, activation: str = "", permit: Permit | None = None, **odd: Any) -> str:
        allowed = permit or self.permit(key, tbs, **odd)
        mechanism = odd.get("mechanism", MECHANISM)
        self.token.sign(key=key, mechanism=mechanism, tbs=tbs, permit=allowed, activation=activation)
        self._signed.append(tbs)
        return SIGNED

    def ask(self, request: object, path: Path | None = None) -> str:
        client = _Client(path or self.loot.socket, timeout=10, patience=1)
        try:
            client.ask(request, object)
        finally:
            client.close()
        return "answered"

    def raw(self, octets: bytes, *, closes: bool = True) -> str:
        """Octets as they are; what came back."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.loot.socket))
            try:
                connection.sendall(octets)
                if closes:
                    connection.shutdown(socket.SHUT_WR)
                frame = wire.receive(connection, limit=wire.LARGEST_REPLY)
            except (BrokenPipeError, ConnectionResetError):
                return "closed"
        if frame is None:
            return "closed"
        failure = wire.reply_decoder.decode(frame).failure
        return "answered" if failure is None else failure.code

    # -- a person's key --------------------------------------------------------------------------------------------

    def persons(self) -> Iterator[tuple[str, str, str, Callable[[], str]]]:
        loot, group, new = self.loot, "person's key", signed_attributes(b"a letter nobody wrote")
        none = "activation-required"
        yield group, "no activation", none, lambda: self.sign("person", new)
        yield group, "canary without activation", none, lambda: self.sign("person", CANARY)
        *start, last = loot.open_activation
        nearly = "".join((*start, "1" if last == "0" else "0"))
        for made_up in ("x", "act_0_00", f"act_{2**70:x}_00", nearly):
            yield (
                group,
                f"made-up activation {made_up[:12]}",
                "activation-unknown",
                lambda a=made_up: self.sign("person", new, activation=a),
            )
        yield (
            group,
            "used-up activation, its own document again",
            "activation-mismatch|activation-unknown",
            lambda: self.sign("person", loot.used_tbs, activation=loot.used_activation),
        )
        yield (
            group,
            "open activation, another document",
            "activation-mismatch",
            lambda: self.sign("person", new, activation=loot.open_activation),
        )
        yield (
            group,
            "open activation, another person's key",
            "activation-mismatch",
            lambda: self.sign("person-2", loot.open_tbs, activation=loot.open_activation),
        )
        yield (
            group,
            "open activation, other mechanism",
            "activation-mismatch",
            lambda: self.sign("person", loot.open_tbs, activation=loot.open_activation, mechanism="ecdsa_sha384"),
        )
        for odd in ("person\0", " person", "PERSON", "pérson", "person#", "pe\u0301rson", "person/"):
            yield group, f"name {odd!r}", "key-not-found", lambda k=odd: self.sign(k, new)
        yield group, "assertion seen before, again", "activation-unknown", lambda: self.activate(loot.used, new)
        yield (
            group,
            "assertion of another authenticator",
            "activation-refused|activation-locked",
            lambda: self.forge(new),
        )
        yield (
            group,
            "assertion seen before, with a new challenge in it",
            "activation-refused|activation-locked",
            lambda: self.relabel(new),
        )
        yield (
            group,
            "a credential of its own, over the api's socket",
            "keeper-request-malformed",
            lambda: self.ask(wire.BeginEnrolment("person")),
        )
        yield (
            group,
            "lifting the lock, over the api's socket",
            "keeper-request-malformed",
            lambda: self.ask(wire.LiftLock("person")),
        )
        yield group, "guessing a hundred assertions", "activation-locked", lambda: self.guess(new)
        yield group, "flooding with challenges", "activation-locked|answered", lambda: self.challenges(new)

    def activate(self, assertion: Assertion, tbs: bytes) -> str:
        return self.sign("person", tbs, activation=self.token.activate(assertion).id)

    def _documents(self, tbs: bytes) -> tuple[tuple[Any, bytes], ...]:
        return ((MECHANISM, hashlib.sha256(tbs).digest()),)

    def forge(self, tbs: bytes) -> str:
        asked = self.token.begin_activation("person", self._documents(tbs))
        mine = Passkey(self.loot.rp_id, id=self.loot.credential, count=9999)
        return self.activate(mine.get(asked.challenge, origin=self.loot.origin), tbs)

    def relabel(self, tbs: bytes) -> str:
        asked = self.token.begin_activation("person", self._documents(tbs))
        said = client_data("webauthn.get", asked.challenge, origin=self.loot.origin)
        old = self.loot.used
        return self.activate(Assertion(old.credential, said, old.authenticator_data, old.signature), tbs)

    def guess(self, tbs: bytes) -> str:
        for _ in range(100):
            try:
                self.forge(tbs)
            except HsmError as error:
                if error.code != "activation-refused":
                    raise
        return SIGNED

    def challenges(self, tbs: bytes) -> str:
        for n in range(200):
            self.token.begin_activation("person", self._documents(tbs + bytes([n % 256])))
        return "answered"

    # -- shapes ----------------------------------------------------------------------------------------------------

    def shapes(self) -> Iterator[tuple[str, str, str, Callable[[], str]]]:
        group, refused = "shapes", "shape-refused"
        content = attribute(bytes.fromhex("2a864886f70d010903"), tlv(0x06, OID_DATA))
        digest = attribute(bytes.fromhex("2a864886f70d010904"), tlv(0x04, bytes(32)))
        good, stamp = signed_attributes(b"x"), signed_attributes(b"x", content=OID_TST_INFO)
        near = {
            "nothing": b"",
            "a sentence": b"I owe you a million",
            "random octets": secrets.token_bytes(300),
            "a bare SHA-256": bytes(32),
            "a bare SHA-384": bytes(48),
            "64 KiB and one": b"\x31" + bytes(64 * 1024),
            "attributes not in order": tlv(0x31, digest + content),
            "attributes twice": tlv(0x31, content + content + digest),
            "attributes with something behind": good + b"\0",
            "attributes in a SEQUENCE": b"\x30" + good[1:],
            "attributes with a BER length": b"\x31\x81" + good[1:] if good[1] < 0x80 else b"\x31\x82\0" + good[2:],
            "attributes of indefinite length": b"\x31\x80" + good[2:] + b"\0\0",
            "attributes without a digest": tlv(0x31, content),
            "attributes of a certificate's content": signed_attributes(
                b"x", content=bytes.fromhex("2a864886f70d010702")
            ),
            "a timestamp's attributes, by a seal": stamp,
            "a certificate's TBS": tlv(0x30, b"\xa0\x03\x02\x01\x02" + bytes(60)),
            "a certification request": tlv(0x30, b"\x02\x01\x00" + tlv(0x30, b"")),
            "a ledger's checkpoint, by a seal": Checkpoint("kyso.example/ledger", 2, bytes(32)).text,
            "a canary, one octet off": CANARY[:-1] + bytes([CANARY[-1] ^ 1]),
            "SignedInfo with a comment": SIGNED_INFO.replace(b"\n", b"<!-- x -->", 1),
            "SignedInfo with a DTD": b"<!DOCTYPE x>" + SIGNED_INFO,
            "SignedInfo with something behind": SIGNED_INFO + b"<x></x>",
            "SignedInfo with SHA-1": SIGNED_INFO.replace(b"xmlenc#sha256", b"xmldsig#sha1"),
            "SignedInfo with HMAC": SIGNED_INFO.replace(b"ecdsa-sha256", b"hmac-sha256"),
            "SignedInfo with another method": SIGNED_INFO.replace(b"ecdsa-sha256", b"ecdsa-sha384"),
            "SignedInfo with XSLT": SIGNED_INFO.replace(
                b"2000/09/xmldsig#enveloped-signature", b"TR/1999/REC-xslt-19991116"
            ),
            "SignedInfo with an Object": SIGNED_INFO.replace(
                b"</ds:SignedInfo>", b"<ds:Object></ds:Object></ds:SignedInfo>"
            ),
            "SignedInfo in another namespace": SIGNED_INFO.replace(b'2000/09/xmldsig#"', b'2000/09/xmldsig"', 1),
            "SignedInfo without references": SIGNED_INFO[: SIGNED_INFO.index(b"<ds:Reference")] + b"</ds:SignedInfo>",
        }
        for name, tbs in near.items():
            yield group, name, refused, lambda t=tbs: self.sign("seal", t)
        yield group, "attributes, by the ledger's key", refused, lambda: self.sign("ledger", good)
        yield group, "a canary, by the ledger's key", refused, lambda: self.sign("ledger", CANARY)
        yield group, "a document's attributes, by the authority's key", refused, lambda: self.sign("tsa", good)
        yield group, "SignedInfo, by the authority's key", refused, lambda: self.sign("tsa", SIGNED_INFO)

    # -- permits ---------------------------------------------------------------------------------------------------

    def permits(self) -> Iterator[tuple[str, str, str, Callable[[], str]]]:
        group, refused, loot = "permits", "permit-refused", self.loot
        tbs, other = signed_attributes(b"permit"), signed_attributes(b"permit 2")
        good = self.permit("seal", tbs, number=600_000)
        yield (
            group,
            "a well-formed use with its own permit and no ledger line",
            SIGNED,
            lambda: self.sign("seal", tbs, permit=good),
        )
        yield group, "the same permit again", refused, lambda: self.sign("seal", tbs, permit=good)
        yield group, "the same number, a new permit", refused, lambda: self.sign("seal", tbs, number=600_000)
        yield group, "the same number, other bytes", refused, lambda: self.sign("seal", other, number=600_000)
        yield (
            group,
            "the permit for other bytes",
            refused,
            lambda: self.sign("seal", other, permit=self.permit("seal", tbs)),
        )
        yield (
            group,
            "the permit of another key",
            refused,
            lambda: self.sign("seal", tbs, permit=self.permit("tsa", tbs)),
        )
        yield (
            group,
            "the permit of another mechanism",
            refused,
            lambda: self.sign("seal", tbs, permit=self.permit("seal", tbs, mechanism="ecdsa_sha384")),
        )
        yield (
            group,
            "a permit with an edited number",
            refused,
            lambda: self.sign("seal", tbs, permit=replace(self.permit("seal", tbs), ledger_number=7)),
        )
        yield (
            group,
            "a permit with an edited expiry",
            refused,
            lambda: self.sign("seal", tbs, permit=replace(self.permit("seal", tbs), expires_at=time.time() + 50)),
        )
        yield group, "an expired permit", refused, lambda: self.sign("seal", tbs, seconds=-1)
        yield group, "a permit for a year", refused, lambda: self.sign("seal", tbs, seconds=3e7)
        yield group, "a permit for no line", refused, lambda: self.sign("seal", tbs, number=0)
        yield group, "a permit under another secret", refused, lambda: self.sign("seal", tbs, secret=bytes(32))
        yield (
            group,
            "a permit without a mac",
            refused,
            lambda: self.sign("seal", tbs, permit=Permit(9, time.time() + 5, b"")),
        )
        yield (
            group,
            "a number that does not fit",
            refused,
            lambda: self.raw(self._frame(number=2**64 - 1)),
        )
        yield (
            group,
            "not-a-number as expiry",
            refused,
            lambda: self.raw(self._frame(expires_at=float("nan"))),
        )
        yield (
            group,
            "infinity as expiry",
            refused,
            lambda: self.raw(self._frame(expires_at=float("inf"))),
        )
        yield group, "a number below nothing", refused, lambda: self.raw(self._frame(number=-1))
        yield group, "the tenth use of a key with nine a minute", "key-limit-reached", self.beyond_the_limit
        yield (
            group,
            "forty uses at once, without ledger lines",
            SIGNED,
            lambda: [self.sign("seal", signed_attributes(b"flood %d" % n)) for n in range(40)][-1],
        )
        del loot

    def beyond_the_limit(self) -> str:
        outcome = ""
        for n in range(10):
            outcome = self.sign("limited", signed_attributes(b"limit %d" % n))
        return outcome

    def _frame(self, *, number: int = 7, expires_at: float = 0.0) -> bytes:
        permit = {"ledger_number": number, "expires_at": expires_at, "mac": bytes(32)}
        body = {"type": "sign", "key": "seal", "mechanism": MECHANISM, "tbs": b"x", "permit": permit}
        return _framed(msgspec.msgpack.encode(body))

    # -- frames ----------------------------------------------------------------------------------------------------

    def frames(self) -> Iterator[tuple[str, str, str, Callable[[], str]]]:
        group, malformed = "frames", "keeper-request-malformed"
        yield group, "a frame of four gigabytes, announced", malformed, lambda: self.raw(b"\xff\xff\xff\xff")
        yield group, "a frame of 128 KiB and one", malformed, lambda: self.raw(_framed(bytes(128 * 1024 + 1)))
        yield group, "an empty frame", malformed, lambda: self.raw(_framed(b""))
        yield group, "a frame cut short", "closed", lambda: self.raw(b"\0\0\1\0abc")
        yield group, "random octets", malformed, lambda: self.raw(_framed(secrets.token_bytes(1000)))
        yield group, "lists within lists", malformed, lambda: self.raw(_framed(b"\x91" * 100_000))
        yield (
            group,
            "a request of administrators",
            malformed,
            lambda: self.raw(_framed(msgspec.msgpack.encode({"type": "unlock"}))),
        )
        yield (
            group,
            "500 documents and one in a challenge",
            malformed,
            lambda: str(
                self.token.begin_activation("person", tuple((MECHANISM, secrets.token_bytes(32)) for _ in range(501)))
            ),
        )
        yield group, "four hundred connections, and then a use", SIGNED, self.connections

    def connections(self) -> str:
        """Silent connections up to the keeper's most; when they are gone, it answers."""
        held: list[socket.socket] = []
        try:
            for _ in range(400):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                one.settimeout(0.05)
                held.append(one)
                one.connect(str(self.loot.socket))
                one.send(b"\0")
        except OSError:
            pass
        finally:
            for one in held:
                one.close()
        self.token.close()
        return self.sign("seal", signed_attributes(b"after the flood"))

    # -- the machine -----------------------------------------------------------------------------------------------

    def machine(self) -> Iterator[tuple[str, str, str, Callable[[], str]]]:
        loot, group, denied = self.loot, "the machine", "EACCES|EPERM"
        pid = loot.keeper_pid
        yield (
            group,
            "the administrators' socket",
            "keeper-not-available",
            lambda: self.ask(wire.BeginEnrolment("person"), loot.admin_socket),
        )
        for name in ("pin", "so", "tokens", "box.uses", "keeper-box.credentials"):
            yield group, f"reading {name}", denied, lambda n=name: _read(loot.keepers / n)
        for name in ("box.uses", "keeper-box.credentials"):
            yield group, f"writing {name}", denied, lambda n=name: str((loot.keepers / n).write_bytes(b""))
        yield (
            group,
            "another socket in the keeper's place",
            denied,
            lambda: str(loot.socket.rename(loot.keepers / "away")),
        )
        yield (
            group,
            "a file in the keeper's folder",
            denied,
            lambda: str((loot.keepers / "box.uses.1").write_bytes(b"")),
        )
        yield group, "the keeper's memory", denied, lambda: str(Path(f"/proc/{pid}/mem").open("rb").close())
        yield group, "the keeper's environment", denied, lambda: str(len(Path(f"/proc/{pid}/environ").read_bytes()))
        for number in (signal.SIGKILL, signal.SIGSTOP):
            yield group, f"{number.name} to the keeper", denied, lambda n=number: str(os.kill(pid, n))


def _read(path: Path) -> str:
    return f"{len(list(path.iterdir()))} files" if path.name == "tokens" else f"{len(path.read_bytes())} octets"


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body
