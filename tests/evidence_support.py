"""Evidence made and judged in this process: the operations of a document worker, without its sandbox."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from api.evidence.collecting import Recorder
from api.evidence.ledger import LedgerPart
from api.evidence.reading import open_
from api.render import VIETNAM
from api.sandbox import calls, ops
from api.workflows import evidence
from api.workflows.documents import NONE, Contents
from api.workflows.evidence import Made, Terms
from verify.fetcher import Fetcher, Offline
from verify.policy import load, names
from verify.report import Report
from verify.trust import Trust

COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class HereWorker:
    """What `DocumentWorker` does, in this thread."""

    def verify(
        self,
        source: BinaryIO,
        *,
        name: str,
        trust: Trust,
        policy: str,
        at: datetime,
        fetcher: Fetcher,
        detached: Contents = NONE,
        **_,
    ):
        ops._policies.update({each: load(each) for each in names()})
        order = calls.Verify(name, trust, policy, at, detached=tuple(detached))
        return ops.verify_document(order, (source, *detached.values()), fetcher)

    def dissect(self, source: BinaryIO, *, order: calls.Dissect):
        return ops.dissect(order, (source,), Offline())

    def portray(self, source: BinaryIO, *, order: calls.Portray):
        return ops.portray(order, (source,), Offline())


@dataclass(frozen=True)
class Carried:
    """A ZIP of evidence and the report that it was made from."""

    zip: bytes
    report: Report

    @property
    def files(self) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.zip)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}

    def unpacked(self, folder: Path) -> Path:
        with zipfile.ZipFile(io.BytesIO(self.zip)) as opened:
            opened.extractall(folder)
        return folder


def carry(
    document: bytes,
    *,
    trust: Trust,
    at: datetime,
    fetcher: Fetcher | None = None,
    policy: str = "default",
    detached: Mapping[str, bytes] | None = None,
    ledger: LedgerPart | None = None,
) -> Carried:
    """Judge a document as the service does, and pack what that rested on."""
    recorder, worker, out = Recorder(fetcher or Offline()), HereWorker(), io.BytesIO()
    source = io.BytesIO(document)
    beside = {name: io.BytesIO(content) for name, content in (detached or {}).items()}
    report = worker.verify(source, name="a.pdf", trust=trust, policy=policy, at=at, fetcher=recorder, detached=beside)
    evidence.write(out, worker, source, Made(report, trust, recorder.answers, ledger, beside), zone=VIETNAM)
    return Carried(out.getvalue(), report)


def judged(data: bytes, terms: Terms | None = None) -> Report:
    """The report on a ZIP of evidence."""
    with open_(io.BytesIO(data)) as opened:
        return evidence.judge(HereWorker(), opened, terms=terms or Terms())


def commands(page: str) -> list[str]:
    """What the page says is to be run, line by line."""
    return [line for block in COMMANDS.findall(page) for line in block.strip().splitlines()]


def run(command: str, folder: Path) -> int:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=False, timeout=60).returncode
