"""The text of a signature but for document, Id and time: what is ordered alike again and again is worded once.

>>> worded = wording(plan, certificate, chain=chain, mechanism=mechanism, kind="XML", is_large=False)   # doctest: +SKIP
>>> worded.signature(Ids("signature-…"), at=order.signing_time)                                         # doctest: +SKIP

Digests and the value are zeros in it. Id and time are words that nobody can guess, so no text of an order has them in
it, and what an order says is never taken for them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from signer import der
from signer.xades import markup, signed
from signer.xades.contents import Item, plan_items
from signer.xades.markup import Ids, Signature
from signer.xades.plan import XmlPlan
from signer.xades.signed import SignerText
from verify.document import Kind
from verify.xml import names

_ANY: Final = Ids(f"signature-{secrets.token_hex(12)}")
_ONCE: Final = secrets.token_hex(16)


@dataclass(frozen=True)
class Wording:
    """`items` are what is signed, in the order of the References."""

    items: tuple[Item, ...]
    text: Signature

    def signature(self, ids: Ids, *, at: datetime) -> Signature:
        """The text of one signature."""
        text, name = self.text, ids.signature
        return Signature(
            head=text.head.replace(_ANY.signature, name),
            value=text.value,
            middle=text.middle.replace(_ANY.signature, name),
            properties=text.properties.replace(_ANY.signature, name).replace(_ONCE, at.isoformat(timespec="seconds")),
            tail=text.tail,
        )


@lru_cache(maxsize=64)
def wording(
    plan: XmlPlan,
    certificate: bytes,
    *,
    chain: tuple[bytes, ...],
    mechanism: str,
    kind: Kind | None,
    is_large: bool,
    around: frozenset[str] = frozenset(),
) -> Wording:
    """Of a signature that is no counter-signature; `around` as in `plan_items`. Raises OrderInvalid."""
    items = plan_items(plan, _ANY, kind=kind, is_large=is_large, around=around)
    container = None
    if plan.packaging == "enveloping":
        container = f'<ds:Object Id="{_ANY.object}">'
        if kind != "XML":
            mime = markup.escaped(items[0].content.mime or "application/octet-stream")
            container = f'<ds:Object Encoding="{names.BASE64}" Id="{_ANY.object}" MimeType="{mime}">'
    return worded(plan, SignerText.of(certificate, chain=chain, mechanism=mechanism), items, container=container)


def worded(plan: XmlPlan, text: SignerText, items: tuple[Item, ...], *, container: str | None = None) -> Wording:
    """The same for items that are known; `container` as in `markup.signature`. Raises OrderInvalid."""
    contents = [item.content for item in items]
    nothing = markup.blank(der.DIGEST_SIZES[text.cms.digest])
    written = markup.signature(
        _ANY,
        contents,
        digests=[nothing] * (len(items) + 1),
        algorithm=text.cms.digest,
        canonicalization=plan.canonicalization,
        mechanism=text.cms.mechanism,
        value=markup.blank(text.value_size),
        key_info=text.key_info,
        properties=signed.properties(plan, text, _ANY, time=_ONCE, contents=contents),
        container=container,
    )
    return Wording(items, written.fitted())
