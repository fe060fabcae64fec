"""`kyso directory` as a person runs it, with the demo's own files."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from api.cli import run
from tests import cli_support
from tests.cli_support import ROOT, Ran

pytestmark = pytest.mark.appliance

DEMO = ROOT / "docker" / "demo" / "directory"


def kyso(*arguments: str | Path, home: Path, **environment: str) -> Ran:
    """One command in this process: a start of its own would take longer than all of its work."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {"KYSO_HOME": str(home), "KYSO_LANG": "en", "COLUMNS": "200", **environment}.items():
            patch.setenv(name, value)
        status = run([str(one) for one in arguments])
    return Ran(status, out.getvalue(), err.getvalue().splitlines())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from the demo's files, without their certificates, which are made with each demo."""
    home = tmp_path_factory.mktemp("home")
    files = [file for file in sorted(DEMO.glob("*.csv")) if file.stem != "certificates"]
    trial = cli_support.kyso("directory", "import", *files, "--dry-run", home=home)
    assert (0, "a trial: nothing was written") == (trial.status, trial.err[-1])
    assert 0 == cli_support.kyso("directory", "import", *files, home=home).status
    return home


def test_the_same_files_again_change_nothing(home: Path) -> None:
    """A table of zeros, and it is said."""
    again = kyso("directory", "import", DEMO / "posts.csv", DEMO / "people.csv", home=home)
    assert (0, "nothing has changed") == (again.status, again.err[-1])


def test_lists_and_single_things_are_shown(home: Path) -> None:
    """By code, for a day, for people and programs."""
    found = json.loads(kyso("directory", "list", "--format", "json", home=home).out)
    assert ("DU-XA-MAU", True) == (
        next(one["parent"] for one in found if one["code"] == "DU-CS-MAU"),
        all(one["code"] != "DU-XA-MAU-A" for one in found),
    )
    then = json.loads(kyso("directory", "list", "--at", "2025-06-30", "--format", "json", home=home).out)
    assert "DU-XA-MAU-A" == next(one["parent"] for one in then if one["code"] == "DU-CS-MAU")
    keys = json.loads(kyso("directory", "list", "keys", "--under", "DU-CS-MAU", "--format", "json", home=home).out)
    assert "DU-CS-MAU" == next(one["organisation"] for one in keys if one["key"] == "demo-seal")
    shown = kyso("directory", "show", "DEMO-02", home=home, KYSO_LANG="vi")
    assert "TUQ, Đảng ủy cơ sở Mẫu (demo), 01-QĐ/ĐU-DEMO" in shown.out


def test_who_may_sign_is_told_with_what_it_rests_on(home: Path) -> None:
    """0 with the post or paper, 77 with a code."""
    assert "may sign: Phó Bí thư Đảng ủy" in kyso("directory", "may", "DEMO-03", "DU-CS-MAU", "KT", home=home).out
    assert "01-QĐ/ĐU-DEMO" in kyso("directory", "may", "DEMO-02", "DU-CS-MAU", "TUQ", home=home).out
    refused = kyso("directory", "may", "DEMO-04", "DU-CS-MAU", home=home)
    assert (77, True) == (refused.status, "no-chief-post" in refused.err[-1])


def test_bad_lines_are_named_one_by_one(home: Path, tmp_path: Path) -> None:
    """File, line and what to do, each on its own line; status 65."""
    file = tmp_path / "chức vụ.csv"
    file.write_text("cán bộ;đơn vị;chức vụ;cấp bậc\nX;CB-VI-DU;A;khác\nDEMO-01;Y;A;khác\n", "utf-8")
    ran = kyso("directory", "import", file, home=home)
    assert 65 == ran.status
    assert ["chức vụ.csv:2: There is nobody", "chức vụ.csv:3: There is no organisation"] == [
        line[: len(start)]
        for line, start in zip(
            ran.err, ("chức vụ.csv:2: There is nobody", "chức vụ.csv:3: There is no organisation"), strict=False
        )
    ]
    assert 64 == kyso("directory", "import", tmp_path / "none.csv", home=home).status
    assert 64 == kyso("directory", "import", file, "--as-of", "yesterday", home=home).status


def test_an_export_goes_elsewhere(home: Path, tmp_path: Path) -> None:
    """A folder of CSV from here is a directory there; both met their ledgers."""
    assert 0 == kyso("directory", "export", "-o", tmp_path / "out", home=home).status
    (tmp_path / "home").mkdir()
    assert 0 == kyso("directory", "import", tmp_path / "out", home=tmp_path / "home").status
    found = [kyso("directory", "list", "people", "--format", "json", home=one).out for one in (home, tmp_path / "home")]
    here, there = ([one["code"] for one in json.loads(text)] for text in found)
    assert here == there
    assert 0 == kyso("directory", "verify", home=tmp_path / "home").status


def test_a_person_is_told_and_forgotten(home: Path, tmp_path: Path) -> None:
    """Not while in office; afterwards nothing names them."""
    refused = kyso("directory", "erase", "DEMO-09", "--yes", home=home)
    assert (65, True) == (refused.status, "person-in-office" in refused.err[-1])
    told = json.loads(kyso("directory", "person", "DEMO-09", home=home).out)
    assert "Hồ Không Tin Cậy (demo)" == told["names"][0]["name"]
    end = tmp_path / "people.csv"
    end.write_text("mã;đến\nDEMO-09;2026-01-31\n", "utf-8")
    assert 0 == kyso("directory", "import", end, home=home).status
    assert 0 == kyso("directory", "erase", "DEMO-09", "--yes", home=home).status
    assert 65 == kyso("directory", "show", "DEMO-09", home=home).status
    assert 0 == kyso("directory", "verify", home=home).status
