"""B-LT and B-LTA by the running appliance: HTTP, command line, real workers behind their lock-down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import readers
from tests.appliance import ROOT, Appliance
from tests.documents import pdf

pytestmark = [pytest.mark.spine, pytest.mark.pades]


def kyso(appliance: Appliance, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KYSO_HOME": str(appliance.home), "KYSO_LANG": "en"}
    command = [sys.executable, "-c", "from api.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def offline(appliance: Appliance, path: Path) -> tuple[str, list[str]]:
    """Verdict and levels by `kyso verify --offline` with the demo's root alone."""
    anchor = appliance.home / "demo" / "ca.pem"
    done = kyso(appliance, "verify", path, "--offline", "--trust", anchor, "--format", "json")
    report = json.loads(done.stdout)
    return report["verdict"], [one["level"] for one in report["signatures"]]


@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
def test_ordered_over_http(appliance: Appliance, tmp_path: Path, level: str):
    """The demo's official signs at the level; the document passes on the service, and offline with the root alone."""
    answer = appliance.sign(pdf(tmp_path / "a.pdf").read_bytes(), level=level)
    assert (201, level, []) == (answer.status_code, answer.json()["level"], answer.json()["warnings"])
    out = tmp_path / "out.pdf"
    out.write_bytes(appliance.client.get(answer.json()["document"]).content)
    assert "TOTAL_PASSED" == appliance.verify(out.read_bytes())["verdict"]
    assert ("TOTAL_PASSED", [f"PAdES-BASELINE-{level[2:]}"]) == offline(appliance, out)
    assert (True, False) == readers.poppler(out)[0]


def test_extended_over_http_and_from_the_command_line(appliance: Appliance, tmp_path: Path):
    """From B-B to B-LTA by POST /v1/extensions, and its renewal by `kyso extend`."""
    signed = appliance.client.get(appliance.sign(pdf(tmp_path / "a.pdf").read_bytes()).json()["document"]).content
    answer = appliance.client.post(
        "/v1/extensions", files={"document": ("a.pdf", signed, "application/pdf")}, data={"level": "B-LTA"}
    )
    assert (200, "B-LTA") == (answer.status_code, answer.headers["kyso-level"]), answer.text[:500]
    one, two = tmp_path / "1.pdf", tmp_path / "2.pdf"
    one.write_bytes(answer.content)
    assert ("TOTAL_PASSED", ["PAdES-BASELINE-LTA"]) == offline(appliance, one)
    done = kyso(appliance, "extend", one, "-o", two, "--level", "B-LTA")
    assert 0 == done.returncode, done.stderr
    assert two.read_bytes().startswith(answer.content)
    assert ("TOTAL_PASSED", ["PAdES-BASELINE-LTA"]) == offline(appliance, two)


def test_what_cannot_be_extended_leaves_no_file(appliance: Appliance, tmp_path: Path):
    """A document without a signature: status 65, one line, no output."""
    done = kyso(appliance, "extend", pdf(tmp_path / "a.pdf"), "-o", tmp_path / "out.pdf", "--level", "B-LT")
    assert (65, False) == (done.returncode, (tmp_path / "out.pdf").exists())
    assert "nothing-to-extend" in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())
