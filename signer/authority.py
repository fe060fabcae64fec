"""RFC 3161 authority: from a request to a signed answer, with clock, serial numbers and key handed in.

It holds no key and opens nothing: `sign` takes the DER of the signed attributes (content-type id-ct-TSTInfo) and
returns the value. There is always an answer; a request that cannot be served is told why by its failInfo.

    guard = ClockGuard()
    authority = Authority(certificate=tsa, chain=(ca,), policy="1.3.6.1.4.1.99999.1",
                          mechanism="rsassa_pkcs1v15_sha256", clock=guard.now, serials=random_serial)
    answer = authority.respond(request, sign=lambda tbs: token.sign(key="tsa", ...))
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from asn1crypto import tsp, x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signer import der
from signer.clock import ClockUnreliable
from signer.cms import SignerIdentity, content_type, message_digest, signed_data, verify_value
from signer.errors import SignerError
from verify.asn1 import is_present, raw
from verify.errors import VerifyError
from verify.timestamp_certificates import certificate_purpose_findings

MAX_REQUEST = 4096
"""Bytes of a request; one with a nonce and a SHA-512 imprint has 120."""

MAX_NONCE = 66
"""Bytes of a nonce's DER: 64 of value."""

FAIL_INFO = {
    "badAlg": 0,
    "badRequest": 2,
    "badDataFormat": 5,
    "timeNotAvailable": 14,
    "unacceptedPolicy": 15,
    "unacceptedExtension": 16,
    "addInfoNotAvailable": 17,
    "systemFailure": 25,
}
"""PKIFailureInfo, RFC 3161 §2.4.2: the number of the bit."""

_DIGESTS = {
    **der.DIGEST_OIDS,
    "sha3_256": "2.16.840.1.101.3.4.2.8",
    "sha3_384": "2.16.840.1.101.3.4.2.9",
    "sha3_512": "2.16.840.1.101.3.4.2.10",
}
_ACCEPTED = {
    der.sequence(der.oid(number), parameters): (name, hashlib.new(name).digest_size)
    for name, number in _DIGESTS.items()
    for parameters in (b"", der.NULL)
}
"""The AlgorithmIdentifiers that may be asked for: name and size of the digest."""

_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")


class AuthorityUnusable(SignerError):
    """The timestamp authority cannot be run with this certificate, policy or accuracy."""

    code = "authority-unusable"
    actor = "operator"


class _Refusal(Exception):
    """A request that is answered with this failInfo and sentence."""

    def __init__(self, fail_info: str, text: str) -> None:
        super().__init__(text)
        self.fail_info = fail_info


@dataclass(frozen=True)
class _Request:
    """What of a request goes into the answer: the DER of MessageImprint and nonce (may be empty), echoed as it came."""

    imprint: bytes
    nonce: bytes
    certificates_wanted: bool


def random_serial() -> int:
    """A serial number of 127 bits, 126 of them random: unique across restarts and nodes without a common counter."""
    return 1 << 126 | secrets.randbits(126)


