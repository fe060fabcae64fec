"""What is wrong with a file that was to be imported: where, what, and what to do.

A fault is a code with facts; its sentence stands in `api/locale` (`[directory]`). All of a file's faults are told at once,
`MOST` of them with their lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.errors import ApiError

MOST = 200
"""Faults that are told; more are counted."""


@dataclass(frozen=True)
class Fault:
    """`line` counts from 1 as a text editor does, or is the place in a section of JSON; 0 is the whole file."""

    file: str
    line: int
    code: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


class Bad(Exception):
    """A line, or a cell of it, cannot be taken; becomes a Fault where file and line are known."""

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class Faults:
    """Gathers faults, the first `MOST` of them with their places."""

    def __init__(self) -> None:
        self.told: list[Fault] = []
        self.count = 0
        self._seen: set[tuple[str, int, str]] = set()

    def add(self, file: str, line: int, bad: Bad) -> None:
        """Once for each place: a file with several kinds is read several times."""
        if (file, line, bad.code) in self._seen:
            return
        self._seen.add((file, line, bad.code))
        self.count += 1
        if len(self.told) < MOST:
            self.told.append(Fault(file, line, bad.code, {name: _short(value) for name, value in bad.facts.items()}))


def _short(value: str | int) -> str | int:
    """What is quoted of a file stays short, and is text that can be sent: JSON can name halves of characters."""
    return value[:80].encode("utf-8", "replace").decode() if isinstance(value, str) else value


class DirectoryImportRefused(ApiError):
    """The files have faults; nothing of them was taken in."""

    code = "directory-import-refused"
    actor = "caller"

    def __init__(self, faults: Faults) -> None:
        first = faults.told[0]
        super().__init__(
            f"{faults.count} faults, the first in {first.file} line {first.line}: {first.code}",
            faults=faults.count,
            file=first.file,
            line=first.line,
            fault=first.code,
        )
        self.faults = tuple(faults.told)


class DirectoryImportEmpty(ApiError):
    """There is nothing to import: no file of a known kind, or files without lines."""

    code = "directory-import-empty"
    actor = "caller"


class DirectoryChanged(ApiError):
    """The directory was changed by somebody else at the same moment, several times over; try again."""

    code = "directory-changed"
    actor = "caller"


class PersonInOffice(ApiError):
    """The person still holds a post, a role, a key, or a delegation: end these first."""

    code = "person-in-office"
    actor = "caller"
