"""`kyso verify`: judge the signatures of documents.

    kyso verify out.pdf --trust var/demo/ca.pem
    kyso verify *.pdf --format json > reports.jsonl
    kyso verify out.pdf --format pdf -o report.pdf
    kyso verify out.xml --detached a.pdf=files/a.pdf
    kyso verify out.pdf --evidence out.zip
    kyso verify out.zip --offline

Each document is read in a worker, several at a time, and reported in the order given. A document that cannot be read
gets a report that says so; it never ends the run. Statuses: 0 every signature passed, 1 one failed, 2 indeterminate,
3 no signature, 4 unreadable; of several files the worst, in the order 1, 4, 2, 3, 0.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from api import settings as kyso_settings
from api.cli import appliance, carrying, console, ledger_keys, passwords, policies, reporting, xml
from api.cli.console import Lang, t
from api.cli.reporting import Judged
from api.evidence.collecting import Recorder
from api.evidence.reading import is_evidence, open_
from api.workflows.documents import Documents
from api.workflows.evidence import Made, Terms, judge
from api.workflows.reporting import portrait as draw
from verify.fetcher import Fetcher
from verify.policy import Policy
from verify.report import DocumentFacts, Report, Verdict, Warning_
from verify.trust import Trust

STATUS: Mapping[Verdict, int] = {
    "TOTAL_PASSED": 0,
    "TOTAL_FAILED": 1,
    "INDETERMINATE": 2,
    "NO_SIGNATURE": 3,
    "UNREADABLE": 4,
}
WORST_FIRST = (1, 4, 2, 3, 0)
AT_A_TIME = len(os.sched_getaffinity(0))
"""Documents in work at once, one a core: each may take a whole core and a gigabyte."""


def register(app: typer.Typer) -> None:
    app.command("verify", help=t("kiểm tra chữ ký số trên tài liệu", "judge the signatures of documents"))(verify)


@dataclass(frozen=True)
class _Question:
    """What is the same for all files of a run."""

    trust: Trust
    policy: Policy
    at: datetime
    fetcher: Fetcher
    password: str | None = field(default=None, repr=False)
    terms: Terms = field(default_factory=Terms)
    """What of this counts for a ZIP of evidence."""
    detached: tuple[tuple[str, Path], ...] = ()
    """What signatures in XML refer to, by name."""
    evidence: Path | None = None
    """Where the evidence of a judgement goes."""


def verify(
    files: Annotated[list[Path], typer.Argument(help=t("tài liệu", "documents"), show_default=False)],
    *,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            "--trust",
            help=t(
                "chứng thư tin cậy, tệp hoặc thư mục; mặc định: KYSO_HOME/trust",
                "trust anchors, file or folder; default: KYSO_HOME/trust",
            ),
        ),
    ] = None,
    policy: policies.Chosen = None,
    at: Annotated[str | None, typer.Option("--at", help=t("thời điểm xét (ISO 8601)", "time to judge at"))] = None,
    offline: Annotated[bool, typer.Option("--offline", help=t("không truy cập mạng", "ask nobody"))] = False,
    form: reporting.Form = "text",
    output: reporting.Output = None,
    detached: xml.DetachedFiles = None,
    evidence: carrying.Out = None,
    ledger_key: carrying.LedgerKeys = None,
    password: passwords.Ask = False,
    password_file: passwords.File = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    carrying.check(files, evidence)
    # A ZIP of evidence brings what --offline leaves out: nobody is told then that this machine trusts nobody.
    brought = offline and not trust and carrying.only(files)
    question = _Question(
        at=appliance.time_of(at, zone=settings.zone),
        trust=Trust() if brought else appliance.trust(settings, trust or []),
        policy=policies.chosen(settings, policy),
        fetcher=appliance.fetcher(settings, offline=offline),
        password=passwords.given(ask=password, file=password_file),
        detached=xml.named(detached),
        evidence=evidence,
    )
    terms = Terms(
        trust=question.trust if trust or not offline else None,
        policy=question.policy if policy or not offline else None,
        at=question.at if at or not offline else None,
        fetcher=None if offline else question.fetcher,
        ledger_keys=ledger_keys.read(ledger_key or (), option="--ledger-key"),
    )
    question = replace(question, terms=terms)
    reports = reporting.Reports(form, output, settings.zone, files)
    statuses = []
    with (
        appliance.documents(settings) as documents,
        ThreadPoolExecutor(AT_A_TIME) as pool,
        console.progress(1 if reports.speaks else len(files), t("kiểm tra", "verifying")) as bar,
    ):
        # Let go of one by one: reports with pictures are large.
        pending = deque(pool.submit(_judge, path, documents, question, pictures=reports.for_pages) for path in files)
        try:
            for path in files:
                bar.update(bar.task_ids[0], name=path.name)
                judged = pending.popleft().result()
                statuses.append(STATUS[judged.report.verdict])
                reports.show(judged, path=path)
                bar.advance(bar.task_ids[0])
        finally:
            for one in pending:
                one.cancel()
    reports.close()
    raise typer.Exit(worst(statuses))


def worst(statuses: Iterable[int]) -> int:
    """The status of a run over several files: the worst, in the order 1, 4, 2, 3, 0."""
    found = set(statuses)
    return next(status for status in WORST_FIRST if status in found)


def _judge(path: Path, documents: Documents, question: _Question, *, pictures: bool) -> Judged:
    """The report on one file; only what is no fault of the file is raised."""
    try:
        file = path.open("rb")
    except OSError as error:
        return Judged(_unreadable(path, None, question, code="file-not-read", reason=error.strerror or str(error)))
    with file:
        try:
            with ExitStack() as opened, documents.open("cli") as worker:
                if is_evidence(file):
                    brought = opened.enter_context(open_(file))
                    report = judge(worker, brought, terms=question.terms, password=question.password)
                    shown = brought.document
                    return Judged(report, draw(worker, shown, report, password=question.password) if pictures else None)
                contents = opened.enter_context(xml.opened(question.detached))
                recorder = Recorder(question.fetcher)
                report = worker.verify(
                    file,
                    name=path.name,
                    trust=question.trust,
                    policy=question.policy.shipped,
                    at=question.at,
                    fetcher=recorder,
                    password=question.password,
                    detached=contents,
                )
                if question.evidence is not None:
                    made = Made(report, question.trust, recorder.answers, detached=contents)
                    carrying.write(question.evidence, worker, file, made, password=question.password)
                return Judged(report, draw(worker, file, report, password=question.password) if pictures else None)
        except Exception as error:
            of_the_call = getattr(error, "code", None) in console.NAMED_IN_THE_CALL
            if of_the_call or getattr(error, "actor", None) != "caller":
                raise
            code, _, reason = console.sentence(error)
            return Judged(_unreadable(path, file, question, code=code, reason=reason))


def _unreadable(path: Path, file: BinaryIO | None, question: _Question, *, code: str, reason: str) -> Report:
    size, sha256 = 0, ""
    if file is not None:
        try:
            digest = hashlib.sha256()
            file.seek(0)
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            sha256, size = digest.hexdigest(), file.tell()
        except OSError as error:  # a folder, or a disk that fails
            reason = error.strerror or reason
    document = DocumentFacts(name=path.name, sha256=sha256, format=None, size=size)
    return Report(
        document=document,
        verdict="UNREADABLE",
        validated_at=question.at,
        policy=question.policy.name,
        signatures=(),
        warnings=(Warning_(code, {"reason": reason}),),
    )
