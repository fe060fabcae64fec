"""A signature that was left below its level, or grows old, is lifted by a job, if nobody built on its document."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding

from api.errors import StaleDocument
from api.schemas import OrderRequest
from api.store import signatures, tables
from api.store.signatures import SignatureRecord
from api.uploads import of_file
from api.workflows import completion, extending, preparations, redemption, signing
from signer import pipeline
from signer.extending import DEGRADED, PENDING, Grounds
from tests.documents import pdf
from tests.http_support import House, LocalDocuments, house
from tests.longterm_support import DAY, TSA_URL, Net, World
from tests.pki import Signer
from tests.unit.verify.world import revocation_list
from verify import policy as policies

pytestmark = [pytest.mark.spine, pytest.mark.pades]


@dataclass
class Documents(LocalDocuments):
    """Workers in this thread that gather evidence as the real ones do."""

    def complete(self, out, *, prepared, value, fetcher, trust=None, policy="default", at=None, **_):
        grounds = None if trust is None else Grounds(trust, policies.load(policy), at)
        return self._run(
            "complete", lambda: pipeline.complete(prepared, value, out=out, fetcher=fetcher, grounds=grounds)
        )

    def extend(self, source, out, *, order, fetcher, **_):
        given = dict(vars(order))
        del given["detached"]
        level, policy = given.pop("level"), policies.load(given.pop("policy"))
        return self._run(
            "extend", lambda: pipeline.extend(source, level, policy=policy, out=out, fetcher=fetcher, **given)
        )


@dataclass
class Place:
    """A service whose outside is a world of responders."""

    home: House
    world: World
    net: Net

    def sign(self, document: bytes, *, level: str = "B-LTA", **order) -> SignatureRecord:
        services = self.home.services
        with of_file(io.BytesIO(document), name="a.pdf", folder=services.settings.tmp, limit=1 << 30) as upload:
            wanted = OrderRequest(key="seal", level=level, **order)
            return signing.sign(services, self.home.callers["client"], wanted, upload).record

    def document(self, record: SignatureRecord) -> bytes:
        with self.home.services.blobs.open(self.read(record).signed_blob) as file:
            return file.read()

    def read(self, record: SignatureRecord) -> SignatureRecord:
        return self.home.services.database.read(signatures.get, record.id)

    def result(self, record: SignatureRecord) -> dict:
        return json.loads(self.read(record).result)

    def jobs(self) -> list[sa.Row]:
        table = tables.job
        chosen = sa.select(table).where(table.c.kind == extending.JOB)
        return self.home.services.database.read(lambda connection: list(connection.execute(chosen)))

    def run(self) -> sa.Row:
        """Run the lifting job as if its time had come; what became of it."""
        table = tables.job
        self.home.services.database.write(
            lambda connection: connection.execute(table.update().where(table.c.kind == extending.JOB).values(due=0.0))
        )
        assert self.home.services.jobs.run_one(extending.handlers(self.home.services))
        return self.jobs()[0]


def place(folder: Path, world: World, **sections) -> Place:
    home, net = house(folder, timestamping={"authorities": [TSA_URL]}, **sections), Net(world)
    entity = world.signer("rsa2048")
    home.token.signers["seal"] = Signer(entity.certificate, entity.key, (world.issuing.der,))
    services = replace(home.services, documents=Documents(), fetcher=net, clock=lambda: world.at)
    services.trust.current = world.trust
    return Place(replace(home, services=services), world, net)


@pytest.fixture
def here(tmp_path: Path, world: World) -> Place:
    return place(tmp_path / "home", world)


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


def test_a_degraded_signature_is_lifted_when_the_authority_is_back(here: Place, document: bytes, tmp_path: Path):
    """B-B in an outage; the job tries, waits, and afterwards the same signature is at B-LTA, on record twice."""
    here.net.answers[TSA_URL] = None
    record = here.sign(document, allow_degraded=True)
    assert ("B-B", [DEGRADED]) == (here.result(record)["level"], here.result(record)["warnings"])
    before = here.document(record)

    assert "open" == here.run().state
    here.net.answers.clear()
    here.run()
    assert ("B-LTA", []) == (here.result(record)["level"], here.result(record)["warnings"])
    lifted = tmp_path / "lifted.pdf"
    lifted.write_bytes(here.document(record))
    assert lifted.read_bytes().startswith(before)
    assert "TOTAL_PASSED" == here.world.judge(lifted).verdict
    assert ["INTENT", "DONE", "COMPLETED", "COMPLETED"] == here.home.kinds()


def test_a_pending_signature_is_settled_by_the_next_list(tmp_path: Path, world: World, document: bytes):
    """With a daily list and policy `fresh`, B-LT is pending until the list of the next day is embedded by the job."""
    here = place(tmp_path / "home", world, signing={"evidence_policy": "fresh"})
    url = "http://crl.demo/issuing.crl"
    entity = world.signer("rsa2048", ocsp_url=None, crl_url=url)
    here.home.token.signers["seal"] = Signer(entity.certificate, entity.key, (world.issuing.der,))
    issued = world.at - timedelta(hours=3)
    here.net.answers[url] = lambda _: revocation_list(world.issuing, issued=issued, until=issued + DAY)
    record = here.sign(document, level="B-LT")
    assert [PENDING] == here.result(record)["warnings"]

    assert "open" == here.run().state
    assert [PENDING] == here.result(record)["warnings"]
    issued += DAY
    world.at += DAY
    assert "done" == here.run().state
    assert [] == here.result(record)["warnings"]


def test_a_document_with_a_successor_is_not_forked(here: Place, document: bytes):
    """Somebody signed the degraded document meanwhile: the job ends and the record keeps its document."""
    here.net.answers[TSA_URL] = None
    first = here.sign(document, allow_degraded=True)
    before = here.document(first)
    here.net.answers.clear()
    here.sign(before, level="B-B")
    assert "done" == here.run().state
    assert before == here.document(first)


def test_a_successor_that_is_refused_in_the_end_stops_no_lift(here: Place, document: bytes):
    """A later signature waits for its timestamp: the job waits too. It is given up: the lift goes on with the head."""
    here.net.answers[TSA_URL] = None
    first = here.sign(document, allow_degraded=True)
    with pytest.raises(Exception, match="timestamp") as caught:
        here.sign(here.document(first), level="B-T")
    here.net.answers.clear()
    assert "open" == here.run().state
    assert "B-B" == here.result(first)["level"]

    services = here.home.services
    hold = services.database.write(signatures.claim, caught.value.facts["signature"])
    given_up = services.database.read(signatures.get, hold.id)
    completion.refuse(services, hold, given_up, code="timestamp-unavailable", claim=None)
    assert "open" == here.run().state
    assert "B-LTA" == here.result(first)["level"]


def test_a_preparation_holds_no_lift_up(here: Place, document: bytes):
    """Somebody has the document before them, and their time runs out: the lift was done meanwhile, or is done then."""
    here.net.answers[TSA_URL] = None
    first = here.sign(document, allow_degraded=True)
    entity = here.home.token.signers["seal"]
    order = OrderRequest(certificate=entity.certificate.public_bytes(Encoding.PEM).decode())
    services = here.home.services
    with of_file(io.BytesIO(here.document(first)), name="a.pdf", folder=services.settings.tmp, limit=1 << 30) as upload:
        waiting = preparations.prepare(services, here.home.callers["client"], order, upload).record
    here.net.answers.clear()
    change = tables.signature.update().where(tables.signature.c.id == waiting.id).values(expires_at=1.0)
    services.database.write(lambda connection: connection.execute(change))
    redemption.expire_all(services)
    assert "open" == here.run().state
    assert "B-LTA" == here.result(first)["level"]


def test_an_archive_is_renewed_before_its_timestamp_runs_out(here: Place, document: bytes, tmp_path: Path):
    """The job is due 90 days before the authority's certificate ends; then there is a second document timestamp."""
    here.world.tsa = here.world.authority("Ends", end=here.world.at + 200 * DAY)
    record = here.sign(document)
    (job,) = here.jobs()
    assert abs(job.due - (time.time() + 110 * 86_400)) < 120
    here.world.tsa = here.world.authority("Lasts")
    here.world.at += 115 * DAY
    assert "open" == here.run().state
    out = tmp_path / "out.pdf"
    out.write_bytes(here.document(record))
    report = here.world.judge(out)
    assert ["Ends", "Lasts"] == [stamp.tsa for stamp in report.timestamps]
    assert "TOTAL_PASSED" == report.verdict
    assert here.jobs()[0].due > time.time() + 1000 * 86_400


