"""What a signer's certificate says that its key is for, held against what the policy names. No judgement.

Both extensions are optional: a certificate that has none is for everything. Timestamping is another matter, with rules of
its own (`verify.timestamp.certificate_purpose_findings`).
"""

from __future__ import annotations

from asn1crypto import x509

from verify.policy import Policy


def has_key_usage(certificate: x509.Certificate, *, policy: Policy) -> bool:
    """Whether it has one of the uses that the policy names; a policy that names none asks for none."""
    usage = certificate.key_usage_value
    return usage is None or not policy.signer_key_usage or bool(set(policy.signer_key_usage) & set(usage.native))


def has_extended_key_usage(certificate: x509.Certificate, *, policy: Policy) -> bool:
    """The same for purposes, by name or object identifier."""
    purposes = certificate.extended_key_usage_value
    if purposes is None or not policy.signer_extended_key_usage:
        return True
    stated = {purpose.native for purpose in purposes} | {purpose.dotted for purpose in purposes}
    return bool(stated & set(policy.signer_extended_key_usage))
