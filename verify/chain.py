"""Certificate paths: from a certificate to a trust anchor, by RFC 5280 and by rules of our own.

The search is ours, because it must be bounded: an edge is followed only when the signature on it verifies, and both
signatures checked and paths tried are counted. Each path found is validated by pyhanko-certvalidator without looking
at times and revocation: these are questions of their own (`verify.engine`, `verify.evidence`).

    for path in build(certificate, pool=pool, trust=trust):
        check(path, policy=policy, role="signer")      # raises PathRejected
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TypeVar

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import PathError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    DisallowWeakAlgorithmsPolicy,
)
from pyhanko_certvalidator.validate import async_validate_path

from verify import algorithms
from verify.asn1 import raw, same_name
from verify.policy import Policy, Unlisted
from verify.remembered import Remembered
from verify.timestamp import TimestampUnreadable, certificate_purpose_findings
from verify.trust import Trust

MAX_POOL = 200
MAX_DEPTH = 10
MAX_PATHS = 12
MAX_SIGNATURE_CHECKS = 300

Role = Literal["signer", "timestamp", "ca"]

UNEXPECTED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    UnsupportedAlgorithm,
    InvalidSignature,
)
"""What hostile certificates make certvalidator and asn1crypto raise."""

T = TypeVar("T")


class PathRejected(Exception):
    """A path breaks a rule; `sub_indication` as in EN 319 102-1 table 6, `reason` our code, `subject` whose fault."""

    def __init__(self, sub_indication: str, reason: str, *, subject: str = "") -> None:
        super().__init__(f"{sub_indication}: {reason}")
        self.sub_indication = sub_indication
        self.reason = reason
        self.subject = subject


@dataclass(frozen=True)
class Path:
    """Certificates from the anchor down to the one in question; the anchor itself may be the one."""

    certificates: tuple[x509.Certificate, ...]

    @property
    def anchor(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[-1]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names from the certificate in question up to the anchor."""
        return tuple(name_of(certificate.subject) for certificate in reversed(self.certificates))

    def as_validation_path(self) -> ValidationPath:
        leaf = self.leaf if len(self.certificates) > 1 else None
        return ValidationPath(CertTrustAnchor(self.anchor), interm=list(self.certificates[1:-1]), leaf=leaf)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never waits to its end, without an event loop: a sandbox has none."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]  # StopIteration carries no type
    coroutine.close()
    raise RuntimeError("the coroutine wanted to wait")


def name_of(name: x509.Name) -> str:
    """A name as RFC 4514 writes it, most specific part first; empty when a hostile one cannot be read."""
    try:
        parts = [attribute for relative in name.chosen for attribute in relative]
        return ",".join(f"{_label(part)}={_escape(str(part['value'].native))}" for part in reversed(parts))
    except UNEXPECTED:
        return ""


_LABELS = {
    "common_name": "CN",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "country_name": "C",
    "locality_name": "L",
    "state_or_province_name": "ST",
    "serial_number": "serialNumber",
    "given_name": "givenName",
    "surname": "SN",
    "title": "title",
    "email_address": "emailAddress",
    "user_id": "UID",
    "domain_component": "DC",
    "organization_identifier": "organizationIdentifier",
}
_SPECIAL = frozenset(',+"\\<>;=')


def _label(part: x509.NameTypeAndValue) -> str:
    return _LABELS.get(part["type"].native) or str(part["type"].dotted)


def _escape(value: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in value)


def build(certificate: bytes, *, pool: Iterable[bytes], trust: Trust) -> Iterator[Path]:
    """Paths to an anchor, shortest branches first, at most MAX_PATHS of them. Unreadable certificates are left out."""
    leaf = _load(certificate)
    if leaf is None:
        return
    anchors = [anchor for anchor in map(_load, trust.anchors) if anchor is not None]
    if any(raw(anchor) == certificate for anchor in anchors):
        yield Path((leaf,))
        return
    others = [c for c in map(_load, dict.fromkeys((*trust.intermediates, *pool))) if c is not None][:MAX_POOL]
    search = _Search(anchors=anchors, others=others)
    for path in islice(search.upwards((leaf,)), MAX_PATHS):
        yield Path(path)


