"""A procedure in sessions: the right step by the right person in order, number and date by the clerk, refused otherwise
before anybody is asked to consent."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import pytest

from signer import procedures
from signer.procedures.templates import build
from tests import readers
from tests.session_support import Desk, desk

pytestmark = pytest.mark.web

LETTER, DOCUMENT = "chuyen-sinh-hoat-chinh-thuc", "giay-gioi-thieu"
FIRST, PERSON, SEAL = "o1-ky", "o3-ky", "o3-dau"
LEVEL = {"level": "B-B"}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk(tmp_path_factory.mktemp("desk"), directory=True)


def letter(one: Desk, name: str) -> list[tuple[str, bytes]]:
    template = procedures.load(LETTER).documents[DOCUMENT].template
    assert template is not None
    return [(name, build(template, values={}))]


def asked(one: Desk, papers: list[tuple[str, bytes]], step: str, *, organisation: str = "A", **who: str) -> str:
    each = {"procedure": LETTER, "step": step, "order": LEVEL}
    return one.asked(papers, each=each, organisation=organisation, **who)


def refused(one: Desk, papers: list[tuple[str, bytes]], step: str, **who: str) -> str:
    each = {"procedure": LETTER, "step": step, "order": LEVEL}
    return one.post(papers, each=each, organisation="A", **who).json()["code"]


def run(one: Desk, session: str) -> bytes:
    while one.work():
        pass
    shown = one.show(session)
    assert "done" == shown["state"], shown["documents"]
    return one.page("GET", session, "/documents/d1?signed=1").content


def begun(one: Desk, name: str) -> list[tuple[str, bytes]]:
    """A letter that the cell has signed."""
    session = asked(one, letter(one, name), FIRST, organisation="A1", person="p2")
    assert one.show(session)["documents"][0]["place"]["fixed"]
    assert 202 == one.consent(session, "other").status_code
    return [(name, run(one, session))]


def test_the_person_signs_then_the_clerk_seals_with_number_and_date(one: Desk, tmp_path: Path):
    """The first signature makes the fields; the seal fills number and date; both hold; a number is given once."""
    papers = begun(one, "giấy-1.pdf")
    assert "out-of-order" == refused(one, papers, SEAL, person="p3", role="clerk")
    assert "wrong-role" == refused(one, papers, PERSON, person="p3", role="clerk")
    assert "wrong-role" == refused(one, papers, PERSON, person="p2", role="clerk")
    session = asked(one, papers, PERSON, person="p2")
    shown = one.show(session)["documents"][0]
    assert ("nguoi-ky", True) == (shown["step"]["look"], shown["place"]["fixed"])
    assert 202 == one.consent(session, "other").status_code
    signed = run(one, session)
    assert "step-done" == refused(one, [("giấy.pdf", signed)], PERSON, person="p2")
    session = asked(one, [("giấy.pdf", signed)], SEAL, person="p3", role="clerk")
    shown = one.show(session)["documents"][0]
    assert [("o3_so", True), ("o3_ngay", True)] == [(each["name"], each["editable"]) for each in shown["fill"]]
    entry = {"id": "d1", "sha256": shown["sha256"]}
    assert "number-missing" == one.consent(session, "seal", documents=[entry]).json()["code"]
    assert "opened" == one.show(session)["state"]
    fill = {"o3_so": "15-GT/ĐU", "o3_ngay": "2026-11-22"}
    answer = one.consent(session, "seal", documents=[entry | {"fill": fill}])
    assert 202 == answer.status_code, answer.text
    (tmp_path / "sealed.pdf").write_bytes(run(one, session))
    assert [(True, True)] * 3 == readers.pyhanko(tmp_path / "sealed.pdf")
    # the ledger says by which file of the procedure
    identity = one.show(session)["documents"][0]["outcome"]["signature"]
    (used,) = one.house.services.ledger.read(kind="INTENT", signature=identity)
    file = resources.files(procedures).joinpath(f"{LETTER}.toml").read_bytes()
    assert (LETTER, hashlib.sha256(file).hexdigest()) == (used.facts["procedure"], used.facts["procedure_sha256"])
    # the same number for another letter
    other = asked(one, begun(one, "giấy-2.pdf"), PERSON, person="p2")
    one.consent(other, "other")
    second = asked(one, [("giấy.pdf", run(one, other))], SEAL, person="p3", role="clerk")
    sha256 = one.show(second)["documents"][0]["sha256"]
    taken = one.consent(
        second, "seal", documents=[{"id": "d1", "sha256": sha256, "fill": fill | {"o3_so": " 15-gt/đu"}}]
    )
    assert (409, "number-taken") == (taken.status_code, taken.json()["code"])
    assert "opened" == one.show(second)["state"]
