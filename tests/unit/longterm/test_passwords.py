"""The password of an encrypted document lies nowhere in clear, and sealed no longer than it is needed."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding

from api.sealing import Seal, SealBroken
from api.store import tables
from api.workflows import extending, passwords, recovery, redemption
from signer.extending import DEGRADED
from tests import documents
from tests.longterm_support import TSA_URL, World, sign_with
from tests.unit.longterm.test_jobs import Place, place
from verify import pdf
from verify.document import Limits

pytestmark = [pytest.mark.spine, pytest.mark.pades]

CANARY = "canary-7f3a9c"
RSA = "rsassa_pkcs1v15_sha256"


@pytest.fixture
def here(tmp_path: Path, world: World) -> Place:
    return place(tmp_path / "home", world)


@pytest.fixture
def locked(tmp_path: Path) -> bytes:
    plain = documents.pdf(tmp_path / "plain.pdf")
    return documents.encrypted(tmp_path / "locked.pdf", plain, user=CANARY, owner="owner").read_bytes()


def places_of_the_canary(here: Place) -> list[str]:
    """Files of KYSO_HOME that hold the password, as text or in base64: database, journal, blobs, logs, all of them."""
    marks = (CANARY.encode(), base64.b64encode(CANARY.encode())[:-4], CANARY.encode().hex().encode())
    files = [path for path in here.home.services.settings.home.rglob("*") if path.is_file()]
    assert {"kyso.db", "kyso.db-wal"} <= {path.name for path in files}
    return [path.name for path in files if any(mark in path.read_bytes() for mark in marks)]


def sealed(here: Place) -> int:
    count = sa.select(sa.func.count()).select_from(tables.sealed)
    return here.home.services.database.read(lambda connection: connection.execute(count).scalar_one())


def prepared(here: Place, document: bytes, *, level: str, password: str | None = CANARY, **order: object) -> dict:
    """A preparation for the key of `seal`, as if it were elsewhere."""
    signer = here.home.token.signers["seal"]
    pem = signer.certificate.public_bytes(Encoding.PEM).decode()
    chain = [base64.b64encode(here.world.issuing.der).decode()]
    answer = here.home.ask(
        "POST",
        "/v1/signatures",
        headers={"Idempotency-Key": "mot"},
        files={"document": ("a.pdf", document, "application/pdf")},
        data={"order": json.dumps({"certificate": pem, "chain": chain, "level": level, "password": password, **order})},
    )
    assert 202 == answer.status_code, answer.text
    return answer.json()


def put(here: Place, preparation: dict) -> httpx.Response:
    """The value, as whoever holds the key brings it."""
    value = sign_with(here.home.token.signers["seal"].key, base64.b64decode(preparation["tbs"]), RSA)
    body = {"value": base64.b64encode(value).decode(), "algorithm": RSA}
    return here.home.ask("PUT", f"/v1/signatures/{preparation['id']}/value", json=body)


def redeemed(here: Place, preparation: dict) -> dict:
    answer = put(here, preparation)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def opens(here: Place, document: str, tmp_path: Path) -> bool:
    """Whether the signed document still asks for the password, and opens with it."""
    path = tmp_path / "signed.pdf"
    path.write_bytes(here.home.ask("GET", document).content)
    with path.open("rb") as file:
        return pdf.open_reader(file, limits=Limits(), password=CANARY).encrypted


def test_a_preparation_holds_no_password(here: Place, locked: bytes, tmp_path: Path, capfd, caplog) -> None:
    """Prepared at B-LT: nothing below KYSO_HOME and no log has it; the value brings the evidence all the same, and then
    nothing sealed is left either."""
    preparation = prepared(here, locked, level="B-LT")
    assert ([], 1) == (places_of_the_canary(here), sealed(here))
    answer = redeemed(here, preparation)
    assert ("B-LT", []) == (answer["level"], answer["warnings"])
    assert opens(here, answer["document"], tmp_path)
    assert ([], 0) == (places_of_the_canary(here), sealed(here))
    assert CANARY not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("level", ["B-B", "B-T"])
def test_what_needs_no_password_later_keeps_none(here: Place, locked: bytes, level: str) -> None:
    """Below B-LT the value is embedded without opening the document."""
    preparation = prepared(here, locked, level=level)
    assert ([], 0) == (places_of_the_canary(here), sealed(here))
    assert level == redeemed(here, preparation)["level"]


def test_the_same_request_again_is_known_without_it(here: Place, locked: bytes) -> None:
    """An Idempotency-Key is bound to the order without its password: its stored digest tells nobody to guess at."""
    first = prepared(here, locked, level="B-LT")
    assert first["id"] == prepared(here, locked, level="B-LT")["id"]


def test_an_expired_preparation_forgets_it(here: Place, locked: bytes) -> None:
    """The time is over: with the draft goes the sealed password."""
    services = here.home.services
    preparation = prepared(here, locked, level="B-LTA")
    change = tables.signature.update().where(tables.signature.c.id == preparation["id"]).values(expires_at=1.0)
    services.database.write(lambda connection: connection.execute(change))
    redemption.expire_all(services)
    assert 0 == sealed(here)


def test_an_archive_is_renewed_with_the_sealed_password(here: Place, locked: bytes) -> None:
    """At B-LTA a renewal is due one day: the password waits for it, sealed; the job opens the document with it."""
    here.world.tsa = here.world.authority("Ends", end=here.world.at + timedelta(days=200))
    record = here.sign(locked, level="B-LTA", password=CANARY)
    assert ([], 1) == (places_of_the_canary(here), sealed(here))
    assert 0 == passwords.sweep(here.home.services, job_kind=extending.JOB)
    before = here.document(record)
    here.world.tsa = here.world.authority("Lasts")
    here.world.at += timedelta(days=115)
    assert "open" == here.run().state
    assert len(before) < len(here.document(record))
    assert [] == places_of_the_canary(here)


def test_a_lift_that_is_over_needs_it_no_more(here: Place, locked: bytes) -> None:
    """B-T in an outage: B-B at once, with the password sealed for the lift; after the lift it is swept away."""
    here.net.answers[TSA_URL] = None
    record = here.sign(locked, level="B-T", allow_degraded=True, password=CANARY)
    assert ([DEGRADED], 1) == (here.result(record)["warnings"], sealed(here))
    here.net.answers.clear()
    assert "done" == here.run().state
    assert "B-T" == here.result(record)["level"]
    assert 1 == passwords.sweep(here.home.services, job_kind=extending.JOB)
    assert ([], 0) == (places_of_the_canary(here), sealed(here))


def test_recovery_completes_with_it(here: Place, locked: bytes) -> None:
    """The authority is away and no lower level is allowed: the signature waits with its sealed password, and is
    completed at B-LT by whoever goes on."""
    services = here.home.services
    here.net.answers[TSA_URL] = None
    with pytest.raises(Exception, match="timestamp") as caught:
        here.sign(locked, level="B-LT", password=CANARY)
    identity = caught.value.facts["signature"]
    assert ([], 1) == (places_of_the_canary(here), sealed(here))
    here.net.answers.clear()
    done = recovery.resume(services, identity)
    assert done is not None
    assert ("B-LT", 0) == (json.loads(done.result)["level"], sealed(here))


def test_a_lost_key_is_said_and_nothing_is_lost(here: Place, locked: bytes) -> None:
    """With another sealing key the signature cannot be completed: `seal-broken`, for the operator; the record waits."""
    services = here.home.services
    here.net.answers[TSA_URL] = None
    with pytest.raises(Exception, match="timestamp") as caught:
        here.sign(locked, level="B-LT", password=CANARY)
    identity = caught.value.facts["signature"]
    here.net.answers.clear()
    key = services.settings.secrets / "sealing.key"
    assert 0o600 == key.stat().st_mode & 0o777
    kept = key.read_bytes()
    key.write_bytes(bytes(32))
    with pytest.raises(SealBroken):
        recovery.resume(services, identity)
    key.write_bytes(kept)
    assert recovery.resume(services, identity) is not None


def test_a_value_opens_for_its_record_alone(tmp_path: Path) -> None:
    """Moved to another record, or changed by a bit, it does not open."""
    seal = Seal(tmp_path / "sealing.key")
    value = seal.close(CANARY, bound_to="sig_1")
    assert CANARY == Seal(tmp_path / "sealing.key").open(value, bound_to="sig_1")
    broken = bytes([value[0] ^ 1]) + value[1:]
    for one, record in ((value, "sig_2"), (broken, "sig_1"), (b"", "sig_1")):
        with pytest.raises(SealBroken):
            seal.open(one, bound_to=record)
