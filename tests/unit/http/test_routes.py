"""The HTTP face: who may what, what is answered in which form, and what a problem looks like."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.settings import Authority as AuthoritySettings
from api.workflows.timestamping import TimestampService
from tests.documents import pdf
from tests.http_support import House, house
from tests.pki import Authority

pytestmark = pytest.mark.spine

TSA_POLICY = "1.3.6.1.4.1.99999.1"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> House:
    return house(tmp_path_factory.mktemp("http") / "home")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pdf(tmp_path_factory.mktemp("pdf") / "plain.pdf").read_bytes()


def sign(home: House, document: bytes, *, name: str | None = "client", headers=None, **order: object) -> httpx.Response:
    return home.ask(
        "POST",
        "/v1/signatures",
        name=name,
        headers=headers,
        files={"document": ("a.pdf", document, "application/pdf")},
        data={"order": json.dumps({"key": "seal", **order})},
    )


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert "application/problem+json" == answer.headers["content-type"], answer.text
    body = answer.json()
    assert {"type", "title", "status", "detail", "code", "actor", "facts", "instance"} <= body.keys()
    assert answer.headers["x-request-id"] in body["instance"]
    return answer.status_code, body["code"]


def test_a_signature_and_everything_about_it(home: House, document: bytes):
    """201 with id, digest and address; the document, the state and the report are there."""
    answer = sign(home, document)
    assert 201 == answer.status_code
    body = answer.json()
    assert ("signed", "B-B", f"/v1/signatures/{body['id']}") == (
        body["status"],
        body["level"],
        answer.headers["location"],
    )
    signed = home.ask("GET", body["document"])
    assert ("application/pdf", body["sha256"]) == (
        signed.headers["content-type"],
        hashlib.sha256(signed.content).hexdigest(),
    )
    assert body == home.ask("GET", f"/v1/signatures/{body['id']}").json()
    report = home.ask("GET", f"/v1/signatures/{body['id']}/report").json()
    assert ["document", "verdict", "summary"] == list(report)[:3]


def test_the_signed_bytes_themselves(home: House, document: bytes):
    """`Accept: application/pdf` answers the document; the same Idempotency-Key answers the same bytes."""
    headers = {"Accept": "application/pdf", "Idempotency-Key": "bytes-1"}
    first, again = (sign(home, document, headers=headers) for _ in range(2))
    assert (201, "application/pdf") == (first.status_code, first.headers["content-type"])
    assert first.content.startswith(document)
    assert (first.content, "true") == (again.content, again.headers["idempotency-replayed"])


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/pdf;q=0"])
def test_a_form_that_is_not_offered_is_refused_before_signing(home: House, document: bytes, accept: str):
    """406, and the key was not used."""
    before = home.token.signed
    assert (406, "not-acceptable") == problem(sign(home, document, headers={"Accept": accept}))
    assert before == home.token.signed


def test_signatures_belong_to_their_caller(home: House, document: bytes):
    """Others get the same 404 as for an id that never was; an auditor sees them."""
    identity = sign(home, document).json()["id"]
    for path in ("", "/document", "/report"):
        other = home.ask("GET", f"/v1/signatures/{identity}{path}", name="stranger")
        none = home.ask("GET", f"/v1/signatures/sig_nope{path}", name="client")
        assert (404, "not-found") == problem(other) == problem(none)
    assert 200 == home.ask("GET", f"/v1/signatures/{identity}", name="auditor").status_code


@pytest.mark.parametrize(
    ("method", "path", "name", "expected"),
    [
        ("GET", "/v1/keys", None, (401, "not-authenticated")),
        ("POST", "/v1/signatures", None, (401, "not-authenticated")),
        ("POST", "/v1/signatures", "auditor", (403, "not-permitted")),
        ("GET", "/v1/audit", "client", (403, "not-permitted")),
        ("GET", "/v1/audit", "operator", (403, "not-permitted")),
        ("GET", "/v1/nothing", "client", (404, "not-found")),
        ("DELETE", "/v1/keys", "client", (405, "not-allowed-method")),
        ("GET", "/v1/audit?limit=0", "auditor", (400, "request-invalid")),
        ("GET", "/v1/audit?kind=NO", "auditor", (400, "request-invalid")),
        ("POST", "/tsa", "client", (404, "not-found")),
        ("GET", "/v1/signatures/%00", "client", (400, "request-invalid")),
        ("GET", "/v1/signatures/sig_%F0%9F%92%A9", "client", (404, "not-found")),
    ],
)
def test_who_may_what(home: House, method: str, path: str, name: str | None, expected: tuple[int, str]):
    """Each refusal has its status and code."""
    assert expected == problem(home.ask(method, path, name=name))


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer kyso_1_2", "Bearer \x80\xff", "Bearer " + "a" * 9000]
)
def test_wrong_credentials(home: House, header: str):
    """Whatever is not an API key in force is 401, with the scheme that is wanted."""
    answer = home.ask("GET", "/v1/keys", name=None, headers={"Authorization": header.encode("latin-1")})
    assert (401, "not-authenticated") == problem(answer)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_keys_are_those_of_the_caller(home: House):
    """A client sees what its patterns name, an auditor everything, a stranger nothing."""
    refs = {name: [key["ref"] for key in home.ask("GET", "/v1/keys", name=name).json()] for name in home.secrets}
    assert (["seal"], ["other", "seal"], []) == (refs["client"], refs["auditor"], refs["stranger"])
    key = home.ask("GET", "/v1/keys").json()[0]
    assert ["ref", "label", "algorithm", "key_size", "mechanisms", "subject", "issuer", "not_after"] == list(key)


def test_the_ledger_can_be_read_and_recomputed(home: House, document: bytes):
    """Lines come with the text that was hashed; filters find one signature's."""
    identity = sign(home, document).json()["id"]
    found = home.ask("GET", f"/v1/audit?signature={identity}", name="auditor").json()
    assert ["INTENT", "DONE", "COMPLETED"] == [line["kind"] for line in found["lines"]]
    assert json.loads(found["lines"][0]["text"])["facts"] == found["lines"][0]["facts"]
    assert {"size", "root", "lines"} == found.keys()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"level": "B-Z"}, (400, "request-invalid")),
        ({"unknown": 1}, (400, "request-invalid")),
        ({"place": {"page": 0, "box": [0, 0, 1, 1]}}, (400, "request-invalid")),
        ({"place": {"page": 99, "box": [0, 0, 50, 50]}}, (422, "place-outside-page")),
        ({"field": "a\u0000"}, (422, "name-invalid")),
        ({"reason": "a\u202eb"}, (422, "name-invalid")),
        ({"key": "a\nb"}, (422, "name-invalid")),
        ({"head": "00" * 32}, (409, "stale-document")),
        ({"mechanism": "ecdsa_sha256"}, (422, "mechanism-not-supported")),
        ({"key": "other"}, (404, "key-not-found")),
    ],
)
def test_bad_orders(home: House, document: bytes, order: dict, expected: tuple[int, str]):
    """An order that cannot be meant is the caller's to mend, and nothing is kept of it."""
    assert expected == problem(sign(home, document, **order))
    assert [] == list(home.services.settings.tmp.iterdir())


