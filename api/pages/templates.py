"""The templates of the pages that need no component: one frame (`frame.html`), every value escaped, an unknown one an error.

>>> template("login.html").name
'login.html'
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from api import links

NAMES = ("frame.html", "audit.html", "login.html")


@cache
def template(name: str) -> jinja2.Template:
    """One of `NAMES`."""
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
