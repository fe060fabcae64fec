"""Signing with a key that is elsewhere: prepared here, redeemed once, by whoever prepared it and in time."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from api.store import tables
from api.workflows import completion, recovery, redemption
from api.workflows.documents import CertificateVerdict
from tests import readers, timestamp_support
from tests.documents import pdf
from tests.http_support import House, house
from tests.pki import NOW, Authority, Signer

pytestmark = pytest.mark.pades

RSA = "rsassa_pkcs1v15_sha256"


@pytest.fixture
def home(tmp_path: Path) -> House:
    return house(tmp_path / "home")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf(tmp_path_factory.mktemp("pdf") / "plain.pdf").read_bytes()


@pytest.fixture(scope="module")
def official() -> Signer:
    """An official whose key is on a token elsewhere."""
    return Authority.root().authority().signer("Nguyễn Văn A")


def pem(signer: Signer) -> str:
    return signer.certificate.public_bytes(Encoding.PEM).decode()


def post(home: House, document: bytes, *, name: str = "client", headers=None, **order: object) -> httpx.Response:
    return home.ask(
        "POST",
        "/v1/signatures",
        name=name,
        headers=headers,
        files={"document": ("giấy.pdf", document, "application/pdf")},
        data={"order": json.dumps(order)},
    )


def prepare(home: House, document: bytes, signer: Signer, **more: object) -> dict:
    """What a caller is told of a preparation."""
    answer = post(home, document, certificate=pem(signer), **more)
    assert 202 == answer.status_code, answer.text
    return answer.json()


def put(
    home: House, identity: str, value: bytes, *, algorithm: str = RSA, name: str = "client", headers=None
) -> httpx.Response:
    body = {"value": base64.b64encode(value).decode(), "algorithm": algorithm}
    return home.ask("PUT", f"/v1/signatures/{identity}/value", name=name, headers=headers, json=body)


def value_of(signer: Signer, prepared: dict) -> bytes:
    """What the token elsewhere makes of what it is shown."""
    return signer.sign(base64.b64decode(prepared["tbs"]), prepared["algorithm"])


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def payload(prepared: dict) -> dict:
    """The envelope's payload."""
    text = prepared["envelope"]["payload"]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def blobs(home: House) -> list[Path]:
    return [path for path in home.services.settings.blobs.rglob("*") if path.is_file()]


def late(home: House) -> None:
    """Let the time of every preparation be over."""
    home.services.database.write(lambda c: c.execute(tables.signature.update().values(expires_at=1.0)).rowcount)


def test_a_document_is_signed_by_a_token_elsewhere(home: House, document: bytes, official: Signer, tmp_path: Path):
    """202 with what to sign, then 200 with the signature; PREPARED, DONE, COMPLETED; another reader accepts it."""
    prepared = prepare(home, document, official, reason="Phê duyệt")
    assert ("prepared", RSA) == (prepared["status"], prepared["algorithm"])
    assert ["PREPARED"] == home.kinds()
    answer = put(home, prepared["id"], value_of(official, prepared))
    assert (200, "signed", prepared["id"]) == (answer.status_code, answer.json()["status"], answer.json()["id"])
    assert ["PREPARED", "DONE", "COMPLETED"] == home.kinds()
    assert (0, 1) == (home.token.signed, len(blobs(home)))
    signed = home.ask("GET", answer.json()["document"]).content
    assert signed.startswith(document)
    assert answer.json()["sha256"] == hashlib.sha256(signed).hexdigest()
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    assert [(True, True)] == readers.pyhanko(path)


def test_the_envelope_says_what_is_signed_for_whom_and_until_when(home: House, document: bytes, official: Signer):
    """Origin, expiry, and per document its name, size, digest and the bytes to sign; in canonical JSON."""
    prepared = prepare(home, document, official)
    said = payload(prepared)
    (one,) = said["documents"]
    assert ("giấy.pdf", len(document), hashlib.sha256(document).hexdigest()) == (
        one["name"],
        one["size"],
        one["sha256"],
    )
    assert (prepared["tbs"], prepared["id"]) == (one["tbs"], one["signature"])
    assert hashlib.sha256(base64.b64decode(one["tbs"])).hexdigest() == one["tbs_sha256"]
    assert (prepared["expires_at"], "http://127.0.0.1:8080", []) == (
        said["expires_at"],
        said["origin"],
        prepared["envelope"]["signatures"],
    )


@pytest.mark.parametrize("algorithm", ["ecdsa_sha256", "rsassa_pss_sha256"])
def test_the_certificate_names_the_mechanism(home: House, document: bytes, algorithm: str):
    """An elliptic key signs by its curve's mechanism; another one that the key can do is taken when ordered."""
    signer = Authority.root().authority().signer(key="p256" if algorithm.startswith("ecdsa") else "rsa2048")
    more = {"mechanism": algorithm} if "pss" in algorithm else {}
    prepared = prepare(home, document, signer, **more)
    assert algorithm == prepared["algorithm"]
    assert 200 == put(home, prepared["id"], value_of(signer, prepared), algorithm=algorithm).status_code


