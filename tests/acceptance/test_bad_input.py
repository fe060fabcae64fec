"""Bad input over HTTP: a stable code, a sentence that says what to do, never a 5xx, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from pyhanko.sign.fields import SigFieldSpec

from tests.appliance import Appliance
from tests.documents import pdf

pytestmark = pytest.mark.spine

BOX = {"page": 1, "box": [50, 600, 300, 680]}


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


def refused(answer: httpx.Response, code: str) -> None:
    """The answer is a problem document of this code, complete in both languages' sense."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert code == problem["code"], problem
    assert problem["status"] == answer.status_code
    assert len(problem["detail"]) > 20


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda data: b"", "document-empty"),
        (lambda data: b"hello, world", "document-not-recognised"),
        (lambda data: data[: len(data) // 2], "document-broken"),
        (lambda data: b"x" * 100 + data, "document-broken"),
    ],
    ids=["empty", "no PDF", "truncated", "bytes before the header"],
)
def test_documents_that_are_none(appliance: Appliance, plain: bytes, spoil, code: str):
    """What cannot be read is refused with the reason."""
    refused(appliance.sign(spoil(plain)), code)


@pytest.mark.parametrize("name", ["8fc948b076f2-deflate-bomb-10GB-x5.pdf.gz", "a33bc9ff49df-bomb_giant.pdf"])
def test_bombs_cost_one_refusal_or_none(appliance: Appliance, corpus: Path, name: str):
    """A bomb is signed unopened or refused; in either case the service answers the next request."""
    import gzip

    data = (corpus / "attacks" / name).read_bytes()
    answer = appliance.sign(gzip.decompress(data) if name.endswith(".gz") else data)
    assert answer.status_code < 500, answer.text
    assert 200 == appliance.client.get("/health/ready").status_code


def test_a_page_tree_that_loops(appliance: Appliance, corpus: Path):
    """A page tree that contains itself ends in an answer, not in a worker that never returns."""
    data = (corpus / "attacks" / "03314ffc0e6d-A3-pages-tree-loop-simple.pdf").read_bytes()
    answer = appliance.sign(data, place=BOX)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("no-such-key", "key-not-found"),
        ("demo-tsa", "key-not-found"),
        ("demo-expired", "certificate-expired"),
        ("demo-revoked", "certificate-revoked"),
        ("demo-not-yet-valid", "certificate-not-yet-valid"),
        ("demo-unknown-ca", "certificate-untrusted"),
    ],
)
def test_keys_that_cannot_sign(appliance: Appliance, plain: bytes, key: str, code: str):
    """A key that is missing and one that is not the caller's look alike; a bad certificate is named as what it is."""
    refused(appliance.sign(plain, key=key), code)


def test_a_field_that_is_signed_already(appliance: Appliance, tmp_path: Path):
    """A box is signed once."""
    field = SigFieldSpec("o1", on_page=0, box=(50, 600, 300, 680))
    document = pdf(tmp_path / "a.pdf", fields=(field,)).read_bytes()
    first = appliance.sign(document, field="o1", headers={"Accept": "application/pdf"})
    refused(appliance.sign(first.content, field="o1"), "field-already-signed")


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"field": "a\u0000b"}, None),
        ({"field": "right\u202eleft"}, None),
        ({"reason": "line\u0000break"}, None),
        ({"level": "B-Z"}, "request-invalid"),
        ({"level": 7}, "request-invalid"),
        ({"unknown": True}, "request-invalid"),
        ({"place": {"page": 99, "box": [0, 0, 10, 10]}}, "place-outside-page"),
        ({"place": {"page": 1, "box": [0, 0, 1e9, 10]}}, "place-outside-page"),
        ({"place": {"page": 1, "box": [0, 0]}}, "request-invalid"),
        ({"head": "00" * 32}, "stale-document"),
        ({"mechanism": "ecdsa_sha256"}, None),
    ],
)
def test_orders_that_make_no_sense(appliance: Appliance, plain: bytes, order: dict, code: str | None):
    """An order that contradicts itself, the document or the key is the caller's to mend."""
    answer = appliance.sign(plain, **order)
    refused(answer, code or answer.json()["code"])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"key": 1}', b"\xff\xfe", b'{"key":' + b"[" * 5000]
)
def test_an_order_that_is_no_order(appliance: Appliance, plain: bytes, body: bytes):
    """JSON that is broken, of the wrong shape or absurdly deep is refused."""
    answer = appliance.client.post(
        "/v1/signatures", files={"document": ("a.pdf", plain, "application/pdf")}, data={"order": body}
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"]


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
        {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": {"order": "{}"}},
        {"files": {"document": ("a.pdf", b"%PDF-", "application/pdf")}},
        {"files": [("document", ("a.pdf", b"1")), ("document", ("b.pdf", b"2"))], "data": {"order": "{}"}},
    ],
    ids=["empty", "cut off", "JSON", "no boundary", "no document", "no order", "two documents"],
)
def test_requests_that_are_none(appliance: Appliance, request_: dict):
    """A body that is not the multipart form of the interface is refused by what is wrong with it."""
    answer = appliance.client.post("/v1/signatures", **request_)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"]


@pytest.mark.parametrize("name", ["a\u0000.pdf", "../../etc/passwd", "x" * 5000, "a\r\nb.pdf", ""])
def test_file_names_do_no_harm(appliance: Appliance, plain: bytes, name: str):
    """A name with control characters or a path is refused or made harmless."""
    answer = appliance.client.post(
        "/v1/signatures",
        files={"document": (name, plain, "application/pdf")},
        data={"order": json.dumps({"key": "demo-official", "format": "PAdES", "level": "B-B"})},
    )
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("token", [None, "Bearer", "Bearer x", "Bearer kyso_1_2", "Basic eDp5", "Bearer " + "a" * 5000])
def test_nobody_signs_without_a_key_of_the_api(appliance: Appliance, plain: bytes, token: str | None):
    """No credentials and wrong ones are 401."""
    headers = {"Authorization": token} if token else {}
    answer = httpx.post(
        f"{appliance.url}/v1/signatures",
        headers=headers,
        files={"document": ("a.pdf", plain, "application/pdf")},
        data={"order": "{}"},
    )
    assert 401 == answer.status_code
    assert "not-authenticated" == answer.json()["code"]


def test_an_auditor_does_not_sign(appliance: Appliance, plain: bytes):
    """A role that may read may not sign."""
    answer = appliance.as_role("auditor").post(
        "/v1/signatures",
        files={"document": ("a.pdf", plain, "application/pdf")},
        data={"order": json.dumps({"key": "demo-official", "format": "PAdES", "level": "B-B"})},
    )
    assert 403 == answer.status_code
    assert "not-permitted" == answer.json()["code"]


def test_refusals_leave_nothing_behind(appliance: Appliance, plain: bytes):
    """After refusals there are no half-written files in the appliance's working folder."""
    for spoiled in (b"", plain[:100], b"hello"):
        appliance.sign(spoiled)
    assert [] == [path for path in (appliance.home / "tmp").rglob("*") if path.is_file()]
