"""Whether a key is a person's: it signs only with an activation, so that no other way of signing takes it."""

from __future__ import annotations

import json

from api.settings import Settings
from api.store.signatures import SignatureRecord
from hsm.errors import ActivationRequired


def is_persons(settings: Settings, ref: str | None) -> bool:
    """Whether this is the key of a person."""
    key = settings.keys.get(ref) if ref is not None else None
    return key is not None and key.holder == "person"


def refuse(settings: Settings, ref: str) -> None:
    """Raise ActivationRequired for a person's key."""
    if is_persons(settings, ref):
        raise ActivationRequired(key=ref)


def key_of(record: SignatureRecord) -> str | None:
    """The key of the appliance that a record's order names; None where the key is elsewhere."""
    found: str | None = json.loads(record.order).get("key")
    return found
