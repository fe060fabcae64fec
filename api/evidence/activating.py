"""`activations.json` in a ZIP of evidence: what a person agreed to when a key of that person was used, and the assertion.

Whoever has it checks without us: the SHA-256 of `text` is the challenge in `client_data`; `text` lists the SHA-256 of what
was signed; `signature` is over `authenticator_data` and the SHA-256 of `client_data`, by the credential's `public_key`
(COSE, RFC 9052), as W3C WebAuthn §7.2 has it.
"""

from __future__ import annotations

from base64 import b64encode

import msgspec

from hsm.activation import Activation

ACTIVATIONS = "activations.json"


class ActivationPart(msgspec.Struct, frozen=True):
    """One activation that a line of the ledger names; octets in base64."""

    line: int
    id: str
    key: str
    text: str
    public_key: str
    credential: str
    client_data: str
    authenticator_data: str
    signature: str


def part(line: int, found: Activation) -> ActivationPart:
    answer = found.assertion
    return ActivationPart(
        line=line,
        id=found.id,
        key=found.key,
        text=found.text.decode(),
        public_key=_told(found.public_key),
        credential=_told(answer.credential),
        client_data=_told(answer.client_data),
        authenticator_data=_told(answer.authenticator_data),
        signature=_told(answer.signature),
    )


def files(parts: tuple[ActivationPart, ...]) -> dict[str, bytes]:
    return {ACTIVATIONS: msgspec.json.format(msgspec.json.encode(parts), indent=2) + b"\n"} if parts else {}


def _told(octets: bytes) -> str:
    return b64encode(octets).decode()
