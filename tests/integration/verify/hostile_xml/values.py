"""Signature values, digests and algorithms that are not what they are said to be."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import Json, broken, case, passes, unsettled
from tests.integration.verify.hostile_xml.honest import AMOUNT, RECEIPT
from tests.integration.verify.hostile_xml.making import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    MORE,
    RSA,
    assembled,
    b64,
    canonical,
    enveloped,
    inserted,
    key_info,
    properties,
    properties_reference,
    reference,
    signed_info,
)
from tests.integration.verify.hostile_xml.people import Person

CRYPTO: Json = broken("SIG_CRYPTO_FAILURE")
UNKNOWN: Json = broken("CRYPTO_CONSTRAINTS_FAILURE")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def info_of(
    by: Person, method: str, *, parameters: str = "", digest: str = "", name: str = "sha256"
) -> tuple[str, str]:
    """SignedInfo over the receipt and the properties, and the ds:Object of these."""
    object_ = properties(by)
    plain = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    if digest:
        plain = reference(
            "", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref", method=digest, digest=name
        )
    return signed_info([plain, properties_reference(object_)], method=method, parameters=parameters), object_


def with_value(by: Person, value: bytes | str, info: str, object_: str, *, keys: str | None = None) -> str:
    text = value if isinstance(value, str) else b64(value)
    return inserted(RECEIPT, assembled(info, text, key_info(by.der) if keys is None else keys, object_))


@case(broken("FORMAT_FAILURE"))
def two_signed_infos() -> str:
    """A second SignedInfo: which of them is read and which verified?"""
    made = enveloped(RECEIPT, by=people.signer())
    forged = signed_info([reference("", canonical("<a/>"), transforms=(ENVELOPED, EXCLUSIVE))])
    return made.replace("<ds:SignatureValue", forged + "<ds:SignatureValue")


@case(broken("FORMAT_FAILURE"))
def two_values() -> str:
    """A second SignatureValue."""
    made = enveloped(RECEIPT, by=people.signer())
    return made.replace("<ds:KeyInfo", '<ds:SignatureValue Id="t">AAAA</ds:SignatureValue><ds:KeyInfo')


@case(broken("FORMAT_FAILURE"))
def hidden_second_digest() -> str:
    """Two DigestValues in one reference."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256")
    info = info.replace("</ds:DigestValue>", "</ds:DigestValue><ds:DigestValue>AAAA</ds:DigestValue>", 1)
    return with_value(by, by.sign(canonical(info)), info, object_)


def _ecdsa(r: int, s: int, width: int = 32) -> str:
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256")
    return with_value(by, r.to_bytes(width, "big") + s.to_bytes(width, "big"), info, object_)


def _true_ecdsa() -> tuple[int, int]:
    by = people.signer()
    value = by.sign(canonical(info_of(by, MORE + "ecdsa-sha256")[0]))
    return int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")


@case(CRYPTO)
def ecdsa_of_zeros() -> str:
    """r = s = 0: what verifiers that forget the range accept for every document."""
    return _ecdsa(0, 0)


@case(CRYPTO)
def ecdsa_beyond_the_order() -> str:
    """r and s with the order of the curve added to them, a second value for the same signature."""
    r, s = _true_ecdsa()
    return _ecdsa(r + _P256_ORDER, s + _P256_ORDER, 33)


@case(CRYPTO)
def ecdsa_too_wide() -> str:
    """The true r and s with zeros before them."""
    return _ecdsa(*_true_ecdsa(), 48)


@case(CRYPTO)
def ecdsa_in_der() -> str:
    """The true r and s as X.509 writes them: not the form of XML (RFC 4051 §2.3.6)."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256")
    return with_value(by, encode_dss_signature(*_true_ecdsa()), info, object_)


@case(CRYPTO)
def ecdsa_odd() -> str:
    """A value of an odd number of octets has no halves."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256")
    return with_value(by, by.sign(canonical(info)) + b"\x00", info, object_)


@case(CRYPTO)
def rsa_longer_than_its_modulus() -> str:
    """A zero before the true value."""
    by = people.clerk()
    info, object_ = info_of(by, RSA)
    return with_value(by, b"\x00" + by.sign(canonical(info)), info, object_)


@case(CRYPTO)
def rsa_of_one() -> str:
    """The value 1 to the power of anything is 1."""
    by = people.clerk()
    info, object_ = info_of(by, RSA)
    return with_value(by, (1).to_bytes(256, "big"), info, object_)


