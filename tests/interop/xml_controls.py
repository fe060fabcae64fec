"""Somebody else's signatures with the same features: what a reader refuses here too is the reader's limit, not our fault.

xmlsec1 makes the controls, since it signs whatever a template asks for. Of what it does not know itself no control can be
made; there only the reader's own word counts that it knows no such algorithm.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.interop import npm, xml_peers
from tests.interop.cases import ALGORITHMS
from tests.interop.peers import Desk, Said
from tests.interop.xml_peers import DS, Signed
from tests.pki import Authority, KeyKind, private_key

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE11 = "http://www.w3.org/2006/12/xml-c14n11"
XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>"
)
METHODS = {
    "rsa2048": MORE + "rsa-sha256",
    "rsa3072": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "p256": MORE + "ecdsa-sha256",
    "p384": MORE + "ecdsa-sha384",
}


@dataclass(frozen=True)
class Limit:
    """Why a reader does not know a feature, and what it then says: one of these is a part of every fault."""

    why: str
    says: tuple[str, ...]


_MISMATCH = "a reference or the value does not verify"
_LANG = "inherits no xml:lang and no namespace where a part is canonicalised inclusively"
LIMITS = {
    ("xml-crypto", "detached"): Limit("knows no content outside the document", (_MISMATCH,)),
    ("signxml", "inclusive"): Limit(_LANG, ("InvalidSignature",)),
    ("xml-crypto", "inclusive"): Limit(_LANG, ("invalid signature", _MISMATCH)),
    ("xadesjs", "inclusive"): Limit(_LANG, ("does not verify", "Invalid digest for uri '#")),
    ("signxml", "inclusive11"): Limit(_LANG, ("InvalidSignature",)),
    ("xml-crypto", "inclusive11"): Limit("knows no C14N 1.1", (f"{INCLUSIVE11}' is not supported",)),
    ("xadesjs", "inclusive11"): Limit("knows no C14N 1.1", (f"Unknown transform {INCLUSIVE11}",)),
}
"""By reader and feature; a control with that feature fares the same."""

_EDDSA = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
UNKNOWN = {
    ("xmlsec1", "ed25519"): Limit("version 1.2 knows no EdDSA", (f"href={_EDDSA}",)),
    ("xmlsec1", "rsa3072"): Limit("version 1.2 knows no RSASSA-PSS", (f"href={METHODS['rsa3072']}",)),
    ("signxml", "ed25519"): Limit("knows no EdDSA", (_EDDSA,)),
    ("xml-crypto", "ed25519"): Limit("knows no EdDSA", (f"'{_EDDSA}' is not supported",)),
    ("xadesjs", "ed25519"): Limit("knows no EdDSA", (f"not supported '{_EDDSA}'",)),
    ("DSS", "ed25519"): Limit("its default policy does not list EdDSA", ("EdDSA with SHA512 is not authorised",)),
}
"""The same without a control: the reader says itself that it does not know the algorithm."""


@dataclass
class Controls:
    """Made when one is wanted, in `folder`, over the same `document`."""

    folder: Path
    document: Path
    scripts: npm.Tools | None
    _said: dict[tuple[str, str], Said] = field(default_factory=dict)

    def excuse(self, reader: str, features: Collection[str], *, said: Said) -> str | None:
        """Why all that `reader` says is a limit of its own; None where it is not, or is not shown."""
        for feature in features:
            if (limit := UNKNOWN.get((reader, feature))) and _is_all(limit, said):
                return limit.why
            if (
                (limit := LIMITS.get((reader, feature)))
                and _is_all(limit, said)
                and _is_all(limit, self.of(reader, feature))
            ):
                return f"{limit.why}; xmlsec1's own signature fares the same"
        return None

    def of(self, reader: str, feature: str) -> Said:
        """What the reader says of the control."""
        if (reader, feature) not in self._said:
            self._said[reader, feature] = self._ask(reader, feature)
        return self._said[reader, feature]

    def _ask(self, reader: str, feature: str) -> Said:
        signed, desk = make(feature, document=self.document, folder=self.folder / f"control-{feature}")
        if reader in xml_peers.READERS:
            return xml_peers.READERS[reader](signed, desk)
        if self.scripts is None:
            return Said("nothing")
        (said,) = self.scripts.ask([npm.Job(reader, signed.document, signed.detached)])
        return said


def _is_all(limit: Limit, said: Said) -> bool:
    return bool(said.faults) and all(any(words in fault for words in limit.says) for fault in said.faults)


def make(feature: str, *, document: Path, folder: Path) -> tuple[Signed, Desk]:
    """xmlsec1's signature over the document with this feature, and the desk of whoever reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    kind: KeyKind = next((one.kind for one in ALGORITHMS if one.kind == feature), "rsa2048")
    signer = Authority.root("Control Root").signer(f"control {kind}", key=kind)
    key, root = folder / "key.pem", Authority.root("Control Root")
    key.write_bytes(
        private_key(kind, f"control {kind}").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "certificate.pem").write_bytes(signer.pem)
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "issuers.pem").write_bytes(root.pem)
    template, out = folder / "template.xml", folder / "signed.xml"
    template.write_text(_template(feature, document, method=METHODS[kind]), "utf-8")
    command = ["xmlsec1", "--sign", "--privkey-pem", f"{key},{folder / 'certificate.pem'}", "--output", out, template]
    subprocess.run(command, cwd=document.parent, check=True, capture_output=True)
    return Signed(out, {document.name: document} if feature == "detached" else {}), Desk(folder)


def _template(feature: str, document: Path, *, method: str) -> str:
    form = {"inclusive": INCLUSIVE, "inclusive11": INCLUSIVE11}.get(feature, EXCLUSIVE)
    enveloped = f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'
    steps = f'{enveloped}{XPATH if feature == "xpath" else ""}<ds:Transform Algorithm="{form}"/>'
    listed = "" if feature == "detached" else f"<ds:Transforms>{steps}</ds:Transforms>"
    uri = document.name if feature == "detached" else ""
    signature = (
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{form}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="{uri}">{listed}'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>'
        "</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"
    )
    if feature == "detached":
        return signature
    head, tail = document.read_text("utf-8").rsplit("</", 1)
    return f"{head}{signature}</{tail}"
