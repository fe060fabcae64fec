"""How a report is answered: as JSON, as ETSI's XML, as a page, as PDF or as plain text, by `Accept`; and who may ask.

Whoever asks for a page also gets its problems as a page.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import locale, pages, render
from api.locale import Language
from api.problems import Problem
from api.reports import etsi, html, terminal
from api.routes import common
from api.services import Services
from api.store.callers import Caller
from api.visitors import Visitors
from api.workflows import reporting
from verify.report import Report

JSON, XML, HTML, PDF, TEXT = "application/json", "application/xml", "text/html", "application/pdf", "text/plain"
OFFERED = (JSON, XML, HTML, PDF, TEXT)


def kind_of(request: Request) -> str:
    """The form of report that is asked for; raises NotAcceptable. Problems follow it."""
    kind = common.accepted(request, OFFERED)
    request.scope["kyso.language"] = language_of(request)
    if kind == HTML:
        request.scope["kyso.problem_page"] = lambda found: problem_page(request, found)
    return kind


def problem_page(request: Request, found: Problem) -> Response:
    """The page of an error."""
    page = pages.problem(found, language=language_of(request))
    return HTMLResponse(page, found.status, {**found.headers, "Content-Security-Policy": pages.CSP})


def language_of(request: Request) -> Language:
    """`?lang=` comes before Accept-Language: a page cannot set the header of a form."""
    default = locale.choose(request.headers.get("accept-language"), default=request.app.state.language)
    return locale.choose(request.query_params.get("lang"), default=default)


@dataclass(frozen=True)
class Asking:
    """Who asks for a report: whose workers may be used, and which caller that is; None for a visitor."""

    client: str
    caller: Caller | None = None


@asynccontextmanager
async def asking(request: Request) -> AsyncIterator[Asking]:
    """Whose workers may be used for this verification: the caller's, or a visitor's own where visitors are let in.

    Raises NotAuthenticated, NotPermitted, TooManyRequests.
    """
    public = common.services(request).settings.verification.public
    if not public or request.headers.get("authorization"):
        caller = await common.caller(request, "verify")
        yield Asking(caller.id, caller)
        return
    gate: Visitors = request.app.state.visitors
    request.scope["kyso.caller"] = "visitor"
    with gate.admit(request.client.host if request.client else ""):
        yield Asking(f"visitor-{secrets.token_hex(8)}")


def upload_limit(request: Request) -> int:
    """Bytes that whoever asks may send."""
    settings = common.services(request).settings
    visitor = settings.verification.public and not request.headers.get("authorization")
    return (
        min(settings.verification.public_bytes, settings.limits.upload_bytes)
        if visitor
        else (settings.limits.upload_bytes)
    )


def told(request: Request, kind: str, *, client: str) -> Callable[[Report, BinaryIO, str | None], bytes]:
    """What turns a report and its document into the body of an answer; for a thread that may take its time."""
    services, language = common.services(request), language_of(request)

    def tell(report: Report, source: BinaryIO, password: str | None) -> bytes:
        zone = services.settings.zone
        if kind == JSON:
            return msgspec.json.encode(render.report_json(report, zone=zone))
        if kind == XML:
            return etsi.report_xml(report)
        if kind == TEXT:
            return terminal.report_text(report, language=language, zone=zone).encode()
        return _laid_out(services, client, report, source, password, form=reporting.MEDIA[kind], language=language)

    return tell


def _laid_out(
    services: Services,
    client: str,
    report: Report,
    source: BinaryIO,
    password: str | None,
    *,
    form: reporting.Form,
    language: Language,
) -> bytes:
    with services.documents.open(client) as worker:
        portrait = reporting.portrait(worker, source, report, password=password)
    return reporting.made(report, form=form, language=language, zone=services.settings.zone, portrait=portrait)


def answer(request: Request, body: bytes, kind: str, *, name: str) -> Response:
    """The report on the document of this name, which no cache keeps."""
    headers = {"Cache-Control": "no-store", "Content-Language": language_of(request)}
    if kind == HTML:
        headers["Content-Security-Policy"] = f"{html.csp()}; frame-ancestors 'none'"
    if kind == PDF:
        headers["Content-Disposition"] = f"inline; filename=\"report.pdf\"; filename*=UTF-8''{quote(name)}.report.pdf"
    return Response(body, 200, headers, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
