"""A thin line between this machine and a network namespace: 256 kbit/s, 600 ms there and back, 2 % of the packets lost.

    with Line(THIN) as line:
        server.listen(line.here); subprocess.run([*line.inside, "curl", f"http://{line.here}/"])

The namespace has this line and nothing else. Each end is a TUN interface; the packets go from one to the other through
`_Carrier`, which does what `tc netem rate … delay … loss …` does, in the same order: lose, wait for the line to be free,
travel. Many kernels are built without netem, and TUN they nearly all have; the loss is drawn from a seed, and what went
over the line is counted as IP packets. The addresses are of 198.18.0.0/15, which is for measurements between one's own machines (RFC 2544).
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

TUN = Path("/dev/net/tun")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
MTU = 1500


class NoLine(Exception):
    """No such line can be laid here; the message says why."""


@dataclass(frozen=True)
class Quality:
    """Of both directions alike."""

    bits_per_second: int
    round_trip: float
    """Seconds there and back: half of it each way."""
    loss: float
    """Share of the packets, each way, each by itself."""
    queue: int = 100
    """Packets that wait for the line to be free; more are lost too."""

    def __str__(self) -> str:
        each = self.round_trip * 500
        return (
            f"{self.bits_per_second // 1000} kbit/s each way, {self.round_trip * 1000:.0f} ms round trip "
            f"({each:.0f} ms each way), {self.loss:.0%} of the packets lost each way"
        )


THIN = Quality(256_000, 0.6, 0.02)


class Line:
    """A context; raises NoLine where interfaces or namespaces are not allowed."""

    here, there = "198.18.77.1", "198.18.77.2"

    def __init__(self, quality: Quality, *, seed: int = 1) -> None:
        self.quality = quality
        self.name = f"kyso-thin-{os.getpid()}"
        self.inside = ("ip", "netns", "exec", self.name)
        """What a command is preceded by to run at the far end."""
        self._random = random.Random(seed)
        self._ends = ExitStack()
        self.down: _Direction
        self.up: _Direction

    def __enter__(self) -> Line:
        with ExitStack() as ends:
            near, far = _tun(ends, f"kt{os.getpid()}a"), _tun(ends, f"kt{os.getpid()}b")
            _ip("netns", "add", self.name)
            ends.callback(_ip, "netns", "delete", self.name)
            _ip("link", "set", far.name, "netns", self.name)
            _ip("address", "add", f"{self.here}/32", "peer", self.there, "dev", near.name)
            _ip("link", "set", near.name, "mtu", str(MTU), "up")
            _ip("-n", self.name, "address", "add", f"{self.there}/32", "peer", self.here, "dev", far.name)
            _ip("-n", self.name, "link", "set", far.name, "mtu", str(MTU), "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
            self.down = _Direction(near.number, far.number, self.quality, self._random)
            self.up = _Direction(far.number, near.number, self.quality, self._random)
            carrier = _Carrier((self.down, self.up))
            carrier.start()
            ends.callback(carrier.end)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def cut(self, *, is_cut: bool) -> None:
        """While it is cut, every packet is lost."""
        self.down.is_cut = self.up.is_cut = is_cut


@dataclass(frozen=True)
class _Tun:
    name: str
    number: int


def _tun(ends: ExitStack, name: str) -> _Tun:
    try:
        number = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NoLine(f"{TUN}: {error.strerror}") from None
    ends.callback(os.close, number)
    try:
        fcntl.ioctl(number, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        raise NoLine(f"no TUN interface: {error.strerror}") from None
    return _Tun(name, number)


def _ip(*words: str) -> None:
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if program is None:
        raise NoLine("no `ip` here (iproute2)")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoLine(f"ip {' '.join(words)}: {done.stderr.strip()}")


class _Direction:
    """One way of the line: packets that wait or travel, and how many went."""

    def __init__(self, source: int, target: int, quality: Quality, chance: random.Random) -> None:
        self.source, self.target = source, target
        self._quality, self._random = quality, chance
        self._travelling: deque[tuple[float, float, bytes]] = deque()
        self._free_at = 0.0
        self.bytes = self.packets = self.lost = 0
        """What has arrived at the far end, as IP packets; what never did."""
        self.is_cut = False

    def take(self) -> None:
        """All packets that there are."""
        while True:
            try:
                packet = os.read(self.source, 65536)
            except OSError:
                return
            now = time.monotonic()
            waiting = sum(1 for leaves, _, _ in self._travelling if leaves > now)
            if self.is_cut or waiting >= self._quality.queue or self._random.random() < self._quality.loss:
                self.lost += 1
                continue
            self._free_at = max(now, self._free_at) + 8 * len(packet) / self._quality.bits_per_second
            self._travelling.append((self._free_at, self._free_at + self._quality.round_trip / 2, packet))

    def give(self) -> float | None:
        """What has arrived goes out; the time of the next one that will."""
        while self._travelling and self._travelling[0][1] <= time.monotonic():
            _, _, packet = self._travelling.popleft()
            with suppress(OSError):  # the far end has gone
                os.write(self.target, packet)
            self.packets += 1
            self.bytes += len(packet)
        return self._travelling[0][1] if self._travelling else None


class _Carrier(threading.Thread):
    """Carries the packets of both directions until it is told to end."""

    def __init__(self, directions: tuple[_Direction, ...]) -> None:
        super().__init__(name="thin-line", daemon=True)
        self._directions = directions
        self._wake, self._end = os.pipe()

    def run(self) -> None:
        sources = {one.source: one for one in self._directions}
        watched = select.poll()
        for number in (*sources, self._wake):
            watched.register(number, select.POLLIN)
        while True:
            due = [at for one in self._directions if (at := one.give()) is not None]
            patience = max(0.0, min(due) - time.monotonic()) if due else None
            ready = {number for number, _ in watched.poll(None if patience is None else 1000 * patience)}
            if self._wake in ready:
                return
            for number in ready:
                sources[number].take()

    def end(self) -> None:
        os.close(self._end)
        self.join()
        os.close(self._wake)
