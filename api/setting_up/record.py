"""What the set-up notes of itself, so that it goes on where it was interrupted: `KYSO_HOME/setup.json`.

The answers are in it, since nobody wants to be asked twice; PINs and API keys never are. It is written whole or not at
all, and durable before the next step begins. While `finished` is false the appliance is unprovisioned.

>>> import tempfile
>>> record = Record(Path(tempfile.mkdtemp()) / "setup.json")
>>> record.done("checks"); Record(record.file).has("checks")
True
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


class Record:
    """The note, as it stands on the disk."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: dict[str, Any] = {}
        try:
            found = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            found = {}
        except ValueError:
            found = {"damaged": True}
        if isinstance(found, dict):
            self._found = found

    @property
    def answers(self) -> dict[str, Any] | None:
        """What was answered before; None while nothing was."""
        found = self._found.get("answers")
        return found if isinstance(found, dict) else None

    @property
    def finished(self) -> bool:
        return self._found.get("finished") is True

    def has(self, step: str) -> bool:
        return step in self._found.get("done", {})

    def fact(self, step: str) -> str:
        """What a step left for later: a digest, an id."""
        return str(self._found.get("done", {}).get(step, ""))

    def answered(self, answers: dict[str, Any]) -> None:
        self._write({"finished": False, "answers": answers, "done": self._found.get("done", {})})

    def done(self, step: str, fact: str = "") -> None:
        self._write({**self._found, "finished": False, "done": {**self._found.get("done", {}), step: fact}})

    def finish(self) -> None:
        self._write({**self._found, "finished": True})

    def _write(self, found: dict[str, Any]) -> None:
        """Raises OSError; then the former note stands."""
        descriptor, name = tempfile.mkstemp(prefix=".setup.", dir=self.file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(found, file, ensure_ascii=False, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._found = found
