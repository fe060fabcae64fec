"""An enveloped XAdES signature that grows by hand: signed, stamped, archived. Everything is digested by lxml alone, so that
the product's own octets are not what they are compared with."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from tests.pki import Signer
from tests.timestamp_support import Forge
from tests.unit.verify.world import Entity
from tests.unit.verify.xml import xades
from tests.unit.verify.xml.xades import NAMESPACES, b64, exclusive, found
from verify.xml import names

_DS = f"{{{names.DS}}}"


class Paper:
    """One document; `sign` adds a signature over all of it as it is then."""

    def __init__(self, content: bytes = b'<doc xml:lang="vi"><p>N\xe1\xbb\x99i dung</p></doc>') -> None:
        self.root = etree.fromstring(content)
        self.bodies: dict[str, bytes] = {}

    @property
    def file(self) -> io.BytesIO:
        return io.BytesIO(etree.tostring(self.root, xml_declaration=True, encoding="UTF-8"))

    def sign(self, signer: Entity, *, id_: str = "sig", certificates: tuple[bytes, ...] = ()) -> None:
        """B-B by a P-256 key; an enveloped-signature transform, so that later signatures break it."""
        body = self.bodies[id_] = exclusive(self.root)
        held = "".join(f"<ds:X509Certificate>{b64(one)}</ds:X509Certificate>" for one in (signer.der, *certificates))
        transform = f'<ds:Transform Algorithm="{names.C14N_EXCLUSIVE}"/>'
        properties = (
            f'<xades:SignedProperties Id="{id_}-sp"><xades:SignedSignatureProperties>'
            "<xades:SigningTime>2021-11-22T09:00:00Z</xades:SigningTime>"
            f"{xades.certificate_v2(signer.der)}</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
            f'<xades:DataObjectFormat ObjectReference="#{id_}-r"><xades:MimeType>text/xml</xades:MimeType>'
            "</xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>"
        )
        signature = etree.fromstring(
            f'<ds:Signature {NAMESPACES} Id="{id_}"><ds:SignedInfo>'
            f'<ds:CanonicalizationMethod Algorithm="{names.C14N_EXCLUSIVE}"/>'
            f'<ds:SignatureMethod Algorithm="{names.MORE}ecdsa-sha256"/>'
            f'<ds:Reference Id="{id_}-r" URI=""><ds:Transforms><ds:Transform Algorithm="{names.ENVELOPED}"/>{transform}'
            f"</ds:Transforms>{xades.digest(body)}</ds:Reference>"
            f'<ds:Reference Type="{names.TYPE_SIGNED_PROPERTIES}" URI="#{id_}-sp"><ds:Transforms>{transform}'
            f"</ds:Transforms>{xades.digest(b'')}</ds:Reference></ds:SignedInfo><ds:SignatureValue/>"
            f"<ds:KeyInfo><ds:X509Data>{held}</ds:X509Data></ds:KeyInfo><ds:Object>"
            f'<xades:QualifyingProperties Target="#{id_}">{properties}<xades:UnsignedProperties>'
            "<xades:UnsignedSignatureProperties/></xades:UnsignedProperties></xades:QualifyingProperties>"
            "</ds:Object></ds:Signature>"
        )
        self.root.append(signature)
        digest = hashlib.sha256(exclusive(found(signature, "SignedProperties"))).digest()
        list(signature.iter(f"{_DS}DigestValue"))[1].text = b64(digest)
        value = signer.key.sign(exclusive(found(signature, "SignedInfo")), ec.ECDSA(hashes.SHA256()))
        found(signature, "SignatureValue").text = b64(
            b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(value))
        )

    def signature(self, id_: str = "sig") -> etree._Element:
        return next(one for one in self.root.iter(f"{_DS}Signature") if one.get("Id") == id_)

    def add(self, markup: str, *, id_: str = "sig") -> etree._Element:
        """An unsigned property at the end."""
        holder = etree.fromstring(f"<holder {NAMESPACES}>{markup}</holder>")
        self._unsigned(id_).append(holder[0])
        return self._unsigned(id_)[-1]

    def stamp(self, tsa: Entity, when: datetime, *, id_: str = "sig") -> None:
        token = _token(tsa, when, exclusive(found(self.signature(id_), "SignatureValue")))
        self.add(xades.stamp("SignatureTimeStamp", token), id_=id_)

    def keep(self, *, certificates: tuple[bytes, ...] = (), crls: tuple[bytes, ...] = (), id_: str = "sig") -> None:
        """CertificateValues and RevocationValues."""
        held = "".join(
            f"<xades:EncapsulatedX509Certificate>{b64(c)}</xades:EncapsulatedX509Certificate>" for c in certificates
        )
        lists = "".join(f"<xades:EncapsulatedCRLValue>{b64(one)}</xades:EncapsulatedCRLValue>" for one in crls)
        inner = (
            f"<xades:CertificateValues>{held}</xades:CertificateValues>"
            f"<xades:RevocationValues><xades:CRLValues>{lists}</xades:CRLValues></xades:RevocationValues>"
        )
        is_first = not self._unsigned(id_).findall(f"{{{names.XADES_132}}}CertificateValues")
        if is_first:
            for one in etree.fromstring(f"<holder {NAMESPACES}>{inner}</holder>"):
                self._unsigned(id_).append(one)
        else:
            self.add(f"<x4:TimeStampValidationData>{inner}</x4:TimeStampValidationData>", id_=id_)

    def archive(self, tsa: Entity, when: datetime, *, id_: str = "sig") -> etree._Element:
        """An ArchiveTimeStamp over everything so far."""
        signature = self.signature(id_)
        parts = [found(signature, name) for name in ("SignedProperties", "SignedInfo", "SignatureValue", "KeyInfo")]
        octets = self.bodies[id_] + exclusive(*parts, *self._unsigned(id_))
        return self.add(xades.stamp("x4:ArchiveTimeStamp", _token(tsa, when, octets)), id_=id_)

    def _unsigned(self, id_: str) -> etree._Element:
        return found(self.signature(id_), "UnsignedSignatureProperties")


def _token(tsa: Entity, when: datetime, octets: bytes) -> bytes:
    forge = Forge(Signer(tsa.certificate, tsa.key, ()), mechanism="rsassa_pkcs1v15_sha256")
    return xades.token(octets, forge=forge, time=when)
