"""Trust and policies as JSON: the same from `GET /v1/trust`, `GET /v1/policies` and the command line.

>>> sorted(trust_json(Trust()))
['anchors', 'bundles', 'crls', 'distrusted', 'intermediates']
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from asn1crypto import crl
from cryptography import x509

from verify.errors import PolicyUnusable
from verify.policy import Policy
from verify.trust import Anchor, Trust


def trust_json(trust: Trust) -> dict[str, Any]:
    """Everything that is believed or helps; members that were there before keep their names."""
    return {
        "anchors": [_anchor(trust.anchor(one)) for one in trust.anchors],
        "intermediates": [certificate_json(one) for one in trust.intermediates],
        "crls": [_crl(one) for one in trust.crls],
        "distrusted": list(trust.distrusted),
        "bundles": [
            {
                "number": one.number,
                "issued": one.issued.isoformat(),
                "expires": one.expires.isoformat(),
                "signer": one.signer,
                "title": one.title,
            }
            for one in trust.bundles
        ],
    }


def policy_json(policy: Policy | PolicyUnusable) -> dict[str, Any]:
    """What a caller chooses by; a policy that cannot be used says what is wrong with it."""
    if isinstance(policy, PolicyUnusable):
        return {"name": str(policy.facts.get("policy", "")), "usable": False, "error": str(policy)}
    return {
        "name": policy.name,
        "title": dict(policy.title),
        "sha256": policy.sha256,
        "documents": policy.for_documents,
        "usable": True,
    }


def certificate_json(der: bytes) -> dict[str, Any]:
    one = x509.load_der_x509_certificate(der)
    return {
        "subject": one.subject.rfc4514_string(),
        "issuer": one.issuer.rfc4514_string(),
        "serial": f"{one.serial_number:x}",
        "not_before": one.not_valid_before_utc.isoformat(),
        "not_after": one.not_valid_after_utc.isoformat(),
        "sha256": hashlib.sha256(der).hexdigest(),
    }


def _anchor(anchor: Anchor) -> dict[str, Any]:
    return {
        "name": anchor.name,
        "title": anchor.title,
        **certificate_json(anchor.certificate),
        "purposes": list(anchor.purposes),
        "since": _moment(anchor.since),
        "until": _moment(anchor.until),
        "source": anchor.source,
    }


def _crl(der: bytes) -> dict[str, Any]:
    tbs = crl.CertificateList.load(der)["tbs_cert_list"]
    return {
        "issuer": tbs["issuer"].human_friendly,
        "this_update": _moment(tbs["this_update"].native),
        "next_update": _moment(tbs["next_update"].native),
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
