"""XML signatures that are lifted later by jobs: with what they refer to, which is kept for that."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.schemas import parse_order
from api.store.signatures import SignatureRecord
from api.uploads import of_file
from api.workflows import contents, extending, signing
from signer import pipeline
from signer.extending import DEGRADED, Grounds
from tests.longterm_support import DAY, TSA_URL, World
from tests.unit.longterm.test_jobs import Documents, Place, place
from tests.xml_support import FEES
from verify import engine
from verify import policy as policies
from verify.fetcher import Offline
from verify.report import Report

pytestmark = [pytest.mark.spine, pytest.mark.xades]

BESIDE = {"a.pdf": b"%PDF-1.7", "b/c.bin": bytes(range(256))}


@dataclass
class XmlDocuments(Documents):
    """Workers in this thread, which hand detached contents on."""

    def complete(self, out, *, prepared, value, fetcher, trust=None, policy="default", at=None, detached=None, **_):
        grounds = None if trust is None else Grounds(trust, policies.load(policy), at)
        more = {"fetcher": fetcher, "grounds": grounds, "detached": detached or {}}
        return self._run("complete", lambda: pipeline.complete(prepared, value, out=out, **more))

    def extend(self, source, out, *, order, fetcher, detached=None, **_):
        given = dict(vars(order)) | {"detached": detached or {}}
        level, policy = given.pop("level"), policies.load(given.pop("policy"))
        return self._run(
            "extend", lambda: pipeline.extend(source, level, policy=policy, out=out, fetcher=fetcher, **given)
        )


@pytest.fixture
def here(tmp_path: Path, world: World) -> Place:
    made = place(tmp_path / "home", world)
    services = replace(made.home.services, documents=XmlDocuments())
    return replace(made, home=replace(made.home, services=services))


def sign(here: Place, **order: object) -> SignatureRecord:
    services = here.home.services
    wanted = parse_order(json.dumps({"key": "seal", "level": "B-LTA", **order}).encode())
    beside = {name: io.BytesIO(content) for name, content in BESIDE.items()}
    folder = services.settings.tmp
    with of_file(io.BytesIO(FEES), name="đơn.xml", folder=folder, limit=1 << 30, detached=beside) as upload:
        return signing.sign(services, here.home.callers["client"], wanted, upload).record


def judged(here: Place, record: SignatureRecord) -> Report:
    world, services = here.world, here.home.services
    with contents.opened(services, record) as detached:
        return engine.judge(
            io.BytesIO(here.document(record)),
            name="a.xml",
            trust=world.trust(),
            policy=policies.load("default"),
            at=world.at,
            fetcher=Offline(),
            detached=detached,
        )


@pytest.mark.parametrize("packaging", ["enveloped", "detached"])
def test_a_degraded_signature_is_lifted_with_what_it_refers_to(here: Place, packaging: str):
    """B-B in an outage; when the authority is back the job brings it to B-LTA, over the contents that were kept."""
    here.net.answers[TSA_URL] = None
    record = sign(here, allow_degraded=True, format="XAdES", xml={"packaging": packaging})
    assert ("B-B", [DEGRADED]) == (here.result(record)["level"], here.result(record)["warnings"])
    assert "open" == here.run().state
    here.net.answers.clear()
    here.run()
    assert ("B-LTA", []) == (here.result(record)["level"], here.result(record)["warnings"])
    report = judged(here, record)
    assert ("TOTAL_PASSED", "XAdES-BASELINE-LTA") == (report.verdict, report.signatures[0].level)
    assert ["INTENT", "DONE", "COMPLETED", "COMPLETED"] == here.home.kinds()


def test_an_archive_is_renewed_before_its_timestamp_runs_out(here: Place):
    """A further ArchiveTimeStamp, by an authority that lasts."""
    here.world.tsa = here.world.authority("Ends", end=here.world.at + 200 * DAY)
    record = sign(here)
    (job,) = here.jobs()
    assert job.kind == extending.JOB
    here.world.tsa = here.world.authority("Lasts")
    here.run()
    stamps = [one for one in judged(here, record).signatures[0].timestamps if one.type == "archive"]
    assert 2 == len(stamps)
    assert {"TOTAL_PASSED"} == {one.indication for one in stamps}
