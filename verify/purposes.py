"""What a signer's certificate says that its key is for, held against what the policy names. No judgement.

Both extensions are optional: a certificate that has none is for everything. Timestamping is another matter, with rules of
its own (`verify.timestamp_certificates.certificate_purpose_findings`).
"""

from __future__ import annotations

from asn1crypto import x509

from verify.policy import Policy

SERVICES = frozenset({"time_stamping", "ocsp_signing"})
"""Purposes of keys that answer whoever asks. A certificate for nothing else signs no documents, unless a policy says."""


def has_key_usage(certificate: x509.Certificate, *, policy: Policy) -> bool:
    """Whether it has one of the uses that the policy names; a policy that names none asks for none."""
    usage = certificate.key_usage_value
    return usage is None or not policy.signer_key_usage or bool(set(policy.signer_key_usage) & set(usage.native))


def has_extended_key_usage(certificate: x509.Certificate, *, policy: Policy) -> bool:
    """The same for purposes, by name or object identifier; where none is named, any but those of services alone."""
    purposes = certificate.extended_key_usage_value
    if purposes is None:
        return True
    names = {purpose.native for purpose in purposes}
    if not policy.signer_extended_key_usage:
        return not names <= SERVICES
    return bool((names | {purpose.dotted for purpose in purposes}) & set(policy.signer_extended_key_usage))
