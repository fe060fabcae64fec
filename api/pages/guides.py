"""The page `/guides`: the guides to be printed, whom to call, and where to practise.

page(language="vi", hotline="0200 000 000", practice=True)
"""

from __future__ import annotations

from api import locale
from api.guides import ROLES
from api.locale import Language
from api.pages.templates import filled

CSP = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def page(*, language: Language, hotline: str, practice: bool) -> str:
    """`practice` where sessions for practice are to be had."""
    words = locale.words(language)["guides_page"]
    return filled(
        "guides.html",
        language=language,
        words=words,
        here="/guides",
        roles=ROLES,
        hotline=hotline,
        practice=practice,
    )
