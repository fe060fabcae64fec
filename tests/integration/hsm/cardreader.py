"""A card reader in a network of its own: pcscd, its virtual reader, and the card of `pivcard` to put into it.

Started with `unshare --net --mount`, because the virtual reader listens on all addresses, and because pcscd knows one
place for its socket: here that place is the folder given, so that programs outside reach it there
(PCSCLITE_CSOCK_NAME) and nothing else on the machine does. It is told what to do on stdin, a word a line, and answers
each with a line of JSON about the card; it ends with its stdin, and pcscd with it.

    unshare --net --mount python -m tests.integration.hsm.cardreader FOLDER
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.integration.hsm.pivcard import ATR, Card

PORT = 35963
"""Where vsmartcard-vpcd waits for a card."""
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = 0, 1, 2, 4
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_MS_BIND = 4096
_PR_SET_PDEATHSIG = 1


def raise_loopback() -> None:
    """A new network's loopback interface is down (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, name + bytes(24)), 16)[0]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, name + struct.pack("h", flags | _IFF_UP) + bytes(22))


def mount(source: str, target: str, *, kind: str = "", flags: int = 0) -> None:
    """mount(2), seen by this process and its children alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), f"mount on {target}")


class Slot:
    """The reader's slot: a connection to vpcd is a card that is in."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._connection: socket.socket | None = None

    def insert(self) -> None:
        """Put the card in."""
        if self._connection is None:
            deadline = time.monotonic() + 10
            while True:
                try:
                    self._connection = socket.create_connection(("127.0.0.1", PORT), timeout=1)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            self._connection.settimeout(None)
            self.card.reset()
            threading.Thread(target=self._serve, args=(self._connection,), daemon=True).start()

    def pull(self) -> None:
        """Pull the card out."""
        if self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)
            self._connection = None

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while len(header := stream.read(2)) == 2:
                message = stream.read(int.from_bytes(header, "big"))
                if len(message) > 1:
                    answer = self.card.apdu(message)
                elif message[0] == _GET_ATR:
                    answer = ATR
                else:
                    self.card.reset()
                    continue
                connection.sendall(len(answer).to_bytes(2, "big") + answer)


def end_with_parent() -> None:
    """For pcscd: no reader outlives the test."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(folder: Path) -> None:
    """Until stdin ends."""
    raise_loopback()
    mount("tmpfs", "/run", kind="tmpfs")
    Path("/run/pcscd").mkdir()
    mount(str(folder), "/run/pcscd", flags=_MS_BIND)
    slot = Slot(Card())
    with (folder / "pcscd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["/usr/sbin/pcscd", "--foreground", "--info"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent,  # noqa: PLW1509  # one thread so far
        )  # fmt: skip
    try:
        slot.insert()
        while not (folder / "pcscd.comm").exists():
            time.sleep(0.02)
        for line in sys.stdin:
            match line.split():
                case ["insert"]:
                    slot.insert()
                case ["pull"]:
                    slot.pull()
                case ["change-pin", new]:
                    slot.card.pin = new
            card = slot.card
            facts = {name: getattr(card, name) for name in ("pin_tries", "puk_tries", "verified", "refused", "signed")}
            print(json.dumps(facts), flush=True)
    finally:
        daemon.terminate()
        daemon.wait(5)
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
