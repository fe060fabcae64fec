"""Every unsigned PDF of the corpus, hostile ones included, is signed or refused; what is signed, others accept."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import readers
from tests.appliance import Appliance

pytestmark = pytest.mark.spine


@dataclass(frozen=True)
class Outcome:
    """What became of one file: the status, the problem's code if it was refused, and what two readers say if not."""

    name: str
    status: int
    code: str | None = None
    poppler: bool | None = None
    pyhanko: bool | None = None


def unsigned(corpus: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of every PDF of the corpus without a signature dictionary in plain sight."""
    files = []
    for path in sorted([*(corpus / "pdf").iterdir(), *(corpus / "attacks").iterdir()]):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if b"/ByteRange" not in data:
            files.append((path.name, data))
    return files


def outcome(appliance: Appliance, name: str, data: bytes, *, scratch: Path) -> Outcome:
    """Sign one file over HTTP and have the result read by Poppler and pyHanko."""
    answer = appliance.sign(data, headers={"Accept": "application/pdf"})
    if answer.status_code != 201:
        return Outcome(name, answer.status_code, answer.json()["code"])
    scratch.write_bytes(answer.content)
    covered = (True, True)
    return Outcome(name, 201, poppler=covered in readers.poppler(scratch), pyhanko=covered in readers.pyhanko(scratch))


def test_each_is_signed_or_refused(appliance: Appliance, corpus: Path, tmp_path: Path):
    """No 5xx; every refusal has a code; every signature is valid and covers the file for Poppler and pyHanko."""
    outcomes = [outcome(appliance, name, data, scratch=tmp_path / "out.pdf") for name, data in unsigned(corpus)]
    assert len(outcomes) > 50
    assert [] == [o for o in outcomes if o.status >= 500]
    assert [] == [o for o in outcomes if o.status == 201 and not (o.poppler and o.pyhanko)]
    assert [] == [o for o in outcomes if o.status != 201 and not o.code]
    assert len([o for o in outcomes if o.status == 201]) > len(outcomes) / 2
