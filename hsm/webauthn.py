"""Reading what a passkey or security key says: a new credential, and an assertion that somebody was there and agreed.

Parsing of CBOR, authenticator data and COSE keys, and the arithmetic of their signatures, are the library's (`fido2`,
by a maker of such keys; it needs `cryptography` alone). The checks are written out here, in the order of W3C Web
Authentication Level 3, because the library's own server leaves out some that matter to a keeper: the signature
counter, frames of another origin, and which algorithms a credential may have.

Imported only by a keeper that has a person's key.

>>> assertion_of(assertion, challenge=challenge, party=party, credential=credential).sign_count      # doctest: +SKIP
7
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.webauthn import AttestationObject, AuthenticatorData

from hsm.activation import Assertion, Credential, Party, Registration
from hsm.errors import ActivationRefused

_ALGORITHMS: Final[dict[int, type[CoseKey]]] = {kind.ALGORITHM: kind for kind in (ES256, EdDSA, RS256)}
_KEY_TYPES: Final = {ES256.ALGORITHM: 2, EdDSA.ALGORITHM: 1, RS256.ALGORITHM: 3}
"""COSE `kty` (RFC 9053 §7): OKP, EC2, RSA (RFC 8230 §4)."""
_SMALLEST_RSA: Final = 256
"""Octets of the modulus."""
_LARGEST: Final = 16 * 1024


@dataclass(frozen=True)
class Seen:
    """What an authenticator said that is worth keeping."""

    sign_count: int
    backed_up: bool


def credential_of(registration: Registration, *, challenge: bytes, party: Party) -> tuple[bytes, bytes, str, Seen]:
    """The new credential's id, COSE key and model (AAGUID). Raises ActivationRefused: the steps of §7.1.

    Attestation is not asked for and not judged: who holds the authenticator is what the enrolment code stands for.
    """
    # 7–11: type, challenge, origin, frames
    _client_data(registration.client_data, kind="webauthn.create", challenge=challenge, party=party)
    with _readable():
        data = AttestationObject(registration.attestation).auth_data
        # 13–18: whose, present, verified, backed up
        seen = _authenticator_data(data, party=party)
        # 19, 25: the key is of a kind that is taken and a key indeed, and its id of a sensible length
        found = data.credential_data
        key = dict(found.public_key) if found is not None else {}
        identity, model = (bytes(found.credential_id), str(found.aaguid)) if found is not None else (b"", "")
        verifier = _verifier(key)
        with suppress(InvalidSignature):
            verifier.verify(b"", b"")
    if not 16 <= len(identity) <= 1023:
        raise _refused("a credential id of this length", "credential")
    return identity, cbor.encode(key), model, seen


def assertion_of(assertion: Assertion, *, challenge: bytes, party: Party, credential: Credential) -> Seen:
    """What the authenticator said, once all is checked. Raises ActivationRefused: the steps of §7.2."""
    # 11–14: type, challenge, origin, frames
    _client_data(assertion.client_data, kind="webauthn.get", challenge=challenge, party=party)
    if len(assertion.authenticator_data) > _LARGEST or len(assertion.signature) > _LARGEST:
        raise _refused("too large", "unreadable")
    with _readable():
        # 15–19: whose, present, verified, backed up
        seen = _authenticator_data(AuthenticatorData(assertion.authenticator_data), party=party)
        # 20, 21: the signature over authenticator data and the hash of the client's data
        key: Any = cbor.decode(credential.public_key)
        signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data).digest()
        _verifier(key).verify(signed, assertion.signature)
    # 22: a counter that does not grow is what a copied authenticator looks like
    if (seen.sign_count or credential.sign_count) and seen.sign_count <= credential.sign_count:
        raise _refused("the counter of the authenticator went back: it may have been copied", "sign-count")
    return seen


def challenge_in(client_data: bytes) -> bytes:
    """The challenge that was answered, for finding it; nothing of it is believed yet."""
    return _decoded(_object(client_data).get("challenge"))


def _client_data(data: bytes, *, kind: str, challenge: bytes, party: Party) -> None:
    said = _object(data)
    if said.get("type") != kind:
        raise _refused(f"not {kind}", "type")
    if not hmac.compare_digest(_decoded(said.get("challenge")), challenge):
        raise _refused("an answer to another challenge", "challenge")
    if said.get("origin") not in party.origins:
        raise _refused("from another origin", "origin")
    if said.get("crossOrigin") not in (None, False) or "topOrigin" in said:
        raise _refused("from within another page", "origin")


def _authenticator_data(data: AuthenticatorData, *, party: Party) -> Seen:
    if not hmac.compare_digest(data.rp_id_hash, hashlib.sha256(party.rp_id.encode()).digest()):
        raise _refused("for another relying party", "rp-id")
    if not data.is_user_present():
        raise _refused("nobody was present", "user-present")
    if not data.is_user_verified():
        raise _refused("the person was not verified by PIN or body", "user-verified")
    eligible, backed_up = bool(data.flags & data.FLAG.BE), bool(data.flags & data.FLAG.BS)
    if backed_up and not eligible:
        raise _refused("flags that contradict each other", "unreadable")
    return Seen(int(data.counter), backed_up)


def _verifier(key: dict[int, Any]) -> CoseKey:
    algorithm = int(key.get(3, 0))
    if algorithm not in _ALGORITHMS or key.get(1) != _KEY_TYPES[algorithm]:
        raise _refused("a key of a kind that is not taken", "algorithm")
    if algorithm == RS256.ALGORITHM and len(key[-1].lstrip(b"\0")) < _SMALLEST_RSA:
        raise _refused("an RSA key that is too small", "algorithm")
    return _ALGORITHMS[algorithm](key)


@contextmanager
def _readable() -> Iterator[None]:
    """Around the library: a hostile encoding makes its parsers raise many things."""
    try:
        yield
    except ActivationRefused:
        raise
    except InvalidSignature:
        raise _refused("the signature is not the credential's", "signature") from None
    except Exception as error:  # noqa: BLE001 - see above
        raise _refused(f"unreadable: {type(error).__name__}", "unreadable") from None


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > _LARGEST:
        raise _refused("too large", "unreadable")
    try:
        said = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _refused("client data that is not JSON", "unreadable") from None
    if not isinstance(said, dict):
        raise _refused("client data that is no object", "unreadable")
    return said


def _decoded(text: object) -> bytes:
    """base64url without padding (RFC 4648 §5), in its one spelling."""
    if not isinstance(text, str):
        raise _refused("no challenge", "challenge")
    try:
        found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise _refused("no challenge", "challenge") from None
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != text:
        raise _refused("no challenge", "challenge")
    return found


def _refused(sentence: str, reason: str) -> ActivationRefused:
    return ActivationRefused(sentence, reason=reason)
