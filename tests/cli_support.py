"""Runs `kyso` as a person does: another process, its status and its two streams."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ran:
    """What a command left: `err` as its lines."""

    status: int
    out: str
    err: list[str]


def kyso(*arguments: str | Path, home: Path, **environment: str) -> Ran:
    """Run one command on `home`, in English unless `environment` says otherwise."""
    done = subprocess.run(
        [sys.executable, "-c", "from api.cli import main; main()", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KYSO_LANG": "en", "COLUMNS": "200", **environment, "KYSO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ran(done.returncode, done.stdout, done.stderr.splitlines())
