"""A letter of introduction from the member's cell to the receiving one, in a browser before a whole appliance: each signs in
a session of their own, people by passkey, seals with number and date; then what independent readers say of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pikepdf
import pytest
from fido2 import cbor
from fido2.cose import CoseKey

from tests import readers
from tests.cli_support import kyso
from tests.documents import pages
from tests.integration.web.flow import DAY, WAY, Journey
from tests.integration.web.office import COMMITTEE, House

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def journey(offices: House) -> Journey:
    """A letter that went through all hands."""
    made = Journey(offices)
    offices.tab.events.clear()
    for leg in WAY:
        told = made.go(leg)
        state = offices.state(told)
        assert "done" == state["state"], state
        assert [] == offices.tab.complaints()
    return made


@pytest.fixture(scope="module")
def final(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("final") / "giay-gioi-thieu.pdf"
    path.write_bytes(journey.house.document(journey.signatures[-1]))
    return path


def test_everybody_signs_and_everything_holds(journey: Journey, final: Path):
    """`kyso verify` passes all six, none changed by those after it; Poppler and pyHanko find each value right; the last
    one is kept for the archive."""
    judged = kyso("verify", final, "--format", "json", home=journey.house.appliance.home)
    assert 0 == judged.status, judged
    report = json.loads(judged.out)
    assert ("TOTAL_PASSED", 6) == (report["verdict"], len(report["signatures"]))
    names = [leg.who.name if leg.who.role == "official" else leg.who.seal for leg in WAY]
    assert names == [one["signer"]["common_name"] for one in report["signatures"]]
    for one in report["signatures"]:
        assert ("TOTAL_PASSED", True, False) == (one["indication"], one["intact"], one["changes"]["modified"]), one
        assert one["changes"]["kind"] in ("none", "allowed")
    assert "PAdES-BASELINE-LTA" == report["signatures"][-1]["level"]
    assert [] == report["warnings"]
    valid = [is_valid for is_valid, _ in readers.poppler(final)]
    assert 6 == sum(valid)
    assert [(True, True)] * 6 == readers.pyhanko(final)[:6]  # the seventh is a document timestamp
    assert "" == readers.qpdf(final)


def test_number_and_date_stand_in_their_boxes_and_are_closed(final: Path):
    """As the clerks wrote them; boxes of levels that were gone past are empty; the letter was certified for filling."""
    with pikepdf.open(final) as pdf:
        fields = {str(one.T): one for one in pdf.Root.AcroForm.Fields}
        written = {name: str(fields[name].get("/V", "")) for name in ("o3_so", "o3_ngay", "o6_so", "o6_ngay", "o4_so")}
        assert {"o3_so": "15-GT/ĐU", "o3_ngay": DAY, "o6_so": "7-GT/ĐU", "o6_ngay": DAY, "o4_so": ""} == written
        signed = [name for name, one in fields.items() if one.get("/FT") == "/Sig" and "/V" in one]
        assert {leg.step.replace("-", "_") for leg in WAY} == set(signed) - {"Timestamp1"}
        assert 2 == pdf.Root.Perms.DocMDP.Reference[0].TransformParams.P
        for seal in ("o3_dau", "o6_dau"):
            closed = {str(name) for name in fields[seal].Lock.Fields}
            assert closed == {seal.replace("dau", "so"), seal.replace("dau", "ngay")}


def test_the_evidence_says_what_each_person_agreed_to(journey: Journey):
    """`activations.json`, checked with nothing of ours: its text names what was signed, the challenge is its digest, and
    the passkey's signature is over both. A seal has none."""
    for leg, signature in zip(WAY, journey.signatures, strict=True):
        answer = journey.house.client.get(f"/v1/signatures/{signature}/evidence")
        with zipfile.ZipFile(io.BytesIO(answer.raise_for_status().content)) as evidence:
            if leg.who.role == "clerk":
                assert "activations.json" not in evidence.namelist()
                continue
            (carried,) = json.loads(evidence.read("activations.json"))
        assert leg.who.key == carried["key"]
        agreed = json.loads(carried["text"])
        assert 1 == len(agreed["documents"])
        client_data = base64.b64decode(carried["client_data"])
        said = json.loads(client_data)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(carried["text"].encode()).digest()).rstrip(b"=").decode()
        assert ("webauthn.get", challenge, journey.house.appliance.url) == (
            said["type"],
            said["challenge"],
            said["origin"],
        )
        public = CoseKey.parse(cbor.decode(base64.b64decode(carried["public_key"])))
        message = base64.b64decode(carried["authenticator_data"]) + hashlib.sha256(client_data).digest()
        public.verify(message, base64.b64decode(carried["signature"]))


