"""What travels between a client and its document worker, and how.

A Unix stream socket carries frames: four bytes of length (big-endian), then MessagePack. Open files travel beside a
call (SCM_RIGHTS), so that a worker never opens one. The dialogue alternates strictly, which is why a frame can be read
with one `recv`: bytes behind it are a breach of the protocol.

    worker → Ready (with its own pidfd)
    client → Call (with files)
      worker → Fetch        client → Answer | Failure | Later        (any number of times)
    worker → Result | Refusal | Postponed

Either side takes the other for hostile: every frame is bounded and decoded into the types below or not at all.

>>> unpack(pack(("a", 1)), tuple[str, int])
('a', 1)
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from verify.fetcher import FetchRequest

HEADER = struct.Struct("!I")
MAX_FRAME = 64 * 1024 * 1024
"""A rendered page, the bytes appended to a large document or a fetched CRL are the largest frames."""
MAX_DETACHED = 32
"""Files that may come beside a document: what a signature in it is over, and what it does not hold itself."""
MAX_FILES = 2 + MAX_DETACHED
CHUNK = 64 * 1024

Facts = dict[str, str | int | bool | None]


class WireError(Exception):
    """The other side closed the channel or sent what is no frame of this protocol."""


@dataclass(frozen=True)
class Lockdown:
    """What holds a worker: the system-call filter, and Landlock's ABI (0: the kernel has none)."""

    seccomp: bool
    landlock_abi: int


class Ready(msgspec.Struct, frozen=True, tag="ready", array_like=True):
    pid: int
    lockdown: Lockdown


class Call(msgspec.Struct, frozen=True, tag="call", array_like=True):
    op: str
    args: msgspec.Raw
    cpu: float


class Fetch(msgspec.Struct, frozen=True, tag="fetch", array_like=True):
    request: FetchRequest


class Answer(msgspec.Struct, frozen=True, tag="answer", array_like=True):
    body: bytes


class Failure(msgspec.Struct, frozen=True, tag="failure", array_like=True):
    detail: str
    facts: Facts


class Later(msgspec.Struct, frozen=True, tag="later", array_like=True):
    """The answer takes long: end the call; it comes again when the answer is known."""


class Postponed(msgspec.Struct, frozen=True, tag="postponed", array_like=True):
    """The call ended without a result because of `Later`."""


class Result(msgspec.Struct, frozen=True, tag="result", array_like=True):
    """`retire`: the worker ends now, of its own accord, since it has grown. `seconds` is what the operation took there: a
    worker has nobody to export a trace to, so it tells, and the api records."""

    value: msgspec.Raw
    retire: bool
    seconds: float = 0.0


class Refusal(msgspec.Struct, frozen=True, tag="refusal", array_like=True):
    code: str
    actor: str
    detail: str
    facts: Facts


FromWorker = Ready | Result | Refusal | Postponed | Fetch
ToWorker = Answer | Failure | Later

_envelope = msgspec.msgpack.Encoder()


def pack(value: object) -> bytes:
    """MessagePack of a dataclass. Times go as text: MessagePack's own would lose their offset from UTC."""
    return _envelope.encode(msgspec.to_builtins(value, builtin_types=(bytes,)))


@cache
def decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """The decoder of a type, made once; workers inherit those made before the fork."""
    return msgspec.msgpack.Decoder(kind)


def unpack(data: bytes | msgspec.Raw, kind: Any) -> Any:
    """The value of a type that stands in `data`; raises WireError."""
    try:
        return decoder(kind).decode(data)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a {getattr(kind, '__name__', kind)}: {error}") from None


def from_worker(data: bytes) -> FromWorker:
    """A message to the client; raises WireError."""
    message: FromWorker = unpack(data, FromWorker)
    return message


def to_worker(data: bytes) -> ToWorker:
    """A reply to a `Fetch`; raises WireError."""
    message: ToWorker = unpack(data, ToWorker)
    return message


def send(channel: socket.socket, message: msgspec.Struct, *, files: Sequence[int] = ()) -> None:
    """One frame, the descriptors beside its first byte; raises WireError when nobody reads, TimeoutError."""
    body = _envelope.encode(message)
    if len(body) > MAX_FRAME:
        raise WireError(f"a frame of {len(body)} bytes")
    frame = HEADER.pack(len(body)) + body
    try:
        sent = socket.send_fds(channel, [frame], list(files)) if files else channel.send(frame)
        if sent < len(frame):
            channel.sendall(memoryview(frame)[sent:])
    except TimeoutError:
        raise
    except OSError as error:
        raise WireError(f"not sent: {error.strerror}") from None


def receive(channel: socket.socket) -> bytes:
    """The body of one frame; descriptors that came along are dropped by the kernel. Raises WireError, TimeoutError."""
    return _rest(channel, _first(channel))


def receive_with_files(channel: socket.socket) -> tuple[bytes, list[int]]:
    """As `receive`, with the descriptors; the caller closes them."""
    try:
        first, files, flags, _ = socket.recv_fds(channel, CHUNK, MAX_FILES, socket.MSG_CMSG_CLOEXEC)
    except TimeoutError:
        raise
    except OSError as error:
        raise WireError(f"not received: {error.strerror}") from None
    try:
        body = _rest(channel, first)
    except BaseException:
        close_all(files)
        raise
    if flags & socket.MSG_CTRUNC:
        close_all(files)
        raise WireError("more files than a call may have")
    return body, files


def close_all(files: Sequence[int]) -> None:
    """Close descriptors that came with a frame."""
    for file in files:
        os.close(file)


def _first(channel: socket.socket) -> bytes:
    try:
        return channel.recv(CHUNK)
    except TimeoutError:
        raise
    except OSError as error:
        raise WireError(f"not received: {error.strerror}") from None


def _rest(channel: socket.socket, first: bytes) -> bytes:
    """The frame that starts with `first`, read to its end and no further."""
    while len(first) < HEADER.size:
        more = _first(channel) if first else b""
        if not more:
            raise WireError("closed")
        first += more
    (size,) = HEADER.unpack_from(first)
    if size > MAX_FRAME:
        raise WireError(f"a frame of {size} bytes")
    end = HEADER.size + size
    if len(first) > end:
        raise WireError("bytes behind a frame")
    if len(first) == end:
        return first[HEADER.size :]
    frame = bytearray(first)
    while len(frame) < end:
        try:
            more = channel.recv(min(end - len(frame), 1024 * 1024))
        except TimeoutError:
            raise
        except OSError as error:
            raise WireError(f"not received: {error.strerror}") from None
        if not more:
            raise WireError("closed within a frame")
        frame += more
    return bytes(memoryview(frame)[HEADER.size :])
