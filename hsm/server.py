"""The keeper's side of the sockets: who may connect, one thread a connection, one frame in, one frame out.

It knows nothing of keys: `answer` is given the decoded request and returns the result. A peer of another user than the
keeper's own, root, and those named as `peers`, is closed without a word; a request that is too large or not of the
protocol is answered and then closed.

>>> Server(path, decoder=wire.decoder, answer=keeper.answer).start()                 # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from hsm import wire
from hsm.errors import HsmError, RequestMalformed

_log = logging.getLogger("kyso.keeper")

_MOST_CONNECTIONS: Final = 64
_IDLE: Final = 600
"""Seconds after which a silent connection is closed."""

Request = TypeVar("Request")


class Server(Generic[Request]):
    """Listens on one Unix socket, mode 0600 unless other users may speak to it."""

    def __init__(
        self,
        path: Path,
        *,
        decoder: msgspec.msgpack.Decoder[Request],
        answer: Callable[[Request], Any],
        peers: tuple[int, ...] = (),
    ) -> None:
        self._peers = frozenset((os.getuid(), 0, *peers))  # root can become any of them
        self._decoder = decoder
        self._answer = answer
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._path = path
        self._idle = threading.Condition()
        self._busy = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))  # the umask is 077
        path.chmod(0o666 if peers else 0o600)  # the folder and SO_PEERCRED decide
        self._listener.listen(_MOST_CONNECTIONS)

    def start(self) -> None:
        """Accept, in a thread."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def close(self, *, patience: float) -> None:
        """Accept no more, and wait up to `patience` seconds for the answers under way."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._listener.close()
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, timeout=patience)

    def _accept(self) -> None:
        while True:
            self._places.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError as e:
                self._places.release()
                if e.errno in (errno.EBADF, errno.EINVAL):
                    return  # closed
                _log.warning("a connection could not be taken", extra={"facts": {"why": str(e.strerror)}})
                time.sleep(0.1)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if _uid_of(connection) not in self._peers:
                    _log.warning("a stranger was turned away")
                    return
                # The kernel's own time limit: Python's would ask poll(2) before each call.
                for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                    connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", _IDLE, 0))
                while self._exchange(connection):
                    pass
        except OSError:
            pass  # the other side went away, or was silent
        finally:
            self._places.release()

    def _exchange(self, connection: socket.socket) -> bool:
        try:
            frame = wire.receive(connection, limit=wire.LARGEST_REQUEST)
        except wire.FrameTooLarge:
            wire.send(connection, _failed(RequestMalformed("the request is too large")))
            return False
        if frame is None:
            return False
        try:
            request = self._decoder.decode(frame)
        except msgspec.MsgspecError as e:
            wire.send(connection, _failed(RequestMalformed(str(e))))
            return False
        with self._counted():
            wire.send(connection, self._reply(request))
        return True

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _reply(self, request: Request) -> bytes:
        began = time.perf_counter()
        try:
            result = wire.encoder.encode(self._answer(request))
        except HsmError as e:
            return _failed(e)
        except Exception as e:  # noqa: BLE001  # a defect here must not end the keeper, nor tell its details
            _log.exception("defect", extra={"facts": {"error": type(e).__name__}})
            return _failed(HsmError("the keeper met a defect of its own"))
        seconds = time.perf_counter() - began
        return wire.encoder.encode(wire.Reply(result=msgspec.Raw(result), seconds=seconds))


def _failed(error: HsmError) -> bytes:
    return wire.encoder.encode(wire.Reply(failure=wire.failure_of(error)))


def _uid_of(connection: socket.socket) -> int:
    """The peer's user as the kernel recorded it at connect (SO_PEERCRED, unix(7))."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
