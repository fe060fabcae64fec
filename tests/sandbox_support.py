# Attempts to break out, in their shortest form:
# ruff: noqa: PTH123, PTH208, PTH116, PTH108, PTH104, SIM115, PLW0108, PLR0912, BLE001
"""Operations that only tests run in a worker, and how a test gets such a worker.

The first group tries what a hijacked worker would try, with the real system call, and answers the errno; the second
does to the process what a hostile document might; the third talks.
"""

from __future__ import annotations

import ctypes
import errno
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from api.sandbox.worker import Operation
from verify.errors import DocumentBroken
from verify.fetcher import Fetcher, FetchFailed, FetchRequest

OPS = ("--ops", "tests.sandbox_support")
_libc = ctypes.CDLL(None, use_errno=True)
_iovec = type("iovec", (ctypes.Structure,), {"_fields_": (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))})


def warm_up() -> None:
    """Nothing to warm."""


@dataclass(frozen=True)
class Text:
    text: str = ""


@dataclass(frozen=True)
class Number:
    value: float = 0


@dataclass(frozen=True)
class Questions:
    requests: tuple[FetchRequest, ...]


def _raw(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call")


def _read_memory_of(pid: int) -> None:
    buffer = ctypes.create_string_buffer(8)
    local, remote = _iovec(ctypes.addressof(buffer), 8), _iovec(ctypes.addressof(buffer), 8)
    _raw(_libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))


def _connect(family: int, address: object) -> None:
    socket.socket(family, socket.SOCK_STREAM).connect(address)


def _executable_page() -> None:
    import mmap

    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


ATTEMPTS: dict[str, Callable[[int], object]] = {
    "open a file": lambda parent: open("/etc/passwd", "rb"),
    "open below its own descriptors": lambda parent: open("/proc/self/fd/0", "rb"),
    "create a file": lambda parent: open("/tmp/kyso-was-here", "wb"),
    "list a folder": lambda parent: os.listdir("/"),
    "ask whether a file exists": lambda parent: os.stat("/etc/passwd"),
    "remove a file": lambda parent: os.unlink("/tmp/kyso-was-here"),
    "rename a file": lambda parent: os.rename("/tmp/a", "/tmp/b"),
    "make an internet socket": lambda parent: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "make a Unix socket": lambda parent: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "make a pair of sockets": lambda parent: socket.socketpair(),
    "connect its channel elsewhere": lambda parent: _raw(_libc.connect(3, b"\1\0/run/x\0", 10)),
    "fork": lambda parent: os.fork(),
    "start a thread": lambda parent: _raw(_libc.syscall(56, 0x50F00, 0, 0, 0, 0)),
    "execute a program": lambda parent: os.execv("/bin/true", ["true"]),
    "start a program": lambda parent: subprocess.run(["/bin/true"], check=True),
    "kill its parent": lambda parent: os.kill(parent, signal.SIGKILL),
    "signal itself by kill": lambda parent: os.kill(os.getpid(), 0),
    "open a handle of its parent": lambda parent: os.pidfd_open(parent),
    "trace its parent": lambda parent: _raw(_libc.ptrace(16, parent, 0, 0)),
    "read its parent's memory": _read_memory_of,
    "open its parent's memory": lambda parent: open(f"/proc/{parent}/mem", "rb"),
    "raise its parent's limits": lambda parent: __import__("resource").prlimit(parent, 7),
    "make an anonymous file": lambda parent: os.memfd_create("x"),
    "set up io_uring": lambda parent: _raw(_libc.syscall(425, 8, 0)),
    "load a BPF program": lambda parent: _raw(_libc.syscall(321, 0, 0, 0)),
    "make a namespace": lambda parent: _raw(_libc.unshare(0x10000000)),
    "mount": lambda parent: _raw(_libc.mount(b"none", b"/mnt", b"tmpfs", 0, 0)),
    "change its user": lambda parent: os.setuid(0),
    "regain privileges": lambda parent: _raw(_libc.prctl(38, 0, 0, 0, 0)),
    "become dumpable": lambda parent: _raw(_libc.prctl(4, 1, 0, 0, 0)),
    "make a page executable": lambda parent: _executable_page(),
    "talk to a device": lambda parent: __import__("fcntl").ioctl(3, 0x5401, b"\0" * 64),
    "read the kernel's log": lambda parent: _raw(_libc.klogctl(3, 0, 0)),
}


def attempt(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> str:
    name, parent = args.text.split("|")
    try:
        ATTEMPTS[name](int(parent))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"


def allocate(args: Number, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> str:
    try:
        bytearray(int(args.value))
    except MemoryError:
        return "MemoryError"
    return "allowed"


def facts(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> dict[str, int | list[int]]:
    """What the worker is: descriptors are tried one by one, for it cannot look into /proc."""
    opened = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        opened.append(descriptor)
    return {"pid": os.getpid(), "descriptors": opened, "modules": int("fastapi" in sys.modules)}


def modules(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> list[str]:
    return sorted(sys.modules)


def crash(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> None:
    if args.text == "abort":
        os.abort()
    if args.text == "segfault":
        ctypes.string_at(0)
    if args.text == "exit":
        os._exit(0)
    if args.text == "loop":
        while True:
            pass
    if args.text == "stubborn loop":
        while True:
            try:
                while True:
                    pass
            except BaseException:
                continue
    if args.text == "native loop":
        sum(itertools.repeat(0))
    if args.text == "sleep":
        time.sleep(60)
    if args.text == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))
    if args.text == "recursion":
        crash(args, files, fetcher)
    if args.text == "surprise":
        raise KeyError("/secret/path/of/a/file")
    if args.text == "output":
        files[0].truncate(1 << 40)


def refuse(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> None:
    raise DocumentBroken(args.text, page=3)


def echo(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> str:
    return args.text


def copy(args: Text, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> int:
    source, out = files
    source.seek(0)
    out.seek(0)
    out.truncate()
    return out.write(source.read())


def fill(args: Number, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> int:
    """Write this many bytes to the file."""
    return sum(files[0].write(bytes(1 << 20)) for _ in range(int(args.value) >> 20))


def ask(args: Questions, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> list[str]:
    """Fetch everything, in order; what fails is answered with its reason."""
    answers = []
    for request in args.requests:
        try:
            answers.append(fetcher.fetch(request).decode())
        except FetchFailed as error:
            answers.append(f"failed: {error} {sorted(error.facts.items())}")
    return answers


def big(args: Number, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> bytes:
    return bytes(int(args.value))


def grow(args: Number, files: tuple[BinaryIO, ...], fetcher: Fetcher) -> int:
    io.BytesIO(os.urandom(int(args.value)))
    return os.getpid()


TABLE = {
    "attempt": Operation(attempt, Text),
    "allocate": Operation(allocate, Number),
    "facts": Operation(facts, Text),
    "modules": Operation(modules, Text),
    "crash": Operation(crash, Text),
    "crash-writing": Operation(crash, Text, ("r+b",)),
    "refuse": Operation(refuse, Text),
    "echo": Operation(echo, Text),
    "copy": Operation(copy, Text, ("rb", "r+b")),
    "fill": Operation(fill, Number, ("r+b",)),
    "ask": Operation(ask, Questions),
    "big": Operation(big, Number),
    "grow": Operation(grow, Number),
}
