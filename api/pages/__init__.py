"""Pages for people: verifying in the browser, and what stands there when something went wrong.

`home.html` and `problem.html` (Jinja2, everything escaped) with `page.css`. What is alive on a page is a component of
`api.web`; inside of it stands what there is without a script. A page runs no other script, and loads nothing from
elsewhere. Routes are in `api.routes.pages`.

    home(language="vi", settings=settings)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from api import links, locale, web
from api.locale import Language
from api.problems import Problem
from api.reports import html
from api.settings import MIB, Settings

CSP = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {html.style_source()}; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""A report is read and shown inside of the page, so its style and its pictures (`data:`) are allowed."""
ASSETS = {"page.css": "text/css", "audit.css": "text/css", "admin.css": "text/css"}
OTHER: dict[Language, Language] = {"vi": "en", "en": "vi"}


def home(*, language: Language, settings: Settings) -> str:
    """The page at `/`."""
    words = locale.words(language)["page"]
    public = settings.verification.public
    limit = settings.verification.public_bytes if public else settings.limits.upload_bytes
    return (
        _environment()
        .get_template("home.html")
        .render(
            language=language,
            other=OTHER[language],
            words=words,
            public=public,
            limit=words["limit"].format(size=_size(limit)),
            bytes=limit,
            component=web.entry("verify"),
        )
    )


def problem(found: Problem, *, language: Language) -> str:
    """The page of an error, for whoever asked for a page."""
    words = locale.words(language)["page"]
    return _environment().get_template("problem.html").render(language=language, words=words, problem=found.body)


@cache
def asset(name: str) -> bytes:
    """One of the files that pages load, by its name in `ASSETS`, or the style of reports."""
    return html.style().encode() if name == "report.css" else (files(__package__) / name).read_bytes()


@cache
def _environment() -> jinja2.Environment:
    templates = {name: (files(__package__) / name).read_text("utf-8") for name in ("home.html", "problem.html")}
    made = jinja2.Environment(
        loader=jinja2.DictLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["to"] = links.to
    return made


def _size(count: int) -> str:
    return f"{count // MIB} MB" if count < 1024 * MIB else f"{count // (1024 * MIB)} GB"
