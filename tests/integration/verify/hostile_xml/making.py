"""Makes XML signatures part by part, each part honest unless a case says otherwise: the forger's workbench.

Everything is text. Exclusive C14N makes a part's octets independent of where it stands, so a digest is taken of the part
alone; where a case wants inherited namespaces or an odd transform it hands over the octets itself.

>>> ref = reference("#a", canonical('<a Id="a"/>'))
>>> signature([ref], by=people.signer())                                          # doctest: +SKIP
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import tsp, x509
from lxml import etree

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.people import Person
from tests.timestamp_support import Forge

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
XADES141 = "http://uri.etsi.org/01903/v1.4.1#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE11 = "http://www.w3.org/2006/12/xml-c14n11"
WITH_COMMENTS = EXCLUSIVE + "WithComments"
ENVELOPED = DS + "enveloped-signature"
BASE64 = DS + "base64"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FILTER2 = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ECDSA = MORE + "ecdsa-sha256"
RSA = MORE + "rsa-sha256"
ED25519 = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
COUNTERSIGNED = "http://uri.etsi.org/01903#CountersignedSignature"
MANIFEST = DS + "Manifest"
NAMESPACES = f'xmlns:ds="{DS}" xmlns:xades="{XADES}"'
PARALLEL = f'<ds:XPath xmlns:ds="{DS}">not(ancestor-or-self::ds:Signature)</ds:XPath>'


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(xml: str, *, exclusive: bool = True, comments: bool = False) -> bytes:
    """Of the whole document, what stands beside its root included."""
    return etree.tostring(_parsed(xml).getroottree(), method="c14n", exclusive=exclusive, with_comments=comments)


def canonical_part(xml: str, path: str, *, exclusive: bool = True) -> bytes:
    """Of the part at an ElementPath of `xml`; its tail is no part of it."""
    part = _parsed(xml).find(path, {"ds": DS, "xades": XADES})
    return etree.tostring(part, method="c14n", exclusive=exclusive, with_comments=False, with_tail=False)


def _parsed(xml: str) -> etree._Element:
    return etree.fromstring(xml.encode(), etree.XMLParser(huge_tree=True, resolve_entities=False))


def transform(algorithm: str, content: str = "") -> str:
    return f'<ds:Transform Algorithm="{algorithm}">{content}</ds:Transform>'


def reference(
    uri: str | None,
    octets: bytes,
    *,
    transforms: Sequence[str] = (EXCLUSIVE,),
    kind: str | None = None,
    id_: str | None = None,
    method: str = SHA256,
    digest: str = "sha256",
) -> str:
    """A ds:Reference; a transform is an algorithm, or a whole ds:Transform."""
    attributes = "".join(
        f' {name}="{value}"' for name, value in (("Id", id_), ("URI", uri), ("Type", kind)) if value is not None
    )
    steps = "".join(one if one.startswith("<") else transform(one) for one in transforms)
    listed = f"<ds:Transforms>{steps}</ds:Transforms>" if steps else ""
    value = b64(hashlib.new(digest, octets).digest())
    return (
        f'<ds:Reference{attributes}>{listed}<ds:DigestMethod Algorithm="{method}"></ds:DigestMethod>'
        f"<ds:DigestValue>{value}</ds:DigestValue></ds:Reference>"
    )


def signed_info(references: Sequence[str], *, method: str = ECDSA, parameters: str = "", c14n: str = EXCLUSIVE) -> str:
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{c14n}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}">{parameters}</ds:SignatureMethod>{"".join(references)}</ds:SignedInfo>'
    )


def key_info(*certificates: bytes, more: str = "", id_: str = "") -> str:
    held = "".join(f"<ds:X509Certificate>{b64(one)}</ds:X509Certificate>" for one in certificates)
    data = f"<ds:X509Data>{held}</ds:X509Data>" if held else ""
    named = f' Id="{id_}"' if id_ else ""
    return f'<ds:KeyInfo xmlns:ds="{DS}"{named}>{more}{data}</ds:KeyInfo>'


def assembled(info: str, value: str, keys: str, objects: str = "", *, id_: str = "s") -> str:
    named = f'<ds:SignatureValue Id="{id_}-value">{value}</ds:SignatureValue>'
    return f'<ds:Signature xmlns:ds="{DS}" Id="{id_}">{info}{named}{keys}{objects}</ds:Signature>'


def method_of(by: Person) -> str:
    return {"ECP": ECDSA, "RSA": RSA, "Ed2": ED25519}[type(by.key).__name__.replace("EllipticCurve", "ECP")[:3]]


def signature(
    references: Sequence[str],
    *,
    by: Person,
    objects: str = "",
    id_: str = "s",
    keys: str | None = None,
    method: str | None = None,
) -> str:
    """A plain XMLDSig signature over these references, its value true."""
    info = signed_info(references, method=method or method_of(by))
    value = by.sign(canonical(info))
    return assembled(info, b64(value), key_info(by.der) if keys is None else keys, objects, id_=id_)


def properties(by: Person, *, id_: str = "s", at: str = "2026-11-22T15:00:00+07:00", target: str | None = None) -> str:
    """A ds:Object with QualifyingProperties as EN 319 132-1 asks of B-B."""
    certificate = x509.Certificate.load(by.der)
    issuer = tsp.IssuerSerial(
        {
            "issuer": [x509.GeneralName("directory_name", certificate.issuer)],
            "serial_number": certificate.serial_number,
        }
    )
    return (
        f'<ds:Object {NAMESPACES}><xades:QualifyingProperties Target="{target or "#" + id_}">'
        f'<xades:SignedProperties Id="{id_}-signed"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{at}</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{b64(hashlib.sha256(by.der).digest())}</ds:DigestValue></xades:CertDigest>"
        f"<xades:IssuerSerialV2>{b64(issuer.dump())}</xades:IssuerSerialV2></xades:Cert></xades:SigningCertificateV2>"
        f"</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
        f'<xades:DataObjectFormat ObjectReference="#{id_}-ref"><xades:MimeType>text/xml</xades:MimeType>'
        f"</xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>"
        "</xades:QualifyingProperties></ds:Object>"
    )


def properties_reference(object_: str, *, id_: str = "s") -> str:
    return reference(f"#{id_}-signed", canonical_part(object_, ".//xades:SignedProperties"), kind=SIGNED_PROPERTIES)


@dataclass(frozen=True)
class Signed:
    """A XAdES B-B signature and what it was made of; `text` is the ds:Signature."""

    text: str
    properties: str
    value: bytes
    id: str = "s"

    def with_unsigned(self, inner: str) -> str:
        """The ds:Signature with unsigned signature properties."""
        added = (
            f'<xades:UnsignedProperties xmlns:xades="{XADES}" xmlns:ds="{DS}"><xades:UnsignedSignatureProperties>{inner}'
            "</xades:UnsignedSignatureProperties></xades:UnsignedProperties></xades:QualifyingProperties>"
        )
        head, tail = self.text.rsplit("</xades:QualifyingProperties>", 1)
        return head + added + tail

    def stamped(self, token: bytes, *, name: str = "SignatureTimeStamp", prefix: str = "xades", at: str = "") -> str:
        """An element that holds a timestamp token."""
        return (
            f'<{prefix}:{name} xmlns:xades141="{XADES141}" xmlns:xades="{XADES}" xmlns:ds="{DS}" '
            f'Id="{self.id}-{name}{at}">'
            f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
            f"<xades:EncapsulatedTimeStamp>{b64(token)}</xades:EncapsulatedTimeStamp></{prefix}:{name}>"
        )


def xades(
    references: Sequence[str],
    *,
    by: Person,
    objects: str = "",
    id_: str = "s",
    keys: str | None = None,
    method: str | None = None,
) -> Signed:
    """XAdES B-B over these references; those of a case that wants one should bear the Id `ID-ref` on the first."""
    object_ = properties(by, id_=id_)
    info = signed_info([*references, properties_reference(object_, id_=id_)], method=method or method_of(by))
    value = by.sign(canonical(info))
    text = assembled(info, b64(value), key_info(by.der) if keys is None else keys, objects + object_, id_=id_)
    return Signed(text, object_, value, id_)


def enveloped(root: str, *, by: Person, id_: str = "s", transforms: Sequence[str] = (ENVELOPED, EXCLUSIVE)) -> str:
    """The whole document `root`, with an honest B-B signature as its last child."""
    made = xades([reference("", canonical(root), transforms=transforms, id_=f"{id_}-ref")], by=by, id_=id_)
    return inserted(root, made.text)


def inserted(root: str, *signatures: str) -> str:
    """As the last children of the root."""
    head, close = root.rsplit("</", 1)
    return f"{head}{''.join(signatures)}</{close}"


def token(octets: bytes, *, at: datetime, serial: int = 7) -> bytes:
    """A timestamp token over the octets, by the authority that is trusted."""
    forge = Forge(people.tsa(), "rsassa_pkcs1v15_sha256")
    return forge.build(forge.info(imprint=hashlib.sha256(octets).digest(), time=at, serial=serial, nonce=None))
