"""XML signatures that others made, for Kyso to read: xmlsec1, signxml, xml-crypto and xadesjs.

What EU DSS makes is read by `tests.interop` where Java is at hand. Each is over the document of the matrix, or over one
without `xml:lang`, since what signxml and xadesjs sign under that attribute no other reader accepts.

    list(by_signxml(folder, document))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from signxml import XMLSigner, methods
from signxml.xades import XAdESSigner

from tests.interop import npm, xml_controls
from tests.interop.xml_peers import Signed
from tests.pki import Authority, Signer

FEATURES = ("rsa2048", "p256", "p384", "xpath", "detached", "inclusive", "inclusive11")


@dataclass(frozen=True)
class Foreign:
    """A signature by somebody else, and what Kyso should call it."""

    name: str
    signed: Signed
    level: str
    format: str = "XMLDSIG"


def by_xmlsec1(folder: Path, document: Path) -> Iterator[Foreign]:
    """One for each feature of which it makes controls."""
    for feature in FEATURES:
        signed, _ = xml_controls.make(feature, document=document, folder=folder / f"xmlsec1-{feature}")
        yield Foreign(f"xmlsec1-{feature}", signed, "XML-NOT-ETSI")


def by_signxml(folder: Path, document: Path) -> Iterator[Foreign]:
    """Plain in each packaging, and XAdES."""
    hand = _hand()
    given = {"key": hand.key, "cert": [hand.pem.decode()]}
    content = _plain(document)
    for packaging in (methods.enveloped, methods.enveloping):
        made = XMLSigner(method=packaging, c14n_algorithm=xml_controls.EXCLUSIVE).sign(content, **given)
        name = f"signxml-{packaging.name}"
        yield Foreign(name, _written(folder / f"{name}.xml", made), "XML-NOT-ETSI")
    made = XMLSigner(method=methods.detached, c14n_algorithm=xml_controls.EXCLUSIVE).sign(
        content, reference_uri=document.name, **given
    )
    beside = folder / document.name
    beside.write_bytes(etree.tostring(content, method="c14n", exclusive=True))
    signed = _written(folder / "signxml-detached.xml", made)
    yield Foreign("signxml-detached", Signed(signed.document, {document.name: beside}), "XML-NOT-ETSI")
    made = XAdESSigner().sign(content, **given)
    yield Foreign("signxml-xades", _written(folder / "signxml-xades.xml", made), "XAdES-BASELINE-B", "XAdES")


def by_scripts(folder: Path, document: Path, tools: npm.Tools) -> Iterator[Foreign]:
    """xml-crypto's plain signature, and xadesjs's XAdES."""
    hand, plain = _hand(), folder / "plain.xml"
    plain.write_bytes(etree.tostring(_plain(document)))
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    key.write_bytes(hand.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(hand.pem)
    outs = {name: folder / f"{name}.xml" for name in ("sign-xml-crypto", "sign-xadesjs")}
    jobs = [npm.Job(name, plain, out=out, key=key, certificate=certificate) for name, out in outs.items()]
    for said in tools.ask(jobs):
        assert said.verdict == "good", said
    yield Foreign("xml-crypto", Signed(outs["sign-xml-crypto"]), "XML-NOT-ETSI")
    yield Foreign("xadesjs", Signed(outs["sign-xadesjs"]), "XAdES-BASELINE-B", "XAdES")


def _hand() -> Signer:
    return Authority.root("Foreign Root").signer("foreign rsa2048")


def _plain(document: Path) -> etree._Element:
    root = etree.parse(document).getroot()
    root.attrib.pop("{http://www.w3.org/XML/1998/namespace}lang", None)
    return root


def _written(path: Path, made: etree._Element) -> Signed:
    path.write_bytes(etree.tostring(made))
    return Signed(path)