def test_the_keyboard_alone_is_enough(house: House, journey: Journey, tmp_path: Path):
    """The first three signatures of a letter without a mouse: certificate by arrows, number and date typed. A number that
    the office gave out before is refused, corrected, and nothing is lost."""
    keys = Journey(house, hands="keyboard")
    cell, committee, seal = WAY[:3]
    keys.go(cell)
    keys.go(committee)
    taken, day = seal.fill
    assert len(WAY) == len(journey.signatures)
    told = house.ask(keys.newest, who=seal.who, step=seal.step)
    keys.open(told)
    keys.write("#fill-0", taken)
    keys.write("#fill-1", day)
    keys.agree()
    said = house.tab.run("deep('#problem').innerText")
    assert "Số này đã dùng" in said
    assert "number-taken" in said
    assert [("opened", "waiting")] == [(one["state"], one["documents"][0]["state"]) for one in [house.state(told)]]
    keys.reach("#fill-0")
    house.tab.type("16-GT/ĐU")
    keys.agree()
    (tmp_path / "a.pdf").write_bytes(house.document(house.signature(told)))
    assert [(True, True)] * 3 == readers.pyhanko(tmp_path / "a.pdf")


def test_a_signature_is_where_the_keyboard_put_it(house: House, tmp_path: Path):
    """A paper without boxes: page, place and size by keys alone; the signed field is exactly there. Another paper of the
    same session is sent back with a reason, by keys as well, and is not signed."""
    paper = pages(tmp_path / "giấy.pdf", 3).read_bytes()
    told = house.ask(
        paper, who=COMMITTEE, keys=[COMMITTEE.key], title="Tờ trình (demo)", others=["Tờ trình thứ hai (demo)"]
    )
    keys, tab = Journey(house, hands="keyboard"), house.tab
    keys.open(told)
    keys.use("#put")
    tab.wait("focused()?.classList.contains('mine')")
    first = keys.place
    for name, code, count, shift in (
        ("PageUp", 33, 1, False),
        ("ArrowLeft", 37, 7, False),
        ("ArrowUp", 38, 5, False),
        ("ArrowRight", 39, 3, True),
        ("ArrowDown", 40, 2, True),
    ):
        for _ in range(count):
            tab.press(name, code, shift=shift)
        tab.wait("focused()?.classList.contains('mine')")
    wanted = keys.place
    assert (first["page"] - 1, True) == (wanted["page"], wanted["box"][0] < first["box"][0])
    assert wanted["box"][2] - wanted["box"][0] > first["box"][2] - first["box"][0]
    keys.use("#documents + ul li:nth-child(2) button")
    tab.wait("deep('#title').textContent.includes('thứ hai')")
    keys.use("#returning summary")
    keys.write("#reason", "Sai họ tên (demo)")
    keys.use("#returning button")
    tab.wait("deepAll('.about li').length === 1")
    keys.agree()
    signed, returned = house.state(told)["documents"]
    assert ("returned", "Sai họ tên (demo)") == (returned["state"], returned["outcome"]["reason"])
    with pikepdf.open(io.BytesIO(house.document(signed["outcome"]["signature"]))) as pdf:
        (box,) = [one for one in pdf.pages[wanted["page"] - 1].Annots if one.get("/FT") == "/Sig"]
        assert wanted["box"] == pytest.approx([float(side) for side in box.Rect], abs=0.02)
