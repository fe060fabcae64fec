"""The pages of signing in and out: `login.html` filled in. No script, nothing from elsewhere, every value escaped.

sign_in(language="vi", offered={}, path="/audit")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from api import links, locale
from api.locale import Language
from api.pages.templates import filled

CSP = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def sign_in(*, language: Language, offered: Mapping[str, str], path: str, refusal: str = "") -> str:
    """A link for each issuer, or the form that takes an API key where there is none; `refusal` is one of the words."""
    ways = [{"href": _login(language, path, issuer=name), "title": title} for name, title in offered.items()]
    return _filled(language, "title", "/login", query={"next": path}, offered=ways, next=path, refusal=refusal)


def sign_out(*, language: Language, name: str, csrf: str) -> str:
    """The question whether."""
    return _filled(language, "title_out", "/logout", name=name, csrf=csrf)


def signed_out(*, language: Language, elsewhere: str | None) -> str:
    """That it is done; `elsewhere` is where the provider's own session is ended."""
    return _filled(language, "title_out", "/logout", out=True, elsewhere=elsewhere)


def _login(language: Language, path: str, **more: str) -> str:
    return f"{links.to('/login')}?{urlencode({'lang': language, 'next': path, **more})}"


def _filled(language: Language, title: str, here: str, **more: Any) -> str:
    words = locale.words(language)["login_page"]
    nothing = {"out": False, "elsewhere": None, "name": None, "csrf": "", "refusal": "", "offered": (), "next": ""}
    return filled("login.html", language=language, words=words, title=words[title], here=here, **{**nothing, **more})
