"""A report as one HTML page that needs nothing else: no script, no font, no address; its style inside, its pictures too.

Jinja2 escapes every value; what the page may load is bounded by a content security policy in the page itself, which also
holds when it has been saved to disk and opened from there.

    page(told)      # str
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from api.reports.content import Told
from api.reports.pictures import Picture


@cache
def style() -> str:
    """The style of reports; pages that show one use it as well."""
    return (files(__package__) / "report.css").read_text("utf-8")


@cache
def style_source() -> str:
    """The style as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()}'"


@cache
def csp() -> str:
    """All that a report may do: be looked at."""
    return f"default-src 'none'; style-src {style_source()}; img-src data:; base-uri 'none'; form-action 'none'"


def page(told: Told) -> str:
    """The whole page."""
    text: str = _template().render(told=told, csp=csp(), style=Markup(style()))  # noqa: S704 - our own file
    return text


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"report": (files(__package__) / "report.html").read_text("utf-8")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data"] = _data
    return environment.get_template("report")


def _data(picture: Picture) -> str:
    """The picture as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()
