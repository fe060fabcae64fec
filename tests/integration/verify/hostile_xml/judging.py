"""Judges a case in a process of its own, with limits, and puts the report beside what is expected.

python -m tests.integration.verify.hostile_xml        # makes the files anew, and prints how each was judged
"""

from __future__ import annotations

import io
import json
import os
import resource
from dataclasses import dataclass

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import Case, Json
from tests.unit.verify.world import DEFAULT
from verify import engine
from verify.errors import VerifyError
from verify.fetcher import FetchFailed, FetchRequest
from verify.report import Report

SECONDS = 20
MEGABYTES = 600
"""Beyond what the child inherits; a worker has less than a gigabyte in all."""
ADDRESS_SPACE = 3 << 30


class NobodyAsks:
    """A fetcher that must not be asked: whoever does is told so, and the child says it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request.url)
        raise FetchFailed("nothing is fetched", url=request.url)


@dataclass(frozen=True)
class Judged:
    """`said` has the form of `Case.expected`, with more members; `raised` is an exception nobody meant, or a death."""

    said: Json
    seconds: float
    megabytes: int

    def differs(self, expected: Json) -> list[str]:
        """Every member in which the report is not what is expected; empty when it is."""
        if "refused" in expected or "refused" in self.said or "raised" in self.said:
            wanted = {name: expected.get(name) for name in ("refused", "verdict")}
            found = {name: self.said.get(name) for name in ("refused", "verdict", "raised") if name in self.said}
            return (
                []
                if expected.get("refused") and found == {"refused": expected["refused"]}
                else [f"{found} for {wanted}"]
            )
        found = [] if self.said["verdict"] == expected["verdict"] else [f"verdict {self.said['verdict']}"]
        signatures = self.said["signatures"]
        if len(signatures) != len(expected["signatures"]):
            return [*found, f"{len(signatures)} signatures: {signatures}"]
        for number, (said, wanted) in enumerate(zip(signatures, expected["signatures"], strict=True)):
            found += [
                f"{number}.{name}: {said.get(name)} for {value}"
                for name, value in wanted.items()
                if said.get(name) != value
            ]
        return found + [f"asked for {url}" for url in self.said["asked"]]


def judge(case: Case) -> Judged:
    """The report on one case, in a child with limits of time and memory."""
    content = case.content
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (3 * SECONDS, 3 * SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            os.write(writing, _examine(case, content).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        said = answers.read()
    _, status, usage = os.wait4(child, 0)
    told = json.loads(said) if said else {"raised": f"died {status}", "megabytes": usage.ru_maxrss // 1024}
    return Judged(told, usage.ru_utime + usage.ru_stime, told.pop("megabytes"))


def _examine(case: Case, content: bytes) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        said = _report(case, content)
    except VerifyError as error:
        said = {"refused": error.code}
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        said = {"raised": f"{type(error).__name__}: {error}"[:300]}
    said["megabytes"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    return json.dumps(said)


def _report(case: Case, content: bytes) -> Json:
    nobody = NobodyAsks()
    report = engine.judge(
        io.BytesIO(content),
        name=case.file,
        trust=people.trust(),
        policy=DEFAULT,
        at=people.AT,
        fetcher=nobody,
        detached={name: io.BytesIO(octets) for name, octets in case.detached.items()},
    )
    return {"verdict": report.verdict, "signatures": _signatures(report), "asked": nobody.asked}


def _signatures(report: Report) -> list[Json]:
    return [
        {
            "id": one.id,
            "indication": one.indication,
            "sub_indication": one.sub_indication,
            "intact": one.intact,
            "scope": one.scope,
            "level": one.level,
            "is_counter_signature": one.parent is not None,
            "timestamps": [stamp.intact for stamp in one.timestamps],
            "failed": [[check.code, str(check.facts)] for check in one.checks if check.outcome == "FAILED"],
        }
        for one in report.signatures
    ]
