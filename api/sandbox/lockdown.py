"""How a process gives up everything that reading a document does not need.

The plan is made once, in the fork server (the system-call filter compiled, Landlock's ruleset built); each child only
enters it, which costs a dozen system calls. In order:

1. resource limits: address space, CPU, file size, descriptors, no core dump
2. no new privileges, no capabilities, not dumpable (so not traceable, and /proc/self belongs to root)
3. Landlock at the kernel's ABI: no file, no TCP, no signal or abstract socket out of the domain
4. seccomp, mandatory: what is not on the list below answers EPERM; pages are never writable and executable
5. proof: a system call that never fails outside fails now

Not here: descriptors (`forkserver` closes all but the channel) and wall time (the client's part, `process`).

    plan = prepare(Limits())
    ... fork ...
    state = plan.enter()      # Lockdown(seccomp=True, landlock_abi=7); raises LockdownFailed
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import tempfile
from dataclasses import dataclass

import pyseccomp

from api.sandbox.wire import Lockdown

MIB, GIB = 1024**2, 1024**3
LIFETIME_CPU = 3600
"""Seconds of CPU after which a worker ends whatever happens; each call has a lower limit of its own."""

ALLOWED = (
    # the channel and the files that came through it
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2",
    "lseek", "close", "fstat", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync", "sync_file_range",
    "copy_file_range", "sendfile", "recvfrom", "recvmsg", "sendto", "sendmsg", "poll", "ppoll",
    # memory
    "brk", "munmap", "mremap", "madvise",
    # signals to itself from the kernel (CPU limit), never to others
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "setitimer", "restart_syscall",
    # time, randomness, accounting
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom", "getrusage", "times",
    # the one thread
    "futex", "sched_yield", "getpid", "gettid", "exit", "exit_group",
)  # fmt: skip
"""System calls that are allowed whatever their arguments."""

# <linux/prctl.h>, <linux/landlock.h>, <linux/capability.h>, <linux/fcntl.h>
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 1, 4, 22, 38, 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _LANDLOCK_VERSION_FLAG = 444, 446, 1
_CAPABILITY_VERSION_3 = 0x20080522
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030
_AT_EMPTY_PATH = 0x1000

_libc = ctypes.CDLL(None, use_errno=True)


class LockdownFailed(Exception):
    """A part of the lock-down that is mandatory is not in force; the worker must not serve."""


@dataclass(frozen=True)
class Limits:
    """What one worker may use. `memory` counts address space, the preloaded libraries included."""

    memory: int = GIB
    file_size: int = GIB + 64 * MIB
    descriptors: int = 64


@dataclass(frozen=True)
class Plan:
    """A lock-down, ready to be entered by any number of children. `ruleset` is a descriptor, None without Landlock."""

    limits: Limits
    program: bytes
    ruleset: int | None
    landlock_abi: int

    def enter(self) -> Lockdown:
        """Lock this process down for good; raises LockdownFailed."""
        for limit, value in (
            (resource.RLIMIT_AS, self.limits.memory),
            (resource.RLIMIT_CPU, LIFETIME_CPU),
            (resource.RLIMIT_FSIZE, self.limits.file_size),
            (resource.RLIMIT_NOFILE, self.limits.descriptors),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(limit, (value, value))
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)
        _drop_capabilities()
        if self.ruleset is not None:
            _syscall("landlock_restrict_self", _LANDLOCK_RESTRICT_SELF, self.ruleset, 0)
            os.close(self.ruleset)
        _load(self.program)
        # getppid(2) cannot fail; only a filter makes it answer -1.
        if os.getppid() != -1:
            raise LockdownFailed("the system-call filter is not in force")
        return Lockdown(seccomp=True, landlock_abi=self.landlock_abi)


def end_with(parent: int) -> bool:
    """Have the kernel send SIGTERM to this process when its parent ends; False if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def prepare(limits: Limits) -> Plan:
    """Compile the filter and build the ruleset; raises LockdownFailed without seccomp, not without Landlock."""
    ruleset, abi = _landlock()
    return Plan(limits, _compile(), ruleset, abi)


def _compile() -> bytes:
    """The BPF program of the allow-list."""
    arg, equal, masked = pyseccomp.Arg, pyseccomp.EQ, pyseccomp.MASKED_EQ
    try:
        allow = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
        for name in ALLOWED:
            allow.add_rule(pyseccomp.ALLOW, name)
        # No page becomes executable: code that came with a document cannot be run as such.
        for name in ("mmap", "mprotect"):
            allow.add_rule(pyseccomp.ALLOW, name, arg(2, masked, mmap.PROT_EXEC, 0))
        # Limits of itself (the CPU limit of a call), of no other process.
        allow.add_rule(pyseccomp.ALLOW, "prlimit64", arg(0, equal, 0))
        # glibc asks for an open file's facts with an empty path; a path relative to the working directory is refused.
        allow.add_rule(
            pyseccomp.ALLOW,
            "newfstatat",
            arg(0, pyseccomp.LT, 1024),
            arg(3, masked, _AT_EMPTY_PATH, _AT_EMPTY_PATH),
        )
        for command in (_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC):
            allow.add_rule(pyseccomp.ALLOW, "fcntl", arg(1, equal, command))
        with tempfile.TemporaryFile() as file:
            allow.export_bpf(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError, RuntimeError) as error:
        raise LockdownFailed(f"the system-call filter cannot be compiled: {error}") from error


class _Program(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>; an instruction has eight bytes."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _load(program: bytes) -> None:
    filter_ = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(filter_))


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr as of ABI 6; older kernels take the part that they know."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def _landlock() -> tuple[int | None, int]:
    """A ruleset that allows nothing of what this kernel can refuse, and the kernel's ABI; (None, 0) without Landlock.

    The package `landlock` knows files only, not TCP and scopes, hence the system calls themselves.
    """
    abi = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION_FLAG))
    if abi < 1:
        return None, 0
    # Rights that came with each ABI: 13 at first, REFER with 2, TRUNCATE with 3, IOCTL_DEV with 5; TCP with 4; abstract
    # sockets and signals with 6.
    rights = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)
    attributes = _Ruleset((1 << rights) - 1, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 8 * (1 + (abi >= 4) + (abi >= 6))
    ruleset = _syscall("landlock_create_ruleset", _LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    return ruleset, abi


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_capabilities() -> None:
    """capset(2) with empty sets: a worker of a service that runs as root is no more than any other process."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    if _libc.capset(ctypes.byref(header), (ctypes.c_uint32 * 6)()) != 0:
        raise LockdownFailed(f"capset: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int, pointer: int = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(pointer), 0, 0) != 0:
        raise LockdownFailed(f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _syscall(name: str, number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise LockdownFailed(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result
