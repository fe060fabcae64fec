"""What is on the token: keys, their certificates, and making new ones.

A key is found by CKA_LABEL and CKA_ID, its public key and certificate by CKA_ID; what it is called is `hsm.names`'. A
chain is put together from all certificates on the token, by name and signature. Sessions come from the caller; nothing
is remembered here.

>>> read_keys(cryptoki, session, module="demo", offered=mechanisms, private=True)     # doctest: +SKIP
{'seal': TokenKey(info=KeyInfo(ref='seal', …))}
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, CertificateType, KeyType, Mechanism, ObjectClass

from hsm import keys
from hsm.cryptoki import CKR_ATTRIBUTE_TYPE_INVALID, Cryptoki, CryptokiError, Template
from hsm.errors import MechanismNotSupported
from hsm.keys import Algorithm, KeyInfo, NewKey
from hsm.mechanisms import PublicKey, Recipe, recipes
from hsm.names import Entry, Names

_CURVES: Final[dict[bytes, ec.EllipticCurve]] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
}
_CURVE_OIDS: Final = {"p256": bytes.fromhex("06082a8648ce3d030107"), "p384": bytes.fromhex("06052b81040022")}
# RFC 8410's id-Ed25519, and the name that PKCS#11 modules took before it (PKCS#11 3.0 §2.3.10 allows both).
_ED25519_PARAMETERS: Final = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
_LONGEST_CHAIN: Final = 10
_AUTHORITY: Final = 2
"""CK_CERTIFICATE_CATEGORY_AUTHORITY."""
_END_ENTITY: Final = 1


@dataclass(frozen=True)
class TokenKey:
    """A private key as the keeper uses it: `key_id` finds it on the token.

    `ways` might work, by the token's list of mechanisms; `recipes` do, once they were probed (`hsm.probe`).
    """

    info: KeyInfo
    key_id: bytes
    public_key: PublicKey
    ways: tuple[Recipe, ...]
    recipes: Mapping[keys.Mechanism, Recipe]
    always_authenticate: bool

    @property
    def curve_bytes(self) -> int:
        """Size of the group's order; 0 where there is none."""
        return (self.public_key.key_size + 7) // 8 if isinstance(self.public_key, ec.EllipticCurvePublicKey) else 0

    def template(self) -> Template:
        """How the private key is found."""
        return {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.ID: self.key_id,
            Attribute.LABEL: self.info.label,
        }


@dataclass(frozen=True)
class _Certificate:
    handle: int
    key_id: bytes
    label: str
    der: bytes
    parsed: x509.Certificate


def read_keys(
    cryptoki: Cryptoki, session: int, *, module: str, names: Names, offered: frozenset[int], private: bool
) -> dict[str, TokenKey]:
    """The keys on the token by ref. `private=False` before a login: from the public objects, without mechanisms."""
    certificates = _certificates(cryptoki, session)
    kind = ObjectClass.PRIVATE_KEY if private else ObjectClass.PUBLIC_KEY
    handles = cryptoki.find(session, {Attribute.CLASS: kind})
    shown = [(h, _label(cryptoki, session, h), cryptoki.attribute(session, h, Attribute.ID) or b"") for h in handles]
    if not private and not shown:
        shown = [(c.handle, c.label, c.key_id) for c in certificates if c.key_id]
    usable: list[tuple[int, Entry, PublicKey]] = []
    for handle, label, key_id in shown:
        if private and cryptoki.attribute(session, handle, Attribute.SIGN) != b"\x01":
            continue
        public_key = _public_key(cryptoki, session, handle, key_id=key_id, certificates=certificates)
        if public_key is not None:  # a signature that cannot be checked is never released
            usable.append((handle, Entry(_spki(public_key), label, key_id), public_key))
    refs = names.give([entry for _, entry, _ in usable], remember=private)
    found: dict[str, TokenKey] = {}
    for ref, (handle, entry, public_key) in zip(refs, usable, strict=True):
        if ref is None:
            continue
        label, key_id = entry.label, entry.key_id
        ways = recipes(_algorithm(public_key), _size(public_key), offered) if private else ()
        certificate, chain = _certificate_of(public_key, key_id=key_id, certificates=certificates)
        always = private and cryptoki.attribute(session, handle, Attribute.ALWAYS_AUTHENTICATE) == b"\x01"
        found[ref] = TokenKey(
            info=KeyInfo(
                ref=ref,
                module=module,
                label=label,
                algorithm=_algorithm(public_key),
                key_size=_size(public_key),
                mechanisms=(),
                public_key=entry.public_key,
                certificate=certificate,
                chain=chain,
                pin_each_use=always,
            ),
            key_id=key_id,
            public_key=public_key,
            ways=ways,
            recipes={},
            always_authenticate=always,
        )
    return found


