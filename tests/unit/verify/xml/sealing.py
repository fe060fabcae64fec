"""Signs a template by our own reader's digests: for what xmlsec1 does not make. What is digested is not at issue here,
only what is concluded from it."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from tests.pki import Signer
from tests.unit.verify.xml import peer
from verify.document import Limits
from verify.found import Findings, FoundSignature
from verify.xml import find, names
from verify.xml.canonical import METHODS, canonical
from verify.xml.document import XmlDocument
from verify.xml.references import References

DS = f"{{{names.DS}}}"


class Hasher:
    def __init__(self, name: str) -> None:
        self._hasher = hashlib.new(name)
        self.write = self._hasher.update
        self.value = self._hasher.digest


def seal(
    document: str,
    *,
    signer: Signer = peer.SIGNER,
    mechanism: str = "rsassa_pkcs1v15_sha256",
    detached: Mapping[str, bytes] | None = None,
    value: bytes | None = None,
) -> bytes:
    """The document with every template in it filled in, the innermost and last first."""
    parsed = XmlDocument.parse(document.encode(), limits=Limits())
    for element in reversed(list(parsed.root.iter(f"{DS}Signature"))):
        fill(parsed, element, files=opened(detached or {}))
        info = element.find(f"{DS}SignedInfo")
        made = value if value is not None else value_of(info, signer=signer, mechanism=mechanism)
        element.find(f"{DS}SignatureValue").text = base64.b64encode(made).decode()
    return etree.tostring(parsed.tree)


def fill(parsed: XmlDocument, signature: etree._Element, *, files: dict[str, Any]) -> None:
    """All digests that the reader finds something for; manifests before what refers to them."""
    holders = [*signature.findall(f"{DS}Object/{DS}Manifest"), signature.find(f"{DS}SignedInfo")]
    for holder in holders:
        references = References(parsed, files)
        for one in references.of(holder, signature=signature):
            if one.data is not None and one.digest_algorithm is not None:
                hasher = Hasher(one.digest_algorithm)
                references.write(one, hasher, METHODS[names.C14N_10])
                one.element.find(f"{DS}DigestValue").text = base64.b64encode(hasher.value()).decode()
            elif not one.element.find(f"{DS}DigestValue").text:
                one.element.find(f"{DS}DigestValue").text = "AAAA"


def value_of(info: etree._Element, *, signer: Signer, mechanism: str) -> bytes:
    method = METHODS[info.find(f"{DS}CanonicalizationMethod").get("Algorithm")]
    made = signer.sign(canonical(info, method=method), mechanism)
    if not mechanism.startswith("ecdsa"):
        return made
    width = (signer.key.curve.key_size + 7) // 8
    return b"".join(number.to_bytes(width) for number in decode_dss_signature(made))


def opened(detached: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: io.BytesIO(data) for name, data in detached.items()}


def read(data: bytes, *, detached: Mapping[str, bytes] | None = None, **limits: int) -> Findings:
    return find(io.BytesIO(data), limits=Limits(**limits), detached=opened(detached or {}))


def first(data: bytes, *, detached: Mapping[str, bytes] | None = None) -> FoundSignature:
    return read(data, detached=detached).signatures[0]


def failure(found: FoundSignature) -> tuple[str | None, str]:
    return found.integrity.failure, found.integrity.reason


def reasons(found: FoundSignature, code: str = "REFERENCE") -> list[object]:
    """Why each reference (or manifest entry) is not right, "" where it is."""
    return [one.facts["reason"] or "" for one in found.checks if one.code == code]
