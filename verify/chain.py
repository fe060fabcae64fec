"""Certificate paths: from a certificate to a trust anchor, by RFC 5280 and by rules of our own.

The search is ours, because it must be bounded: an edge is followed only when the signature on it verifies, and both
signatures checked and paths tried are counted. Each path found is validated without looking at times and revocation:
these are questions of their own (`verify.certificates`, `verify.evidence`).

    for path in build(certificate, pool=pool, trust=trust):
        check(path, policy=policy, role="signer")      # raises PathRejected
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from asn1crypto import keys, x509

from verify import algorithms, certificate_rules, purposes, rfc5280
from verify.asn1 import raw
from verify.issuance import UNEXPECTED, Issuance, fingerprint, identity, load
from verify.policy import Policy, Unlisted
from verify.remembered import Remembered
from verify.timestamp_certificates import TimestampUnreadable, certificate_purpose_findings
from verify.trust import Trust

__all__ = ["UNEXPECTED", "Path", "PathRejected", "Role", "build", "check", "name_of"]

MAX_POOL = 200
MAX_DEPTH = 10
MAX_PATHS = 12
MAX_STEPS = 1000
"""Certificates visited in one search."""

Role = Literal["signer", "timestamp", "ca"]


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
    leaf = load(certificate)
    if leaf is None:
        return
    anchors = [anchor for anchor in map(load, trust.anchors) if anchor is not None]
    if any(raw(anchor) == certificate for anchor in anchors):
        yield Path((leaf,))
        return
    others = [c for c in map(load, dict.fromkeys((*trust.intermediates, *pool))) if c is not None][:MAX_POOL]
    search = _Search(Issuance(anchors=anchors, others=others))
    for path in islice(search.upwards((leaf,)), MAX_PATHS):
        yield Path(path)


class _Search:
    """Depth-first, over issuance that is proven; its steps are counted, for CAs that certify each other in all ways."""

    def __init__(self, issuance: Issuance) -> None:
        self._issuance = issuance
        self._steps = 0

    def upwards(self, path: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, ...]]:
        """`path` runs from some issuer down to the leaf."""
        self._steps += 1
        if len(path) >= MAX_DEPTH or self._steps > MAX_STEPS:
            return
        members = {identity(member) for member in path}
        for issuer in self._issuance.above(path[0]):
            if issuer.anchor:
                yield (issuer.certificate, *path)
            elif issuer.identity not in members:
                yield from self.upwards((issuer.certificate, *path))


_CHECKED = Remembered["datetime | None"](limit=128)


def check(path: Path, *, policy: Policy, role: Role) -> datetime | None:
    """`_check`, once for each path, role, and what of the policy counts: times are no part of it. Raises PathRejected."""
    rules = (
        policy.digests,
        policy.signatures,
        policy.ca_may_sign,
        policy.signer_key_usage,
        policy.signer_extended_key_usage,
        policy.outcomes,
        policy.paths,
        policy.waived,
    )
    parts = (role.encode(), repr(rules).encode(), *map(fingerprint, path.certificates))
    return _CHECKED.get(parts, lambda: _check(path, policy=policy, role=role))


def _check(path: Path, *, policy: Policy, role: Role) -> datetime | None:
    """EN 319 102-1 §5.2.6 without times and revocation. Raises PathRejected.

    Returns the day until which the weakest algorithm of the path is believed, None for no end.

    1. Our rules for each certificate, and the algorithms.
    2. The certificate in question is made for its role.
    3. RFC 5280 §6.1.
    """
    until: datetime | None = None
    anchor, *below = path.certificates
    current = anchor
    try:
        # 1
        if below:
            _check_rules(anchor, policy=policy, place="anchor")
        above = raw(anchor.public_key)
        for current in below:
            _check_rules(current, policy=policy, place="leaf" if current is path.leaf else "ca")
            key = algorithms.with_parameters(raw(current.public_key), of=above)
            ends = _check_algorithms(current, key=key, issuer_key=above, policy=policy)
            until = min((moment for moment in (until, *ends) if moment is not None), default=None)
            above = key
        # 2
        current = path.leaf
        _check_role(path.leaf, policy=policy, role=role)
        # 3
        if below and max(c.not_valid_before for c in below) > min(c.not_valid_after for c in below):
            raise PathRejected("CERTIFICATE_CHAIN_GENERAL_FAILURE", "never-valid-together")
        rfc5280.validate(path.certificates, inputs=policy.paths)
    except rfc5280.PathInvalid as error:
        raise PathRejected(
            "CERTIFICATE_CHAIN_GENERAL_FAILURE", error.rule, subject=_subject(error.certificate)
        ) from error
    except UNEXPECTED as error:
        raise PathRejected(
            "CERTIFICATE_CHAIN_GENERAL_FAILURE", f"unreadable-{type(error).__name__}", subject=_subject(current)
        ) from error
    return until


def _check_rules(certificate: x509.Certificate, *, policy: Policy, place: certificate_rules.Place) -> None:
    for code in certificate_rules.broken(certificate, place=place):
        if code not in policy.waived:
            raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", code, subject=_subject(certificate))


def _check_algorithms(
    certificate: x509.Certificate, *, key: bytes, issuer_key: bytes, policy: Policy
) -> Iterator[datetime | None]:
    """The ends of what a certificate rests on: its own key, the issuer's key, and the algorithm that binds them."""
    subject = _subject(certificate)
    mechanism = algorithms.mechanism(certificate["signature_algorithm"], digest=None)
    own, issuers = algorithms.public_key(key), algorithms.public_key(issuer_key)
    for spki in (key, issuer_key):
        info = keys.PublicKeyInfo.load(spki)
        if info.algorithm == "ec" and info["algorithm"]["parameters"].name != "named":
            raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", "curve-parameters", subject=subject)
    if own is None or issuers is None or mechanism is None:
        raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", "algorithm-unknown", subject=subject)
    scheme = {"ec": "ecdsa", "rsa": "rsassa_pkcs1v15"}.get(
        info_name := keys.PublicKeyInfo.load(key).algorithm, info_name
    )
    try:
        yield policy.signature_until(scheme, bits=algorithms.key_size(own))
        yield policy.signature_until(mechanism.name, bits=algorithms.key_size(issuers))
        if mechanism.name not in {"ed25519", "ed448"}:
            yield policy.digest_until(mechanism.digest)
    except Unlisted as error:
        raise PathRejected("CRYPTO_CONSTRAINTS_FAILURE", f"algorithm-refused {error}", subject=subject) from error


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
    # Where the policy makes it a warning, `verify.constraints` says so in the report.
    if policy.outcomes["key_usage"] != "WARNING" and not purposes.has_key_usage(leaf, policy=policy):
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "key-usage", subject=subject)
    if policy.outcomes["extended_key_usage"] != "WARNING" and not purposes.has_extended_key_usage(leaf, policy=policy):
        raise PathRejected("CHAIN_CONSTRAINTS_FAILURE", "extended-key-usage", subject=subject)


def _subject(certificate: x509.Certificate) -> str:
    return name_of(certificate.subject)
