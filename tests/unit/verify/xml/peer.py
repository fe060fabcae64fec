"""xmlsec1 as the other opinion: it signs whatever a template asks for, so what it digests is what we must digest.

signed = sign(f'<a Id="x">{template(Asked("#x", [C14N_EXCLUSIVE]))}</a>', folder=tmp_path)
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.pki import Authority, Signer
from verify.xml import names

SIGNER = Authority.root("Gốc thử").authority("Cấp chứng thư thử").signer("Người ký", key="rsa2048")
RSA_SHA256 = f"{names.MORE}rsa-sha256"
SHA256 = f"{names.ENC}sha256"

needs_xmlsec1 = pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")


@dataclass(frozen=True)
class Asked:
    """A reference to make: its URI, the algorithms of its transforms, or their markup."""

    uri: str | None
    transforms: Sequence[str] = ()
    type: str | None = None
    id: str | None = None
    digest: str = SHA256

    def markup(self, *, value: str = "") -> str:
        attributes = (("URI", self.uri), ("Type", self.type), ("Id", self.id))
        said = "".join(f" {name}={_quoted(text)}" for name, text in attributes if text is not None)
        steps = "".join(one if one.startswith("<") else f'<ds:Transform Algorithm="{one}"/>' for one in self.transforms)
        held = f"<ds:Transforms>{steps}</ds:Transforms>" if steps else ""
        return (
            f'<ds:Reference{said}>{held}<ds:DigestMethod Algorithm="{self.digest}"/>'
            f"<ds:DigestValue>{value}</ds:DigestValue></ds:Reference>"
        )


def _quoted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'"{escaped}"' if '"' not in text else f"'{escaped}'"


def xpath(expression: str, *, namespaces: str = "") -> str:
    return f'<ds:Transform Algorithm="{names.XPATH}"><ds:XPath{namespaces}>{expression}</ds:XPath></ds:Transform>'


def filter2(kind: str, expression: str) -> str:
    return (
        f'<ds:Transform Algorithm="{names.XPATH_FILTER2}"><f:XPath xmlns:f="{names.XPATH_FILTER2}" Filter="{kind}">'
        f"{expression}</f:XPath></ds:Transform>"
    )


def exclusive(prefixes: str) -> str:
    return (
        f'<ds:Transform Algorithm="{names.C14N_EXCLUSIVE}"><e:InclusiveNamespaces xmlns:e="{names.C14N_EXCLUSIVE}" '
        f'PrefixList="{prefixes}"/></ds:Transform>'
    )


def template(
    *references: Asked,
    canonicalization: str = names.C14N_EXCLUSIVE,
    method: str = RSA_SHA256,
    objects: str = "",
    key_info: str | None = None,
    id_: str = "sig",
    value: str = "",
    prefix: str = "ds",
) -> str:
    """A ds:Signature with everything but digests and value."""
    held = _x509(SIGNER) if key_info is None else key_info
    made = (
        f'<ds:Signature xmlns:ds="{names.DS}" Id="{id_}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{canonicalization}"/><ds:SignatureMethod Algorithm="{method}"/>'
        f"{''.join(one.markup() for one in references)}</ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue>"
        f"<ds:KeyInfo>{held}</ds:KeyInfo>{objects}</ds:Signature>"
    )
    if prefix == "ds":
        return made
    return made.replace("<ds:", "<").replace("</ds:", "</").replace("xmlns:ds=", "xmlns=")


def _x509(signer: Signer) -> str:
    return f"<ds:X509Data><ds:X509Certificate>{_b64(signer.der)}</ds:X509Certificate></ds:X509Data>"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sign(document: str, *, folder: Path, ids: Sequence[str] = ("Id",)) -> bytes:
    """The document with its (first) template filled in. `ids`: attributes by which any element is referred to."""
    key, given, out = folder / "key.pem", folder / "template.xml", folder / "signed.xml"
    if not key.exists():
        key.write_bytes(SIGNER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    given.write_bytes(document.encode())
    tags = sorted({word.split(">")[0].split(":")[-1].strip("/") for word in _words(document)})
    named = [part for attribute in ids for tag in tags for part in (f"--id-attr:{attribute}", tag)]
    done = subprocess.run(
        ["xmlsec1", "--sign", "--privkey-pem", key, "--output", out, *named, given],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + document
    return out.read_bytes()


def _words(document: str) -> list[str]:
    return [part.split()[0] for part in document.split("<")[1:] if part and (part[0].isalpha() or part[0] == "_")]
