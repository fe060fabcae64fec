"""The readers and signers that need Node: xml-crypto and xadesjs, installed by npm at the first call.

`build` raises NodeMissing where Node, npm or the registry cannot be had, and says which; whoever asks then skips.

>>> tools = build()                                                               # doctest: +SKIP
>>> tools.ask([Job("xadesjs", Path("a.xml"))])
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.appliance import ROOT
from tests.interop.peers import Said

PROJECT = Path(__file__).with_name("npm")
BUILD = ROOT / "var" / "interop" / "npm"
PATIENCE = 120.0


class NodeMissing(Exception):
    """What is needed for the readers in JavaScript is not here; the message says what."""


@dataclass(frozen=True)
class Job:
    """A document for a reader, with what stands beside it by name; for a signer also where the signed file goes, its key
    (PKCS #8, PEM) and its certificate."""

    do: Literal["xml-crypto", "xadesjs", "sign-xml-crypto", "sign-xadesjs"]
    document: Path
    detached: Mapping[str, Path] = field(default_factory=dict)
    out: Path | None = None
    key: Path | None = None
    certificate: Path | None = None

    def line(self) -> str:
        paths = {name: str(path) for name in ("out", "key", "certificate") if (path := getattr(self, name))}
        beside = {name: str(path) for name, path in self.detached.items()}
        return json.dumps({"do": self.do, "document": str(self.document), "detached": beside, **paths})


@dataclass(frozen=True)
class Tools:
    """The installed packages."""

    folder: Path

    def ask(self, jobs: Sequence[Job]) -> list[Said]:
        """All jobs in one Node process; an answer for each, in the same order."""
        done = subprocess.run(
            ["node", "main.mjs"],
            cwd=self.folder,
            input="".join(f"{job.line()}\n" for job in jobs),
            capture_output=True,
            text=True,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode or len(answers) != len(jobs):
            raise RuntimeError(f"the readers in JavaScript failed:\n{done.stderr[-2000:]}")
        return [Said.of([] if one["good"] else [one["words"]], words=one["words"]) for one in answers]


def build() -> Tools:
    """Copy the programs, and install what their lock says if that is not done yet. Raises NodeMissing."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            raise NodeMissing(f"`{command}` is not installed; Debian's packages are nodejs and npm")
    BUILD.mkdir(parents=True, exist_ok=True)
    lock, installed = PROJECT / "package-lock.json", BUILD / "package-lock.json"
    is_current = installed.exists() and installed.read_bytes() == lock.read_bytes()
    for path in PROJECT.iterdir():
        if path.name != lock.name:
            shutil.copyfile(path, BUILD / path.name)
    if not (is_current and (BUILD / "node_modules" / "xadesjs").is_dir()):
        _install(lock, installed)
    return Tools(BUILD)


def _install(lock: Path, installed: Path) -> None:
    shutil.copyfile(lock, installed)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        installed.unlink()
        raise NodeMissing("npm did not end in time; is its registry within reach?") from None
    if done.returncode:
        installed.unlink()
        raise NodeMissing("npm could not install tests/interop/npm:\n" + done.stderr[-1000:])
