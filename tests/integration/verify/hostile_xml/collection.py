"""All cases, and the folder in which they stand: `files/NAME.xml`, and what is expected in `files/expected.json`.

python -m tests.integration.verify.hostile_xml       # writes them anew, and prints how each is judged
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.verify.hostile_xml import (
    costs,
    covering,
    honest,
    keys,
    parsing,
    references,
    transforms,
    values,
    wrapping,
)
from tests.integration.verify.hostile_xml.case import CASES, Case, Json

FILES = Path(__file__).with_name("files")
EXPECTED = FILES / "expected.json"
GROUPS = (honest, references, transforms, values, keys, wrapping, covering, costs, parsing)
ALL = tuple(sorted(CASES, key=lambda case: [group.__name__.rsplit(".", 1)[1] for group in GROUPS].index(case.group)))


def entry(case: Case) -> Json:
    """One line of `expected.json`. A large file is made when it is judged."""
    entry: Json = {"file": None if case.large else case.file, "name": f"{case.group}-{case.name}", "says": case.proves}
    if case.detached:
        entry["detached"] = {name: octets.decode() for name, octets in case.detached.items()}
    return {**entry, "expected": case.expected}


def described() -> str:
    """The text of `expected.json`."""
    lines = ",\n  ".join(json.dumps(entry(case), ensure_ascii=False) for case in ALL)
    return f'{{"entries": [\n  {lines}\n]}}\n'


def write() -> None:
    FILES.mkdir(exist_ok=True)
    kept = {case.file: case.content for case in ALL if not case.large}
    for path in FILES.glob("*.xml"):
        if path.name not in kept:
            path.unlink()
    for name, content in kept.items():
        (FILES / name).write_bytes(content)
    EXPECTED.write_text(described(), "utf-8")
