"""Debian packages as `dpkg` has them on record, with the licences that their copyright files name. No dependencies but dpkg.

packages(Path("/var/lib/dpkg/status"), Path("/usr/share/doc"))
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """One installed package; `licences` is empty where its copyright file has no form that a program can read."""

    name: str
    version: str
    architecture: str
    source: str
    licences: tuple[str, ...]


def packages(status: Path, documents: Path) -> list[Package]:
    """The installed packages of a dpkg database, by name."""
    found = []
    for paragraph in status.read_text("utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][A-Za-z-]*: ", line))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name = fields["Package"]
        found.append(
            Package(
                name,
                fields["Version"],
                fields["Architecture"],
                fields.get("Source", name).split(" ")[0],
                licences(documents / name / "copyright"),
            )
        )
    return sorted(found, key=lambda package: package.name)


def archives(folder: Path) -> list[Package]:
    """The packages that lie in a folder as .deb files, by name; their licences are inside, and not looked at."""
    found = []
    for file in folder.glob("*.deb"):
        names = ("Package", "Version", "Architecture", "Source")
        asked = ["dpkg-deb", "--showformat", "\n".join(f"${{{name}}}" for name in names), "--show", file]
        name, version, architecture, source = subprocess.run(
            asked, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        found.append(Package(name, version, architecture, source.split(" ")[0] or name, ()))
    return sorted(found, key=lambda package: package.name)


def licences(copyright_file: Path) -> tuple[str, ...]:
    """The licences that a machine-readable copyright file names (DEP-5)."""
    try:
        text = copyright_file.read_text("utf-8", "replace")
    except OSError:
        return ()
    if not text.startswith("Format:"):
        return ()
    return tuple(sorted({name.strip() for name in _LICENCE.findall(text)}))
