"""CMS SignedData (RFC 5652): read one, and check its one signature by ourselves.

Not pyHanko's check: this one says which step failed, knows SHA-3 and EdDSA, and takes the digest of the signed content
from outside, so that a document of any size is digested in constant memory. No chain, no trust.

    message = read(der)                                   # raises CmsUnreadable
    integrity = check(message, digest_of=digest_of_content)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms, core, crl, parser, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from verify import algorithms, cms_attributes
from verify.asn1 import raw
from verify.cms_attributes import UNREADABLE
from verify.errors import VerifyError
from verify.found import Binding, Evidence, Integrity, SignaturePolicy
from verify.report import Algorithms

MAX_CERTIFICATES = 256
MAX_ELEMENTS = 20_000
MAX_COUNTERS = 32


class CmsUnreadable(VerifyError):
    """The signature is no CMS SignedData that can be read."""

    code = "cms-unreadable"


@dataclass(frozen=True)
class Signed:
    """One SignedData with its first signer; `attributes` are the signed ones by name, None when there are none."""

    content_type: str
    content: bytes | None
    signers: int
    digest_algorithm: str | None
    signature: algorithms.Mechanism | None
    signature_oid: str
    value: bytes
    signed_attributes: bytes | None
    """DER of the SET OF, as it must have been digested (RFC 5652 §5.4)."""
    attributes: cms_attributes.Attributes
    repeated: tuple[str, ...]
    """Names of signed attributes that occur twice or have no single value, where one is the rule."""
    signature_timestamps: tuple[bytes, ...]
    content_timestamps: tuple[bytes, ...]
    archive_timestamps: tuple[bytes, ...]
    signer: bytes | None
    binding: Binding
    claimed_time: datetime | None
    evidence: Evidence
    policy: SignaturePolicy | None = None
    counter: bool = False
    """Whether it signs another signature's value (RFC 5652 §11.4)."""
    counters: tuple[Signed, ...] = ()


def read(der: bytes, *, known: tuple[bytes, ...] = ()) -> Signed:
    """Parse; zero bytes behind the structure are padding. Raises CmsUnreadable.

    `known` are further certificates (DER) among which the signer's is looked for when the message lacks it.
    """
    try:
        return _read(der, known=known)
    except UNREADABLE as error:
        raise CmsUnreadable(reason=type(error).__name__) from error


def _read(der: bytes, *, known: tuple[bytes, ...]) -> Signed:
    _check_integers(der)
    info = cms.ContentInfo.load(der)
    if info["content_type"].native != "signed_data":
        raise CmsUnreadable(reason="content-type")
    data = info["content"]
    signers = data["signer_infos"]
    if len(signers) == 0:
        raise CmsUnreadable(reason="no-signer")
    encapsulated = data["encap_content_info"]
    content = encapsulated["content"]
    certificates = _certificates(data)
    further = tuple((der, certificate) for der, certificate in _loaded(known) if der not in dict(certificates))
    outer = _Outer(
        content_type=encapsulated["content_type"].native,
        content=None if isinstance(content, core.Void) or content.native is None else bytes(content),
        signers=len(signers),
        certificates=certificates,
        further=further,
        evidence=_revocation(data).with_(Evidence(tuple(der for der, _ in certificates))),
    )
    return _signer(signers[0], outer=outer)


@dataclass(frozen=True)
class _Outer:
    """What the signers of one message share."""

    content_type: str
    content: bytes | None
    signers: int
    certificates: tuple[tuple[bytes, x509.Certificate], ...]
    further: tuple[tuple[bytes, x509.Certificate], ...]
    evidence: Evidence