class _Search:
    """Depth-first, over edges whose signature verifies; each pair of certificates is checked once."""

    def __init__(self, *, anchors: list[x509.Certificate], others: list[x509.Certificate]) -> None:
        self._anchors = anchors
        self._others = others
        self._edges: dict[tuple[bytes, bytes], bool] = {}

    def upwards(self, path: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, ...]]:
        """`path` runs from some issuer down to the leaf."""
        if len(path) >= MAX_DEPTH:
            return
        child = path[0]
        for anchor in self._anchors:
            if self._issued(anchor, child):
                yield (anchor, *path)
        for issuer in self._others:
            known = any(_identity(issuer) == _identity(member) for member in path)
            if not known and self._issued(issuer, child):
                yield from self.upwards((issuer, *path))

    def _issued(self, issuer: x509.Certificate, child: x509.Certificate) -> bool:
        key = (issuer.sha256, child.sha256)
        if key not in self._edges:
            if len(self._edges) >= MAX_SIGNATURE_CHECKS or not _may_have_issued(issuer, child):
                return False
            self._edges[key] = is_signed_by(child, issuer)
        return self._edges[key]


def _may_have_issued(issuer: x509.Certificate, child: x509.Certificate) -> bool:
    """By names and key identifiers alone: cheap, and enough to leave out strangers."""
    try:
        if not same_name(issuer.subject, child.issuer):
            return False
        wanted, given = child.authority_key_identifier, issuer.key_identifier
        return wanted is None or given is None or bool(wanted == given)
    except UNEXPECTED:
        return False


