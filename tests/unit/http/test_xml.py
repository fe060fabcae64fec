"""XML through the use cases: keys elsewhere, kills at any point, and what is kept beside a draft and for how long."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from api.errors import RequestInProgress, RequestInvalid
from api.sandbox.errors import WorkerRefusal
from api.schemas import OrderRequest, parse_order
from api.store import signatures, tables
from api.uploads import of_file
from api.workflows import contents, formats, keyuse, recovery, redemption, signing
from hsm.errors import TokenNotAvailable
from tests import timestamp_support
from tests.http_support import House, house
from tests.pki import Authority, Signer
from tests.xml_support import FEES
from verify import xml
from verify.document import Limits
from verify.errors import NotADocument

pytestmark = pytest.mark.xades

RSA = "rsassa_pkcs1v15_sha256"
BESIDE = {"a.pdf": b"%PDF-1.7", "b/c.bin": bytes(range(256))}
RECORDS = signatures.table.select()
ALONE = {"format": "XAdES", "xml": {"packaging": "detached"}}


class Killed(BaseException):
    """What a kill is to the code that it ends."""


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    return house(tmp_path / "home")


@pytest.fixture(scope="module")
def official() -> Signer:
    return Authority.root().authority().signer("Nguyễn Văn A")


def upload(home: House, detached: dict[str, bytes], document: bytes = FEES):
    files = {name: io.BytesIO(content) for name, content in detached.items()}
    return of_file(
        io.BytesIO(document), name="đơn.xml", folder=home.services.settings.tmp, limit=1 << 30, detached=files
    )


def sign(home: House, *, key: str | None = None, detached: dict[str, bytes] = BESIDE, **order: object):
    wanted = parse_order(json.dumps({"key": "seal", **order}).encode())
    with upload(home, detached) as document:
        return signing.sign(home.services, home.callers["client"], wanted, document, idempotency_key=key).record


def post(home: House, official: Signer, **order: object) -> httpx.Response:
    certificate = official.certificate.public_bytes(Encoding.PEM).decode()
    files = [("document", ("đơn.xml", FEES)), *(("detached", one) for one in BESIDE.items())]
    data = {"order": json.dumps({"certificate": certificate, **order})}
    return home.ask("POST", "/v1/signatures", files=files, data=data)


def put(home: House, prepared: dict, official: Signer, **headers: str) -> httpx.Response:
    value = official.sign(base64.b64decode(prepared["tbs"]), prepared["algorithm"])
    body = {"value": base64.b64encode(value).decode(), "algorithm": prepared["algorithm"]}
    return home.ask("PUT", f"/v1/signatures/{prepared['id']}/value", json=body, headers=headers)


def blobs(home: House) -> list[Path]:
    return [path for path in home.services.settings.blobs.rglob("*") if path.is_file()]


def lapse(home: House) -> None:
    """Let every claim lapse and every job be due, as if the process had died a while ago."""

    def work(connection):
        connection.execute(signatures.table.update().values(held_until=0.0, updated_at=time.time() - 60))
        connection.execute(tables.idempotency.update().values(held_until=0.0))
        connection.execute(tables.job.update().values(due=0.0))

    home.services.database.write(work)


def intact(home: House, record: signatures.SignatureRecord) -> bool:
    """Whether the signed document and what it refers to hold."""
    with (
        home.services.blobs.open(record.signed_blob or "") as document,
        contents.opened(home.services, record) as detached,
    ):
        (found,) = xml.find(document, limits=Limits(), detached=detached).signatures
        return found.integrity.intact


def test_a_key_elsewhere_signs_the_canonical_signed_info(home: House, official: Signer):
    """202: `tbs` is ds:SignedInfo in canonical form; 200 with the value; the signed bytes where Accept asks for them."""
    answer = post(home, official)
    assert 202 == answer.status_code, answer.text
    prepared = answer.json()
    signed_info = base64.b64decode(prepared["tbs"])
    assert etree.QName(etree.fromstring(signed_info)).localname == "SignedInfo"
    assert signed_info == etree.tostring(etree.fromstring(signed_info), method="c14n", exclusive=True)
    assert 4 == len(blobs(home))  # draft, original, two contents
    done = put(home, prepared, official, Accept="application/xml")
    assert (200, "application/xml") == (done.status_code, done.headers["content-type"]), done.text
    (inside,) = etree.fromstring(done.content).iter(etree.fromstring(signed_info).tag)
    assert signed_info == etree.tostring(inside, method="c14n", exclusive=True, with_tail=False)
    assert 3 == len(blobs(home))
    assert ["PREPARED", "DONE", "COMPLETED"] == home.kinds()
    record = home.services.database.read(signatures.get, prepared["id"])
    assert intact(home, record)
    first = home.services.ledger.read(limit=1)[0].facts
    assert ("XAdES", 2) == (first["format"], len(first["detached_sha256"]))


def test_an_answer_of_another_type_leaves_the_preparation_waiting(home: House, official: Signer):
    """Accept: application/pdf for an XML is refused before the value is used up."""
    prepared = post(home, official).json()
    assert 406 == put(home, prepared, official, Accept="application/pdf").status_code
    assert 200 == put(home, prepared, official).status_code


def test_a_preparation_that_expires_leaves_nothing(home: House, official: Signer):
    """Draft, original and contents are gone together."""
    post(home, official)
    home.services.database.write(lambda c: c.execute(tables.signature.update().values(expires_at=1.0)).rowcount)
    assert 1 == redemption.expire_all(home.services)
    assert [] == blobs(home)


@pytest.mark.parametrize("order", [{}, ALONE, {"xml": {"elements": ["don-vi"]}}], ids=["enveloped", "detached", "part"])
@pytest.mark.parametrize("point", ["after the keeper", "before completion", "after the blob"])
def test_a_crash_anywhere_is_recovered_without_a_second_use(
    home: House, monkeypatch: pytest.MonkeyPatch, point: str, order: dict[str, object]
):
    """kill -9 between INTENT and COMPLETED: the draft is laid out again from the original, the key used once."""
    if point == "after the keeper":
        home.token.after = die
    elif point == "before completion":
        home.documents.before = lambda op: die() if op == "complete" else None
    else:
        append = home.services.ledger.append
        monkeypatch.setattr(
            home.services.ledger,
            "append",
            lambda kind, *a, **k: die() if kind == "COMPLETED" else append(kind, *a, **k),
        )
    with pytest.raises(Killed):
        sign(home, key="k", **order)
    monkeypatch.undo()
    home.token.after = lambda: None
    home.documents.before = lambda _op: None
    with pytest.raises(RequestInProgress):
        sign(home, key="k", **order)
    if point == "before completion":
        (identity,) = home.services.database.read(lambda c: [row.document_blob for row in c.execute(RECORDS)])
        with home.services.blobs.path(identity).open("r+b") as file:  # what an interrupted completion may leave
            file.seek(len(FEES) // 2)
            file.write(b"half a signature" * 100)
    lapse(home)
    assert 1 == recovery.scan(home.services)
    assert home.services.jobs.run_one(recovery.handlers(home.services))
    record = sign(home, key="k", **order)
    assert ("signed", 1) == (record.state, home.token.signed)
    assert intact(home, record)
    assert (4 if order is ALONE else 3) == len(blobs(home))
    assert () == home.services.ledger.open_intents()


def test_a_silent_timestamp_authority_puts_the_signature_off(home: House):
    """The value is kept, and the job completes it when the authority is back."""
    with pytest.raises(WorkerRefusal) as caught:
        sign(home, level="B-T")
    assert "timestamp-unavailable" == caught.value.code
    signer = timestamp_support.tsa_signer()
    authority = timestamp_support.authority(signer)
    home.outside.answer = lambda request: authority.respond(request, sign=lambda tbs: signer.sign(tbs, "ecdsa_sha256"))
    lapse(home)
    assert home.services.jobs.run_one(recovery.handlers(home.services))
    record = home.services.database.read(signatures.get, caught.value.facts["signature"])
    assert ("signed", "B-T", 1) == (record.state, json.loads(record.result)["level"], home.token.signed)
    assert intact(home, record)


def test_a_refused_signature_keeps_nothing(home: House):
    """The key did not sign: draft, original and contents are gone."""

    def broken() -> None:
        raise TokenNotAvailable

    home.token.before = broken
    with pytest.raises(TokenNotAvailable):
        sign(home)
    assert [] == blobs(home)


def test_the_format_follows_the_content_and_the_order(home: House):
    """By content where the order says nothing; another file only where the order says XAdES; one name for one content."""

    def fitting(document: bytes, detached: dict[str, bytes] | None = None, **order: object) -> OrderRequest:
        with upload(home, detached or {}, document) as received:
            return formats.fitting(parse_order(json.dumps({"key": "seal", **order}).encode()), received)

    assert ("XAdES", "enveloped") == (fitting(FEES).format, fitting(FEES).xml.packaging)
    assert "PAdES" == fitting(b"%PDF-1.7").format
    assert fitting(b"%PDF-1.7").canonical() == parse_order(b'{"key": "seal", "format": "PAdES"}').canonical()
    assert "enveloping" == fitting(b"\x89PNG", format="XAdES").xml.packaging
    with pytest.raises(NotADocument):
        fitting(b"\x89PNG")
    with pytest.raises(RequestInvalid):
        fitting(FEES, {"đơn.xml": b"1"}, **ALONE)


@pytest.mark.parametrize(
    "xml_part",
    [
        {"packaging": "beside"},
        {"elements": ["a b"]},
        {"elements": ["a", "a"]},
        {"production_place": {}},
        {"policy": {"identifier": "urn:x", "digest": "AAAA"}},
        {"policy": {"identifier": "urn:x", "digest": "*"}},
        {"mime": "no type"},
        {"roles": ["x"] * 11},
        {"countersign": ""},
        {"unknown": 1},
    ],
)
def test_a_part_xml_that_is_malformed_is_told_so(xml_part: dict[str, object]):
    """With the place in the order that is wrong."""
    with pytest.raises(RequestInvalid) as caught:
        parse_order(json.dumps({"key": "seal", "xml": xml_part}).encode())
    assert str(caught.value.facts["field"]).startswith("xml")
