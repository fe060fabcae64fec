"""A hand that signs XML in files, and others who look at what it made: xmlsec1, the schemas, our own reader."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pytest
from lxml import etree

from signer import pipeline
from signer.model import Prepared, SignatureValue, Signed, SignOrder
from signer.xades import making
from signer.xades.plan import XmlPlan
from tests.pki import Authority, KeyKind, Signer
from tests.unit.signer.conftest import HANOI
from verify import xml as reader
from verify.document import Limits
from verify.fetcher import Fetcher, Offline
from verify.found import FoundSignature

NOW = datetime.now(HANOI).replace(microsecond=0)
SCHEMAS = Path("../shared/spec/xsd")
PLAIN = XmlPlan()
NOTHING: Mapping[str, bytes] = {}
DS = "{http://www.w3.org/2000/09/xmldsig#}"


def file_of(data: bytes = b"") -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller's
    file.write(data)
    file.seek(0)
    return file


@dataclass
class XmlHand:
    """Signs as a workflow would, one call a signature; `nonce` differs from call to call, as the service's does."""

    signer: Signer
    mechanism: str = "ecdsa_sha256"
    fetcher: Fetcher = field(default_factory=Offline)
    nonce: int = 1

    def order(self, plan: XmlPlan | None = PLAIN, **changes) -> SignOrder:
        plain = SignOrder(self.signer.der, self.signer.chain, self.mechanism, NOW, format="XAdES", xml=plan)
        return replace(plain, **changes)

    def prepare(
        self, data: bytes, plan: XmlPlan | None = PLAIN, *, detached: Mapping[str, bytes] = NOTHING, **changes
    ) -> tuple[Prepared, BinaryIO]:
        """What is to be signed, and the output as it is then."""
        out = file_of()
        self.nonce += 1
        prepared = pipeline.prepare(
            file_of(data),
            self.order(plan, **changes),
            out=out,
            original_sha256=hashlib.sha256(data).hexdigest(),
            nonce=self.nonce,
            detached={name: io.BytesIO(content) for name, content in detached.items()},
        )
        return prepared, out

    def complete(self, prepared: Prepared, out: BinaryIO) -> tuple[bytes, Signed]:
        value = self.value(prepared)
        signed = pipeline.complete(prepared, value, out=out, fetcher=self.fetcher)
        out.seek(0)
        made = out.read()
        assert hashlib.sha256(made).hexdigest() == signed.sha256
        assert len(made) == signed.size
        if signed.level == "B-B":  # another process, which knows nothing of the preparation, finds the same by reading
            making._last.clear()
            assert signed == pipeline.complete(prepared, value, out=file_of(made), fetcher=self.fetcher)
        return made, signed

    def sign(self, data: bytes, plan: XmlPlan | None = PLAIN, **options) -> bytes:
        return self.complete(*self.prepare(data, plan, **options))[0]

    def value(self, prepared: Prepared) -> SignatureValue:
        return SignatureValue(self.signer.sign(prepared.tbs, self.mechanism), self.mechanism)


@cache
def hand(key: KeyKind, mechanism: str) -> XmlHand:
    return XmlHand(Authority.root().authority().signer(f"Người ký {key}", key=key), mechanism)


def found(made: bytes, *, detached: Mapping[str, bytes] = NOTHING) -> tuple[FoundSignature, ...]:
    """What our own reader says of it."""
    files = {name: io.BytesIO(content) for name, content in detached.items()}
    return reader.find(io.BytesIO(made), limits=Limits(), detached=files).signatures


def xmlsec1(folder: Path, made: bytes, *, signature: str | None = None, files: Mapping[str, bytes] = NOTHING) -> bool:
    """Whether xmlsec1 verifies it: the first signature, or the one with this Id."""
    if shutil.which("xmlsec1") is None:
        pytest.skip("xmlsec1 is not installed")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "made.xml").write_bytes(made)
    (folder / "root.pem").write_bytes(Authority.root().pem)
    elements = {etree.QName(one).localname for one in etree.fromstring(made).iter("{*}*") if one.get("Id")}
    ids = [word for name in sorted(elements) for word in ("--id-attr:Id", name)]
    chosen = [] if signature is None else ["--node-id", signature]
    command = ["xmlsec1", "--verify", *ids, *chosen, "--trusted-pem", "root.pem", "made.xml"]
    done = subprocess.run(command, capture_output=True, cwd=folder, timeout=60, check=False)
    return done.returncode == 0


class _Local(etree.Resolver):
    """The schema of XMLDSig from beside, wherever it is said to be."""

    def resolve(self, url, _, context):
        return self.resolve_filename(str(SCHEMAS / "xmldsig-core-schema.xsd"), context) if "xmldsig" in url else None


@cache
def schema() -> etree.XMLSchema:
    if not SCHEMAS.exists():
        pytest.skip("the schemas are not here")
    parser = etree.XMLParser(load_dtd=True, no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.parse(SCHEMAS / "XAdES01903v132-202407.xsd", parser))


def require_schema(made: bytes) -> None:
    """Each signature and its qualifying properties are as the schemas of XMLDSig and XAdES say."""
    for signature in etree.fromstring(made).iter(f"{DS}Signature"):
        schema().assertValid(
            etree.ElementTree(etree.fromstring(etree.tostring(signature, with_tail=False, encoding="utf-8")))
        )
        for properties in signature.iter("{*}QualifyingProperties"):
            schema().assertValid(
                etree.ElementTree(etree.fromstring(etree.tostring(properties, with_tail=False, encoding="utf-8")))
            )


def without_signature(made: bytes) -> bytes:
    """The bytes as they were before the last signature was put in (UTF-8 and its like)."""
    return re.sub(rb"<ds:Signature (?!.*<ds:Signature ).*</ds:Signature>", b"", made, flags=re.DOTALL)
