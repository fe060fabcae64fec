"""What a XAdES signature says of itself: the signed properties (EN 319 132-1 §5.2) and KeyInfo, as markup.

What one certificate, its chain and one mechanism determine is written once and kept (`SignerText`).

>>> properties(plan, text, Ids("s1"), time="2026-01-01T00:00:00+07:00", contents=contents)   # doctest: +SKIP
'<xades:SignedProperties Id="s1-properties">…'
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from signer import der
from signer.cms import SignedDataTemplate
from signer.errors import OrderInvalid
from signer.xades.markup import Content, Ids, digest, escaped
from signer.xades.plan import ProductionPlace, XmlPlan
from verify.asn1 import raw
from verify.found import SignaturePolicy

_COMMITMENTS = {
    "origin": "http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin",
    "receipt": "http://uri.etsi.org/01903/v1.2.2#ProofOfReceipt",
    "delivery": "http://uri.etsi.org/01903/v1.2.2#ProofOfDelivery",
    "sender": "http://uri.etsi.org/01903/v1.2.2#ProofOfSender",
    "approval": "http://uri.etsi.org/01903/v1.2.2#ProofOfApproval",
    "creation": "http://uri.etsi.org/01903/v1.2.2#ProofOfCreation",
}
"""EN 319 132-1 §5.2.3, ETSI TS 119 172-1 Annex B."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"]+")
_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9][0-9]*))+)")
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+(?:\s*;[^\r\n<>&]*)?")


@dataclass(frozen=True)
class SignerText:
    """The parts of a signature that a certificate, its chain and a mechanism determine."""

    cms: SignedDataTemplate
    """Key and mechanism, checked to go together; it also verifies values."""
    value_size: int
    """Octets of the signature value in XML: ECDSA as r and s side by side (RFC 9231 §2.3.6)."""
    key_info: str
    certificate: str

    @staticmethod
    @lru_cache(maxsize=256)
    def of(certificate: bytes, *, chain: tuple[bytes, ...], mechanism: str) -> SignerText:
        """Raises OrderInvalid if the certificate cannot be read or its key cannot make this kind of signature."""
        cms = SignedDataTemplate.of(certificate, chain=chain, mechanism=mechanism)
        tbs = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
        names = der.sequence(der.context(4, raw(tbs["issuer"])))
        identifier = der.sequence(names, raw(tbs["serial_number"]))  # IssuerSerial, RFC 5035 §4
        value = b64encode(hashlib.sha256(certificate).digest()).decode("ascii")
        kept = [certificate, *(one for one in chain if one != certificate and not _is_self_signed(one))]
        return SignerText(
            cms=cms,
            value_size=_value_size(cms),
            key_info="<ds:KeyInfo><ds:X509Data>{}</ds:X509Data></ds:KeyInfo>".format(
                "".join(f"<ds:X509Certificate>{_base64(one)}</ds:X509Certificate>" for one in dict.fromkeys(kept))
            ),
            certificate=(
                f"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>{digest('sha256', value)}</xades:CertDigest>"
                f"<xades:IssuerSerialV2>{_base64(identifier)}</xades:IssuerSerialV2></xades:Cert>"
                "</xades:SigningCertificateV2>"
            ),
        )

    def in_xml(self, value: bytes) -> bytes:
        """A signature value as XML carries it; ECDSA comes in DER (W3C XMLDSig 1.1 §6.4.3)."""
        if not self.cms.mechanism.startswith("ecdsa"):
            return value
        half = self.value_size // 2
        return b"".join(number.to_bytes(half, "big") for number in decode_dss_signature(value))


def properties(plan: XmlPlan, text: SignerText, ids: Ids, *, time: str, contents: Sequence[Content]) -> str:
    """SignedProperties in the order of the schema. Raises OrderInvalid."""
    signature = (
        f"<xades:SigningTime>{time}</xades:SigningTime>",
        text.certificate,
        _policy(plan.policy),
        _place(plan.production_place),
        _roles(plan.roles),
    )
    formats = "".join(_format(ids.content(at), one.mime) for at, one in enumerate(contents) if one.mime)
    objects = formats + _commitment(plan.commitment)
    if objects:
        objects = f"<xades:SignedDataObjectProperties>{objects}</xades:SignedDataObjectProperties>"
    return (
        f'<xades:SignedProperties Id="{ids.properties}"><xades:SignedSignatureProperties>{"".join(signature)}'
        f"</xades:SignedSignatureProperties>{objects}</xades:SignedProperties>"
    )


