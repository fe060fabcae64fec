"""Post and delegation at signing time: in the ledger as ids, in the evidence with their words, on the running demo."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.appliance import Appliance
from tests.cli_support import kyso
from tests.documents import pdf

pytestmark = pytest.mark.appliance


def evidence_of(appliance: Appliance, folder: Path, key: str) -> dict[str, bytes]:
    """The files of the evidence of a document that is signed now."""
    made = appliance.sign(pdf(folder / "a.pdf").read_bytes(), key=key)
    assert made.status_code == 201, made.text
    packed = appliance.client.get(f"/v1/signatures/{made.json()['id']}/evidence")
    assert packed.status_code == 200, packed.text
    with zipfile.ZipFile(io.BytesIO(packed.content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_evidence_names_the_post_by_which_somebody_signed(appliance: Appliance, tmp_path: Path) -> None:
    """The line of the ledger has the same ids as the words beside it, and no name of a person."""
    files = evidence_of(appliance, tmp_path, "demo-official-2")
    (part,) = json.loads(files["directory.json"])
    assert ("Phó Bí thư Đảng ủy", "deputy", "DU-CS-MAU") == (
        part["post"]["title"],
        part["post"]["rank"],
        part["organisation"]["code"],
    )
    lines = [json.loads(one["line"]) for one in json.loads(files["ledger.json"])["lines"]]
    facts = next(line["facts"] for line in lines if line["number"] == part["line"])
    assert (part["post"]["id"], part["organisation"]["id"], part["person"]) == (
        facts["post"],
        facts["organisation"],
        facts["person"],
    )
    assert "Phạm" not in json.dumps([line["facts"] for line in lines], ensure_ascii=False)
    assert "Phó Bí thư Đảng ủy; Đảng ủy cơ sở Mẫu (demo) (DU-CS-MAU)" in files["HUONG-DAN.md"].decode()


def test_a_seal_has_its_organisation(appliance: Appliance, tmp_path: Path) -> None:
    """No person pressed it that the appliance knows of: the organisation alone."""
    files = evidence_of(appliance, tmp_path, "demo-seal")
    (part,) = json.loads(files["directory.json"])
    assert ("Đảng ủy cơ sở Mẫu (demo)", False, False) == (
        part["organisation"]["name"],
        "post" in part,
        "person" in part,
    )


def test_the_evidence_is_judged_as_before(appliance: Appliance, tmp_path: Path) -> None:
    """`kyso verify` takes the ZIP with the new file in it."""
    made = appliance.sign(pdf(tmp_path / "a.pdf").read_bytes(), key="demo-official")
    file = tmp_path / "evidence.zip"
    file.write_bytes(appliance.client.get(f"/v1/signatures/{made.json()['id']}/evidence").content)
    assert 0 == kyso("verify", file, "--offline", home=tmp_path).status
