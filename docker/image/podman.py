"""How buildah and podman are called so that an image can be built and run without an engine's service or a registry.

What is particular: `--isolation chroot` (no namespaces while building), runc (crun of Debian 12 wants another cgroup
layout), cgroupfs (no systemd needed). Storage is a folder of its own; nothing of the machine's other images is touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("buildah", "podman", "runc", "mmdebstrap", "debian-archive-keyring")
"""Debian packages that this takes."""


class NotPossibleHere(Exception):
    """The machine forbids or lacks something; the message says what."""


@dataclass(frozen=True)
class Store:
    """A storage folder and the programs that work on it."""

    folder: Path

    @classmethod
    def default(cls) -> Store:
        """KYSO_IMAGE_STORE, or a folder in the user's cache: layers of a former build make the next one quick."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(Path(os.environ.get("KYSO_IMAGE_STORE") or cache / "kyso" / "image"))

    @property
    def _storage(self) -> tuple[str, ...]:
        return ("--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay")

    def podman(self, *arguments: str) -> tuple[str, ...]:
        return ("podman", *self._storage, "--runtime", "/usr/sbin/runc", "--cgroup-manager", "cgroupfs", *arguments)

    def buildah(self, *arguments: str) -> tuple[str, ...]:
        return ("buildah", *self._storage, *arguments)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One build or run at a time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def need_tools(setup: Path) -> None:
    """Install what is missing; raises NotPossibleHere."""
    if os.geteuid() != 0:
        raise NotPossibleHere("building a base system takes root: sudo make image")
    done = subprocess.run([setup, "image"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode or any(shutil.which(tool) is None for tool in ("buildah", "podman", "mmdebstrap")):
        raise NotPossibleHere(f"the packages {' '.join(TOOLS)} could not be had: {done.stderr.strip()[-400:]}")


def run(command: Sequence[str | Path], *, seconds: float, log: Path | None = None, **more: object) -> str:
    """Run to the end; the output. Raises CalledProcessError with the output's end, TimeoutExpired."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": "/run"}
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        env=environment,
        check=False,
        **more,
    )
    output = done.stdout.decode("utf-8", "replace")
    if log is not None:
        log.write_text(output, "utf-8")
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, [str(part) for part in command], output[-3000:])
    return output
