"""The demo's walk through the HTTP API: one signature, its verdict, the whole form, and an answer for each identity.

Everything here goes over HTTP, as a client's program would; what it leaves in `KYSO_HOME/demo` is what the service
answered.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import papers
from identities import AUTHORITY, IDENTITIES, SIGNER, Identity
from rich.markup import escape

from api.cli.console import out, t, table
from api.sandbox import calls
from api.sandbox.pool import Sandbox
from verify.fetcher import Offline

SAMPLE = "giay-gioi-thieu.pdf"
SIGNED = "giay-gioi-thieu.signed.pdf"
FORM = "giay-gioi-thieu.all-boxes.pdf"
NEXT_BOXES = {
    "demo-official-ec": "o2_dang_uy_bo_phan",
    "demo-official-2": "o3_dang_uy_co_so",
    "demo-seal": "o3_dau",
}
"""Who signs where after box 1, in this order: the person first, the seal last."""
PERSON, SEAL = "dang/nguoi-ky", "dang/dau"
"""How their signatures look: the hand in blue, the seal in red."""
ANSWERS_WITHIN = 150.0
"""Seconds; a timestamp authority may take two minutes."""
LONGEST = 1400
"""Pixels of the longer side of a page's picture."""


File = tuple[str, bytes]
"""A name and its content."""
Part = tuple[str, str, bytes]
"""A part of a form: its name, its file's name where it is one, its content."""


class WalkFailed(Exception):
    """The service did not answer as the demo expects."""


@dataclass(frozen=True)
class Answer:
    """What the service said to one order: the signed bytes, or the problem."""

    status: int
    level: str | None
    document: bytes | None
    code: str | None
    sentence: str


