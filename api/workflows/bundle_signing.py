"""Signing a bundle's manifest: a detached CMS signature, by a key of the appliance or by one that the caller has.

For the command line alone: the service makes no bundles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from api.services import Services
from hsm.keys import KeyInfo, Mechanism
from signer.cms import SignedDataTemplate


def sign_detached(manifest: bytes, *, certificate: bytes, mechanism: str, sign: Callable[[bytes], bytes]) -> bytes:
    """A detached CMS signature (DER) over a manifest; `sign` makes the value over the signed attributes."""
    template = SignedDataTemplate.of(certificate, chain=(), mechanism=mechanism)
    tbs = template.signed_attrs(hashlib.new(template.digest, manifest).digest())
    value = sign(tbs)
    template.verify(tbs, value=value)
    return template.signed_data(tbs, value=value, timestamp=None)


def use_key(services: Services, key: KeyInfo, tbs: bytes, *, mechanism: Mechanism, about: bytes) -> bytes:
    """One signature over a manifest with a key of the appliance: INTENT, permit, keeper, DONE."""
    facts = {"caller": "trust", "level": "trust-bundle", "document_sha256": hashlib.sha256(about).hexdigest()}
    return services.key_user.once(key, mechanism=mechanism, tbs=tbs, facts=facts)
