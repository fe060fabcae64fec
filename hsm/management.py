"""What an operator does to a token: initialise it, make keys, ask for certificates, store them.

These are the operations behind the management socket; they use keys only to sign certification requests, and record
that like any other use. They decide nothing about who may ask: the socket is the operator's alone.

>>> management.create_key("seal", "rsa3072").algorithm                               # doctest: +SKIP
'rsa'
"""

from __future__ import annotations

import base64
import textwrap
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm import objects, wire
from hsm.cryptoki import CKU_SO, TokenInfo
from hsm.errors import (
    CertificateMismatch,
    CertificateUnreadable,
    KeyExists,
    MechanismNotSupported,
    RequestMalformed,
    SubjectInvalid,
    TokenExists,
)
from hsm.keys import KeyInfo, Mechanism, NewKey
from hsm.lifecycle import Pin, PinSource, TokenStatus, pin_of, read_pin
from hsm.module import Module
from hsm.objects import TokenKey
from hsm.uselog import UseLog

_LONGEST_LABEL: Final = 64
# AlgorithmIdentifiers of the signatures (RFC 4055, RFC 5758 §3.2, RFC 8410), whole.
_ALGORITHMS: Final[dict[Mechanism, bytes]] = {
    "rsassa_pkcs1v15_sha256": bytes.fromhex("300d06092a864886f70d01010b0500"),
    "ecdsa_sha256": bytes.fromhex("300a06082a8648ce3d040302"),
    "ecdsa_sha384": bytes.fromhex("300a06082a8648ce3d040303"),
    "ed25519": bytes.fromhex("300506032b6570"),
}


class Management:
    """The operations; one at a time each."""

    def __init__(self, module: Module, log: UseLog) -> None:
        self._module = module
        self._log = log

    def slots(self) -> tuple[wire.SlotInfo, ...]:
        """Every slot with a token in it, initialised or not."""
        self._module.status()
        cryptoki = self._module.cryptoki
        found = []
        for slot in cryptoki.slots():
            info = cryptoki.token_info(slot)
            found.append(
                wire.SlotInfo(
                    slot=slot,
                    description=cryptoki.slot_description(slot),
                    label=info.label,
                    model=info.model,
                    manufacturer=info.manufacturer,
                    serial=info.serial,
                    initialised=info.has(TokenInfo.INITIALISED),
                )
            )
        return tuple(found)

    def initialise(self, label: str, *, so_pin: PinSource | bytearray, pin: PinSource | bytearray) -> TokenStatus:
        """Make a token in the first free slot and set both PINs. A token that exists is never touched."""
        if not 1 <= len(label.encode()) <= 32 or not label.isprintable():
            raise RequestMalformed("a token's label has 1 to 32 bytes")
        officer, user = _pin(so_pin), _pin(pin)
        self._module.status()
        try:
            with self._module.alone() as cryptoki:
                tokens = [cryptoki.token_info(slot) for slot in cryptoki.slots()]
                free = [t.slot for t in tokens if not t.has(TokenInfo.INITIALISED)]
                if any(t.label == label and t.has(TokenInfo.INITIALISED) for t in tokens) or not free:
                    raise TokenExists(token=label)
                cryptoki.initialise_token(free[0], so_pin=officer.reveal(), label=label)
                # SoftHSM gives the new token another slot: look for it by its label.
                slot = next(s for s in cryptoki.slots() if cryptoki.token_info(s).label == label)
                session = cryptoki.open_session(slot, writable=True)
                try:
                    cryptoki.login(session, officer.reveal(), user=CKU_SO)
                    cryptoki.initialise_pin(session, user.reveal())
                    cryptoki.logout(session)
                finally:
                    cryptoki.close_session(session)
        finally:
            officer.wipe()
            user.wipe()
        return self._module.status()

    def create_key(self, ref: str, algorithm: NewKey) -> KeyInfo:
        """A new key pair under the name `ref`, without a certificate."""
        if not 1 <= len(ref) <= _LONGEST_LABEL or not ref.isprintable() or "#" in ref:
            raise RequestMalformed(f"a key's name has 1 to {_LONGEST_LABEL} printable characters and no #")
        ref = unicodedata.normalize("NFC", ref)
        with self._module.management() as session:
            if any(info.label == ref for info in self._module.all_keys()):
                raise KeyExists(key=ref)
            objects.generate(self._module.cryptoki, session, label=ref, algorithm=algorithm)
        return self._module.key(ref).info

    def csr(self, ref: str, subject: str) -> bytes:
        """A PKCS#10 request in PEM (RFC 2986), signed by the key itself."""
        try:
            name = x509.Name.from_rfc4514_string(subject)
        except ValueError:
            raise SubjectInvalid(subject=subject) from None
        if not list(name):
            raise SubjectInvalid(subject=subject)
        key = self._module.key(ref)
        mechanism = next((m for m in key.info.mechanisms if m in _ALGORITHMS), None)
        if mechanism is None:
            raise MechanismNotSupported(key=ref, mechanism="certification request")
        # RFC 2986 §4.1: version 0, subject, SubjectPublicKeyInfo, [0] no attributes.
        tbs = _sequence(b"\x02\x01\x00", name.public_bytes(), key.info.public_key, b"\xa0\x00")
        value = self._sign(key, mechanism, tbs)
        der = _sequence(tbs, _ALGORITHMS[mechanism], _tlv(0x03, b"\x00" + value))
        lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
        head, foot = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"
        return "\n".join((head, *lines, foot, "")).encode()

    def import_certificate(self, ref: str, certificate: bytes, *, chain: tuple[bytes, ...]) -> KeyInfo:
        """Store the key's certificate and chain; a former certificate of the key is replaced, the name stays."""
        own, *more = _certificates(certificate)
        above = (*more, *(c for part in chain for c in _certificates(part)))
        key = self._module.key(ref)
        if own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != key.info.public_key:
            raise CertificateMismatch(key=ref, subject=own.subject.rfc4514_string())
        with self._module.management() as session:
            objects.store_certificates(self._module.cryptoki, session, key=key, certificate=own, chain=above)
        return self._module.key(ref).info

    def _sign(self, key: TokenKey, mechanism: Mechanism, tbs: bytes) -> bytes:
        """As the keeper signs, but on the operator's word instead of a permit: ledger number 0."""
        with self._module.lane() as lane:
            lane.ready(key)
            use = self._log.started(
                ledger_number=0, key=key.info.ref, mechanism=mechanism, tbs=tbs, expires_at=0.0, note="csr"
            )
            with self._log.ending(use):
                value = lane.sign(key, key.recipes[mechanism], tbs)
        self._log.done(use, value=value)
        return value


def _pin(given: PinSource | bytearray) -> Pin:
    return read_pin(given) if isinstance(given, PinSource) else pin_of(given)


def _certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """One certificate in DER, or one and more in PEM."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            return tuple(x509.load_pem_x509_certificates(data))
        return (x509.load_der_x509_certificate(data),)
    except ValueError:
        raise CertificateUnreadable from None


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))
