"""The page `/sign/{session}`, on which an official signs: `<kyso-sign>` and, without a script, what to do instead.

The session's token is in the address behind `#`, which browsers send to nobody; the component takes it from there.

    page(session="ses_1", language="vi", hotline="")
"""

from __future__ import annotations

from urllib.parse import quote

from api import locale, web
from api.locale import Language
from api.pages.templates import filled


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
    words = locale.words(language)["sign_page"]
    return filled(
        "sign.html",
        language=language,
        words=words,
        here=f"/sign/{quote(session, safe='')}",
        wide=True,
        session=session,
        hotline=hotline,
        csrf=csrf,
        component=web.entry("sign"),
        ahead=web.entry("ahead").script,
        sheet=web.entry("page").script,
    )
