"""Certificate revocation lists: read without building an object for each entry, and what of a certificate they cover.

A list of ten megabytes names a quarter of a million certificates; only one of them is asked for. It believes nothing:
who may have signed a list, and whether the signature verifies, is `verify.evidence`'s.

    listed = read(der)                                         # raises ListUnusable
    reasons = covered(listed, certificate)                     # none: the list says nothing of this certificate
    entry = listed.find(certificate)                           # None: not revoked by it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import core, crl, x509

from verify.asn1 import is_present, raw, same_name

ALL_REASONS = frozenset(
    {
        "key_compromise",
        "ca_compromise",
        "affiliation_changed",
        "superseded",
        "cessation_of_operation",
        "certificate_hold",
        "privilege_withdrawn",
        "aa_compromise",
    }
)
REMOVED = "remove_from_crl"

_NUMBER, _DELTA, _SCOPE, _AUTHORITY_KEY = "2.5.29.20", "2.5.29.27", "2.5.29.28", "2.5.29.35"
_PROCESSED = frozenset({_DELTA, _SCOPE, _AUTHORITY_KEY})
"""Extensions of a list that may be critical. Its number must not be (RFC 5280 §5.2.3)."""
_ENTRY_PROCESSED = frozenset({"2.5.29.21", "2.5.29.24", "2.5.29.29"})
"""Of an entry: reason, invalidity date, certificate issuer."""
_CRITICAL = bytes.fromhex("0101ff")
_CERTIFICATE_ISSUER = bytes.fromhex("0603551d1d")


Named = tuple[str, str | bytes]
"""A general name: its form, and a value that can be compared."""


class ListUnusable(Exception):
    """The list cannot be read, or holds what nobody here can process; the message is a code."""


@dataclass(frozen=True)
class Entry:
    """What a list says of one certificate."""

    revoked_at: datetime
    reason: str


@dataclass(frozen=True)
class RevocationList:
    """One list, RFC 5280 §5. `base` is set for a delta: the number of the complete list that it continues."""

    der: bytes
    parsed: crl.CertificateList
    issuer: x509.Name
    issued: datetime
    until: datetime | None
    number: int | None
    base: int | None
    scope: crl.IssuingDistributionPoint | None
    authority_key: bytes | None
    entries: bytes

    @property
    def indirect(self) -> bool:
        return self.scope is not None and bool(self.scope["indirect_crl"].native)

    def find(self, certificate: x509.Certificate) -> Entry | None:
        """The entry about this certificate; in an indirect list entries name their issuer, or have the last one named.

        Raises ListUnusable when an entry holds a critical extension that is not known: then the whole list must not be
        used (§5.3).
        """
        wanted = raw(certificate["tbs_certificate"]["serial_number"])
        careful = _CRITICAL in self.entries or (self.indirect and _CERTIFICATE_ISSUER in self.entries)
        issuer, wanted_issuer, found = _directory(self.issuer), _directory(certificate.issuer), None
        for start, content, end in _children(self.entries):
            matches = self.entries.startswith(wanted, content)
            if not (matches or (careful and self._is_special(content, end))):
                continue
            entry = crl.RevokedCertificate.load(self.entries[start:end])
            issuer = _issuer_named(entry) or issuer
            if matches and found is None and issuer == wanted_issuer:
                found = _entry(entry)
        return found

    def _is_special(self, start: int, end: int) -> bool:
        """Whether an entry may hold something critical, or name an issuer for those that follow."""
        return self.entries.find(_CRITICAL, start, end) >= 0 or self.entries.find(_CERTIFICATE_ISSUER, start, end) >= 0


def read(der: bytes) -> RevocationList:
    """Raises ListUnusable."""
    try:
        return _read(der)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ListUnusable("unreadable") from error


def _read(der: bytes) -> RevocationList:
    parsed = crl.CertificateList.load(der, strict=True)
    tbs = parsed["tbs_cert_list"]
    if raw(tbs["signature"]) != raw(parsed["signature_algorithm"]):
        raise ListUnusable("two-algorithms")
    extensions: dict[str, Any] = {}
    for extension in tbs["crl_extensions"] if is_present(tbs["crl_extensions"]) else ():
        identifier = extension["extn_id"].dotted
        if identifier in extensions:
            raise ListUnusable("duplicate-extension")
        if extension["critical"].native and identifier not in _PROCESSED:
            raise ListUnusable("unknown-critical-extension")
        extensions[identifier] = extension["extn_value"].parsed
    revoked = tbs["revoked_certificates"]
    authority_key = extensions.get(_AUTHORITY_KEY)
    until = tbs["next_update"]
    return RevocationList(
        der=der,
        parsed=parsed,
        issuer=tbs["issuer"],
        issued=_utc(tbs["this_update"].native),
        until=_utc(until.native) if is_present(until) else None,
        number=extensions[_NUMBER].native if _NUMBER in extensions else None,
        base=extensions[_DELTA].native if _DELTA in extensions else None,
        scope=extensions.get(_SCOPE),
        authority_key=authority_key["key_identifier"].native if authority_key is not None else None,
        entries=bytes(revoked.contents) if is_present(revoked) else b"",
    )


def covered(listed: RevocationList, certificate: x509.Certificate) -> frozenset[str]:
    """The reasons for which this list speaks about this certificate, RFC 5280 §6.3.3 (b) and (d); none if it does not.

    Over all distribution points that the certificate names, and, as if it named it, the one of its issuer.
    """
    if not _kind_matches(listed, certificate):
        return frozenset()
    some = listed.scope["only_some_reasons"] if listed.scope is not None else None
    reasons = frozenset(some.native) & ALL_REASONS if some is not None and is_present(some) else ALL_REASONS
    found: set[str] = set()
    for point in certificate.crl_distribution_points_value or ():
        if _point_matches(listed, certificate, point):
            limited = point["reasons"]
            found |= reasons & frozenset(limited.native) if is_present(limited) else reasons
    if same_name(listed.issuer, certificate.issuer) and _names_match(listed, [_directory(certificate.issuer)]):
        found |= reasons
    return frozenset(found)


def continues(delta: RevocationList, complete: RevocationList) -> bool:
    """Whether a delta may be applied to a complete list, RFC 5280 §5.2.4 and §6.3.3 (c)."""
    if delta.base is None or complete.base is not None or complete.number is None or delta.number is None:
        return False
    one, other = (raw(value.scope) if value.scope is not None else b"" for value in (delta, complete))
    return (
        same_name(delta.issuer, complete.issuer)
        and one == other
        and delta.authority_key == complete.authority_key
        and delta.base <= complete.number <= delta.number
    )


def _kind_matches(listed: RevocationList, certificate: x509.Certificate) -> bool:
    scope = listed.scope
    if scope is None:
        return True
    if scope["only_contains_attribute_certs"].native:
        return False
    return not (
        (scope["only_contains_user_certs"].native and certificate.ca)
        or (scope["only_contains_ca_certs"].native and not certificate.ca)
    )


def _point_matches(listed: RevocationList, certificate: x509.Certificate, point: crl.DistributionPoint) -> bool:
    """§6.3.3 (b) (1) and (2) for one distribution point of a certificate."""
    issuers = [_general(name) for name in point["crl_issuer"]] if is_present(point["crl_issuer"]) else []
    if issuers:
        if _directory(listed.issuer) not in issuers or not listed.indirect:
            return False
    elif not same_name(listed.issuer, certificate.issuer):
        return False
    where = point["distribution_point"]
    wanted = _names(where, issuers=issuers or [_directory(certificate.issuer)]) if is_present(where) else issuers
    return _names_match(listed, wanted)


def _names_match(listed: RevocationList, wanted: list[Named]) -> bool:
    """A list that states no distribution point is for all; otherwise one of its names must be one of those wanted."""
    if listed.scope is None or not is_present(listed.scope["distribution_point"]):
        return True
    stated = _names(listed.scope["distribution_point"], issuers=[_directory(listed.issuer)])
    return not set(stated).isdisjoint(wanted)


def _names(where: crl.DistributionPointName, *, issuers: list[Named]) -> list[Named]:
    """The full names of a distribution point; a name relative to the issuer of the list is completed."""
    if where.name == "full_name":
        return [_general(name) for name in where.chosen]
    return [(form, f"{value!s}\x1e{where.chosen.hashable}") for form, value in issuers if isinstance(value, str)]


def _general(name: x509.GeneralName) -> Named:
    """A name that can be compared; directory names as RFC 5280 §7.1 prepares them."""
    if name.name == "directory_name":
        return _directory(name.chosen)
    return name.name, bytes(name.chosen.contents)


def _directory(name: x509.Name) -> Named:
    return "directory_name", name.hashable


def _children(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, start of the content, end) of each SEQUENCE; raises ListUnusable at anything else. No slices: it is long."""
    position, size = 0, len(content)
    while position < size:
        if content[position] != 0x30 or position + 1 >= size:
            raise ListUnusable("entry")
        length, begin = content[position + 1], position + 2
        if length >= 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4:
                raise ListUnusable("entry")
            length = int.from_bytes(content[begin : begin + octets], "big")
            begin += octets
        end = begin + length
        if end > size:
            raise ListUnusable("entry")
        yield position, begin, end
        position = end


def _issuer_named(entry: crl.RevokedCertificate) -> Named | None:
    """The certificate issuer that an entry names. Raises ListUnusable at an unknown critical extension."""
    extensions = entry["crl_entry_extensions"]
    found = None
    for extension in extensions if is_present(extensions) else ():
        identifier = extension["extn_id"].dotted
        if extension["critical"].native and identifier not in _ENTRY_PROCESSED:
            raise ListUnusable("unknown-critical-entry-extension")
        if identifier == "2.5.29.29":
            names = [
                _directory(name.chosen) for name in extension["extn_value"].parsed if name.name == "directory_name"
            ]
            if not names:
                raise ListUnusable("entry-issuer")
            found = names[0]
    return found


def _entry(entry: crl.RevokedCertificate) -> Entry:
    reason = entry.crl_reason_value
    return Entry(_utc(entry["revocation_date"].native), reason.native if reason is not None else "unspecified")


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def signed_parts(listed: RevocationList) -> tuple[Any, core.BitString, bytes]:
    """(algorithm, value, bytes signed)."""
    return (
        listed.parsed["signature_algorithm"],
        listed.parsed["signature"],
        raw(listed.parsed["tbs_cert_list"]),
    )