def test_a_level_without_an_authority(tmp_path: Path, document: bytes):
    """B-T where nobody is configured to be asked: refused before the key is used."""
    bare = house(tmp_path / "home", timestamping={})
    assert (422, "no-timestamp-authority") == problem(sign(bare, document, level="B-T"))
    assert 0 == bare.token.signed


def test_an_authority_that_is_out(home: House, document: bytes):
    """503 with Retry-After and the signature's id as a member of its own; the state can be asked for."""
    answer = sign(home, document, level="B-T")
    assert (503, "timestamp-unavailable") == problem(answer)
    assert int(answer.headers["retry-after"]) > 0
    state = home.ask("GET", f"/v1/signatures/{answer.json()['signature']}").json()
    assert "completing" == state["status"]
    assert (409, "document-not-ready") == problem(home.ask("GET", f"/v1/signatures/{state['id']}/document"))


def test_an_upload_over_the_limit(tmp_path: Path, document: bytes):
    """413, by the announced length as by the bytes themselves."""
    small = house(tmp_path / "home", limits={"upload_bytes": 1024})
    for size in (2000, 1_500_000):
        answer = sign(small, document + b"x" * size)
        assert (413, "upload-too-large") == problem(answer)
        assert "1024" in answer.json()["detail"]


def test_a_body_over_the_limit_of_small_calls(tmp_path: Path):
    """A call that takes no document takes no megabyte either."""
    stamping = _stamping(house(tmp_path / "home"))
    answer = stamping.ask(
        "POST", "/tsa", content=b"x" * 20_000, headers={"Content-Type": "application/timestamp-query"}
    )
    assert (413, "request-too-large") == problem(answer)


