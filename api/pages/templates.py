"""The templates of pages: one frame (`frame.html`), every value escaped, an unknown one an error.

filled("guides.html", language="vi", words=words, here="/guides", roles=ROLES)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import jinja2

from api import links, locale
from api.locale import Language

NAMES = (
    "frame.html",
    "audit.html",
    "guides.html",
    "home.html",
    "inbox.html",
    "login.html",
    "problem.html",
    "sign.html",
)
OTHER: dict[Language, Language] = {"vi": "en", "en": "vi"}


def filled(
    template: str,
    /,
    *,
    language: Language,
    words: Mapping[str, Any],
    here: str,
    title: str = "",
    query: Mapping[str, str] = MappingProxyType({}),
    brand: str = "/",
    wide: bool = False,
    **values: Any,
) -> str:
    """One of `NAMES`, with `values` and what the frame needs.

    `words` have the title, unless another is given. `here` is the page's own path, which leads with `query` to the same
    page in the other language; `brand` is where the product's name leads.
    """
    other = OTHER[language]
    return _template(template).render(
        language=language,
        other=other,
        words=words,
        title=title or words["title"],
        here=f"{links.to(here)}?{urlencode({'lang': other, **query})}",
        brand=f"{links.to(brand)}?lang={language}",
        wide=wide,
        fill=locale.fill,
        **values,
    )


@cache
def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    here = files(__package__)
    made = jinja2.Environment(
        loader=jinja2.DictLoader({name: (here / name).read_text("utf-8") for name in NAMES}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["to"] = links.to
    return made
