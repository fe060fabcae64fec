"""Whose key made the value: shared secrets, bare keys, keys of others, keys to be fetched."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import serialization

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, unsettled
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    MORE,
    b64,
    canonical,
    inserted,
    key_info,
    properties,
    properties_reference,
    reference,
    signature,
    signed_info,
    xades,
)
from tests.integration.verify.hostile_xml.values import CRYPTO, info_of, with_value


@case(CRYPTO)
def hmac_with_the_public_key() -> str:
    """HMAC keyed with what everybody knows: the public key of the certificate."""
    by = people.signer()
    info, object_ = info_of(by, MORE + "hmac-sha256")
    public = by.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return with_value(by, hmac.digest(public, canonical(info), "sha256"), info, object_)


@case(CRYPTO)
def hmac_of_no_length() -> str:
    """An HMAC of zero bits fits everything."""
    return _short_hmac(0, b"")


@case(CRYPTO)
def hmac_of_one_bit() -> str:
    """An HMAC of one bit fits every second time."""
    return _short_hmac(1, b"\x80")


def _short_hmac(bits: int, value: bytes) -> str:
    by = people.signer()
    length = f'<ds:HMACOutputLength xmlns:ds="{DS}">{bits}</ds:HMACOutputLength>'
    info, object_ = info_of(by, DS + "hmac-sha1", parameters=length)
    return with_value(by, value, info, object_)


@case(CRYPTO)
def key_value_of_another() -> str:
    """The key that verifies is the forger's in ds:KeyValue; the certificate is somebody else's."""
    by = people.mallory()
    point = by.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    dsig11 = "http://www.w3.org/2009/xmldsig11#"
    value = (
        f'<ds:KeyValue><e:ECKeyValue xmlns:e="{dsig11}"><e:NamedCurve URI="urn:oid:1.2.840.10045.3.1.7"/>'
        f"<e:PublicKey>{b64(point)}</e:PublicKey></e:ECKeyValue></ds:KeyValue>"
    )
    info, object_ = info_of(people.signer(), MORE + "ecdsa-sha256")
    keys = key_info(people.signer().der, more=value)
    return with_value(by, by.sign(canonical(info)), info, object_, keys=keys)


@case(unsettled("NO_SIGNING_CERTIFICATE_FOUND"))
def key_value_alone() -> str:
    """A bare key is nobody's."""
    numbers = people.clerk().key.public_key().public_numbers()
    modulus = b64(numbers.n.to_bytes(256, "big"))
    rsa = f"<ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue>"
    keys = key_info(more=f"<ds:KeyValue>{rsa}</ds:KeyValue>")
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    return inserted(RECEIPT, xades([ref], by=people.clerk(), keys=keys).text)


@case(broken("NO_SIGNING_CERTIFICATE_FOUND"))
def key_to_be_retrieved() -> str:
    """ds:RetrievalMethod is an order to fetch: it is not followed."""
    where = "http://127.0.0.1:9/key.xml"
    more = f'<ds:RetrievalMethod URI="{where}" Type="{DS}X509Data"/>'
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    return inserted(RECEIPT, xades([ref], by=people.signer(), keys=key_info(more=more)).text)


@case(broken("SIG_CRYPTO_FAILURE"))
def another_certificate() -> str:
    """The certificate beside the value is not that of the key which made it."""
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    keys = key_info(people.mallory().der)
    return inserted(RECEIPT, xades([ref], by=people.signer(), keys=keys).text)


@case(unsettled("NO_SIGNING_CERTIFICATE_FOUND"))
def signing_certificate_of_another() -> str:
    """The value is right, but the signed properties name another certificate."""
    by = people.mallory()
    object_ = properties(people.signer())
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    info = signed_info([ref, properties_reference(object_)])
    return with_value(by, by.sign(canonical(info)), info, object_)


@case(unsettled("NO_CERTIFICATE_CHAIN_FOUND"))
def certificate_whose_name_is_no_text() -> str:
    """The subject is said to be UTF-8 and is not: nobody's name, and no reason to fall over."""
    broken_name = people.signer().der.replace("Người".encode(), b"Ng\xb3\xb3\xb3\xb3\xb3i")
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    return inserted(RECEIPT, signature([ref], by=people.signer(), keys=key_info(broken_name)))
