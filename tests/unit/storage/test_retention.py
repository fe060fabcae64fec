"""Documents go when their time is over: durably, on record, and never those that somebody holds."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from api.errors import NotFound
from api.schemas import OrderRequest
from api.store import fates, signatures
from api.store.encryption import keys
from api.uploads import of_file
from api.workflows import retention, signing
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

DAY = 86_400.0


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> House:
    keys.make(tmp_path / "home" / "secrets" / "storage.key")
    return house(tmp_path / "home", storage={"key_file": "secrets/storage.key"}, retention={"signed": 30})


def sign(home: House, document: bytes, **order: object) -> str:
    with of_file(io.BytesIO(document), name="a.pdf", folder=home.services.work, limit=1 << 30) as upload:
        return signing.sign(home.services, home.callers["client"], OrderRequest(key="seal", **order), upload).record.id


def stored(home: House) -> list[Path]:
    return [path for path in home.services.settings.blobs.rglob("*") if path.is_file()]


def later(days: float) -> float:
    return time.time() + days * DAY


def test_a_document_goes_when_its_days_are_over(home: House, document: bytes) -> None:
    """Not a day before. The record stays, without what the order said of the content; the document answers 410; one ledger
    line names the signatures, and none is gone."""
    identity = sign(home, document, reason="Giới thiệu sinh hoạt đảng")
    before = home.kinds()
    assert retention.Purge((), 0) == retention.purge(home.services, now=later(29))
    assert retention.Purge((identity,), 0) == retention.purge(home.services, dry=True, now=later(31))
    assert 1 == len(stored(home))
    assert retention.Purge((identity,), 0) == retention.purge(home.services, now=later(31))
    assert [] == stored(home)
    answer = home.ask("GET", f"/v1/signatures/{identity}/document")
    assert (410, "document-erased") == (answer.status_code, answer.json()["code"])
    state = home.ask("GET", f"/v1/signatures/{identity}").json()
    assert ("signed", 64) == (state["status"], len(state["sha256"]))
    record = home.services.database.read(signatures.get, identity)
    assert record is not None
    assert set(fates.KEPT_OF_AN_ORDER) >= set(json.loads(record.order))
    assert "Giới thiệu" not in record.order
    assert [*before, "CHANGED"] == home.kinds()
    line = home.services.ledger.read(limit=1000)[-1]
    assert ("documents-erased", [identity], 1) == tuple(line.facts[name] for name in ("what", "signatures", "count"))
    assert retention.Purge((), 0) == retention.purge(home.services, now=later(60))
    home.services.ledger.verify()


def test_a_held_document_stays(home: House, document: bytes) -> None:
    """As long as it is held; both are on record, without the reason."""
    held, free = sign(home, document), sign(home, document)
    retention.hold(home.services, held, by="cli:admin", note="vụ việc 7")
    assert (fates.Held(held, "cli:admin", "vụ việc 7"),) == home.services.database.read(fates.held)
    assert retention.Purge((free,), 1) == retention.purge(home.services, now=later(31))
    assert 1 == len(stored(home))
    retention.release(home.services, held, by="cli:admin")
    assert retention.Purge((held,), 0) == retention.purge(home.services, now=later(31))
    said = [line.facts for line in home.services.ledger.read(limit=1000) if line.kind == "CHANGED"]
    assert ["hold-set", "documents-erased", "hold-released", "documents-erased"] == [facts["what"] for facts in said]
    assert "vụ việc" not in json.dumps(said, ensure_ascii=False)
    with pytest.raises(NotFound):
        retention.release(home.services, held, by="cli:admin")
    with pytest.raises(NotFound):
        retention.hold(home.services, "sig_none", by="cli:admin", note="")


def test_callers_and_procedures_have_days_of_their_own(tmp_path: Path, document: bytes) -> None:
    """A procedure's come before a caller's, and these before everybody's; none at all keeps for ever."""
    home = house(tmp_path / "home")
    identity = sign(home, document)
    assert retention.Purge((), 0) == retention.purge(home.services, now=later(100_000))
    caller = home.callers["client"].id
    for chosen, day in (
        ({"signed": 9.0}, 9),
        ({"signed": 9.0, "callers": {caller: 5.0}}, 5),
        ({"callers": {caller: 3.0}}, 3),
    ):
        settings = home.services.settings.retention.model_copy(update=chosen)
        object.__setattr__(home.services.settings, "retention", settings)
        assert [] == list(retention.due(home.services, now=later(day - 1)))
        assert [identity] == [one.signature for one in retention.due(home.services, now=later(day + 1))]
    assert 2.0 == settings.model_copy(update={"procedures": {"giay": 2.0}}).days(caller=caller, procedure="giay")


def test_a_crash_between_record_and_file_leaves_no_file(
    home: House, document: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next erases it."""
    identity = sign(home, document)

    def die(_blob: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(home.services.blobs, "erase", die)
    with pytest.raises(KeyboardInterrupt):
        retention.purge(home.services, now=later(31))
    monkeypatch.undo()
    assert 410 == home.ask("GET", f"/v1/signatures/{identity}/document").status_code
    assert 1 == len(stored(home))
    retention.purge(home.services)
    assert [] == stored(home)
    assert () == home.services.database.read(fates.to_erase)


def test_what_belongs_to_a_document_goes_with_it(home: House) -> None:
    """An XML signature's detached contents and originals."""
    from tests.unit.http.test_xml import ALONE
    from tests.unit.http.test_xml import sign as sign_xml

    record = sign_xml(home, **ALONE)
    assert len(stored(home)) > 1
    assert (record.id,) == retention.purge(home.services, now=later(31)).signatures
    assert [] == stored(home)
