"""What whoever holds a key elsewhere is told of a preparation: what to sign, and what to show and compare before."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from api.sandbox import wire
from api.settings import Settings
from api.store.signatures import SignatureRecord
from signer.model import Prepared


def as_json(settings: Settings, record: SignatureRecord) -> dict[str, Any]:
    """A preparation as HTTP answers it: `{id, status, tbs, algorithm, envelope, expires_at}`."""
    assert record.prepared is not None
    prepared = wire.unpack(record.prepared, Prepared)
    return {
        "id": record.id,
        "status": record.state,
        "tbs": base64.b64encode(prepared.tbs).decode(),
        "algorithm": prepared.order.mechanism,
        "envelope": envelope(settings, record, prepared),
        "expires_at": expiry(record),
        "warnings": list(prepared.warnings),
    }


def envelope(settings: Settings, record: SignatureRecord, prepared: Prepared) -> dict[str, Any]:
    """What the component that holds the key shows its owner and compares: a JWS in JSON (RFC 7515 §7.2.1).

    Its payload is canonical JSON (RFC 8785). It bears no signature: the appliance has no key of its own for it yet, and
    a component must take it as no more than the word of the connection by which it came.
    """
    payload = {
        "documents": [
            {
                "name": json.loads(record.order).get("document_name", "document"),
                "sha256": record.document_sha256,
                "signature": record.id,
                "size": prepared.original_size,
                "tbs": base64.b64encode(prepared.tbs).decode(),
                "tbs_sha256": hashlib.sha256(prepared.tbs).hexdigest(),
            }
        ],
        "expires_at": expiry(record),
        "origin": settings.server.origin or f"http://{settings.server.host}:{settings.server.port}",
    }
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return {"payload": base64.urlsafe_b64encode(text).rstrip(b"=").decode(), "signatures": []}


def expiry(record: SignatureRecord) -> str:
    """When it is too late, in UTC."""
    return datetime.fromtimestamp(record.expires_at or 0.0, UTC).isoformat(timespec="seconds")
