"""Reports as a person wants them: HTML or PDF, with pictures of the document's pages.

1. The judgement, by whoever calls (`verifying`, the command line).
2. The same worker draws the pages; a document that cannot be drawn has a report without pictures.
3. The report is told and laid out here: it holds nothing but text made fit to be shown and pictures of a known size.

    with services.documents.open(client) as worker:
        report = worker.verify(...)
        page = reporting.made(report, form="html", language="vi", zone=zone, portrait=portrait(worker, file, report))
"""

from __future__ import annotations

from datetime import tzinfo
from typing import BinaryIO, Literal

from api.locale import Language
from api.sandbox.calls import Portrait, Portray, Portrayed
from api.sandbox.errors import SandboxError
from api.workflows.documents import DocumentWorker
from verify.report import Report, SignatureReport

Form = Literal["html", "pdf"]
MEDIA: dict[str, Form] = {"text/html": "html", "application/pdf": "pdf"}
CHANGED = ("suspicious", "forbidden")


def portrait(
    worker: DocumentWorker, source: BinaryIO, report: Report, *, password: str | None = None
) -> Portrait | None:
    """Step 2: pictures for this report; None where the document has no pages."""
    if report.document.format != "PDF":
        return None
    try:
        shown = tuple(_portrayed(one) for one in report.signatures)
        return worker.portray(source, order=Portray(shown, password=password))
    except SandboxError:
        return Portrait(0, ())


def made(report: Report, *, form: Form, language: Language, zone: tzinfo, portrait: Portrait | None) -> bytes:
    """Step 3. Raises ReportNotMade, FontMissing."""
    # Imported where they are needed: the command line starts faster without a typesetter.
    from api.reports import content, html, pdf  # noqa: PLC0415

    told = content.told(report, language=language, zone=zone, portrait=portrait)
    return html.page(told).encode() if form == "html" else pdf.typeset(told)


def _portrayed(one: SignatureReport) -> Portrayed:
    end = next((check.facts.get("covers") for check in one.checks if check.code == "FORMAT"), None)
    covers = end if isinstance(end, int) and end > 0 else None
    changed = one.intact and one.changes.kind in CHANGED
    pages = tuple(dict.fromkeys(place.page for place in one.changes.places)) if changed else ()
    return Portrayed(one.id, end=covers, compare=changed, pages=pages)