def test_the_same_value_again_is_the_same_answer_and_another_is_refused(home: House, document: bytes, official: Signer):
    """200 and 200; 409 for another value, be it a right one; nothing is signed or written twice."""
    prepared = prepare(home, document, official, mechanism="rsassa_pss_sha256")
    first, second = value_of(official, prepared), value_of(official, prepared)
    assert first != second
    answers = [put(home, prepared["id"], first, algorithm="rsassa_pss_sha256") for _ in range(3)]
    assert [200] * 3 == [answer.status_code for answer in answers]
    assert answers[0].json() == answers[2].json()
    assert "true" == answers[1].headers["idempotency-replayed"]
    for other in (second, b"nonsense"):
        assert (409, "another-value-given") == code(put(home, prepared["id"], other, algorithm="rsassa_pss_sha256"))
    assert ["PREPARED", "DONE", "COMPLETED"] == home.kinds()


def test_a_wrong_value_is_refused_and_uses_nothing_up(home: House, document: bytes, official: Signer):
    """Another key's value, a value over other bytes, another mechanism: 422; the right one is taken afterwards."""
    prepared = prepare(home, document, official)
    stranger = Authority.root().authority().signer("Người khác")
    wrong = (value_of(stranger, prepared), official.sign(b"other bytes", RSA), b"\x00")
    for value in wrong:
        assert (422, "value-refused") == code(put(home, prepared["id"], value))
    right = value_of(official, prepared)
    assert (422, "value-refused") == code(put(home, prepared["id"], right, algorithm="rsassa_pss_sha256"))
    assert 200 == put(home, prepared["id"], right).status_code


def test_a_preparation_belongs_to_its_caller(home: House, document: bytes, official: Signer):
    """Another caller, an auditor and an id that never was look the same: 404 (403 for who may not sign at all)."""
    prepared = prepare(home, document, official)
    value = value_of(official, prepared)
    assert (404, "not-found") == code(put(home, prepared["id"], value, name="administrator"))
    assert (404, "not-found") == code(put(home, "sig_nope", value))
    assert (403, "not-permitted") == code(put(home, prepared["id"], value, name="auditor"))
    assert 200 == put(home, prepared["id"], value).status_code


def test_a_value_that_comes_too_late_is_told_so(home: House, document: bytes, official: Signer):
    """410, whether the sweep was there or not; the draft is gone, REFUSED is on record, the key may be used anew."""
    headers = {"Idempotency-Key": "late"}
    prepared = post(home, document, certificate=pem(official), headers=headers).json()
    value = value_of(official, prepared)
    late(home)
    assert (410, "preparation-expired") == code(put(home, prepared["id"], value))
    assert (410, "preparation-expired") == code(put(home, prepared["id"], value))
    assert (["PREPARED", "REFUSED"], []) == (home.kinds(), blobs(home))
    assert ("refused", "preparation-expired") == tuple(
        home.ask("GET", f"/v1/signatures/{prepared['id']}").json()[name] for name in ("status", "code")
    )
    again = post(home, document, certificate=pem(official), headers=headers)
    assert 202 == again.status_code
    assert prepared["id"] != again.json()["id"]
    late(home)
    assert (1, 0) == (redemption.expire_all(home.services), redemption.expire_all(home.services))
    assert [] == blobs(home)


def test_the_same_request_is_prepared_once(home: House, document: bytes, official: Signer):
    """The same Idempotency-Key answers the same preparation, and the signature once there is one."""
    headers = {"Idempotency-Key": "k"}
    first, second = (post(home, document, certificate=pem(official), headers=headers) for _ in range(2))
    assert (first.json(), "true") == (second.json(), second.headers["idempotency-replayed"])
    put(home, first.json()["id"], value_of(official, first.json()))
    assert "signed" == post(home, document, certificate=pem(official), headers=headers).json()["status"]


