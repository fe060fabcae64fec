"""The page `/inbox`: what waits for the official who is signed in; `<kyso-inbox>` and, without a script, what to do instead.

page(name="Nguyễn Văn Mẫu (demo)", language="vi", hotline="")
"""

from __future__ import annotations

from api import locale, web
from api.locale import Language
from api.pages.templates import filled

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


def page(*, name: str, language: Language, hotline: str) -> str:
    """`name` is who is signed in; what waits, the component asks."""
    words = locale.words(language)["sign_page"] | locale.words(language)["inbox_page"]
    return filled(
        "inbox.html",
        language=language,
        words=words,
        here="/inbox",
        name=name,
        hotline=hotline,
        component=web.entry("inbox"),
    )
