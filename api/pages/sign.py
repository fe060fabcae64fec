"""The page `/sign/{session}`, on which an official signs: `<kyso-sign>` and, without a script, what to do instead.

The session's token is in the address behind `#`, which browsers send to nobody; the component takes it from there.

    page(session="ses_1", language="vi", hotline="")
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from api import links, locale, web
from api.locale import Language

OTHER: dict[Language, Language] = {"vi": "en", "en": "vi"}


def csp(origins: tuple[str, ...]) -> str:
    """What the page may do; `origins` are those of other systems' pages that may show it in a frame. Pages of documents
    are read with the token and shown from memory (`blob:`)."""
    ancestors = " ".join(("'self'", *origins)) if origins else "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        f"worker-src 'self'; font-src 'self' data:; form-action 'none'; frame-ancestors {ancestors}; base-uri 'none'"
    )


def page(*, session: str, language: Language, hotline: str, csrf: str = "") -> str:
    """The page for one session; whether there is such a session, the component finds out. `csrf` is the proof of whoever
    is signed in, and opens the session to its official without a token."""
    return _template().render(
        session=session,
        language=language,
        other=OTHER[language],
        words=locale.words(language)["sign_page"],
        hotline=hotline,
        csrf=csrf,
        component=web.entry("sign"),
        ahead=web.entry("ahead").script,
        sheet=web.entry("page").script,
        to=links.to,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"sign.html": (files(__package__) / "sign.html").read_text("utf-8")}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("sign.html")