def _signer(signer: cms.SignerInfo, *, outer: _Outer, counter: bool = False) -> Signed:
    # Octets first: asn1crypto encodes again what it has looked into, slowly and not always to the same octets.
    signed_attributes = cms_attributes.der_signed_attributes(signer)
    attributes, repeated = cms_attributes.signed(signer)
    content_timestamps = tuple(raw(value) for value in attributes.get("content_time_stamp", ()))
    unsigned = cms_attributes.unsigned(signer)
    certificate, binding = cms_attributes.signing_certificate(
        signer, attributes=attributes, certificates=outer.certificates
    )
    if certificate is None and outer.further:
        certificate, binding = cms_attributes.signing_certificate(
            signer, attributes=attributes, certificates=outer.further
        )
    digest = algorithms.digest_name(signer["digest_algorithm"]["algorithm"].dotted)
    counters = [] if counter else [one for value in unsigned.get("counter_signature", ()) for one in _each(value)]
    if len(counters) > MAX_COUNTERS:
        raise CmsUnreadable("too many counter-signatures", reason="counter-signatures", count=len(counters))
    return Signed(
        content_type=outer.content_type,
        content=outer.content,
        signers=outer.signers,
        digest_algorithm=digest,
        signature=algorithms.mechanism(signer["signature_algorithm"], digest=digest),
        signature_oid=signer["signature_algorithm"]["algorithm"].dotted,
        value=signer["signature"].native,
        signed_attributes=signed_attributes,
        attributes=attributes,
        repeated=repeated,
        signature_timestamps=tuple(raw(v) for v in unsigned.get("signature_time_stamp_token", ())),
        content_timestamps=content_timestamps,
        archive_timestamps=tuple(raw(v) for v in unsigned.get("archive_time_stamp_v3", ())),
        signer=certificate,
        binding=binding,
        claimed_time=cms_attributes.signing_time(attributes),
        evidence=outer.evidence.with_(cms_attributes.archived(attributes)),
        policy=cms_attributes.signature_policy(attributes),
        counter=counter,
        counters=tuple(_signer(one, outer=outer, counter=True) for one in counters),
    )


def _each(value: Any) -> tuple[cms.SignerInfo, ...]:
    """Signers in one value of the attribute; asn1crypto takes one value for a set of them."""
    return tuple(value) if isinstance(value, cms.SignerInfos) else (value,)


def _check_integers(der: bytes) -> None:
    """Refuses INTEGERs with superfluous octets (X.690 §8.3.2): parsers disagree on what such a structure says."""
    todo = [(0, len(der), False)]
    for _ in range(MAX_ELEMENTS):
        if not todo:
            return
        start, end, nested = todo.pop()
        if start >= end:
            continue
        (class_, method, tag, header, content, _), used = parser._parse(der, end, start)
        if nested:
            todo.append((used, end, True))
        body = start + len(header)
        if method == 1:
            todo.append((body, body + len(content), True))
        elif class_ == 0 and tag in {2, 10} and len(content) > 1 and _is_padded(content):
            raise CmsUnreadable("an integer has superfluous octets", reason="integer-encoding")


def _is_padded(octets: bytes) -> bool:
    return (octets[0] == 0 and octets[1] < 0x80) or (octets[0] == 0xFF and octets[1] >= 0x80)


def check(message: Signed, *, digest_of: Callable[[str], bytes]) -> Integrity:
    """EN 319 102-1 §5.2.7. `digest_of` gives the digest of the detached content by the name of the algorithm.

    1. Algorithms are known, and the certificate that names the key is there.
    2. The message-digest attribute equals the digest of the content (or, without attributes, that is what was signed).
    3. The content-type attribute names the content's type.
    4. The signature value verifies over the signed attributes in DER.
    """
    try:
        return _check(message, digest_of=digest_of)
    except UNREADABLE as error:
        return Integrity("FORMAT_FAILURE", reason=type(error).__name__)


