"""The README's walk-throughs and the demo's promises, against a running appliance."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pikepdf
import pytest

from tests.appliance import Appliance
from tests.cli_support import ROOT
from tests.documents import pdf

pytestmark = pytest.mark.spine

sys.path.append(str(ROOT / "docker" / "demo"))
from identities import IDENTITIES  # noqa: E402 - the demo is a folder of scripts, not a package


def _block(language: str) -> str:
    """The one code block of the README that opens with this line."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return found


@pytest.fixture
def beside_var(appliance: Appliance, tmp_path: Path) -> Path:
    """A folder whose `var` is the appliance's home, as the README's reader has it."""
    (tmp_path / "var").symlink_to(appliance.home)
    return tmp_path


@pytest.mark.parametrize(
    ("language", "command"), [("sh curl", ("bash", "-euo", "pipefail", "-c")), ("python", (sys.executable, "-c"))]
)
def test_the_walk_through_of_the_readme_works(appliance: Appliance, beside_var: Path, language, command):
    """A newcomer who copies the block signs and verifies, and is told so."""
    code = _block(language).replace("http://localhost:8080", appliance.url)
    ran = subprocess.run([*command, code], cwd=beside_var, capture_output=True, text=True, check=False, timeout=60)
    assert 0 == ran.returncode, ran.stderr
    assert "TOTAL_PASSED" in ran.stdout
    assert (beside_var / "signed.pdf").read_bytes().startswith(b"%PDF-")


def test_the_walk_through_of_xml_works(appliance: Appliance, beside_var: Path):
    """The block on XML: signed at B-LTA together with a PDF, and judged with it."""
    code = _block("sh xml").replace("http://localhost:8080", appliance.url)
    command = ("bash", "-euo", "pipefail", "-c", code)
    ran = subprocess.run(command, cwd=beside_var, capture_output=True, text=True, check=False, timeout=60)
    assert (0, '"verdict":"TOTAL_PASSED"') == (ran.returncode, ran.stdout.strip()), ran.stderr
    report = json.loads((beside_var / "report.json").read_text("utf-8"))
    assert "XAdES-BASELINE-LTA" == report["signatures"][0]["level"]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.ref)
def test_each_identity_has_its_outcome(appliance: Appliance, tmp_path: Path, identity):
    """An integrator who signs with a demo key gets the answer that the README names."""
    answer = appliance.sign(pdf(tmp_path / "in.pdf").read_bytes(), key=identity.ref, level="B-T")
    found = answer.json()
    assert identity.code == found.get("code"), found
    assert (answer.status_code == 201) == (identity.code is None)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"`{identity.ref}`" in readme
    assert identity.code is None or f"`{identity.code}`" in readme


def test_the_demo_leaves_documents_reports_and_pictures(appliance: Appliance):
    """What `make demo` promises lies in var/demo: signed at B-T, passed, and the whole form with four signatures."""
    demo = appliance.home / "demo"
    for name, signatures in (("giay-gioi-thieu.signed", 1), ("giay-gioi-thieu.all-boxes", 4)):
        report = json.loads((demo / f"{name}.report.json").read_text("utf-8"))
        assert "TOTAL_PASSED" == report["verdict"]
        assert ["PAdES-BASELINE-T"] * signatures == [one["level"] for one in report["signatures"]]
        subprocess.run(["qpdf", "--check", demo / f"{name}.pdf"], check=True, capture_output=True)
        for page in (1, 2):
            assert (demo / f"{name}.{page}.png").read_bytes().startswith(b"\x89PNG")


def test_its_signatures_look_as_the_rules_say(appliance: Appliance):
    """Hands in three boxes, and the seal of 36 mm over the left third of the last one."""
    demo = appliance.home / "demo"
    shown = {}
    with pikepdf.open(demo / "giay-gioi-thieu.all-boxes.pdf") as document:
        for page in document.pages:
            for field in page.Annots:
                if "/V" in field:
                    left, bottom, *_ = map(float, field.Rect)
                    x0, y0, x1, y1 = map(float, field.AP.N.KysoPicture)
                    shown[str(field.T)] = (left + x0, bottom + y0, left + x1, bottom + y1)
    hand, seal = shown["o3_dang_uy_co_so"], shown["o3_dau"]
    assert {"o1_chi_uy", "o2_dang_uy_bo_phan", "o3_dang_uy_co_so", "o3_dau"} == set(shown)
    assert 36.0 == pytest.approx((seal[2] - seal[0]) * 25.4 / 72, abs=0.3)
    assert hand[0] + (hand[2] - hand[0]) / 3 == pytest.approx(seal[2], abs=6)


def test_the_demo_leaves_signed_xml_and_reports(appliance: Appliance):
    """A report at B-LTA with two signatures, and a receipt that is signed with the PDF it is for; both verify over HTTP."""
    demo = appliance.home / "demo"
    for name, levels, beside in (
        ("bao-cao-phi", {"XAdES-BASELINE-LT", "XAdES-BASELINE-LTA"}, []),
        ("phieu-tiep-nhan", {"XAdES-BASELINE-T"}, ["giay-gioi-thieu.pdf"]),
    ):
        report = json.loads((demo / f"{name}.signed.report.json").read_text("utf-8"))
        signed = (demo / f"{name}.signed.xml").read_bytes()
        files = [("document", (f"{name}.xml", signed))]
        files += [("detached", (one, (demo / one).read_bytes())) for one in beside]
        again = appliance.client.post("/v1/verifications", files=files).json()
        for found in (report, again):
            assert ("TOTAL_PASSED", levels) == (found["verdict"], {one["level"] for one in found["signatures"]})
        assert "minh họa" in (demo / f"{name}.xml").read_text("utf-8").lower()


def test_what_is_secret_can_be_read_by_its_owner_alone(appliance: Appliance):
    """PINs, API keys and CA keys are private files in private folders."""
    home = appliance.home
    secret = [
        *home.glob("secrets/*"),
        *home.glob("demo/*.key"),
        *home.glob("demo/*.pin"),
        *home.glob("demo/pki/keys/*.key.pem"),
    ]
    assert len(secret) >= 12
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in secret}
    assert {0o700} == {stat.S_IMODE(folder.stat().st_mode) for folder in (home / "secrets", home / "demo")}