@case(CRYPTO)
def rsa_said_and_ecdsa_done() -> str:
    """The method says RSA, the certificate has an elliptic curve."""
    by = people.signer()
    info, object_ = info_of(by, RSA)
    return with_value(by, by.sign(canonical(info)), info, object_)


def _pss(inner: str, salt: int) -> str:
    by = people.clerk()
    pss = "http://www.w3.org/2007/05/xmldsig-more#"
    parameters = f'<p:RSAPSSParams xmlns:p="{pss}">{inner}</p:RSAPSSParams>'
    info, object_ = info_of(by, pss + "rsa-pss", parameters=parameters)
    fill = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return with_value(by, by.key.sign(canonical(info), fill, hashes.SHA256()), info, object_)


@case(passes())
def pss_without_salt() -> str:
    """RSASSA-PSS whose parameters say that there is no salt: odd, and allowed."""
    return _pss("<p:SaltLength>0</p:SaltLength>", 0)


@case(CRYPTO)
def pss_with_another_salt() -> str:
    """The parameters say 32 octets of salt, the value has none."""
    return _pss("<p:SaltLength>32</p:SaltLength>", 0)


@case(UNKNOWN)
def pss_with_a_boundless_salt() -> str:
    """A length of salt that no modulus holds."""
    return _pss(f"<p:SaltLength>{10**30}</p:SaltLength>", 0)


@case(UNKNOWN)
def pss_with_another_trailer() -> str:
    """A trailer field that does not exist."""
    return _pss("<p:SaltLength>0</p:SaltLength><p:TrailerField>2</p:TrailerField>", 0)


@case(UNKNOWN)
def unknown_digest() -> str:
    """A digest that nobody knows cannot match."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256", digest="urn:kyso:crc32")
    return with_value(by, by.sign(canonical(info)), info, object_)


@case(unsettled("CRYPTO_CONSTRAINTS_FAILURE_NO_POE"))
def sha1_digest() -> str:
    """SHA-1 over the document: intact by arithmetic, and nothing to rely on."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256", digest=DS + "sha1", name="sha1")
    return with_value(by, by.sign(canonical(info)), info, object_)


@case(unsettled("CRYPTO_CONSTRAINTS_FAILURE"))
def md5_digest() -> str:
    """The same with MD5."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256", digest=MORE + "md5", name="md5")
    return with_value(by, by.sign(canonical(info)), info, object_)


@case(unsettled("CRYPTO_CONSTRAINTS_FAILURE_NO_POE"))
def sha1_value() -> str:
    """RSA with SHA-1 over SignedInfo."""
    by = people.clerk()
    info, object_ = info_of(by, DS + "rsa-sha1")
    return with_value(by, by.sign(canonical(info), "sha1"), info, object_)


@case(broken("HASH_FAILURE"))
def digest_cut_short() -> str:
    """A DigestValue of one octet, the first of the true one."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "ecdsa-sha256")
    true = hashlib.sha256(canonical(RECEIPT)).digest()
    info = info.replace(b64(true), b64(true[:1]))
    return with_value(by, by.sign(canonical(info)), info, object_)


@case(CRYPTO)
def value_that_is_no_base64() -> str:
    """Letters that base64 does not have, within the true value."""
    made = enveloped(RECEIPT, by=people.signer())
    return made.replace('Id="s-value">', 'Id="s-value">!!')


@case(broken("FORMAT_FAILURE"))
def value_of_an_element() -> str:
    """The value's text is divided by an element."""
    made = enveloped(RECEIPT, by=people.signer())
    return made.replace("</ds:SignatureValue>", "<x/></ds:SignatureValue>")


@case(CRYPTO, large=True)
def value_of_five_megabytes() -> str:
    """base64 of five megabytes for a signature value."""
    by = people.clerk()
    info, object_ = info_of(by, RSA)
    return with_value(by, "A" * 7_000_000, info, object_)


@case(unsettled("CRYPTO_CONSTRAINTS_FAILURE_NO_POE"))
def sha1_digest_behind_a_strong_one() -> str:
    """The first reference has a strong digest, another one SHA-1: the weakest counts."""
    by = people.signer()
    object_ = properties(by)
    first = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    weak = reference("#amount", canonical(AMOUNT), method=DS + "sha1", digest="sha1")
    info = signed_info([first, weak, properties_reference(object_)], method=MORE + "ecdsa-sha256")
    return with_value(by, by.sign(canonical(info)), info, object_)
