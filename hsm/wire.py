"""The keeper's protocol: frames of MessagePack over a Unix stream socket, typed on both sides.

A frame is a 4-byte big-endian length and that many bytes. A request is one of the tagged structures below; the answer
is a `Reply` whose result is decoded as the type that the asker expects. Requests are small (128 KiB); answers may hold
every certificate of a token (8 MiB). Nothing else is ever on the socket: no pickle, no objects of ours.

>>> decoder.decode(msgspec.msgpack.encode(GetUse(ledger_number=7)))
GetUse(ledger_number=7)
"""

from __future__ import annotations

import socket
from typing import Final

import msgspec

from hsm import errors
from hsm.activation import Assertion, Documents, Registration
from hsm.errors import HsmError
from hsm.keys import Mechanism, NewKey
from hsm.lifecycle import PinSource
from hsm.permit import Permit

LARGEST_REQUEST: Final = 128 * 1024
LARGEST_REPLY: Final = 8 * 1024 * 1024


class FrameTooLarge(Exception):
    """A frame announces more bytes than this side takes."""


class Sign(msgspec.Struct, frozen=True, tag="sign", omit_defaults=True):
    """Sign `tbs` with `key`; a person's key only under an activation that covers it."""

    key: str
    mechanism: Mechanism
    tbs: bytes
    permit: Permit
    activation: str = ""


class GetStatus(msgspec.Struct, frozen=True, tag="status"):
    """The state of the token."""


class GetKeys(msgspec.Struct, frozen=True, tag="keys"):
    """The keys."""


class GetUse(msgspec.Struct, frozen=True, tag="use"):
    """What became of the use that a ledger line stands for."""

    ledger_number: int


class GetUses(msgspec.Struct, frozen=True, tag="uses"):
    """What the log of uses says, in its order: the uses behind the first `after`."""

    after: int


class BeginActivation(msgspec.Struct, frozen=True, tag="begin-activation"):
    """A challenge for the person whose key this is, over what is to be signed."""

    key: str
    documents: Documents
    asker: str = ""


class Activate(msgspec.Struct, frozen=True, tag="activate"):
    """The person's answer to a challenge."""

    assertion: Assertion


class GetActivation(msgspec.Struct, frozen=True, tag="activation"):
    """What a person agreed to."""

    activation: str


class BeginEnrolment(msgspec.Struct, frozen=True, tag="begin-enrolment"):
    """A one-time code for the person whose key this is."""

    key: str


class Enrol(msgspec.Struct, frozen=True, tag="enrol"):
    """Keep a credential that was made with the code."""

    key: str
    code: str
    registration: Registration

    def __repr__(self) -> str:
        return f"Enrol({self.key!r})"


class GetCredentials(msgspec.Struct, frozen=True, tag="credentials"):
    """The credentials of a person's key."""

    key: str


class RevokeCredential(msgspec.Struct, frozen=True, tag="revoke-credential"):
    """Believe a credential no more."""

    key: str
    credential: bytes


class LiftLock(msgspec.Struct, frozen=True, tag="lift-lock"):
    """Forget the failed activations of a key."""

    key: str


class GetSlots(msgspec.Struct, frozen=True, tag="slots"):
    """The slots of the module."""


class Initialise(msgspec.Struct, frozen=True, tag="initialise"):
    """Make a token in a free slot. Each PIN is named by its place, or typed by an operator and kept nowhere."""

    label: str
    so_pin: PinSource | bytearray
    pin: PinSource | bytearray

    def __repr__(self) -> str:
        return f"Initialise(label={self.label!r})"


class CreateKey(msgspec.Struct, frozen=True, tag="create-key"):
    """Make a key pair."""

    ref: str
    algorithm: NewKey


class MakeCsr(msgspec.Struct, frozen=True, tag="csr"):
    """A certification request (PKCS#10) for a key."""

    ref: str
    subject: str


class ImportCertificate(msgspec.Struct, frozen=True, tag="import-certificate"):
    """Store a key's certificate and chain."""

    ref: str
    certificate: bytes
    chain: tuple[bytes, ...]


class Unlock(msgspec.Struct, frozen=True, tag="unlock"):
    """One attempt on an operator's word: with the PIN in its place, although few tries are left or the last outcome is
    not known; or with the `pin` given here, which is kept in memory alone."""

    pin: bytearray | None = None

    def __repr__(self) -> str:
        return "Unlock()"


class Lock(msgspec.Struct, frozen=True, tag="lock"):
    """Log out and stay so, whatever restarts, until somebody unlocks."""


SignRequest = Sign | GetStatus | GetKeys | GetUse | GetUses | BeginActivation | Activate | GetActivation
AdminRequest = (
    GetStatus
    | GetKeys
    | GetUse
    | GetUses
    | GetSlots
    | Initialise
    | CreateKey
    | MakeCsr
    | ImportCertificate
    | Unlock
    | Lock
    | GetActivation
    | BeginEnrolment
    | Enrol
    | GetCredentials
    | RevokeCredential
    | LiftLock
)


class SlotInfo(msgspec.Struct, frozen=True):
    """One slot with a token in it."""

    slot: int
    description: str
    label: str
    model: str
    manufacturer: str
    serial: str
    initialised: bool


class Failure(msgspec.Struct, frozen=True):
    """An HsmError on its way."""

    code: str
    detail: str
    facts: dict[str, str | int]


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """Either a result or a failure. `seconds` is what the answer took here: a keeper speaks to nobody else, so that it
    cannot export a trace itself."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    failure: Failure | None = None
    seconds: float = 0.0


decoder: Final = msgspec.msgpack.Decoder(SignRequest)
admin_decoder: Final = msgspec.msgpack.Decoder(AdminRequest)
reply_decoder: Final = msgspec.msgpack.Decoder(Reply)
encoder: Final = msgspec.msgpack.Encoder()


def failure_of(error: HsmError) -> Failure:
    """The error as data."""
    return Failure(error.code, str(error), dict(error.facts))


def error_of(failure: Failure) -> HsmError:
    """The data as the error it was; one that this side does not know becomes the base."""
    kinds = {kind.code: kind for kind in _family(HsmError)}
    return kinds.get(failure.code, errors.HsmError)(failure.detail, **failure.facts)


def _family(kind: type[HsmError]) -> list[type[HsmError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _family(child))]


def send(connection: socket.socket, body: bytes) -> None:
    """One frame."""
    connection.sendall(len(body).to_bytes(4, "big") + body)


def receive(connection: socket.socket, *, limit: int) -> bytes | None:
    """One frame; None when the other side has closed between frames. ConnectionError inside of one."""
    header = _exactly(connection, 4, at_start=True)
    if header is None:
        return None
    size = int.from_bytes(header, "big")
    if size > limit:
        raise FrameTooLarge(size)
    return _exactly(connection, size, at_start=False) or b""


def _exactly(connection: socket.socket, size: int, *, at_start: bool) -> bytes | None:
    data = connection.recv(size) if size else b""
    if not data and size and at_start:
        return None
    if len(data) == size:  # nearly always
        return data
    whole = bytearray(data)
    while len(whole) < size:
        more = connection.recv(size - len(whole))
        if not more:
            raise ConnectionError("the other side closed within a frame")
        whole += more
    return bytes(whole)
