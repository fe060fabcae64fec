"""Whether a certificate may be a timestamp authority's, by its usages (RFC 3161 §2.3), and what cannot be read of it.

Apart from `verify.timestamp`: an authority asks this of its own certificate and reads no tokens.

>>> certificate_purpose_findings(b"no certificate")                                         # doctest: +IGNORE_EXCEPTION_DETAIL
Traceback (most recent call last):
TimestampUnreadable: …
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asn1crypto import x509

from verify.errors import VerifyError


class TimestampUnreadable(VerifyError):
    """The bytes are no RFC 3161 timestamp token."""

    code = "timestamp-unreadable"


def certificate_purpose_findings(certificate: bytes) -> tuple[str, ...]:
    """What speaks against a certificate (DER): `eku-missing`, `eku-not-timestamping`, `eku-not-sole`, `eku-not-critical`,
    `key-usage-wrong` (key usage present without digitalSignature or nonRepudiation)."""
    findings: list[str] = []
    with unreadable():
        parsed = x509.Certificate.load(certificate, strict=True)
        usages = parsed.extended_key_usage_value
        if usages is None:
            findings.append("eku-missing")
        else:
            if "time_stamping" not in usages.native:
                findings.append("eku-not-timestamping")
            elif len(usages) != 1:
                findings.append("eku-not-sole")
            if "extended_key_usage" not in parsed.critical_extensions:
                findings.append("eku-not-critical")
        key_usage = parsed.key_usage_value
        if key_usage is not None and not key_usage.native & {"digital_signature", "non_repudiation"}:
            findings.append("key-usage-wrong")
    return tuple(findings)


@contextmanager
def unreadable() -> Iterator[None]:
    """Everything that a parser may raise becomes TimestampUnreadable."""
    try:
        yield
    except VerifyError:
        raise
    except (
        Exception
    ) as error:  # asn1crypto raises ValueError, TypeError, KeyError, OverflowError and more on hostile DER
        raise TimestampUnreadable(f"the timestamp token cannot be read: {type(error).__name__}") from error
