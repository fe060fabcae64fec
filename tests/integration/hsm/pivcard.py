"""A small PIV card (NIST SP 800-73-4) in software, for tests: four keys, a PIN with three tries, a PUK with three.

It answers the commands that a signature needs and no more: SELECT, GET DATA, VERIFY, RESET RETRY COUNTER and GENERAL
AUTHENTICATE. Keys and PIN lie in plain memory, so that it is a card to test with and nothing else. It counts what it
is asked, so that a test can say how many tries were really spent.

>>> card = Card()
>>> card.apdu(bytes.fromhex("00a4040009a00000030800001000"))[-2:].hex()
'9000'
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

PIN, PUK, TRIES = "492716", "83710264", 3
ATR = bytes.fromhex("3b868001804f0cfe000000")  # replaced below, once its check byte is known
APPLICATION = bytes.fromhex("a000000308000010000100")

# Key reference (SP 800-73-4 part 1, table 4b) → data object of its certificate (table 3), kind of key.
SLOTS = {0x9A: ("5fc105", "p256"), 0x9C: ("5fc10a", "rsa2048"), 0x9D: ("5fc10b", "rsa2048"), 0x9E: ("5fc101", "p384")}
_RSA_2048, _P256, _P384 = 0x07, 0x11, 0x14
_DIGESTS = {20: hashes.SHA1(), 32: hashes.SHA256(), 48: hashes.SHA384()}

OK = 0x9000
SECURITY_STATUS = 0x6982
BLOCKED = 0x6983
NOT_FOUND = 0x6A82
REFERENCE_NOT_FOUND = 0x6A88
UNKNOWN_COMMAND = 0x6D00


def _atr(historical: bytes) -> bytes:
    """ISO/IEC 7816-3 §8: T=0 and T=1 offered, the historical bytes, and the exclusive or of all after TS."""
    body = bytes([0x80 | len(historical), 0x80, 0x01]) + historical
    check = 0
    for byte in body:
        check ^= byte
    return b"\x3b" + body + bytes([check])


# Card capabilities (ISO/IEC 7816-4 §12.1.1.8): the third byte says that commands may be chained.
ATR = _atr(bytes.fromhex("8073000080"))


def tlv(tag: bytes, content: bytes) -> bytes:
    """One BER element."""
    size = len(content)
    if size < 0x80:
        return tag + bytes([size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(length)]) + length + content


def elements(data: bytes) -> dict[int, bytes]:
    """The elements of one level, with one-byte tags."""
    found, at = {}, 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        found[tag], at = data[at : at + size], at + size
    return found


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _new_key(kind: str) -> PrivateKey:
    if kind == "rsa2048":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def _certificate(slot: int, key: PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Cán bộ Kyso {slot:02X}")])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=slot == 0x9C,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


def _rsa(numbers: rsa.RSAPrivateNumbers, message: int) -> int:
    """RSASP1 by the Chinese remainder theorem (RFC 8017 §5.2.1): four times faster in plain Python."""
    first, second = pow(message, numbers.dmp1, numbers.p), pow(message, numbers.dmq1, numbers.q)
    return second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)


@dataclass
class Card:
    """The card: what lasts (keys, PIN, counters) and what a reset forgets (`_verified`, `_fresh`)."""

    pin: str = PIN
    puk: str = PUK
    pin_tries: int = TRIES
    puk_tries: int = TRIES
    verified: int = 0
    """How often a PIN was presented, right or wrong."""
    refused: int = 0
    """How often it was wrong."""
    signed: int = 0
    guid: bytes = field(default_factory=lambda: hashlib.sha256(b"kyso piv card").digest()[:16])

    def __post_init__(self) -> None:
        self.keys = {slot: _new_key(kind) for slot, (_, kind) in SLOTS.items()}
        self._objects = {
            bytes.fromhex(SLOTS[slot][0]): tlv(b"\x70", _certificate(slot, key))
            + tlv(b"\x71", b"\0")
            + tlv(b"\xfe", b"")
            for slot, key in self.keys.items()
        }
        # Card Holder Unique Identifier: FASC-N, GUID, expiry, no signature.
        fasc_n = bytes.fromhex("d4e739da739ced39ce739d836858210842108421c84210c3eb")
        self._objects[bytes.fromhex("5fc102")] = b"".join(
            tlv(bytes([tag]), value)
            for tag, value in ((0x30, fasc_n), (0x34, self.guid), (0x35, b"20301231"), (0x3E, b""), (0xFE, b""))
        )
        self.reset()

    def reset(self) -> None:
        """Power was cut, or the reader asked for it."""
        self._verified = self._fresh = False
        self._chained = self._rest = b""

    def apdu(self, command: bytes) -> bytes:
        """Answer one command (ISO/IEC 7816-4 §5): data and status word."""
        head, data = command[:4], command[5 : 5 + command[4]] if len(command) > 5 else b""
        if head[0] & 0x10:  # more of this command follows
            self._chained += data
            return OK.to_bytes(2, "big")
        data, self._chained = self._chained + data, b""
        if head[1] == 0xC0:  # GET RESPONSE
            return self._part(self._rest)
        answer, status = self._command(head[1], head[2], head[3], data)
        return self._part(answer) if status == OK and answer else status.to_bytes(2, "big")

    def _part(self, answer: bytes) -> bytes:
        self._rest = answer[256:]
        status = 0x6100 | (len(self._rest) if len(self._rest) < 256 else 0) if self._rest else OK
        return answer[:256] + status.to_bytes(2, "big")

    def _command(self, instruction: int, p1: int, p2: int, data: bytes) -> tuple[bytes, int]:
        match instruction:
            case 0xA4:
                return self._select(p1, data)
            case 0xCB:
                return self._get_data(data)
            case 0x20:
                return self._verify(p2, data)
            case 0x2C:
                return self._reset_retry_counter(p2, data)
            case 0x87:
                return self._general_authenticate(p1, p2, data)
        return b"", UNKNOWN_COMMAND

    def _select(self, p1: int, data: bytes) -> tuple[bytes, int]:
        if p1 != 0x04 or len(data) < 5 or not APPLICATION.startswith(data[:11]):
            return b"", NOT_FOUND
        self._verified = self._fresh = False
        return tlv(b"\x61", tlv(b"\x4f", APPLICATION[5:]) + tlv(b"\x79", tlv(b"\x4f", APPLICATION[:5]))), OK

    def _get_data(self, data: bytes) -> tuple[bytes, int]:
        tag = elements(data).get(0x5C, b"")
        if tag == b"\x7e":  # Discovery Object: the application, and that its own PIN is the one
            return tlv(b"\x7e", tlv(b"\x4f", APPLICATION) + tlv(b"\x5f\x2f", b"\x40\x00")), OK
        found = self._objects.get(tag)
        return (b"", NOT_FOUND) if found is None else (tlv(b"\x53", found), OK)

    def _verify(self, reference: int, data: bytes) -> tuple[bytes, int]:
        if reference != 0x80:
            return b"", REFERENCE_NOT_FOUND
        if not data:  # a question: is it verified, and how many tries are left
            return b"", OK if self._verified else self._left()
        if not self.pin_tries:
            return b"", BLOCKED
        self.verified += 1
        if data.rstrip(b"\xff") == self.pin.encode():
            self.pin_tries, self._verified, self._fresh = TRIES, True, True
            return b"", OK
        self.refused += 1
        self.pin_tries, self._verified, self._fresh = self.pin_tries - 1, False, False
        return b"", self._left()

    def _left(self) -> int:
        return 0x63C0 | self.pin_tries if self.pin_tries else BLOCKED

    def _reset_retry_counter(self, reference: int, data: bytes) -> tuple[bytes, int]:
        if reference != 0x80 or len(data) != 16:
            return b"", REFERENCE_NOT_FOUND
        if not self.puk_tries:
            return b"", BLOCKED
        if data[:8] != self.puk.encode():
            self.puk_tries -= 1
            return b"", 0x63C0 | self.puk_tries
        self.pin, self.pin_tries, self.puk_tries = data[8:].rstrip(b"\xff").decode(), TRIES, TRIES
        return b"", OK

    def _general_authenticate(self, algorithm: int, slot: int, data: bytes) -> tuple[bytes, int]:
        key = self.keys.get(slot)
        if key is None:
            return b"", REFERENCE_NOT_FOUND
        # SP 800-73-4 part 1, table 4b: 9A and 9D want the PIN once, 9C for each use, 9E never.
        allowed = self._fresh if slot == 0x9C else self._verified or slot == 0x9E
        self._fresh = False
        if not allowed:
            return b"", SECURITY_STATUS
        challenge = elements(elements(data)[0x7C])[0x81]
        if algorithm == _RSA_2048 and isinstance(key, rsa.RSAPrivateKey):
            value = _rsa(key.private_numbers(), int.from_bytes(challenge, "big")).to_bytes(256, "big")
        elif algorithm in (_P256, _P384) and isinstance(key, ec.EllipticCurvePrivateKey):
            value = key.sign(challenge, ec.ECDSA(Prehashed(_DIGESTS[len(challenge)])))
        else:
            return b"", 0x6A86
        self.signed += 1
        return tlv(b"\x7c", tlv(b"\x82", value)), OK
