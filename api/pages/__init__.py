"""Pages for people: verifying in the browser, and what stands there when something went wrong.

Templates (Jinja2, everything escaped) stand in one frame, with `page.css`. What is alive on a page is a component of
`api.web`; inside of it stands what there is without a script. A page runs no other script, and loads nothing from
elsewhere. Routes are in `api.routes.pages`.

    home(language="vi", settings=settings)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from api import locale, web
from api.locale import Language
from api.pages.templates import filled
from api.problems import Problem
from api.reports import html
from api.settings import MIB, Settings

CSP = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {html.style_source()}; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""A report is read and shown inside of the page, so its style and its pictures (`data:`) are allowed."""
ASSETS = {"page.css": "text/css", "audit.css": "text/css", "admin.css": "text/css"}


def home(*, language: Language, settings: Settings) -> str:
    """The page at `/`."""
    words = locale.words(language)["page"]
    public = settings.verification.public
    limit = settings.verification.public_bytes if public else settings.limits.upload_bytes
    return filled(
        "home.html",
        language=language,
        words=words,
        here="/",
        public=public,
        limit=words["limit"].format(size=_size(limit)),
        bytes=limit,
        component=web.entry("verify"),
    )


def problem(found: Problem, *, language: Language) -> str:
    """The page of an error, for whoever asked for a page."""
    words, body = locale.words(language)["page"], found.body
    return filled("problem.html", language=language, words=words, title=str(body["title"]), here="/", problem=body)


@cache
def asset(name: str) -> bytes:
    """One of the files that pages load, by its name in `ASSETS`, or the style of reports."""
    return html.style().encode() if name == "report.css" else (files(__package__) / name).read_bytes()


def _size(count: int) -> str:
    return f"{count // MIB} MB" if count < 1024 * MIB else f"{count // (1024 * MIB)} GB"
