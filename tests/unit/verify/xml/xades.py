"""XAdES signatures written by hand, so that any part can be missing, doubled or wrong. Nothing here is signed: the octets
and values that are read from such elements do not depend on that."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from lxml import etree

from tests.pki import Authority, Signer
from tests.timestamp_support import Forge
from verify.xml import names
from verify.xml.canonical import METHODS, Method, Sink
from verify.xml.timestamps import Datum

NAMESPACES = (
    f'xmlns:ds="{names.DS}" xmlns:xades="{names.XADES_132}" xmlns:x4="{names.XADES_141}" xmlns:unused="urn:unused"'
)
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
CONTENT = b"<content>what is signed</content>"
VALUE = b"the signature value"


def signer(name: str = "Người ký thử") -> Signer:
    return Authority.root("Gốc thử").authority("Cấp chứng thư, thử").signer(name, key="p256")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def digest(data: bytes, *, algorithm: str = SHA256) -> str:
    value = b64(hashlib.sha256(data).digest())
    return f'<ds:DigestMethod Algorithm="{algorithm}"/><ds:DigestValue>{value}</ds:DigestValue>'


def stamp(name: str, *tokens: bytes, method: str | None = names.C14N_EXCLUSIVE, inner: str = "", id_: str = "") -> str:
    """A timestamp element with these tokens; `method` None: none is stated."""
    stated = "" if method is None else f'<ds:CanonicalizationMethod Algorithm="{method}"/>'
    held = "".join(f"<xades:EncapsulatedTimeStamp>{b64(one)}</xades:EncapsulatedTimeStamp>" for one in tokens)
    prefix = name if ":" in name else f"xades:{name}"
    attribute = f' Id="{id_}"' if id_ else ""
    return f"<{prefix}{attribute}>{inner}{stated}{held}</{prefix}>"


def token(data: bytes, *, forge: Forge | None = None, **info) -> bytes:
    """A timestamp over these octets."""
    forge = forge or Forge()
    return forge.build(forge.info(imprint=hashlib.sha256(data).digest(), **info))


def certificate_v2(der: bytes, *, issuer_serial: str = "", uri: str = "") -> str:
    stated = f"<xades:IssuerSerialV2>{issuer_serial}</xades:IssuerSerialV2>" if issuer_serial else ""
    return (
        f"<xades:SigningCertificateV2><xades:Cert{uri}><xades:CertDigest>{digest(der)}</xades:CertDigest>{stated}"
        "</xades:Cert></xades:SigningCertificateV2>"
    )


def certificate_v1(der: bytes, *, issuer: str, serial: int | str) -> str:
    return (
        f"<xades:SigningCertificate><xades:Cert><xades:CertDigest>{digest(der)}</xades:CertDigest><xades:IssuerSerial>"
        f"<ds:X509IssuerName>{issuer}</ds:X509IssuerName><ds:X509SerialNumber>{serial}</ds:X509SerialNumber>"
        "</xades:IssuerSerial></xades:Cert></xades:SigningCertificate>"
    )


def signed_properties(*properties: str, data: Sequence[str] = (), id_: str = "sp") -> str:
    return (
        f'<xades:SignedProperties Id="{id_}">'
        f"<xades:SignedSignatureProperties>{''.join(properties)}</xades:SignedSignatureProperties>"
        f"<xades:SignedDataObjectProperties>{''.join(data)}</xades:SignedDataObjectProperties></xades:SignedProperties>"
    )


def signature(
    signed: str = "",
    *unsigned: str,
    target: str = "#sig",
    key_info: bytes | None = None,
    objects: str = "",
    further: str = "",
) -> etree._Element:
    """A ds:Signature in a document with a language and namespaces of its own; `further` stands behind the object of the
    properties, `objects` before it."""
    held = (
        ""
        if key_info is None
        else f"<ds:X509Data><ds:X509Certificate>{b64(key_info)}</ds:X509Certificate></ds:X509Data>"
    )
    added = (
        f"<xades:UnsignedProperties><xades:UnsignedSignatureProperties>{''.join(unsigned)}"
        "</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
        if unsigned
        else ""
    )
    root = etree.fromstring(
        f'<root xml:lang="vi" {NAMESPACES}>{CONTENT.decode()}<ds:Signature Id="sig"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{names.C14N_EXCLUSIVE}"/>'
        f'<ds:Reference Id="r0" URI=""/><ds:Reference URI="#sp"/></ds:SignedInfo>'
        f"<ds:SignatureValue>{b64(VALUE)}</ds:SignatureValue><ds:KeyInfo>{held}</ds:KeyInfo>{objects}"
        f'<ds:Object><xades:QualifyingProperties Target="{target}">{signed}{added}</xades:QualifyingProperties></ds:Object>'
        f"{further}</ds:Signature></root>"
    )
    return root.find(f"{{{names.DS}}}Signature")


def found(element: etree._Element, name: str, *, nth: int = 0) -> etree._Element:
    return list(element.iter(f"{{*}}{name}"))[nth]


def written(octets: bytes, **fields) -> Datum:
    """What a ds:Reference refers to, as octets."""

    def write(sink: Sink, method: Method) -> None:
        sink.write(octets)

    return Datum(write, **fields)


def data_of(element: etree._Element) -> tuple[Datum, ...]:
    """The two references of `signature`."""
    properties = found(element, "SignedProperties")
    octets = etree.tostring(properties, method="c14n", exclusive=True)
    return (
        written(CONTENT, id="r0", target=None),
        written(octets, target="sp", kind="signed-properties"),
    )


def exclusive(*elements: etree._Element) -> bytes:
    """Each by exclusive C14N, as lxml does it, one behind the other."""
    return b"".join(etree.tostring(one, method="c14n", exclusive=True, with_comments=False) for one in elements)


def inclusive(*elements: etree._Element) -> bytes:
    return b"".join(etree.tostring(one, method="c14n", with_comments=False) for one in elements)


EXCLUSIVE = METHODS[names.C14N_EXCLUSIVE]