def refusal(fail_info: str, text: str) -> bytes:
    """DER of a TimeStampResp that refuses; `fail_info` is one of FAIL_INFO."""
    bit = FAIL_INFO[fail_info]
    bits = bytes(bit // 8) + bytes((0x80 >> bit % 8,))
    unused = 7 - bit % 8  # a named bit list ends at its last 1 (X.690 §11.2.2)
    status = der.sequence(
        der.integer(2),
        der.sequence(der.tlv(0x0C, text.encode())),
        der.tlv(0x03, bytes((unused,)), bits),
    )
    return der.sequence(status)


class Authority:
    """One timestamping key with its certificate and policy; safe to use from several threads."""

    def __init__(
        self,
        *,
        certificate: bytes,
        chain: tuple[bytes, ...],
        policy: str,
        mechanism: str,
        clock: Callable[[], datetime],
        serials: Callable[[], int] = random_serial,
        accuracy: timedelta = timedelta(seconds=1),
    ) -> None:
        """`certificate` and `chain` are DER; `clock` gives an aware time or raises ClockUnreliable.

        Raises AuthorityUnusable for a certificate that is not for timestamps alone (RFC 3161 §2.3), for a mechanism
        that is not known and for an accuracy that is not above 0 and at most 1 s.
        """
        try:
            findings = certificate_purpose_findings(certificate)
            parsed = x509.Certificate.load(certificate)
            self._public_key = cast(CertificatePublicKeyTypes, load_der_public_key(parsed.public_key.dump()))
            der.signature_algorithm(mechanism)
            self._policy_oid, self._policy = der.oid(policy), policy
        except (VerifyError, ValueError, KeyError) as error:
            raise AuthorityUnusable("certificate, policy or mechanism cannot be read", reason=str(error)) from error
        if findings:
            raise AuthorityUnusable("the certificate is not for timestamps alone", findings=", ".join(findings))
        if not timedelta(0) < accuracy <= timedelta(seconds=1):
            raise AuthorityUnusable("the accuracy must be above 0 and at most 1 s", accuracy=str(accuracy))
        self._clock, self._serials = clock, serials
        self._mechanism, self._digest = mechanism, der.mechanism_digest(mechanism)
        self._not_before, self._not_after = parsed.not_valid_before, parsed.not_valid_after
        self._accuracy = _accuracy(accuracy)

        identity = SignerIdentity.of(certificate)
        self._name = der.context(0, der.context(4, raw(parsed.subject)))
        self._identity = identity
        self._fixed_attributes = (content_type(_TST_INFO), identity.signing_certificate)
        self._certificates = der.context(0, *sorted({certificate, *chain}))  # SET OF, hence sorted

    def respond(self, request: bytes, *, sign: Callable[[bytes], bytes]) -> bytes:
        """DER of the TimeStampResp to `request`.

        1. Read the request; judge it (RFC 3161 §2.4.1).
        2. Take the time, from a clock that is sure of itself.
        3. Sign; an error of `sign` is answered as systemFailure, for `sign` itself has to record it.
        4. Check the value with the certificate's key before anybody sees it.
        """
        try:
            asked = self._read(request)
            info = self._tst_info(asked, time=self._time())
            digest = hashlib.new(self._digest, info).digest()
            tbs = der.set_of(message_digest(digest), *self._fixed_attributes)
            value = self._sign(tbs, sign)
        except _Refusal as refused:
            return refusal(refused.fail_info, str(refused))
        certificates = self._certificates if asked.certificates_wanted else b""
        token = self._token(info, tbs=tbs, value=value, certificates=certificates)
        return der.sequence(der.sequence(der.integer(0)), token)

    def _read(self, request: bytes) -> _Request:
        """The request's content, or the failInfo for the first thing that is wrong with it."""
        if len(request) > MAX_REQUEST:
            raise _Refusal("badDataFormat", f"a request has at most {MAX_REQUEST} bytes")
        try:
            parsed = tsp.TimeStampReq.load(request, strict=True)
            version = int(parsed["version"])
            imprint = parsed["message_imprint"]
            imprint_der = raw(imprint)
            algorithm = raw(imprint["hash_algorithm"])
            size = len(imprint["hashed_message"].native)
            policy = parsed["req_policy"].dotted if is_present(parsed["req_policy"]) else None
            nonce = raw(parsed["nonce"])
            wanted = bool(parsed["cert_req"].native)
            extended = is_present(parsed["extensions"])
        except Exception as error:
            # asn1crypto raises ValueError, TypeError, KeyError, OverflowError and more on what is not DER
            raise _Refusal("badDataFormat", "the request is not a DER TimeStampReq") from error
        if version != 1:
            raise _Refusal("badRequest", "only version 1 is served")
        if algorithm not in _ACCEPTED:
            raise _Refusal("badAlg", f"the digest must be one of {', '.join(_DIGESTS)}")
        name, expected = _ACCEPTED[algorithm]
        if size != expected:
            raise _Refusal("badDataFormat", f"an imprint of {name} has {expected} bytes")
        if policy and policy != self._policy:
            raise _Refusal("unacceptedPolicy", f"only the policy {self._policy} is served")
        if extended:
            raise _Refusal("unacceptedExtension", "no extension is served")
        if len(nonce) > MAX_NONCE:
            raise _Refusal("badRequest", f"a nonce has at most {MAX_NONCE - 2} bytes")
        return _Request(imprint=imprint_der, nonce=nonce, certificates_wanted=wanted)

    def _time(self) -> datetime:
        try:
            now = self._clock().astimezone(UTC)
        except ClockUnreliable as error:
            raise _Refusal("timeNotAvailable", str(error)) from error
        if not self._not_before <= now <= self._not_after:
            raise _Refusal("systemFailure", "the authority's certificate is not in force")
        return now

    def _tst_info(self, asked: _Request, *, time: datetime) -> bytes:
        """TSTInfo (RFC 3161 §2.4.2), without ordering: it is FALSE, which DER leaves out."""
        return der.sequence(
            der.integer(1),
            self._policy_oid,
            asked.imprint,
            der.integer(self._serials()),
            _generalized_time(time),
            self._accuracy,
            asked.nonce,
            self._name,
        )

    def _sign(self, tbs: bytes, sign: Callable[[bytes], bytes]) -> bytes:
        try:
            value = sign(tbs)
            verify_value(self._public_key, value, tbs=tbs, mechanism=self._mechanism)
        except Exception as error:
            raise _Refusal("systemFailure", "the signing key is not available") from error
        return value

    def _token(self, info: bytes, *, tbs: bytes, value: bytes, certificates: bytes) -> bytes:
        """TimeStampToken: ContentInfo with SignedData version 3 (RFC 5652 §5.1: its content is not id-data)."""
        return signed_data(
            self._identity,
            tbs,
            value=value,
            mechanism=self._mechanism,
            certificates=certificates,
            content=_TST_INFO + der.context(0, der.octet_string(info)),
            version=3,
        )


def _accuracy(accuracy: timedelta) -> bytes:
    """Accuracy ::= SEQUENCE { seconds, millis [0], micros [1] }, each only where it is not 0."""
    millis, micros = divmod(accuracy.microseconds, 1000)
    parts = ((0x02, accuracy.seconds), (0x80, millis), (0x81, micros))  # the two last are tagged IMPLICIT
    return der.sequence(*(der.tlv(tag, der.integer(number)[2:]) for tag, number in parts if number))


def _generalized_time(time: datetime) -> bytes:
    """Milliseconds without trailing zeros, and Z (RFC 3161 §2.4.2)."""
    fraction = f".{time.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return der.tlv(0x18, f"{time:%Y%m%d%H%M%S}{fraction}Z".encode())