def _check(message: Signed, *, digest_of: Callable[[str], bytes]) -> Integrity:  # noqa: PLR0911  one return for each step
    # 1
    mechanism = message.signature
    if message.digest_algorithm is None or mechanism is None:
        return Integrity("SIG_CRYPTO_FAILURE", reason="algorithm-unknown", algorithms=_facts(message, 0))
    if message.signer is None:
        return Integrity("NO_SIGNING_CERTIFICATE_FOUND", reason="certificate-missing", algorithms=_facts(message, 0))
    key = algorithms.public_key(raw(x509.Certificate.load(message.signer).public_key))
    if key is None:
        return Integrity("SIG_CRYPTO_FAILURE", reason="key-unusable", algorithms=_facts(message, 0))
    facts = _facts(message, algorithms.key_size(key))
    if not mechanism.digest_only_with(message.digest_algorithm):
        return Integrity("SIG_CRYPTO_FAILURE", reason="digest-algorithms-differ", algorithms=facts)

    # 2
    digest = _content_digest(message, digest_of=digest_of)
    if digest is None:
        return Integrity("HASH_FAILURE", reason="encapsulated-content", algorithms=facts)
    if message.signed_attributes is None:
        tbs, prehashed = digest, True
    else:
        if "message_digest" in message.repeated or "content_type" in message.repeated:
            return Integrity("FORMAT_FAILURE", reason="attribute-repeated", algorithms=facts)
        claimed = message.attributes.get("message_digest", ())
        if len(claimed) != 1 or not hmac.compare_digest(claimed[0].native, digest):
            return Integrity("HASH_FAILURE", reason="message-digest", algorithms=facts)
        # 3
        kinds = () if message.counter else message.attributes.get("content_type", ())
        if kinds and kinds[0].native != message.content_type:
            return Integrity("FORMAT_FAILURE", reason="content-type", algorithms=facts)
        tbs, prehashed = message.signed_attributes, False
    # 4
    try:
        mechanism.verify(key, value=message.value, tbs=tbs, prehashed=prehashed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as error:
        return Integrity("SIG_CRYPTO_FAILURE", reason=type(error).__name__, algorithms=facts)
    return Integrity(None, algorithms=facts)


def to_be_signed(message: Signed) -> tuple[str, str] | None:
    """(name of the digest, digest) of the signed attributes, over which the value is; None where there are none."""
    if message.signed_attributes is None or message.signature is None:
        return None
    name = message.signature.digest
    return name, hashlib.new(name, message.signed_attributes).hexdigest()


def _content_digest(message: Signed, *, digest_of: Callable[[str], bytes]) -> bytes | None:
    """The digest of what is signed. Content inside a message about a document must be that document's SHA-1.

    `adbe.pkcs7.sha1` (ISO 32000-1 §12.8.3.3.1) encapsulates the SHA-1 of the byte range; anything else encapsulated
    would be signed instead of the document.
    """
    assert message.digest_algorithm is not None
    if message.content is None or message.counter:
        return digest_of(message.digest_algorithm)
    if hmac.compare_digest(message.content, digest_of("sha1")):
        return hashlib.new(message.digest_algorithm, message.content).digest()
    return None


def _facts(message: Signed, key_size: int) -> Algorithms:
    name = message.signature.name if message.signature else message.signature_oid
    digest = message.digest_algorithm or "unknown"
    if message.content is not None and not message.counter and digest != "md5":
        digest = "sha1"  # whatever digest is taken of it: the content is the document's SHA-1 (`_content_digest`)
    return Algorithms(digest=digest, signature=name, key_size=key_size)


def _certificates(data: cms.SignedData) -> tuple[tuple[bytes, x509.Certificate], ...]:
    chosen = [choice.chosen for choice in data["certificates"] or () if choice.name == "certificate"]
    if len(chosen) > MAX_CERTIFICATES:
        raise CmsUnreadable("too many certificates", reason="certificates", count=len(chosen))
    return tuple((raw(certificate), certificate) for certificate in chosen)


def _loaded(ders: tuple[bytes, ...]) -> Iterator[tuple[bytes, x509.Certificate]]:
    for der in ders[:MAX_CERTIFICATES]:
        try:
            certificate = x509.Certificate.load(der, strict=True)
            _ = (certificate.serial_number, certificate.issuer.hashable, certificate.key_identifier)
        except UNREADABLE:
            continue
        yield der, certificate


def _revocation(data: cms.SignedData) -> Evidence:
    """CRLs and OCSP responses beside the certificates (RFC 5652 §10.2.1, RFC 5940)."""
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    for choice in data["crls"] or ():
        if isinstance(choice.chosen, crl.CertificateList):
            crls.append(raw(choice.chosen))
        elif choice.name == "other" and choice.chosen["other_rev_info_format"].native == "ocsp_response":
            ocsps.append(raw(choice.chosen["other_rev_info"]))
    return Evidence(crls=tuple(crls), ocsps=tuple(ocsps))
