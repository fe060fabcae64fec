"""What readers of XML signatures that none of us wrote say of a signed document.

`xmlsec1`, signxml, the schemas, and by `npm` xml-crypto and xadesjs. Each answers `Said`, as the readers of PDF do. A
`Signed` is a document with what stands beside it; its readers are given the anchor and the CAs below it (`Desk`).

>>> xmlsec1(Signed(Path("a.xml")), desk)                                          # doctest: +SKIP
Said(verdict='good', words='1 verified')
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import XMLVerifier
from signxml.exceptions import SignXMLException

from tests.appliance import ROOT
from tests.interop.peers import Desk, Said

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
SIGNATURE = f"{{{DS}}}Signature"
SCHEMAS = ROOT.parent / "shared" / "spec" / "xsd"
_DRIVER = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="{DS}" schemaLocation="xmldsig-core-schema.xsd"/>
  <xs:import namespace="{XADES}" schemaLocation="XAdES01903v132-202407.xsd"/>
  <xs:import namespace="http://uri.etsi.org/01903/v1.4.1#" schemaLocation="XAdES01903v141-202407.xsd"/>
</xs:schema>"""


@dataclass(frozen=True)
class Signed:
    """A signed document, and by name the files to which it refers."""

    document: Path
    detached: Mapping[str, Path] = field(default_factory=dict)


Reader = Callable[[Signed, Desk], Said]


def xmlsec1(signed: Signed, desk: Desk) -> Said:
    """Value, references and path to the anchor of every signature, counter-signatures as well. It is told which elements
    have an attribute Id, since it reads no schema; detached contents stand beside it under their names."""
    tree = etree.parse(signed.document)
    named = sorted({etree.QName(one).localname for one in tree.iter(etree.Element) if one.get("Id")})
    faults, count = [], 0
    with tempfile.TemporaryDirectory(prefix="kyso-xmlsec-") as folder:
        for name, path in signed.detached.items():
            shutil.copyfile(path, Path(folder) / name)
        for element in tree.iter(SIGNATURE):
            count += 1
            options = [f"--id-attr:Id={one}" for one in named]
            command = ["xmlsec1", "--verify", *[part for one in options for part in one.split("=")]]
            command += ["--node-xpath", _path(tree, element), "--trusted-pem", str(desk.root)]
            command += [part for one in _certificates(desk.issuers) for part in ("--untrusted-pem", one)]
            done = subprocess.run(
                [*command, signed.document.resolve()], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode or "OK" not in done.stdout + done.stderr:
                faults.append((done.stderr or done.stdout).splitlines()[0][:400])
    return Said.of(faults if count else ["no signature"], words=f"{count} verified")


@cache
def _certificates(path: Path) -> tuple[str, ...]:
    """Each certificate of a PEM file in a file of its own: xmlsec1 reads only the first of one."""
    folder = Path(_scratch.name)
    found = []
    for number, one in enumerate(x509.load_pem_x509_certificates(path.read_bytes())):
        found.append(folder / f"{abs(hash(str(path)))}-{number}.pem")
        found[-1].write_bytes(one.public_bytes(Encoding.PEM))
    return tuple(map(str, found))


_scratch = tempfile.TemporaryDirectory(prefix="kyso-interop-xml-")


def _path(tree: etree._ElementTree, element: etree._Element) -> str:
    """An XPath to the element that needs no prefixes."""
    steps = []
    while element is not None:
        parent = element.getparent()
        siblings = [one for one in parent if isinstance(one.tag, str)] if parent is not None else [element]
        steps.append(f"*[{siblings.index(element) + 1}]")
        element = parent
    return "/" + "/".join(reversed(steps))


def signxml(signed: Signed, desk: Desk) -> Said:
    """signxml, told which certificate to expect. It looks at the first signature only, knows no XPath transform, which it
    passes over, and asks for detached contents by a function."""
    tree = etree.parse(signed.document)
    signature = next(tree.iter(SIGNATURE))
    certificate = signature.findtext(f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    pem = f"-----BEGIN CERTIFICATE-----\n{_lines(certificate)}\n-----END CERTIFICATE-----\n"
    try:
        found = XMLVerifier().verify(
            signed.document.read_bytes(),
            x509_cert=pem,
            expect_config=_expecting(len(signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference"))),
            uri_resolver=lambda uri: _content(signed, uri),
        )
    except (SignXMLException, ValueError, KeyError, TypeError, AttributeError) as error:
        return Said.of([f"{type(error).__name__}: {error}"[:200]])
    return Said.of([], words=f"{len(found) if isinstance(found, list) else 1} references")


def _lines(base64: str | None) -> str:
    return "\n".join((base64 or "").split())


def _expecting(references: int) -> object:
    from signxml import SignatureConfiguration

    return SignatureConfiguration(expect_references=references)


def _content(signed: Signed, uri: str) -> bytes:
    from urllib.parse import unquote

    return signed.detached[unquote(uri)].read_bytes()


def schema(signed: Signed, desk: Desk) -> Said:
    """Every outermost ds:Signature by the schemas of XMLDSig and XAdES 1.3.2 and 1.4.1; nothing is fetched for them."""
    faults = []
    for element in etree.parse(signed.document).iter(SIGNATURE):
        if any(one.tag == SIGNATURE for one in element.iterancestors()):
            continue
        rules = _schema()
        if not rules.validate(etree.fromstring(etree.tostring(element, encoding="utf-8", with_tail=False))):
            faults += [f"line {one.line}: {one.message}"[:200] for one in rules.error_log]
    return Said.of(faults)


class _Local(etree.Resolver):
    """Every import is a file of the same folder."""

    def resolve(self, url: str, *_: object) -> object:
        path = SCHEMAS / url.rsplit("/", 1)[-1]
        if not path.exists():
            raise FileNotFoundError(url)
        return self.resolve_string(path.read_bytes(), _[-1], base_url=str(path))


@cache
def _schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.fromstring(_DRIVER, parser, base_url=str(SCHEMAS / "driver.xsd")))


def has_schemas() -> bool:
    return (SCHEMAS / "XAdES01903v141-202407.xsd").exists()


READERS: dict[str, Reader] = {"xmlsec1": xmlsec1, "signxml": signxml} | ({"XSD": schema} if has_schemas() else {})