def _policy(policy: SignaturePolicy | None) -> str:
    """SignaturePolicyIdentifier (EN 319 132-1 §5.2.9)."""
    if policy is None:
        return ""
    algorithm = policy.digest_algorithm or ""
    if algorithm not in der.DIGEST_SIZES or len(policy.digest) != der.DIGEST_SIZES[algorithm]:
        raise OrderInvalid("a signature policy needs the digest of its document", reason="policy-digest")
    if policy.uri is not None and not _URI.fullmatch(policy.uri):
        raise OrderInvalid("the address of the signature policy is no URI", reason="policy-uri")
    where = (
        f"<xades:SigPolicyQualifiers><xades:SigPolicyQualifier><xades:SPURI>{escaped(policy.uri)}</xades:SPURI>"
        "</xades:SigPolicyQualifier></xades:SigPolicyQualifiers>"
        if policy.uri
        else ""
    )
    return (
        "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId>"
        f"<xades:SigPolicyId>{_identifier(policy.identifier, reason='policy-identifier')}</xades:SigPolicyId>"
        f"<xades:SigPolicyHash>{digest(algorithm, _base64(policy.digest))}</xades:SigPolicyHash>{where}"
        "</xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
    )


def _place(place: ProductionPlace | None) -> str:
    """SignatureProductionPlaceV2 (EN 319 132-1 §5.2.5)."""
    if place is None:
        return ""
    parts = (
        ("City", place.city),
        ("StreetAddress", place.street),
        ("StateOrProvince", place.province),
        ("PostalCode", place.postal_code),
        ("CountryName", place.country),
    )
    told = "".join(f"<xades:{name}>{escaped(value)}</xades:{name}>" for name, value in parts if value)
    if not told:
        raise OrderInvalid("the place of signing is empty", reason="production-place")
    return f"<xades:SignatureProductionPlaceV2>{told}</xades:SignatureProductionPlaceV2>"


def _roles(roles: Sequence[str]) -> str:
    """SignerRoleV2 with claimed roles (EN 319 132-1 §5.2.6)."""
    if not roles:
        return ""
    if not all(role.strip() for role in roles):
        raise OrderInvalid("a role is empty", reason="roles")
    claimed = "".join(f"<xades:ClaimedRole>{escaped(role)}</xades:ClaimedRole>" for role in roles)
    return f"<xades:SignerRoleV2><xades:ClaimedRoles>{claimed}</xades:ClaimedRoles></xades:SignerRoleV2>"


def _format(reference: str, mime: str) -> str:
    """DataObjectFormat (EN 319 132-1 §5.2.4); baseline signatures state the MIME type (§6.3)."""
    if not _MIME.fullmatch(mime):
        raise OrderInvalid("this is no MIME type", reason="mime")
    return (
        f'<xades:DataObjectFormat ObjectReference="#{reference}"><xades:MimeType>{escaped(mime)}</xades:MimeType>'
        "</xades:DataObjectFormat>"
    )


def _commitment(commitment: str | None) -> str:
    """CommitmentTypeIndication for all that is signed (EN 319 132-1 §5.2.3)."""
    if commitment is None:
        return ""
    uri = _COMMITMENTS.get(commitment.removeprefix("proof-of-"), commitment)
    return (
        "<xades:CommitmentTypeIndication>"
        f"<xades:CommitmentTypeId>{_identifier(uri, reason='commitment')}</xades:CommitmentTypeId>"
        "<xades:AllSignedDataObjects></xades:AllSignedDataObjects></xades:CommitmentTypeIndication>"
    )


def _identifier(value: str, *, reason: str) -> str:
    """ObjectIdentifier (EN 319 132-1 §5.1.2): a URI, or an OID as a URN (RFC 3061)."""
    if found := _OID.fullmatch(value):
        return f'<xades:Identifier Qualifier="OIDAsURN">urn:oid:{found[1]}</xades:Identifier>'
    if not _URI.fullmatch(value):
        raise OrderInvalid("neither a URI nor an object identifier", reason=reason)
    return f"<xades:Identifier>{escaped(value)}</xades:Identifier>"


def _value_size(cms: SignedDataTemplate) -> int:
    if not cms.mechanism.startswith("ecdsa"):
        return cms.value_size
    assert isinstance(cms.public_key, ec.EllipticCurvePublicKey)  # the template has seen to it
    return 2 * ((cms.public_key.key_size + 7) // 8)


def _is_self_signed(certificate: bytes) -> bool:
    tbs = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
    return raw(tbs["subject"]) == raw(tbs["issuer"])


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")
