"""RFC 3161 timestamp tokens: read one, check that it is intact, ask what it is about.

Integrity only. Whether the authority is trusted (chain, revocation, policy) is for `verify.chain` and `verify.engine`;
whether the certificate is made for timestamps is a finding that the caller weighs (`purpose_findings`), because tokens
in the field carry certificates that RFC 3161 §2.3 would refuse.

    token = read(der)
    check(token)                                               # raises TimestampInvalid
    if matches(token, lambda name: hashlib.new(name, signature_value).digest()):
        print(token.time, token.tsa_name, purpose_findings(token))
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import cms, tsp, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from verify import algorithms
from verify.asn1 import is_present, raw, same_name
from verify.cms_attributes import der_signed_attributes
from verify.errors import VerifyError
from verify.timestamp_certificates import TimestampUnreadable, certificate_purpose_findings, unreadable

MAX_SIZE = 1 << 20
"""Bytes of a token; real ones have 2 to 10 KB, those with embedded revocation lists some 100 KB."""

MAX_CERTIFICATES = 64

DIGESTS = ("sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
"""The digests that a token may use anywhere, by the names of hashlib. What SHA-1 is worth is for the policy to say."""


class TimestampInvalid(VerifyError):
    """The token is not what its authority signed; fact `reason` says which check failed."""

    code = "timestamp-invalid"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, reason=reason)


@dataclass(frozen=True)
class TimestampToken:
    """What a token says; `check` says whether to believe that its authority said so.

    `der` is the ContentInfo. `imprint_algorithm` and `digest_algorithm` are names of hashlib; the first is the digest
    of what was stamped, the second that of the token's content; `signature_digest`, that of the signature value, is
    None where the mechanism is not known. `tsa` is the DER of the signer's certificate, None
    when the token does not carry it. `accuracy` None means that the authority makes no promise.
    """

    der: bytes
    time: datetime
    serial: int
    policy: str
    nonce: int | None
    accuracy: timedelta | None
    imprint_algorithm: str
    imprint: bytes
    tsa: bytes | None
    certificates: tuple[bytes, ...]
    tsa_name: str | None
    digest_algorithm: str
    signature_digest: str | None = None


def read(der: bytes, *, known: tuple[bytes, ...] = ()) -> TimestampToken:
    """The token in `der` (a ContentInfo, nothing behind it). Raises TimestampUnreadable.

    `known` are further certificates (DER) among which the signer's is looked for: a request without certReq is
    answered without certificates.
    """
    with unreadable():
        signed_data, signer, info = _open(der)
        own = tuple(raw(choice) for choice in signed_data["certificates"] or () if choice.name == "certificate")
        if len(own) > MAX_CERTIFICATES:
            raise TimestampUnreadable("the token carries too many certificates", certificates=len(own))
        time = info["gen_time"].native
        imprint = info["message_imprint"]
        tsa = _find_signer(signer, (*own, *known))
        named = info["tsa"].chosen if is_present(info["tsa"]) else None
        mechanism = _mechanism(signer)
        return TimestampToken(
            der=der,
            time=time.astimezone(UTC),
            serial=info["serial_number"].native,
            policy=info["policy"].dotted,
            nonce=info["nonce"].native,
            accuracy=_accuracy(info["accuracy"]),
            imprint_algorithm=imprint["hash_algorithm"]["algorithm"].native,
            imprint=imprint["hashed_message"].native,
            tsa=tsa,
            certificates=own,
            tsa_name=_name(x509.Certificate.load(tsa).subject if tsa else named),
            digest_algorithm=signer["digest_algorithm"]["algorithm"].native,
            signature_digest=mechanism.digest if mechanism else None,
        )


def check(token: TimestampToken) -> None:
    """Raise TimestampInvalid unless the authority's key signed exactly this token (RFC 3161 §2.4.2, RFC 5652 §5.6).

    1. Digests are known and the imprint is as long as its digest.
    2. The signer's certificate is there.
    3. The signed attributes bind content type and content.
    4. They bind the signer's certificate (ESSCertID or ESSCertIDv2).
    5. The signature value verifies with that certificate's key.
    6. No critical extension is left unread.
    """
    with unreadable():
        signed_data, signer, info = _open(token.der)
        tbs = (
            der_signed_attributes(signer) or b""
        )  # signed as a SET OF in DER, however they are written (RFC 5652 §5.4)
        content = bytes(signed_data["encap_content_info"]["content"])

        # 1
        for name in (token.imprint_algorithm, token.digest_algorithm):
            if name not in DIGESTS:
                raise TimestampInvalid("algorithm", f"the token uses the digest {name}")
        if len(token.imprint) != hashlib.new(token.imprint_algorithm).digest_size:
            raise TimestampInvalid("imprint", "the imprint is not as long as its digest")

        # 2
        if token.tsa is None:
            raise TimestampInvalid("certificate-missing", "the signer's certificate is not in the token")
        certificate = token.tsa

        # 3
        attributes = _attributes(signer)
        if _single(attributes, "content_type").native != "tst_info":
            raise TimestampInvalid("content-type", "the content-type attribute is not id-ct-TSTInfo")
        digest = hashlib.new(token.digest_algorithm, content).digest()
        if not hmac.compare_digest(_single(attributes, "message_digest").native, digest):
            raise TimestampInvalid("message-digest", "the message-digest attribute differs from the content's digest")

        # 4
        _check_certificate_id(attributes, certificate)

        # 5
        _check_value(signer, certificate, tbs=tbs)

        # 6
        for extension in info["extensions"] or ():
            if extension["critical"].native:
                raise TimestampInvalid("extension", "the token has a critical extension that is not understood")


def matches(token: TimestampToken, digest_of: Callable[[str], bytes]) -> bool:
    """Whether the token is about the data whose digest `digest_of(name)` returns; `name` is one of DIGESTS."""
    if token.imprint_algorithm not in DIGESTS:
        return False
    return hmac.compare_digest(digest_of(token.imprint_algorithm), token.imprint)


def purpose_findings(token: TimestampToken) -> tuple[str, ...]:
    """Why the signer's certificate is not the one that RFC 3161 §2.3 asks for; empty when it is.

    `certificate_purpose_findings` lists the codes; here `tsa-name-differs` may join them: the token names an authority
    that its certificate does not (§2.4.2).
    """
    if token.tsa is None:
        return ("certificate-missing",)
    findings = certificate_purpose_findings(token.tsa)
    with unreadable():
        _, _, info = _open(token.der)
        certificate = x509.Certificate.load(token.tsa)
        if is_present(info["tsa"]):
            names = certificate.subject_alt_name_value or ()
            named = info["tsa"].chosen
            if named != certificate.subject and all(named != other.chosen for other in names):
                findings += ("tsa-name-differs",)
    return findings


def _open(der: bytes) -> tuple[cms.SignedData, cms.SignerInfo, tsp.TSTInfo]:
    """The three layers of a token, each of the type and version that RFC 3161 §2.4.2 names."""
    if len(der) > MAX_SIZE:
        raise TimestampUnreadable("the token is too large", size=len(der))
    outer = cms.ContentInfo.load(der, strict=True)
    if outer["content_type"].native != "signed_data":
        raise TimestampUnreadable("the token is no CMS SignedData")
    signed_data = outer["content"]
    encapsulated = signed_data["encap_content_info"]
    if encapsulated["content_type"].native != "tst_info":
        raise TimestampUnreadable("the content is no TSTInfo")
    if len(signed_data["signer_infos"]) != 1:
        raise TimestampUnreadable("the token has not exactly one signer", signers=len(signed_data["signer_infos"]))
    info = tsp.TSTInfo.load(bytes(encapsulated["content"]), strict=True)
    if info["version"].native != "v1":
        raise TimestampUnreadable("the TSTInfo is not version 1")
    return signed_data, signed_data["signer_infos"][0], info


def _find_signer(signer: cms.SignerInfo, certificates: tuple[bytes, ...]) -> bytes | None:
    """The certificate that the SignerInfo names; of several, the one that the signing-certificate attribute means."""
    named = [der for der in certificates if _is_named(signer["sid"], der)]
    if len(named) == 1:
        return named[0]  # `check` looks whether the attribute means it
    for der in named:
        try:
            _check_certificate_id(_attributes(signer), der)
        except TimestampInvalid:
            continue
        return der
    return named[0] if named else None


def _is_named(sid: cms.SignerIdentifier, der: bytes) -> bool:
    try:
        certificate = x509.Certificate.load(der, strict=True)
        if sid.name == "issuer_and_serial_number":
            wanted = sid.chosen
            return bool(
                certificate.serial_number == wanted["serial_number"].native
                and same_name(certificate.issuer, wanted["issuer"])
            )
        return bool(certificate.key_identifier == sid.chosen.native)
    except Exception:  # noqa: BLE001  a broken certificate beside the signer's is nobody's signer
        return False


def _attributes(signer: cms.SignerInfo) -> dict[str, list[cms.CMSAttribute]]:
    attributes: dict[str, list[cms.CMSAttribute]] = {}
    for attribute in signer["signed_attrs"] or ():
        attributes.setdefault(attribute["type"].native, []).append(attribute)
    return attributes


def _single(attributes: dict[str, list[cms.CMSAttribute]], name: str) -> cms.Any:
    """The one value of an attribute that must be there once with one value (RFC 5652 §11, RFC 5035 §5.4)."""
    found = attributes.get(name, [])
    if len(found) != 1 or len(found[0]["values"]) != 1:
        raise TimestampInvalid(name.replace("_", "-"), f"the attribute {name} is not there exactly once")
    return found[0]["values"][0]


def _check_certificate_id(attributes: dict[str, list[cms.CMSAttribute]], certificate: bytes) -> None:
    """ESSCertID (RFC 2634, SHA-1) and ESSCertIDv2 (RFC 5035): whichever is there must mean this certificate."""
    parsed = x509.Certificate.load(certificate, strict=True)
    present = [name for name in ("signing_certificate_v2", "signing_certificate") if name in attributes]
    if not present:
        raise TimestampInvalid("signing-certificate", "no attribute binds the signer's certificate")
    for name in present:
        identifier = _single(attributes, name)["certs"][0]  # the first means the signer, RFC 5035 §5.4
        algorithm = identifier["hash_algorithm"]["algorithm"].native if name.endswith("v2") else "sha1"
        if algorithm not in DIGESTS:
            raise TimestampInvalid("algorithm", f"the certificate is bound by the digest {algorithm}")
        digest = hashlib.new(algorithm, certificate).digest()
        if not hmac.compare_digest(identifier["cert_hash"].native, digest):
            raise TimestampInvalid("signing-certificate", "the bound certificate is not the signer's")
        issuer_serial = identifier["issuer_serial"]
        if is_present(issuer_serial) and (
            issuer_serial["serial_number"].native != parsed.serial_number
            or not any(_is_name(name, parsed.issuer) for name in issuer_serial["issuer"])
        ):
            raise TimestampInvalid("signing-certificate", "the bound issuer and serial are not the signer's")


def _is_name(name: x509.GeneralName, issuer: x509.Name) -> bool:
    return name.name == "directory_name" and same_name(name.chosen, issuer)


def _mechanism(signer: cms.SignerInfo) -> algorithms.Mechanism | None:
    digest = signer["digest_algorithm"]["algorithm"].native
    return algorithms.mechanism(signer["signature_algorithm"], digest=digest)


def _check_value(signer: cms.SignerInfo, certificate: bytes, *, tbs: bytes) -> None:
    """Verify the signature value over `tbs`, the signed attributes, with the certificate's key."""
    mechanism = _mechanism(signer)
    key = algorithms.public_key(raw(x509.Certificate.load(certificate).public_key))
    if mechanism is None or mechanism.digest not in DIGESTS or key is None:
        raise TimestampInvalid("algorithm", "the signature is of a kind that is not known")
    try:
        mechanism.verify(key, value=signer["signature"].native, tbs=tbs, prehashed=False)
    except InvalidSignature:
        raise TimestampInvalid("signature", "the signature value does not verify with the signer's key") from None
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise TimestampInvalid("algorithm", f"the signature cannot be checked: {type(error).__name__}") from error


def _accuracy(accuracy: tsp.Accuracy) -> timedelta | None:
    if not is_present(accuracy):
        return None
    return timedelta(
        seconds=accuracy["seconds"].native or 0,
        milliseconds=accuracy["millis"].native or 0,
        microseconds=accuracy["micros"].native or 0,
    )


def _name(name: object) -> str | None:
    """The common name where there is one: it is for people; the certificate is there for everything else."""
    if not isinstance(name, x509.Name):
        return None if name is None else str(getattr(name, "native", name))
    common = name.native.get("common_name")
    return common if isinstance(common, str) else str(name.human_friendly)