def test_request_ids_go_through(home: House):
    """A harmless X-Request-Id comes back; another is replaced."""
    assert "abc-1" == home.ask("GET", "/health/alive", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"]
    assert "a b" != home.ask("GET", "/health/alive", headers={"X-Request-Id": "a b"}).headers["x-request-id"]


def test_no_answer_lets_a_browser_guess_or_frame(home: House):
    """Security headers are on every answer, errors included; no page asks for anything from elsewhere."""
    for path in ("/", "/docs", "/openapi.json", "/v1/nothing"):
        answer = home.ask("GET", path)
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "no-referrer" == answer.headers["referrer-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "https://" not in answer.text or path == "/openapi.json"
    assert "<script" not in home.ask("GET", "/docs").text


def test_an_unexpected_error_tells_its_id_and_nothing_else(home: House, document: bytes, capfd):
    """500 `internal-error`; the text of the bug is in the log, not in the answer."""

    def broken(_op: str) -> None:
        raise RuntimeError("very inside")

    home.documents.before = broken
    try:
        answer = sign(home, document)
    finally:
        home.documents.before = lambda _op: None
    assert (500, "internal-error") == problem(answer)
    assert "inside" not in answer.text


def test_api_keys_never_reach_the_log(home: House, capfd: pytest.CaptureFixture[str]):
    """The access log knows the caller's id, not the secret, and no query string."""
    home.ask("GET", "/v1/keys?api_key=hidden-thing")
    logged = "".join(capfd.readouterr())
    assert home.secrets["client"] not in logged
    assert "hidden-thing" not in logged


def test_openapi_describes_every_call_with_its_bodies(home: House):
    """Each path of this version is there, the upload's order among the schemas, problems under their own type."""
    found = home.ask("GET", "/openapi.json").json()
    assert {"/v1/signatures", "/v1/signatures/{identity}", "/v1/verifications", "/tsa", "/v1/keys"} <= found[
        "paths"
    ].keys()
    assert {"OrderRequest", "PlaceOrder", "StampOrder", "VerifyOptions"} <= found["components"]["schemas"].keys()
    references = set(_references(found))
    assert references <= {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    answers = found["paths"]["/v1/signatures"]["post"]["responses"]
    assert ["application/problem+json"] == list(answers["4XX"]["content"])


def _references(node: object):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def test_metrics_count_by_route_not_by_address(home: House, document: bytes):
    """Ids never become labels."""
    identity = sign(home, document).json()["id"]
    home.ask("GET", f"/v1/signatures/{identity}")
    text = home.ask("GET", "/metrics", name=None).text
    assert identity not in text
    assert 'kyso_signatures_total{level="B-B",outcome="signed"}' in text


def test_the_page_and_the_problems_speak_both_languages(home: House, document: bytes):
    """Vietnamese unless English is asked for."""
    assert "lang=vi" in home.ask("GET", "/", headers={"Accept-Language": "vi"}).text
    vi = sign(home, b"", headers={"Accept-Language": "vi"}).json()
    assert "Tệp rỗng" == vi["title"]


def test_verification_answers_json_or_text(home: House, document: bytes):
    """The report with its summary, or the text for a terminal; other forms have tests of their own."""
    files = {"document": ("giấy.pdf", document, "application/pdf")}
    report = home.ask("POST", "/v1/verifications", files=files).json()
    assert ("NO_SIGNATURE", "giấy.pdf") == (report["verdict"], report["document"]["name"])
    text = home.ask("POST", "/v1/verifications", files=files, headers={"Accept": "text/plain"}).text
    assert "The document has no signature." in text
    picture = home.ask("POST", "/v1/verifications", files=files, headers={"Accept": "image/png"})
    assert (406, "not-acceptable") == problem(picture)
    bad = home.ask("POST", "/v1/verifications", files=files, data={"options": '{"at": "yesterday"}'})
    assert (400, "request-invalid") == problem(bad)


# --- timestamps -------------------------------------------------------------------------------------------------------


def _stamping(home: House) -> House:
    """The house with an authority whose key is `tsa`."""
    signer = Authority.root().authority().signer("TSA (demo)", timestamping=True)
    home.token.signers = {**home.token.signers, "tsa": signer}
    service = TimestampService(AuthoritySettings(key="tsa", policy=TSA_POLICY))
    home.services = replace(home.services, timestamps=service)
    return home


def test_openssl_accepts_a_timestamp_and_the_ledger_knows_it(tmp_path: Path):
    """The token verifies, and its key's use stands in the ledger before and after."""
    stamping = _stamping(house(tmp_path / "home"))
    (tmp_path / "data").write_bytes(b"data")
    subprocess.run(
        ["openssl", "ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "q"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    answer = stamping.ask(
        "POST",
        "/tsa",
        name=None,
        content=(tmp_path / "q").read_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
    )
    assert (200, "application/timestamp-reply") == (answer.status_code, answer.headers["content-type"])
    (tmp_path / "r").write_bytes(answer.content)
    shown = subprocess.run(
        ["openssl", "ts", "-reply", "-in", "r", "-text"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Status: Granted." in shown.stdout
    assert ["INTENT", "DONE"] == stamping.kinds()


def test_broken_timestamp_requests_get_a_rejection(tmp_path: Path):
    """HTTP 200 with a TimeStampResp that says why; another content type is 415."""
    stamping = _stamping(house(tmp_path / "home"))
    answer = stamping.ask("POST", "/tsa", content=b"nonsense", headers={"Content-Type": "application/timestamp-query"})
    assert (200, "application/timestamp-reply") == (answer.status_code, answer.headers["content-type"])
    assert [] == stamping.kinds()
    assert (415, "media-type-not-supported") == problem(stamping.ask("POST", "/tsa", content=b"x"))
