"""The one door of this package: a token as the rest of the appliance sees it, behind a keeper's socket.

Blocking and thread-safe; a few connections are kept and shared. What happened to a request is never in doubt by
accident: KeeperNotAvailable means that it was not sent (or asked only for information), SigningInterrupted that it was
sent and no answer came, so that only the keeper's log (`use`) or the ledger can tell. Nothing is sent twice.

>>> token = Token(Path("var/run/keeper-demo.sock"))
>>> token.sign(key="seal", mechanism="rsassa_pkcs1v15_sha256", tbs=tbs, permit=permit)    # doctest: +SKIP
b'…'
"""

from __future__ import annotations

import socket
import threading
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from hsm import wire
from hsm.activation import (
    Activation,
    Assertion,
    Challenge,
    Credential,
    Credentials,
    Documents,
    Enrolment,
    Registration,
)
from hsm.errors import KeeperNotAvailable, SigningInterrupted
from hsm.keys import KeyInfo, Mechanism, NewKey
from hsm.lifecycle import PinSource, TokenStatus
from hsm.permit import Permit
from hsm.uselog import KeyUse, UsesPage
from hsm.wire import SlotInfo

__all__ = ["KeyUse", "PinSource", "SlotInfo", "Token", "TokenAdmin", "TokenStatus", "UsesPage"]

T = TypeVar("T")

_KEPT: Final = 8
"""Connections that are kept open when nobody uses them."""
_PATIENCE: Final = 5.0
"""Seconds to wait for a keeper that is being started anew."""


spent: ContextVar[float] = ContextVar("kyso_keeper_seconds", default=0.0)
"""Seconds that the keeper took for this thread's last answer, by its own clock."""


class _Client:
    """Connections to one socket."""

    def __init__(self, path: Path, *, timeout: float, patience: float) -> None:
        self._path = str(path)
        self._timeout = timeout
        self._patience = patience
        self._kept: list[socket.socket] = []
        self._lock = threading.Lock()

    def ask(self, request: object, kind: type[T]) -> T:
        """Send one request, return its decoded answer or raise what the keeper raised."""
        body = wire.encoder.encode(request)
        sent = False
        connection: socket.socket | None = None
        try:
            connection = self._connection()
            try:
                wire.send(connection, body)
            except (BrokenPipeError, ConnectionResetError):
                # The keeper went away since the connection was made; nothing of this reached it.
                connection.close()
                connection = self._connect()
                wire.send(connection, body)
            sent = True
            frame = wire.receive(connection, limit=wire.LARGEST_REPLY)
            if frame is None:
                raise ConnectionError("closed instead of an answer")
        except (OSError, wire.FrameTooLarge) as e:
            if connection is not None:
                connection.close()
            if sent and isinstance(request, wire.Sign):
                raise SigningInterrupted(ledger_number=request.permit.ledger_number) from e
            raise KeeperNotAvailable(f"{self._path}: {e}") from e
        self._keep(connection)
        reply = wire.reply_decoder.decode(frame)
        spent.set(reply.seconds)
        if reply.failure is not None:
            raise wire.error_of(reply.failure)
        return msgspec.msgpack.decode(reply.result, type=kind)

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

    def _connection(self) -> socket.socket:
        while True:
            with self._lock:
                connection = self._kept.pop() if self._kept else None
            if connection is None:
                return self._connect()
            if _is_open(connection):
                connection.settimeout(self._timeout)
                return connection
            connection.close()

    def _connect(self) -> socket.socket:
        """A new connection; waits for a keeper that is not there, because nothing was sent yet."""
        deadline = time.monotonic() + self._patience
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout)
            try:
                connection.connect(self._path)
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _keep(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._kept) < _KEPT:
                self._kept.append(connection)
                return
        connection.close()


