"""Runs a command under the restrictions of a systemd unit, without systemd: what the kernel would enforce, taken from the
unit's own lines. Not all of systemd: the file system is read-only but for one folder, /proc shows processes alone.

    python -m tests.integration.image.unit_sandbox UNIT FOLDER UID:GID COMMAND …

1. mounts of its own: everything read-only, FOLDER writable, an empty /tmp, /proc with `subset=pid,hidepid=invisible`; no
   network where PrivateNetwork says so
2. the user, no capability, no new privileges, no core dump
3. one seccomp filter: SystemCallFilter (groups as `systemd-analyze syscall-filter` has them), RestrictNamespaces,
   RestrictAddressFamilies, MemoryDenyWriteExecute, as systemd.exec(5) describes them; refused calls answer EPERM
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pyseccomp

from api.sandbox.lockdown import _drop_capabilities

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MS_BIND, _MS_REMOUNT, _MS_RDONLY = 0x20000, 0x4000, 0x40000, 0x1000, 0x20, 0x1
_CLONE_NEWNET = 0x40000000
_ALL_NAMESPACES = 0x7E020000
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_libc = ctypes.CDLL(None, use_errno=True)


def lines(unit: Path, key: str) -> list[str]:
    """The values of one key, in order."""
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]


def allowed_calls(filters: Iterable[str]) -> set[str]:
    """SystemCallFilter= lines, of which the first is an allow-list: later ones add to it, or with ~ take away."""
    allowed: set[str] = set()
    for line in filters:
        names = {name for word in line.removeprefix("~").split() for name in _expanded(word)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


@cache
def _expanded(word: str) -> frozenset[str]:
    if not word.startswith("@"):
        return frozenset((word,))
    listed = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    words = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return frozenset(name for word in words if word and not word.startswith("#") for name in _expanded(word))


def seccomp_filter(unit: Path) -> pyseccomp.SyscallFilter:
    """3. The unit's filter."""
    arg, equal, masked, allow = pyseccomp.Arg, pyseccomp.EQ, pyseccomp.MASKED_EQ, pyseccomp.ALLOW
    made = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    calls = allowed_calls(lines(unit, "SystemCallFilter"))
    if lines(unit, "RestrictNamespaces") == ["yes"]:
        calls -= {"clone", "clone3", "unshare", "setns"}
        made.add_rule(allow, "clone", arg(0, masked, _ALL_NAMESPACES, 0))
        made.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags lie where a filter cannot look
    if lines(unit, "MemoryDenyWriteExecute") == ["yes"]:
        calls -= {"mmap", "mprotect", "pkey_mprotect", "shmat"}
        made.add_rule(allow, "mmap", arg(2, masked, mmap.PROT_EXEC, 0))
        made.add_rule(allow, "mmap", arg(2, masked, mmap.PROT_WRITE | mmap.PROT_EXEC, mmap.PROT_EXEC))
        made.add_rule(allow, "mprotect", arg(2, masked, mmap.PROT_EXEC, 0))
    families = " ".join(lines(unit, "RestrictAddressFamilies")).split()
    if families:
        calls.discard("socket")
        for family in families:
            made.add_rule(allow, "socket", arg(0, equal, _FAMILIES[family]))
    for name in sorted(calls):
        try:
            made.add_rule(allow, name)
        except (RuntimeError, OSError, ValueError):  # not a call of this architecture
            continue
    return made


def restrict_files(folder: Path) -> None:
    """1. Mounts."""
    _must(_libc.unshare(_CLONE_NEWNS))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, None)
    _mount(str(folder), str(folder), None, _MS_BIND, None)
    _mount(None, "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY, None)
    _mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777")
    _mount("proc", "/proc", "proc", 0, "subset=pid,hidepid=invisible")


def give_up_rights(user: int, group: int) -> None:
    """2. The user, capabilities, privileges, core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL past the kernel's last
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    _must(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _drop_capabilities()


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> None:
    _must(_libc.mount(*(text and text.encode() for text in (source, target, kind)), flags, data and data.encode()))


def _must(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    unit, folder, who, *command = sys.argv[1:]
    chosen = seccomp_filter(Path(unit))
    restrict_files(Path(folder))
    if lines(Path(unit), "PrivateNetwork") == ["yes"]:
        _must(_libc.unshare(_CLONE_NEWNET))
    give_up_rights(*map(int, who.split(":")))
    chosen.load()
    os.execv(command[0], command)
