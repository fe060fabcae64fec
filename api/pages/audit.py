"""The auditor's page: `audit.html` filled in. No script, nothing from elsewhere, every value escaped.

ledger(language="vi", zone=zone, name="Thanh tra", csrf=csrf, asked={}, view=view, proof=None, checked=None)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from api import links, locale
from api.ledger import KINDS
from api.locale import Language
from api.pages.templates import filled
from api.workflows.audit_page import Checked, Proof, View

CSP = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def sign_in(*, language: Language, offered: Mapping[str, str] = MappingProxyType({}), refusal: str = "") -> str:
    """Links to the issuers that are offered, by name, or the form that takes an API key; `refusal` is one of the words."""
    asked = {"lang": language, "next": "/audit"}
    ways = [
        {"href": links.to("/login?") + urlencode({**asked, "issuer": name}), "title": title}
        for name, title in offered.items()
    ]
    login = locale.words(language)["login_page"]
    return _filled(language, view=None, offered=ways, login=login, refusal=refusal)


def ledger(
    *,
    language: Language,
    zone: tzinfo,
    name: str,
    csrf: str,
    asked: Mapping[str, str],
    view: View,
    proof: Proof | None,
    checked: Checked | None,
) -> str:
    """Filters, lines, and what was asked about them."""
    kept = {key: value for key, value in asked.items() if value}

    def link(**changes: Any) -> str:
        """This page with other questions; an empty one is left out."""
        return links.to("/audit?") + urlencode(
            {k: v for k, v in {"lang": language, **kept, **changes}.items() if v != ""}
        )

    return _filled(
        language,
        zone=zone,
        name=name,
        csrf=csrf,
        asked=asked,
        view=view,
        proof=proof,
        checked=checked,
        kinds=KINDS,
        link=link,
        follow=lambda **what: links.to("/audit?") + urlencode({"lang": language, **what}),
    )


def _filled(language: Language, **values: Any) -> str:
    words = locale.words(language)["audit_page"]
    return filled(
        "audit.html",
        language=language,
        words=words,
        here="/audit",
        brand="/audit",
        wide=True,
        **values,
    )
