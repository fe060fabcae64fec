"""Which of a key's mechanisms are signed with: those that the appliance's own policy would accept in a signature today.

A signature that the house itself would not find valid is not made: the policy is `[verification] policy`, as for the
check of the certificate (`api.workflows.certificates`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from api.refusals import AlgorithmRefused
from api.services import Services
from hsm.keys import KeyInfo, Mechanism, mechanism_digest
from verify.policy import Policy, Unlisted


def believed(services: Services, key: KeyInfo, *, wanted: Mechanism | None) -> KeyInfo:
    """The key with the mechanisms that may be used; a key that offers none now is for others to refuse.

    Raises AlgorithmRefused when the policy refuses the one that is wanted, or all that the key has.
    """
    policy = services.policies.load(services.settings.verification.policy)
    kept = tuple(one for one in key.mechanisms if _believed(policy, one, bits=key.key_size, at=services.clock()))
    refused = wanted in key.mechanisms and wanted not in kept
    if key.mechanisms and (refused or not kept):
        raise AlgorithmRefused(
            key=key.ref, mechanism=wanted or ", ".join(key.mechanisms), bits=key.key_size, policy=policy.name
        )
    return key if kept == key.mechanisms else replace(key, mechanisms=kept)


def _believed(policy: Policy, mechanism: Mechanism, *, bits: int, at: datetime) -> bool:
    scheme = mechanism.removesuffix(f"_{mechanism_digest(mechanism)}")
    try:
        ends = (policy.signature_until(scheme, bits=bits), policy.digest_until(mechanism_digest(mechanism)))
    except Unlisted:
        return False
    return all(end is None or at <= end for end in ends)