def generate(cryptoki: Cryptoki, session: int, *, label: str, algorithm: NewKey) -> None:
    """A new key pair on the token: it signs and does nothing else, and never leaves."""
    key_id = secrets.token_bytes(20)
    common: dict[int, bool | int | bytes | str] = {
        Attribute.TOKEN: True,
        Attribute.LABEL: label,
        Attribute.ID: key_id,
    }
    # VERIFY and ENCRYPT are left to the token: tpm2-pkcs11 1.9 takes them for the private key's DECRYPT, and refuses.
    public = common | {Attribute.PRIVATE: False, Attribute.WRAP: False}
    private = common | {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
        Attribute.DERIVE: False,
    }
    ways: list[tuple[int, dict[int, bool | int | bytes | str]]]
    if algorithm == "ed25519":
        ways = [(Mechanism.EC_EDWARDS_KEY_PAIR_GEN, {Attribute.EC_PARAMS: name}) for name in _ED25519_PARAMETERS]
    elif algorithm.startswith("rsa"):
        size: dict[int, bool | int | bytes | str] = {Attribute.MODULUS_BITS: int(algorithm[3:])}
        ways = [(Mechanism.RSA_PKCS_KEY_PAIR_GEN, size | {Attribute.PUBLIC_EXPONENT: b"\x01\x00\x01"})]
    else:
        ways = [(Mechanism.EC_KEY_PAIR_GEN, {Attribute.EC_PARAMS: _CURVE_OIDS[algorithm]})]
    problem: CryptokiError | None = None
    for mechanism, parameters in ways:
        try:
            cryptoki.generate_pair(session, mechanism=mechanism, public=public | parameters, private=private)
        except CryptokiError as e:
            problem = e
        else:
            return
    raise MechanismNotSupported(f"the token cannot make a {algorithm} key", algorithm=algorithm) from problem


def store_certificates(
    cryptoki: Cryptoki,
    session: int,
    *,
    key: TokenKey,
    certificate: x509.Certificate,
    chain: tuple[x509.Certificate, ...],
) -> None:
    """Put the key's certificate and its chain on the token; a former certificate of the key goes once the new is there."""
    known = _certificates(cryptoki, session)
    on_token = {c.der for c in known}
    new = certificate.public_bytes(Encoding.DER)
    if new not in on_token:
        _store(cryptoki, session, certificate, label=key.info.label, key_id=key.key_id, category=_END_ENTITY)
    for issuer in chain:
        if issuer.public_bytes(Encoding.DER) not in on_token:
            label = issuer.subject.rfc4514_string()[:64]
            _store(cryptoki, session, issuer, label=label, key_id=b"", category=_AUTHORITY)
    for former in known:
        if former.key_id == key.key_id and former.der != new and _same_key(former.parsed, key.public_key):
            cryptoki.destroy(session, former.handle)


def _store(
    cryptoki: Cryptoki, session: int, certificate: x509.Certificate, *, label: str, key_id: bytes, category: int
) -> None:
    serial = certificate.serial_number
    content = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    template: dict[int, bool | int | bytes | str] = {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: False,
        Attribute.LABEL: label,
        Attribute.ID: key_id,
        Attribute.SUBJECT: certificate.subject.public_bytes(),
        Attribute.ISSUER: certificate.issuer.public_bytes(),
        Attribute.SERIAL_NUMBER: b"\x02" + bytes([len(content)]) + content,
        Attribute.VALUE: certificate.public_bytes(Encoding.DER),
    }
    try:
        cryptoki.create(session, template | {Attribute.CERTIFICATE_CATEGORY: category})
    except CryptokiError as e:
        if e.rv != CKR_ATTRIBUTE_TYPE_INVALID:
            raise
        cryptoki.create(session, template)  # opencryptoki knows no category


