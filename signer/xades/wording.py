"""The text of a signature but for document, Id and time: what is ordered alike again and again is worded once.

>>> worded = wording(plan, certificate, chain=chain, mechanism=mechanism, kind="XML", is_large=False)   # doctest: +SKIP
>>> worded.signature(Ids("signature-…"), time="2026-11-22T08:00:00+07:00")                              # doctest: +SKIP

Digests and the value are zeros in it. Id and time are words that nobody can guess, so no text of an order has them in
it, and what an order says is never taken for them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from lxml import etree

from signer import der
from signer.xades import markup, signed
from signer.xades.contents import Item, plan_items
from signer.xades.markup import Ids, Signature
from signer.xades.plan import XmlPlan
from signer.xades.signed import SignerText
from verify.document import Kind
from verify.xml import canonical, names
from verify.xml.canonical import Method

_ANY: Final = Ids(f"signature-{secrets.token_hex(12)}")
_ONCE: Final = secrets.token_hex(16)
_ANY_IN_BYTES, _ONCE_IN_BYTES = _ANY.signature.encode("ascii"), _ONCE.encode("ascii")
_EXCLUSIVE: Final = canonical.METHODS[names.C14N_EXCLUSIVE]
_TAGS: Final = (names.tag("ds", "SignedInfo"), names.tag("xades", "SignedProperties"))


class Canonical(NamedTuple):
    """The two parts of a signature that it signs itself, with zeros for digests: ds:SignedInfo, xades:SignedProperties."""

    signed_info: bytes
    signed_properties: bytes

    @staticmethod
    def of(signature: etree._Element, *, method: Method) -> Canonical:
        """As they are in a signature of ours."""
        signed_info, signed_properties = signature[0], signature[-1][0][0]
        assert (signed_info.tag, signed_properties.tag) == _TAGS  # it was written
        return Canonical(
            canonical.canonical(signed_info, method=method), canonical.canonical(signed_properties, method=method)
        )


@dataclass(frozen=True)
class Wording:
    """`items` are what is signed, in the order of the References; `canonical` is what is signed of the text itself, where
    it is the same in every document."""

    items: tuple[Item, ...]
    text: Signature
    canonical: Canonical | None = None

    def signature(self, ids: Ids, *, time: str) -> Signature:
        """The text of one signature; `time` as XML writes it (xs:dateTime)."""
        text, name = self.text, ids.signature
        return Signature(
            head=text.head.replace(_ANY.signature, name),
            value=text.value,
            middle=text.middle.replace(_ANY.signature, name),
            properties=text.properties.replace(_ANY.signature, name).replace(_ONCE, time),
            tail=text.tail,
        )

    def canonical_forms(self, ids: Ids, *, time: str) -> Canonical | None:
        """Of that signature, where no document is needed to tell."""
        if self.canonical is None:
            return None
        name = ids.signature.encode("ascii")
        return Canonical(
            self.canonical.signed_info.replace(_ANY_IN_BYTES, name),
            self.canonical.signed_properties.replace(_ANY_IN_BYTES, name).replace(_ONCE_IN_BYTES, time.encode("ascii")),
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
    found = worded(plan, SignerText.of(certificate, chain=chain, mechanism=mechanism), items, container=container)
    if plan.canonicalization != "exclusive":
        return found
    # Namespaces in it are declared in it, and an exclusive form takes nothing else from around it (RFC 3741 §3).
    alone = etree.fromstring("".join(found.text))
    return replace(found, canonical=Canonical.of(alone, method=_EXCLUSIVE))


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
