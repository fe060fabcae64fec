"""Two-phase signing on real processes: a certificate of the demo's CA, its key in this test's hands."""

from __future__ import annotations

import base64
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import readers
from tests.appliance import Appliance
from tests.documents import pdf

pytestmark = pytest.mark.pades


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf", ballast=30_000).read_bytes()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """What an official has on a token."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def certificate(appliance: Appliance, key: ec.EllipticCurvePrivateKey) -> str:
    """Its certificate, issued by the demo's CA."""
    keys = appliance.home / "demo" / "pki" / "keys"
    authority = serialization.load_pem_private_key((keys / "issuing.key.pem").read_bytes(), password=None)
    files = sorted((appliance.home / "trust").rglob("*.pem"))
    known = [one for file in files for one in x509.load_pem_x509_certificates(file.read_bytes())]
    (issuer,) = {one.subject for one in known if one.public_key() == authority.public_key()}
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trần Văn Bàn (demo)")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def prepare(appliance: Appliance, document: bytes, certificate: str, **more: object) -> dict:
    answer = appliance.sign(document, key=None, certificate=certificate, **more)
    assert 202 == answer.status_code, answer.text
    return answer.json()


def put(client: httpx.Client, prepared: dict, value: bytes) -> httpx.Response:
    body = {"value": base64.b64encode(value).decode(), "algorithm": prepared["algorithm"]}
    return client.put(f"/v1/signatures/{prepared['id']}/value", json=body)


def value_of(key: ec.EllipticCurvePrivateKey, prepared: dict) -> bytes:
    return key.sign(base64.b64decode(prepared["tbs"]), ec.ECDSA(hashes.SHA256()))


def serving(appliance: Appliance, *, other_than: set[int]) -> None:
    """Wait until another api process answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if set(appliance.processes("api.serve")) - other_than:
                appliance.client.get("/health/alive").raise_for_status()
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("no api process came back")


def test_a_preparation_outlives_the_process_that_made_it(
    appliance: Appliance, document: bytes, key: ec.EllipticCurvePrivateKey, certificate: str, tmp_path: Path
):
    """At B-T: prepared, the api process killed, redeemed by the next one; Poppler and pyHanko accept it."""
    prepared = prepare(appliance, document, certificate, level="B-T")
    before = set(appliance.processes("api.serve"))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    serving(appliance, other_than=before)
    answer = put(appliance.client, prepared, value_of(key, prepared))
    assert (200, "B-T") == (answer.status_code, answer.json().get("level")), answer.text
    path = tmp_path / "signed.pdf"
    path.write_bytes(appliance.client.get(answer.json()["document"]).content)
    assert [(True, True)] == readers.poppler(path) == readers.pyhanko(path)
    lines = appliance.as_role("auditor").get("/v1/audit", params={"signature": prepared["id"]}).json()["lines"]
    assert ["PREPARED", "DONE", "COMPLETED"] == [line["kind"] for line in lines]


def test_the_value_brought_by_many_at_once_is_taken_once(
    appliance: Appliance, document: bytes, key: ec.EllipticCurvePrivateKey, certificate: str
):
    """Eight connections with the same value have the same answer; eight with values of their own, one winner."""
    prepared = prepare(appliance, document, certificate)
    value = value_of(key, prepared)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: put(appliance.client, prepared, value), range(8)))
    assert {200} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    prepared = prepare(appliance, document, certificate)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: put(appliance.client, prepared, value_of(key, prepared)), range(8)))
    assert [200] + [409] * 7 == sorted(answer.status_code for answer in answers)


def test_nobody_else_redeems_it(
    appliance: Appliance, document: bytes, key: ec.EllipticCurvePrivateKey, certificate: str
):
    """Another caller's API key finds nothing; another key's value is refused; the right one is taken after both."""
    prepared = prepare(appliance, document, certificate)
    value = value_of(key, prepared)
    assert 404 == put(appliance.as_role("administrator"), prepared, value).status_code
    wrong = put(appliance.client, prepared, value_of(ec.generate_private_key(ec.SECP256R1()), prepared))
    assert (422, "value-refused") == (wrong.status_code, wrong.json()["code"])
    assert 200 == put(appliance.client, prepared, value).status_code


def test_a_signed_document_has_one_head(appliance: Appliance, document: bytes):
    """The file that was signed upon is refused, its successor is not."""
    first = appliance.client.get(appliance.sign(document).json()["document"]).content
    second = appliance.client.get(appliance.sign(first).json()["document"]).content
    stale = appliance.sign(first)
    assert (409, "stale-document") == (stale.status_code, stale.json()["code"])
    assert 201 == appliance.sign(second).status_code
