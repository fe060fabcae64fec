"""Two-phase signing to B-LT and B-LTA on real processes: each kind of key, an outage, and a document with a password."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests import documents, readers
from tests.appliance import Appliance
from tests.longterm_support import sign_with
from tests.pki import private_key

pytestmark = pytest.mark.pades

KEYS = {
    "p256": "ecdsa_sha256",
    "rsa2048-pss": "rsassa_pss_sha256",
    "rsa2048": "rsassa_pkcs1v15_sha256",
}


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return documents.pdf(tmp_path / "plain.pdf").read_bytes()


@dataclass(frozen=True)
class Issuer:
    """The demo's CA in this test's hands, and where its certificates say that the revocation list is."""

    certificate: x509.Certificate
    key: object
    distribution: x509.CRLDistributionPoints

    def certify(self, key: object) -> str:
        """A certificate whose revocation is told by the list alone: the responder knows only what the demo issued."""
        now = datetime.now(UTC)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key())
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lê Thị Xa (demo)")]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
            .add_extension(authority, critical=False)
            .add_extension(self.distribution, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def issuer(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Found in what the demo signs: a certificate that it issued, and its issuer in the trust folder."""
    plain = documents.pdf(tmp_path_factory.mktemp("pdf") / "a.pdf").read_bytes()
    signed = appliance.client.get(appliance.sign(plain).json()["document"]).content
    contents = bytes.fromhex(re.search(rb"/Contents\s*<([0-9a-fA-F]+)>", signed)[1].decode())
    inside = [one.chosen.dump() for one in cms.ContentInfo.load(contents)["content"]["certificates"]]
    key = serialization.load_pem_private_key(
        (appliance.home / "demo" / "pki" / "keys" / "issuing.key.pem").read_bytes(), password=None
    )
    files = (appliance.home / "trust").rglob("*.pem")
    known = [one for file in files for one in x509.load_pem_x509_certificates(file.read_bytes())]
    (certificate,) = {one for one in known if one.public_key() == key.public_key()}
    leaf = next(one for one in map(x509.load_der_x509_certificate, inside) if one.issuer == certificate.subject)
    return Issuer(certificate, key, leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value)


def prepare(appliance: Appliance, document: bytes, certificate: str, **more: object) -> dict:
    answer = appliance.sign(document, key=None, certificate=certificate, **more)
    assert 202 == answer.status_code, answer.text
    return answer.json()


def redeem(appliance: Appliance, prepared: dict, key: object) -> httpx.Response:
    value = sign_with(key, base64.b64decode(prepared["tbs"]), prepared["algorithm"])
    body = {"value": base64.b64encode(value).decode(), "algorithm": prepared["algorithm"]}
    return appliance.client.put(f"/v1/signatures/{prepared['id']}/value", json=body)


@pytest.mark.parametrize("key_and_level", [(kind, level) for kind in KEYS for level in ("B-LT", "B-LTA")], ids="-".join)
def test_each_key_reaches_each_level(
    appliance: Appliance, issuer: Issuer, document: bytes, tmp_path: Path, key_and_level: tuple[str, str]
) -> None:
    """The level is reached at once, the report passes with the evidence alone, and Poppler agrees on integrity."""
    kind, level = key_and_level
    key = private_key(kind.removesuffix("-pss"), "two-phase levels")
    prepared = prepare(appliance, document, issuer.certify(key), level=level, mechanism=KEYS[kind])
    assert KEYS[kind] == prepared["algorithm"]
    answer = redeem(appliance, prepared, key)
    assert (200, level, []) == (answer.status_code, answer.json().get("level"), answer.json().get("warnings"))
    signed = appliance.client.get(answer.json()["document"]).content
    report = appliance.client.post(
        "/v1/verifications",
        files={"document": ("a.pdf", signed, "application/pdf")},
        data={"options": json.dumps({"offline": True})},
    ).json()
    assert ("TOTAL_PASSED", f"PAdES-BASELINE-{level[2:]}") == (report["verdict"], report["signatures"][0]["level"])
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    assert readers.poppler(path)[0][0]


def test_a_document_with_a_password(appliance: Appliance, issuer: Issuer, document: bytes, tmp_path: Path) -> None:
    """Prepared with its password, redeemed without: the evidence is written into the encrypted document."""
    (tmp_path / "a.pdf").write_bytes(document)
    locked = documents.encrypted(tmp_path / "locked.pdf", tmp_path / "a.pdf", user="geheim-7f3a").read_bytes()
    key = private_key("p256", "two-phase levels")
    prepared = prepare(appliance, locked, issuer.certify(key), level="B-LT", password="geheim-7f3a")
    held = [path for path in appliance.home.rglob("*") if path.is_file() and b"geheim-7f3a" in path.read_bytes()]
    assert [] == held
    answer = redeem(appliance, prepared, key)
    assert (200, "B-LT") == (answer.status_code, answer.json().get("level")), answer.text
