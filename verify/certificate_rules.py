"""Rules for single certificates of a path, beyond RFC 5280 §6.1: the profile of RFC 5280 §4, and caution.

Each rule has a code. A policy may waive some by code (`waived` in its file), so that a test suite or an old hierarchy
is judged by the standard alone. Algorithms are another matter: `chain` asks the policy about them.

    for code in broken(certificate, place="ca"): …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from asn1crypto import x509

Place = Literal["anchor", "ca", "leaf"]
_ALL: frozenset[Place] = frozenset({"anchor", "ca", "leaf"})
_BELOW: frozenset[Place] = frozenset({"ca", "leaf"})

LONGEST_SERIAL = 20 + 1
"""Octets, RFC 5280 §4.1.2.2; one of grace, since issuers forget the one that keeps the number positive."""
NEVER_CRITICAL = frozenset(
    {
        "2.5.29.14",  # subject key identifier
        "2.5.29.35",  # authority key identifier
        "2.5.29.46",  # freshest CRL
        "1.3.6.1.5.5.7.1.1",  # authority information access
        "1.3.6.1.5.5.7.1.11",  # subject information access
    }
)
ALWAYS_CRITICAL = frozenset({"2.5.29.36", "2.5.29.54"})
"""Policy constraints, inhibit anyPolicy: who does not know them must not pass over them."""


def _version(certificate: x509.Certificate, _: Place) -> bool:
    return bool(certificate["tbs_certificate"]["version"].native != "v3")


def _serial(certificate: x509.Certificate, _: Place) -> bool:
    serial = certificate["tbs_certificate"]["serial_number"]
    return bool(serial.native <= 0) or len(serial.contents) > LONGEST_SERIAL


def _duplicates(certificate: x509.Certificate, _: Place) -> bool:
    names = [identifier for identifier, _ in _extensions(certificate)]
    return len(names) != len(set(names))


def _wrongly_critical(certificate: x509.Certificate, _: Place) -> bool:
    return any(critical and identifier in NEVER_CRITICAL for identifier, critical in _extensions(certificate))


def _wrongly_optional(certificate: x509.Certificate, _: Place) -> bool:
    return any(not critical and identifier in ALWAYS_CRITICAL for identifier, critical in _extensions(certificate))


def _optional_basic_constraints(certificate: x509.Certificate, _: Place) -> bool:
    return certificate.ca and ("2.5.29.19", False) in _extensions(certificate)


def _no_key_identifier(certificate: x509.Certificate, place: Place) -> bool:
    own = place == "leaf" or certificate.key_identifier is not None
    issuers = place == "anchor" or certificate.authority_key_identifier is not None
    return not own or not issuers


def _names_constrained(certificate: x509.Certificate, _: Place) -> bool:
    return certificate.name_constraints_value is not None and not certificate.ca


def _certifies_without_right(certificate: x509.Certificate, _: Place) -> bool:
    usage = certificate.key_usage_value
    return usage is not None and "key_cert_sign" in usage.native and not certificate.ca


def _no_purpose(certificate: x509.Certificate, _: Place) -> bool:
    usage = certificate.extended_key_usage_value
    return usage is not None and len(usage) == 0


def _nameless(certificate: x509.Certificate, place: Place) -> bool:
    if len(certificate.subject.chosen):
        return False
    return place != "leaf" or ("2.5.29.17", True) not in _extensions(certificate)


RULES: dict[str, tuple[Callable[[x509.Certificate, Place], bool], frozenset[Place]]] = {
    "certificate-version": (_version, _BELOW),  # §4.1.2.1: without extensions nothing says who is a CA
    "certificate-serial": (_serial, _BELOW),  # §4.1.2.2
    "duplicate-extension": (_duplicates, _ALL),  # §4.2: readers disagree on which of the two counts
    "extension-wrongly-critical": (_wrongly_critical, _ALL),  # §4.2.1.1, §4.2.1.2, §4.2.1.15, §4.2.2
    "extension-wrongly-optional": (_wrongly_optional, _ALL),  # §4.2.1.11, §4.2.1.14
    "basic-constraints-optional": (_optional_basic_constraints, frozenset({"anchor", "ca"})),  # §4.2.1.9
    "key-identifier-missing": (_no_key_identifier, _ALL),  # §4.2.1.1, §4.2.1.2
    "name-constraints-in-leaf": (_names_constrained, _BELOW),  # §4.2.1.10
    "key-usage-without-ca": (_certifies_without_right, _BELOW),  # §4.2.1.3, §4.2.1.9
    "extended-key-usage-empty": (_no_purpose, _ALL),  # §4.2.1.12
    "subject-empty": (_nameless, _ALL),  # §4.1.2.6
}


def broken(certificate: x509.Certificate, *, place: Place) -> Iterator[str]:
    """The codes of all rules that a certificate breaks at its place in the path."""
    for code, (breaks, places) in RULES.items():
        if place in places and breaks(certificate, place):
            yield code


def _extensions(certificate: x509.Certificate) -> list[tuple[str, bool]]:
    return [(e["extn_id"].dotted, bool(e["critical"].native)) for e in certificate["tbs_certificate"]["extensions"]]
