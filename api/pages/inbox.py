"""The page `/inbox`: what waits for the official who is signed in; `<kyso-inbox>` and, without a script, what to do instead.

page(name="Nguyễn Văn Mẫu (demo)", language="vi", hotline="")
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from api import links, locale, web
from api.locale import Language

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
OTHER: dict[Language, Language] = {"vi": "en", "en": "vi"}


def page(*, name: str, language: Language, hotline: str) -> str:
    """`name` is who is signed in; what waits, the component asks."""
    return _template().render(
        name=name,
        language=language,
        other=OTHER[language],
        words=locale.words(language)["sign_page"] | locale.words(language)["inbox_page"],
        hotline=hotline,
        component=web.entry("inbox"),
        to=links.to,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"inbox.html": (files(__package__) / "inbox.html").read_text("utf-8")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("inbox.html")