def test_a_settled_level_needs_no_job(here: Place, document: bytes):
    """B-B, B-T and B-LT that were reached leave nothing to be done later."""
    for level in ("B-B", "B-T", "B-LT"):
        here.sign(document, level=level)
    assert [] == here.jobs()


def test_the_interface_extends_others_documents(here: Place, document: bytes):
    """POST /v1/extensions answers the lifted bytes, and says the level and the digest in its header; else a problem."""
    record = here.sign(document, level="B-B")
    signed = here.document(record)
    answer = here.home.ask(
        "POST",
        "/v1/extensions",
        files={"document": ("đơn.pdf", signed, "application/pdf")},
        data={"level": "B-LTA"},
    )
    assert (200, "B-LTA") == (answer.status_code, answer.headers["kyso-level"])
    assert answer.content.startswith(signed)
    again = here.home.ask(
        "POST", "/v1/extensions", files={"document": ("a.pdf", document, "application/pdf")}, data={"level": "B-LT"}
    )
    assert (422, "nothing-to-extend") == (again.status_code, again.json()["code"])
    wrong = here.home.ask(
        "POST", "/v1/extensions", files={"document": ("a.pdf", signed, "application/pdf")}, data={"level": "B-X"}
    )
    assert (400, "request-invalid") == (wrong.status_code, wrong.json()["code"])
    assert [] == [path.name for path in here.home.services.settings.tmp.iterdir()]


def test_an_extension_of_a_document_that_went_on_is_stale(here: Place, document: bytes):
    """Before and after a lift it is one head: once a signature was built on the one form, the other is refused."""
    signed = here.document(here.sign(document, level="B-B"))

    def extend() -> tuple[int, bytes]:
        files = {"document": ("a.pdf", signed, "application/pdf")}
        answer = here.home.ask("POST", "/v1/extensions", files=files, data={"level": "B-LT"})
        return answer.status_code, answer.content

    status, lifted = extend()
    assert 200 == status
    here.sign(lifted, level="B-B")
    with pytest.raises(StaleDocument):
        here.sign(signed, level="B-B")
    status, problem = extend()
    assert (409, "stale-document") == (status, json.loads(problem)["code"])


def test_after_a_lift_the_older_form_is_the_same_head(here: Place, document: bytes):
    """The job has lifted; whoever signs the file as it was before makes the lifted one old, not a second branch."""
    here.net.answers[TSA_URL] = None
    first = here.sign(document, allow_degraded=True)
    before = here.document(first)
    here.net.answers.clear()
    here.run()
    after = here.document(first)
    here.sign(before, level="B-B")
    with pytest.raises(StaleDocument):
        here.sign(after, level="B-B")
