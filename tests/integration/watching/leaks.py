"""Secrets that are known beforehand, and every place where none of them may be found.

`canaries` are what goes in; `places` gives what the appliance wrote: its log, its database, its other files, the arguments
and environments of its processes. `found` looks for a canary as it is, and in the forms in which it could have been
written: hexadecimal, base64, percent-encoded, JSON-escaped, UTF-16.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from tests.appliance import Appliance


@dataclass(frozen=True)
class Leak:
    """`what` by its name, `where` it was found, and what stands around it."""

    what: str
    where: str
    around: str


def found(canaries: Mapping[str, str], places: Mapping[str, bytes]) -> list[Leak]:
    """Every canary in every place."""
    leaks = []
    for what, text in canaries.items():
        for form in _forms(text):
            for where, content in places.items():
                at = content.find(form)
                if at >= 0:
                    around = content[max(at - 80, 0) : at + 120].decode("utf-8", "replace")
                    leaks.append(Leak(what, where, around))
    return leaks


def _forms(text: str) -> set[bytes]:
    raw = text.encode()
    # base64 of a text within a longer one begins at one of three places; what is sure of each is its middle.
    parts = {base64.b64encode(b"\0" * pad + raw)[4 if pad else 0 : -4] for pad in range(3)} if len(raw) > 9 else set()
    return {
        raw,
        raw.hex().encode(),
        quote(text).encode(),
        json.dumps(text)[1:-1].encode(),
        text.encode("utf-16-le"),
        *parts,
    }


def processes(appliance: Appliance) -> dict[str, bytes]:
    """Arguments and environments of all processes of the appliance, the runner's among them."""
    places = {}
    for pid in (appliance.runner.pid, *appliance.processes("")):
        for part in ("cmdline", "environ"):
            try:
                places[f"/proc/{pid}/{part}"] = Path(f"/proc/{pid}/{part}").read_bytes()
            except OSError:
                continue
    return places


def texts_of_database(home: Path) -> dict[str, bytes]:
    """Every column of text, by table and column. Bytes (drafts, sealed secrets) are looked at as a file."""
    engine = sa.create_engine(f"sqlite:///{home / 'kyso.db'}")
    places = {}
    with engine.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            for column in sa.inspect(connection).get_columns(table):
                if isinstance(column["type"], sa.Text | sa.String):
                    rows = connection.execute(sa.text(f'SELECT "{column["name"]}" FROM "{table}"')).scalars()
                    places[f"{table}.{column['name']}"] = "\n".join(str(row) for row in rows if row).encode()
    engine.dispose()
    return places


def files(home: Path, *, but: frozenset[str]) -> dict[str, bytes]:
    """Every file of KYSO_HOME but those below `but`."""
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in _regular(home)
        if path.relative_to(home).parts[0] not in but
    }


def _regular(home: Path) -> Iterator[Path]:
    for path in home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path