def _is_open(connection: socket.socket) -> bool:
    """An idle connection has nothing to read: an end of stream means that the keeper closed it."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class _Informant:
    """What both sockets answer."""

    def __init__(self, socket: Path, *, timeout: float, patience: float = _PATIENCE) -> None:
        self._timeout = timeout
        self._client = _Client(socket, timeout=timeout, patience=patience)

    def status(self) -> TokenStatus:
        """State of the token; waits up to ten seconds for a module that is just being opened."""
        return self._client.ask(wire.GetStatus(), TokenStatus)

    def keys(self) -> tuple[KeyInfo, ...]:
        """The keys by name, without mechanisms while the token is locked."""
        return self._client.ask(wire.GetKeys(), tuple[KeyInfo, ...])

    def use(self, ledger_number: int) -> KeyUse | None:
        """What the keeper's log knows about a use; None: the key was not used for this ledger line."""
        return self._client.ask(wire.GetUse(ledger_number), KeyUse | None)  # type: ignore[arg-type]  # a union is no type

    def uses(self, after: int) -> UsesPage:
        """A page of the keeper's log of uses: those behind the first `after`, in their order."""
        return self._client.ask(wire.GetUses(after), UsesPage)

    def activation(self, identity: str) -> Activation:
        """What a person agreed to: challenge text, assertion, credential's key; also long after. ActivationUnknown."""
        return self._client.ask(wire.GetActivation(identity), Activation)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Token(_Informant):
    """The token behind `socket`. `timeout` in seconds for one answer; the keeper's call limit should be less."""

    def __init__(self, socket: Path, *, timeout: float = 30.0, patience: float = _PATIENCE) -> None:
        super().__init__(socket, timeout=timeout, patience=patience)

    def sign(self, *, key: str, mechanism: Mechanism, tbs: bytes, permit: Permit, activation: str = "") -> bytes:
        """The signature value over `tbs`, in the form of `hsm.keys.Mechanism`. A person's key wants an `activation`.

        PermitRefused, ShapeRefused, KeyNotFound, MechanismNotSupported, TokenLocked, KeyLimitReached and the errors of
        activations: refused, the key was not used. TokenNotAvailable, SignatureCheckFailed: no value; the permit may
        be spent. SigningInterrupted: unknown.
        """
        return self._client.ask(wire.Sign(key, mechanism, tbs, permit, activation), bytes)

    def begin_activation(self, key: str, documents: Documents, *, asker: str = "") -> Challenge:
        """What the person whose key this is has to agree to. NoCredential, ActivationLocked, RequestMalformed."""
        return self._client.ask(wire.BeginActivation(key, documents, asker), Challenge)

    def activate(self, assertion: Assertion) -> Activation:
        """The person's answer to a challenge. ActivationUnknown, ActivationRefused, ActivationLocked."""
        return self._client.ask(wire.Activate(assertion), Activation)


class TokenAdmin(_Informant):
    """Management of the token; for the command line, never for the web."""

    def __init__(self, socket: Path, *, timeout: float = 120.0, patience: float = _PATIENCE) -> None:
        super().__init__(socket, timeout=timeout, patience=patience)

    def slots(self) -> tuple[SlotInfo, ...]:
        """The module's slots."""
        return self._client.ask(wire.GetSlots(), tuple[SlotInfo, ...])

    def initialise(self, label: str, *, so_pin: PinSource | bytearray, pin: PinSource | bytearray) -> TokenStatus:
        """Make a token called `label` in a free slot; the keeper reads both PINs itself, or is given them
        as they were typed. TokenExists."""
        return self._client.ask(wire.Initialise(label, so_pin, pin), TokenStatus)

    def create_key(self, ref: str, algorithm: NewKey) -> KeyInfo:
        """A new key pair that never leaves the token. KeyExists, MechanismNotSupported."""
        return self._client.ask(wire.CreateKey(ref, algorithm), KeyInfo)

    def csr(self, ref: str, subject: str) -> bytes:
        """A PKCS#10 request in PEM; `subject` as RFC 4514 (`CN=…,O=…,C=VN`). SubjectInvalid."""
        return self._client.ask(wire.MakeCsr(ref, subject), bytes)

    def import_certificate(self, ref: str, certificate: bytes, chain: tuple[bytes, ...] = ()) -> KeyInfo:
        """Store certificate and chain (DER or PEM); replaces a former one. CertificateMismatch."""
        return self._client.ask(wire.ImportCertificate(ref, certificate, chain), KeyInfo)

    def unlock(self, pin: bytearray | None = None) -> TokenStatus:
        """One attempt on the operator's word: with the configured PIN although few tries are left, or with this one,
        which the keeper keeps in memory alone."""
        return self._client.ask(wire.Unlock(pin), TokenStatus)

    def lock(self) -> TokenStatus:
        """Log out; no restart opens the token again, only `unlock`."""
        return self._client.ask(wire.Lock(), TokenStatus)

    def begin_enrolment(self, key: str) -> Enrolment:
        """A one-time code for the person whose key this is; a former one is worth nothing from now on."""
        return self._client.ask(wire.BeginEnrolment(key), Enrolment)

    def enrol(self, key: str, *, code: str, registration: Registration) -> Credential:
        """Keep the credential that the person made with the code. EnrolmentRefused."""
        return self._client.ask(wire.Enrol(key, code, registration), Credential)

    def credentials(self, key: str) -> Credentials:
        """The credentials of a person's key, and what stands against using them."""
        return self._client.ask(wire.GetCredentials(key), Credentials)

    def revoke_credential(self, key: str, credential: bytes) -> Credentials:
        """Believe it no more. CredentialNotFound."""
        return self._client.ask(wire.RevokeCredential(key, credential), Credentials)

    def lift_lock(self, key: str) -> Credentials:
        """Forget the failed activations of a key."""
        return self._client.ask(wire.LiftLock(key), Credentials)
