"""The page `/guides`: the guides to be printed, whom to call, and where to practise.

page(language="vi", hotline="0200 000 000", practice=True)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from api import links, locale
from api.guides import ROLES
from api.locale import Language

CSP = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
OTHER: dict[Language, Language] = {"vi": "en", "en": "vi"}


def page(*, language: Language, hotline: str, practice: bool) -> str:
    """`practice` where sessions for practice are to be had."""
    return _template().render(
        language=language,
        other=OTHER[language],
        words=locale.words(language)["guides_page"],
        roles=ROLES,
        hotline=hotline,
        practice=practice,
        to=links.to,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"guides.html": (files(__package__) / "guides.html").read_text("utf-8")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("guides.html")
