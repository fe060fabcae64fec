"""Size: a gigabyte in constant memory, thousands of pages, bounded looking."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import documents
from tests.appliance import ROOT

pytestmark = pytest.mark.pades

GIGABYTE = 1_000_000_000

_PROGRAM = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.pki import Authority
from tests.unit.signer.conftest import Hand
from verify import engine, policy
from verify.fetcher import Offline
from verify.trust import Trust

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024

hand = Hand(Authority.root().authority().signer())
engine.preload()
before = peak()
signed = hand.sign(Path(sys.argv[1]), Path(sys.argv[2]))
signing = peak()
with open(sys.argv[2], "rb") as file:
    report = engine.judge(file, name="large.pdf", trust=Trust(), policy=policy.load("default"),
                          at=datetime.now(UTC), fetcher=Offline())
print(json.dumps({"before": before, "signing": signing, "judging": peak(), "size": signed.size,
                  "intact": [one.intact for one in report.signatures], "warnings": list(signed.warnings)}))
"""


def _run(source: Path, out: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, source, out], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_a_gigabyte_in_constant_memory(tmp_path: Path) -> None:
    """1 GB is signed and judged within 40 MB more than the process had before."""
    source = documents.large(tmp_path / "large.pdf", GIGABYTE)
    found = _run(source, tmp_path / "out.pdf")
    assert found["intact"] == [True]
    assert found["size"] > GIGABYTE
    assert found["signing"] - found["before"] < 40
    assert found["judging"] - found["before"] < 40
    (tmp_path / "out.pdf").unlink()


@pytest.mark.parametrize("object_streams", [False, True], ids=["table", "streams"])
def test_five_thousand_pages(object_streams: bool, tmp_path: Path) -> None:
    """5,000 pages are signed, and the signer is told that not every object was looked at."""
    source = documents.pages(tmp_path / "pages.pdf", 5_000, object_streams=object_streams)
    found = _run(source, tmp_path / "out.pdf")
    assert found["intact"] == [True]
    assert found["warnings"] == ["CONTENT_NOT_READ"]
    assert documents.qpdf_check(tmp_path / "out.pdf") == ""
