"""How each of our mechanisms is made from PKCS#11's raw ones, and how its result is checked.

Raw mechanisms come first: the keeper hashes, the token signs the digest (SoftHSM has no CKM_ECDSA_SHA256, opencryptoki
no CKM_SHA256_RSA_PKCS). Where a token offers only a hashing one, or the raw one does not work, that is used. Nothing
here talks to a token.

>>> [r.mechanism for r in recipes("ec", 256, frozenset({Mechanism.ECDSA}))]
['ecdsa_sha256', 'ecdsa_sha384']
"""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from pkcs11 import MGF, Mechanism

from hsm import keys
from hsm.cryptoki import CkMechanism, PssParameters
from hsm.errors import SignatureCheckFailed
from hsm.keys import Algorithm, mechanism_digest

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Feed = Literal["digest-info", "digest", "message"]

# DER of DigestInfo up to the digest itself (RFC 8017 §9.2, note 1).
_DIGEST_INFO: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_HASHES: Final = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_CKM_HASH: Final = {"sha256": Mechanism.SHA256, "sha384": Mechanism.SHA384, "sha512": Mechanism.SHA512}
_CKG_MGF: Final = {"sha256": MGF.SHA256, "sha384": MGF.SHA384, "sha512": MGF.SHA512}
_HASHING: Final = {
    ("rsassa_pkcs1v15", "sha256"): Mechanism.SHA256_RSA_PKCS,
    ("rsassa_pkcs1v15", "sha384"): Mechanism.SHA384_RSA_PKCS,
    ("rsassa_pkcs1v15", "sha512"): Mechanism.SHA512_RSA_PKCS,
    ("rsassa_pss", "sha256"): Mechanism.SHA256_RSA_PKCS_PSS,
    ("rsassa_pss", "sha384"): Mechanism.SHA384_RSA_PKCS_PSS,
    ("rsassa_pss", "sha512"): Mechanism.SHA512_RSA_PKCS_PSS,
    ("ecdsa", "sha256"): Mechanism.ECDSA_SHA256,
    ("ecdsa", "sha384"): Mechanism.ECDSA_SHA384,
}
_RAW: Final[dict[str, tuple[Mechanism, Feed]]] = {
    "rsassa_pkcs1v15": (Mechanism.RSA_PKCS, "digest-info"),
    "rsassa_pss": (Mechanism.RSA_PKCS_PSS, "digest"),
    "ecdsa": (Mechanism.ECDSA, "digest"),
    "ed25519": (Mechanism.EDDSA, "message"),
}


@dataclass(frozen=True)
class Recipe:
    """One way to get `mechanism` from a token: which CKM, what it is fed, with which parameter."""

    mechanism: keys.Mechanism
    ckm: int
    feed: Feed
    native: CkMechanism = field(repr=False, compare=False)
    parameter: PssParameters | None = field(repr=False, compare=False, default=None)

    @property
    def family(self) -> tuple[int, str | None]:
        """Recipes of one family stand or fall together, so that one probe signature tells for all of them."""
        return self.ckm, mechanism_digest(self.mechanism) if self.parameter else None

    def data(self, tbs: bytes, *, digest: bytes | None, curve_bytes: int = 0) -> bytes:
        """What goes into C_Sign; `digest` is given for a bare digest, which stands for bytes that nobody here saw."""
        if self.feed == "message":
            return tbs
        name = mechanism_digest(self.mechanism)
        digest = digest if digest is not None else hashlib.new(name, tbs).digest()
        if self.feed == "digest-info":
            return _DIGEST_INFO[name] + digest
        # FIPS 186-5 §6.4.1: the leftmost bits of a digest longer than the group's order.
        return digest[:curve_bytes] if curve_bytes else digest


@cache
def _recipe(mechanism: keys.Mechanism, ckm: int, feed: Feed) -> Recipe:
    scheme = mechanism.rsplit("_", 1)[0]
    if scheme != "rsassa_pss":
        return Recipe(mechanism, ckm, feed, CkMechanism(ckm, None, 0))
    name = mechanism_digest(mechanism)
    parameter = PssParameters(_CKM_HASH[name], _CKG_MGF[name], _HASHES[name].digest_size)
    native = CkMechanism(ckm, ctypes.addressof(parameter), ctypes.sizeof(parameter))
    return Recipe(mechanism, ckm, feed, native, parameter)


def recipes(algorithm: Algorithm, key_size: int, offered: frozenset[int]) -> tuple[Recipe, ...]:
    """The ways to sign with such a key that the token's mechanism list allows, the default first.

    A mechanism may come twice: raw, then hashing in the token. The first that works is taken (`hsm.probe`): a TPM
    offers CKM_RSA_PKCS, but serves it with keys that may decrypt alone.
    """
    wanted: tuple[keys.Mechanism, ...]
    if algorithm == "ed25519":
        wanted = tuple(m for m in keys.MECHANISMS if m == "ed25519")
    elif algorithm == "ec":
        wanted = tuple(m for m in keys.MECHANISMS if m.startswith("ecdsa"))
        if key_size > 256:
            wanted = wanted[::-1]
    else:
        wanted = tuple(m for m in keys.MECHANISMS if m.startswith("rsassa"))
    found: list[Recipe] = []
    for mechanism in wanted:
        scheme = mechanism.rsplit("_", 1)[0]
        ckm, feed = _RAW[scheme]
        hashing = _HASHING.get((scheme, mechanism_digest(mechanism)))
        if ckm in offered:
            found.append(_recipe(mechanism, int(ckm), feed))
        if hashing is not None and hashing in offered:
            found.append(_recipe(mechanism, int(hashing), "message"))
    return tuple(found)


def value_of(raw: bytes, *, public_key: PublicKey) -> bytes:
    """The token's result in the form of `hsm.keys.Mechanism`: ECDSA becomes DER, the others stay."""
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return raw
    half = len(raw) // 2
    if len(raw) != 2 * ((public_key.key_size + 7) // 8):
        raise SignatureCheckFailed("the token's ECDSA value has the wrong length")
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def check_value(
    value: bytes, *, public_key: PublicKey, mechanism: keys.Mechanism, tbs: bytes, digest: bytes | None = None
) -> None:
    """Raise SignatureCheckFailed unless `value` is a signature over `tbs` (or over the bare `digest`)."""
    name = mechanism_digest(mechanism)
    try:
        if isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(value, tbs)
            return
        hashed = digest if digest is not None else hashlib.new(name, tbs).digest()
        algorithm = Prehashed(_HASHES[name])
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(value, hashed, ec.ECDSA(algorithm))
        elif mechanism.startswith("rsassa_pss"):
            scheme = padding.PSS(padding.MGF1(_HASHES[name]), _HASHES[name].digest_size)
            public_key.verify(value, hashed, scheme, algorithm)
        else:
            public_key.verify(value, hashed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise SignatureCheckFailed(mechanism=mechanism) from None