def test_of_many_who_bring_the_value_at_once_one_gets_through(home: House, document: bytes, official: Signer):
    """Eight threads, the same value: one DONE, one COMPLETED, and all have the same signature."""
    prepared = prepare(home, document, official)
    value, caller = value_of(official, prepared), home.callers["client"]
    found: list[object] = []
    start = threading.Barrier(8)

    def bring() -> None:
        start.wait()
        outcome = redemption.redeem(home.services, caller, prepared["id"], value, mechanism=RSA)
        found.append((outcome.record.state, outcome.record.signed_blob))

    threads = [threading.Thread(target=bring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (8, 1) == (len(found), len(set(found)))
    assert ["PREPARED", "DONE", "COMPLETED"] == home.kinds()


def test_another_process_redeems_it(home: House, document: bytes, official: Signer):
    """All that is needed is in the database and the blobs: a service that was started anew completes it."""
    prepared = prepare(home, document, official)
    home.services.database.close()
    other = house(home.services.settings.home)
    caller = home.callers["client"]
    outcome = redemption.redeem(other.services, caller, prepared["id"], value_of(official, prepared), mechanism=RSA)
    assert "signed" == outcome.record.state
    assert other.services.blobs.path(outcome.record.signed_blob or "").read_bytes().startswith(document)


def test_a_crash_after_the_value_was_accepted_is_recovered(
    home: House, document: bytes, official: Signer, monkeypatch: pytest.MonkeyPatch
):
    """The value is on record: the job completes the signature, and the value brought again finds it."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    prepared = prepare(home, document, official)
    value, caller = value_of(official, prepared), home.callers["client"]
    monkeypatch.setattr(completion, "finish", die)
    with pytest.raises(Killed):
        redemption.redeem(home.services, caller, prepared["id"], value, mechanism=RSA)
    monkeypatch.undo()
    home.services.database.write(lambda c: c.execute(tables.signature.update().values(held_until=0.0)).rowcount)
    assert 1 == recovery.scan(home.services)
    assert home.services.jobs.run_one(recovery.handlers(home.services))
    assert 200 == put(home, prepared["id"], value).status_code
    assert ["PREPARED", "DONE", "COMPLETED"] == home.kinds()


def test_a_silent_timestamp_authority_puts_completion_off(home: House, document: bytes, official: Signer):
    """At B-T: 503, the value is kept; brought again when the authority is back it completes, another value does not."""
    prepared = prepare(home, document, official, level="B-T")
    value = value_of(official, prepared)
    assert (503, "timestamp-unavailable") == code(put(home, prepared["id"], value))
    assert (409, "another-value-given") == code(put(home, prepared["id"], b"other"))
    signer = timestamp_support.tsa_signer()
    authority = timestamp_support.authority(signer)
    home.outside.answer = lambda request: authority.respond(request, sign=lambda tbs: signer.sign(tbs, "ecdsa_sha256"))
    answer = put(home, prepared["id"], value)
    assert (200, "B-T") == (answer.status_code, answer.json()["level"])


def test_a_request_is_told_how_far_its_signature_is(home: House, document: bytes, official: Signer):
    """The same Idempotency-Key again while no timestamp can be had: 202 and `completing`, never an empty document."""
    headers = {"Idempotency-Key": "k", "Accept": "application/pdf"}
    prepared = post(home, document, certificate=pem(official), level="B-T", headers=headers).json()
    assert prepared["expires_at"] == home.ask("GET", f"/v1/signatures/{prepared['id']}").json()["expires_at"]
    put(home, prepared["id"], value_of(official, prepared))
    again = post(home, document, certificate=pem(official), level="B-T", headers=headers)
    assert (202, "completing") == (again.status_code, again.json()["status"])


def test_a_bad_certificate_is_refused_before_anything_is_prepared(home: House, document: bytes, official: Signer):
    """Expired, revoked, no certificate at all, together with a key: a code each, no draft, no record."""
    issuing = Authority.root().authority()
    expired = issuing.signer("x", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    assert (422, "certificate-expired") == code(post(home, document, certificate=pem(expired)))
    assert (400, "request-invalid") == code(post(home, document, certificate="no certificate"))
    assert (400, "request-invalid") == code(post(home, document, certificate=pem(official), key="seal"))
    assert (400, "request-invalid") == code(post(home, document, key="seal", chain=[pem(official)]))
    home.documents.verdict = CertificateVerdict("INDETERMINATE", "REVOKED_NO_POE", (), ())
    assert (422, "certificate-revoked") == code(post(home, document, certificate=pem(official)))
    assert ([], {"REFUSED"}) == (blobs(home), set(home.kinds()))


def test_der_in_base64_will_do(home: House, document: bytes, official: Signer):
    """Certificate and chain as components hand them over: DER in base64, without the lines of PEM."""
    text = base64.b64encode(official.der).decode()
    chain = [base64.b64encode(der).decode() for der in official.chain]
    assert 202 == post(home, document, certificate=text, chain=chain).status_code


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"value":"*","algorithm":"ecdsa_sha256"}', b'{"value":"AA==","algorithm":"md5"}', b'{"value":5}'],
)
def test_a_malformed_value_is_told_so(home: House, document: bytes, official: Signer, body: bytes):
    """400, and the preparation waits on."""
    prepared = prepare(home, document, official)
    answer = home.ask("PUT", f"/v1/signatures/{prepared['id']}/value", content=body)
    assert (400, "request-invalid") == code(answer)
    assert "prepared" == home.ask("GET", f"/v1/signatures/{prepared['id']}").json()["status"]


def test_a_signature_by_a_key_of_the_appliance_takes_no_value(home: House, document: bytes, official: Signer):
    """409: there is nothing to redeem."""
    identity = post(home, document, key="seal").json()["id"]
    assert (409, "not-prepared") == code(put(home, identity, b"value"))