def _label(cryptoki: Cryptoki, session: int, handle: int) -> str:
    return (cryptoki.attribute(session, handle, Attribute.LABEL) or b"").decode("utf-8", "replace")


def _certificates(cryptoki: Cryptoki, session: int) -> list[_Certificate]:
    found = []
    for handle in cryptoki.find(session, {Attribute.CLASS: ObjectClass.CERTIFICATE}):
        der = cryptoki.attribute(session, handle, Attribute.VALUE) or b""
        try:
            parsed = x509.load_der_x509_certificate(der)
        except ValueError:
            continue  # an attribute certificate, or something the maker put there
        key_id = cryptoki.attribute(session, handle, Attribute.ID) or b""
        found.append(_Certificate(handle, key_id, _label(cryptoki, session, handle), der, parsed))
    return found


def _public_key(
    cryptoki: Cryptoki, session: int, handle: int, *, key_id: bytes, certificates: list[_Certificate]
) -> PublicKey | None:
    """From the public object, else from the private one (RSA shows its modulus), else from the certificate."""
    public = cryptoki.find(session, {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key_id}) if key_id else ()
    for candidate in (*public, handle):
        key = _built(cryptoki, session, candidate)
        if key is not None:
            return key
    for certificate in certificates:
        if key_id and certificate.key_id == key_id:
            return _supported(certificate.parsed)
    return None


def _built(cryptoki: Cryptoki, session: int, handle: int) -> PublicKey | None:
    modulus = cryptoki.attribute(session, handle, Attribute.MODULUS)
    exponent = cryptoki.attribute(session, handle, Attribute.PUBLIC_EXPONENT)
    kind = cryptoki.attribute(session, handle, Attribute.KEY_TYPE)
    try:
        if modulus and exponent:
            return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
        point = cryptoki.attribute(session, handle, Attribute.EC_POINT)
        parameters = cryptoki.attribute(session, handle, Attribute.EC_PARAMS)
        if not point or not parameters or kind is None:
            return None
        if parameters in _ED25519_PARAMETERS and int.from_bytes(kind, sys.byteorder) == KeyType.EC_EDWARDS:
            return ed25519.Ed25519PublicKey.from_public_bytes(point[-32:])
        # CKA_EC_POINT is the point in an OCTET STRING; some tokens give the point alone.
        curve = _CURVES[parameters]
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point[-(2 * ((curve.key_size + 7) // 8) + 1) :])
    except (ValueError, KeyError, UnsupportedAlgorithm):
        return None


def _supported(certificate: x509.Certificate) -> PublicKey | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key if key.curve.name in ("secp256r1", "secp384r1") else None
    return key if isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey) else None


def _same_key(certificate: x509.Certificate, public_key: PublicKey) -> bool:
    found = _supported(certificate)
    return found is not None and _spki(found) == _spki(public_key)


def _certificate_of(
    public_key: PublicKey, *, key_id: bytes, certificates: list[_Certificate]
) -> tuple[bytes | None, tuple[bytes, ...]]:
    """The newest certificate that is really about this key, and its chain upwards."""
    own = [c for c in certificates if c.key_id == key_id and _same_key(c.parsed, public_key)]
    if not own:
        return None, ()
    newest = max(own, key=lambda c: c.parsed.not_valid_before_utc)
    chain: list[_Certificate] = []
    current = newest
    while len(chain) < _LONGEST_CHAIN and current.parsed.subject != current.parsed.issuer:
        above = next((c for c in certificates if c not in chain and _issued(current.parsed, c.parsed)), None)
        if above is None:
            break
        chain.append(above)
        current = above
    return newest.der, tuple(c.der for c in chain)


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _algorithm(key: PublicKey) -> Algorithm:
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa"
    return "ec" if isinstance(key, ec.EllipticCurvePublicKey) else "ed25519"


def _size(key: PublicKey) -> int:
    return 256 if isinstance(key, ed25519.Ed25519PublicKey) else key.key_size


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