class Service:
    """The few calls of the API that the demo needs.

    With the standard library: loading an HTTP client would take longer than the whole walk, at every start.
    """

    def __init__(self, *, port: int, api_key: str, language: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {api_key}", "Accept-Language": language}

    def sign(self, document: bytes, **order: object) -> Answer:
        return self.sign_file((SAMPLE, document), format="PAdES", **{"level": "B-T", **order})

    def sign_file(self, document: File, *, detached: Sequence[File] = (), **order: object) -> Answer:
        """Any document, by its content, with what its signature refers to by name."""
        parts = [("order", "", json.dumps(order).encode()), *_files(document, detached)]
        status, content = self._call("POST", "/v1/signatures", parts, {"Idempotency-Key": str(uuid.uuid4())})
        body = json.loads(content)
        if status != HTTPStatus.CREATED:
            return Answer(status, None, None, body.get("code"), body.get("detail", ""))
        _, signed = self._call("GET", body["document"])
        return Answer(status, body["level"], signed, None, "")

    def verify(self, document: bytes) -> dict[str, object]:
        return self.verify_file((SAMPLE, document))

    def verify_file(self, document: File, *, detached: Sequence[File] = ()) -> dict[str, object]:
        status, content = self._call("POST", "/v1/verifications", _files(document, detached))
        if status != HTTPStatus.OK:
            raise WalkFailed(f"{status}: {content.decode()}")
        return json.loads(content)

    def _call(
        self, method: str, path: str, parts: Sequence[Part] = (), headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        sent, body = {**self._headers, **(headers or {})}, None
        if parts:
            boundary = uuid.uuid4().hex
            sent["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            body = b"".join(
                (
                    f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
                    f"{f'; filename={quoted(file)}' if file else ''}\r\n\r\n"
                ).encode()
                + content
                + b"\r\n"
                for name, file, content in parts
            )
            body += f"--{boundary}--\r\n".encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWERS_WITHIN)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _files(document: File, detached: Sequence[File]) -> list[Part]:
    return [("document", *document), *(("detached", *one) for one in detached)]


def quoted(name: str) -> str:
    """A file name in a part's header."""
    return '"' + name.replace('"', "%22") + '"'


def draw(document: Path, *, workers: Path) -> None:
    """Draw each page as a PNG beside the document, in a document worker of the running service."""
    pool = Sandbox(workers)
    try:
        with document.open("rb") as file, pool.worker("demo") as worker:
            page, pages = 1, 1
            while page <= pages:
                wanted = calls.Render(page=page, longest=LONGEST)
                drawn = worker.call("render", wanted, files=(file.fileno(),), fetcher=Offline(), result=calls.Rendered)
                document.with_suffix(f".{page}.png").write_bytes(drawn.png)
                page, pages = page + 1, drawn.pages
    finally:
        pool.close()


def _workers(home: Path) -> Path:
    """The running service's document workers. Its settings know them, and take half a second to load: they are asked
    only where KYSO_HOME is too long a path for a socket."""
    usual = home / "run" / "workers.sock"
    if usual.exists():
        return usual
    from api import settings  # noqa: PLC0415

    return settings.load(home).workers_socket


def _keep(folder: Path, name: str, content: bytes, report: dict[str, object]) -> None:
    document = folder / name
    document.write_bytes(content)
    _keep_report(document, report)
    draw(document, workers=_workers(folder.parent))


def _keep_report(document: Path, report: dict[str, object]) -> None:
    document.with_suffix(".report.json").write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _sample(service: Service, folder: Path, *, language: str) -> bytes:
    """Sign box 1 at B-T with the hand to be seen, verify, keep what came back."""
    began = time.perf_counter()
    answer = service.sign((folder / SAMPLE).read_bytes(), key=SIGNER, field="o1_chi_uy", profile=PERSON)
    if answer.document is None:
        raise WalkFailed(f"{answer.status} {answer.code}: {answer.sentence}")
    took = (time.perf_counter() - began) * 1000
    report = service.verify(answer.document)
    _keep(folder, SIGNED, answer.document, report)
    out.print(f"[green]✓[/] {t('đã ký', 'signed')} {SIGNED}: {SIGNER}, {answer.level}, {took:.0f} ms")
    _say_verdict(report, language=language)
    if report["verdict"] != "TOTAL_PASSED":
        raise WalkFailed(str(report["verdict"]))
    return answer.document


def _say_verdict(report: dict[str, object], *, language: str) -> None:
    summary = report["summary"]
    assert isinstance(summary, dict)
    mark = "[green]✓[/]" if report["verdict"] == "TOTAL_PASSED" else "[red]✗[/]"
    out.print(f"{mark} {t('kiểm tra', 'verified')}: [bold]{report['verdict']}[/] – {escape(summary[language])}")


def _papers(service: Service, folder: Path, *, language: str) -> None:
    """Two XML samples, signed and verified: a report at B-LTA with a seal beside the first signature, and a receipt that
    also signs the PDF which was handed in."""
    today = datetime.now(UTC).date()
    claims = {"roles": ["Thủ quỹ (demo)"], "production_place": {"city": "Hà Nội", "country": "VN"}}
    report = papers.report(today=today).encode()
    first = _xml(service, (papers.REPORT, report), key=SIGNER, level="B-LT", xml={**claims, "commitment": "approval"})
    both = _xml(service, (papers.REPORT, first), key="demo-seal", level="B-LTA")
    handed_in = (SAMPLE, (folder / SAMPLE).read_bytes())
    receipt = papers.receipt(today=today, name=SAMPLE, content=handed_in[1]).encode()
    beside = _xml(service, (papers.RECEIPT, receipt), [handed_in], key="demo-official-ec", level="B-T")
    for name, original, signed, detached in (
        (papers.REPORT, report, both, []),
        (papers.RECEIPT, receipt, beside, [handed_in]),
    ):
        target = (folder / name).with_suffix(".signed.xml")
        (folder / name).write_bytes(original)
        target.write_bytes(signed)
        judged = service.verify_file((target.name, signed), detached=detached)
        _keep_report(target, judged)
        levels = ", ".join(str(one["level"]) for one in _signatures(judged))
        out.print(f"[green]✓[/] {t('đã ký', 'signed')} {target.name}: {levels}")
        _say_verdict(judged, language=language)
        if judged["verdict"] != "TOTAL_PASSED":
            raise WalkFailed(f"{target.name}: {judged['verdict']}")


def _xml(service: Service, document: File, detached: Sequence[File] = (), **order: object) -> bytes:
    answer = service.sign_file(document, detached=detached, **order)
    if answer.document is None:
        raise WalkFailed(f"{document[0]}: {answer.status} {answer.code}: {answer.sentence}")
    return answer.document


def _signatures(report: dict[str, object]) -> list[dict[str, object]]:
    found = report["signatures"]
    assert isinstance(found, list)
    return found


def _row(identity: Identity, answer: Answer) -> tuple[str, str, str]:
    expected = answer.code == identity.code
    mark = "[green]✓[/]" if expected else "[red]✗[/]"
    outcome = f"{mark} {answer.status} {answer.level or answer.code or ''}"
    return identity.ref, t(identity.vi, identity.en), outcome


def walk(home: Path, *, port: int, language: str, whole: bool) -> None:
    """The sample and, for a `whole` walk, each identity's answer; raises WalkFailed when one is not as promised."""
    folder = home / "demo"
    service = Service(port=port, api_key=(folder / "client.key").read_text("utf-8").strip(), language=language)
    form = _sample(service, folder, language=language)
    if whole or not (folder / papers.REPORT).exists():
        _papers(service, folder, language=language)
    if whole:
        _identities(service, folder, form=form, port=port, language=language)


def _identities(service: Service, folder: Path, *, form: bytes, port: int, language: str) -> None:
    """Sign with each identity, the good ones in turn on one form, and show what the service answered."""
    answers = table(t("khóa", "key"), t("là", "is"), t("trả lời", "answer"))
    surprises = []
    original = (folder / SAMPLE).read_bytes()
    for identity in IDENTITIES:
        box = NEXT_BOXES.get(identity.ref)
        document = form if box else original
        look = SEAL if box == "o3_dau" else PERSON
        answer = service.sign(document, key=identity.ref, field=box or "o1_chi_uy", profile=look)
        if box and answer.document:
            form = answer.document
        if answer.code != identity.code:
            surprises.append(f"{identity.ref}: {answer.status} {answer.code}")
        answers.add_row(*_row(identity, answer))
    answers.add_row(AUTHORITY.ref, t(AUTHORITY.vi, AUTHORITY.en), f"  POST http://localhost:{port}/tsa")

    report = service.verify(form)
    _keep(folder, FORM, form, report)
    out.print("")
    out.print(answers)
    out.print("")
    out.print(f"{t('cả bốn người ký trên một văn bản', 'all four signers on one document')}: {FORM}")
    _say_verdict(report, language=language)
    if surprises:
        raise WalkFailed("; ".join(surprises))