def is_signed_by(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed the child. Says nothing about names or rights."""
    try:
        mechanism = algorithms.mechanism(child["signature_algorithm"], digest=None)
        key = algorithms.public_key(raw(issuer.public_key))
        if mechanism is None or key is None:
            return False
        mechanism.verify(key, value=child["signature_value"].native, tbs=raw(child["tbs_certificate"]), prehashed=False)
    except UNEXPECTED:
        return False
    return True


_CHECKED = Remembered["tuple[Policy, datetime | None]"](limit=128)


def check(path: Path, *, policy: Policy, role: Role) -> datetime | None:
    """`_check`, once for each path, policy and role: times are no part of it. Raises PathRejected."""
    parts = (role.encode(), id(policy).to_bytes(8, "big"), *(certificate.sha256 for certificate in path.certificates))
    # The policy is kept with the answer, so that no other can get its id meanwhile.
    return _CHECKED.get(parts, lambda: (policy, _check(path, policy=policy, role=role)))[1]


def _check(path: Path, *, policy: Policy, role: Role) -> datetime | None:
    """EN 319 102-1 §5.2.6 without times and revocation. Raises PathRejected.

    Returns the day until which the weakest algorithm of the path is believed, None for no end.

    1. Our rules for each certificate below the anchor.
    2. The certificate in question is made for its role.
    3. RFC 5280 §6.1.
    """
    until: datetime | None = None
    for certificate in path.certificates[1:]:
        try:
            end = _check_certificate(certificate, policy=policy, is_ca=certificate is not path.leaf)
        except UNEXPECTED as error:
            raise PathRejected(
                "CERTIFICATE_CHAIN_GENERAL_FAILURE", f"unreadable-{type(error).__name__}", subject=_subject(certificate)
            ) from error
        until = min((moment for moment in (until, end) if moment is not None), default=None)
    try:
        _check_role(path.leaf, policy=policy, role=role)
        _check_pkix(path)
    except UNEXPECTED as error:
        raise PathRejected("CERTIFICATE_CHAIN_GENERAL_FAILURE", f"unreadable-{type(error).__name__}") from error
    return until


def _check_certificate(certificate: x509.Certificate, *, policy: Policy, is_ca: bool) -> datetime | None:
    tbs = certificate["tbs_certificate"]
    subject = _subject(certificate)
    if tbs["version"].native != "v3":
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "certificate-version", subject=subject)
    serial = tbs["serial_number"].native
    if serial <= 0 or len(tbs["serial_number"].contents) > 20 + 1:  # RFC 5280 §4.1.2.2, one octet of grace for the sign
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "certificate-serial", subject=subject)
    names = [extension["extn_id"].dotted for extension in tbs["extensions"] or ()]
    if len(names) != len(set(names)):
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "duplicate-extension", subject=subject)
    if is_ca and not certificate.ca:
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "issuer-is-no-ca", subject=subject)
    if not is_ca and certificate.name_constraints_value is not None:
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "name-constraints-in-leaf", subject=subject)
    return _check_algorithms(certificate, policy=policy)


def _check_algorithms(certificate: x509.Certificate, *, policy: Policy) -> datetime | None:
    subject = _subject(certificate)
    info = certificate.public_key
    if info.algorithm == "ec" and info["algorithm"]["parameters"].name != "named":
        raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", "curve-parameters", subject=subject)
    key = algorithms.public_key(raw(info))
    mechanism = algorithms.mechanism(certificate["signature_algorithm"], digest=None)
    if key is None or mechanism is None:
        raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", "algorithm-unknown", subject=subject)
    scheme = {"ec": "ecdsa", "rsa": "rsassa_pkcs1v15", "rsassa_pss": "rsassa_pss"}.get(info.algorithm, info.algorithm)
    try:
        ends = (
            policy.signature_until(scheme, bits=algorithms.key_size(key)),
            None if mechanism.name in {"ed25519", "ed448"} else policy.digest_until(mechanism.digest),
        )
    except Unlisted as error:
        raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", f"algorithm-refused {error}", subject=subject) from error
    return min((end for end in ends if end is not None), default=None)


def _check_role(leaf: x509.Certificate, *, policy: Policy, role: Role) -> None:
    subject = _subject(leaf)
    if role == "timestamp":
        try:
            findings = certificate_purpose_findings(raw(leaf))
        except TimestampUnreadable as error:
            raise PathRejected("CERTIFICATE_CHAIN_GENERAL_FAILURE", "unreadable", subject=subject) from error
        if findings:
            raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", findings[0], subject=subject)
        return
    if role == "ca":
        return
    if leaf.ca and not policy.ca_may_sign:
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "ca-as-signer", subject=subject)
    usage = leaf.key_usage_value
    if usage is not None and not set(policy.signer_key_usage) & set(usage.native):
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "key-usage", subject=subject)


def _check_pkix(path: Path) -> None:
    """RFC 5280 §6.1 at a moment at which all certificates below the anchor were valid together."""
    below = path.certificates[1:]
    if not below:
        return
    begin = max(certificate.not_valid_before for certificate in below)
    end = min(certificate.not_valid_after for certificate in below)
    if begin > end:
        raise PathRejected("CERTIFICATE_CHAIN_GENERAL_FAILURE", "never-valid-together")
    context = ValidationContext(
        trust_roots=[CertTrustAnchor(path.anchor)],
        moment=begin,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        algorithm_usage_policy=_algorithms_elsewhere(),
    )
    try:
        drive(async_validate_path(context, path.as_validation_path()))
    except (ValidationError, PathError) as error:
        raise PathRejected("CERTIFICATE_CHAIN_GENERAL_FAILURE", f"rfc5280 {str(error)[:160]}") from error


@lru_cache(maxsize=1)
def _algorithms_elsewhere() -> DisallowWeakAlgorithmsPolicy:
    """Algorithms are judged by our policy; the library is left with what nobody believes."""
    return DisallowWeakAlgorithmsPolicy(
        weak_hash_algos=frozenset({"md2", "md5"}), weak_signature_algos=frozenset(), rsa_key_size_threshold=1024
    )


def _identity(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    return raw(certificate.subject), raw(certificate.public_key)


def _subject(certificate: x509.Certificate) -> str:
    return name_of(certificate.subject)


def _load(der: bytes) -> x509.Certificate | None:
    """The certificate with its fields parsed, None when it cannot be read."""
    try:
        certificate = x509.Certificate.load(der, strict=True)
        _ = (certificate.subject, certificate.issuer, certificate.not_valid_before, certificate.not_valid_after)
        _ = (raw(certificate.public_key), certificate.key_identifier, certificate.authority_key_identifier)
    except UNEXPECTED:
        return None
    return certificate
