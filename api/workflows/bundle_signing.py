"""Signing a bundle's manifest: a detached CMS signature, by a key of the appliance or by one that the caller has.

For the command line alone: the service makes no bundles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from api.errors import ApiError
from api.services import Services
from hsm.errors import HsmError
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
    facts = {
        "key": key.ref,
        "caller": "trust",
        "mechanism": mechanism,
        "level": "trust-bundle",
        "tbs_sha256": hashlib.sha256(tbs).hexdigest(),
        "document_sha256": hashlib.sha256(about).hexdigest(),
    }
    number = services.key_user.intend(facts)
    try:
        value = services.key_user.sign(key, mechanism=mechanism, tbs=tbs, number=number)
    except HsmError as error:
        if error.code != "signing-interrupted":  # then the keeper's log is asked later: `recovery.scan`
            services.key_user.failed(number, code=error.code, facts={"key": key.ref})
        raise
    except ApiError:
        services.key_user.in_doubt(number, facts={"key": key.ref})
        raise
    services.key_user.done(number, value=value, facts={"key": key.ref})
    return value
