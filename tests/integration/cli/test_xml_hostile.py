"""Hostile XML on the command line: a verdict of its own kind for each, in one run that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.appliance import Appliance
from tests.cli_support import kyso
from tests.xml_support import FEES, HOSTILE

pytestmark = pytest.mark.xades


def test_hostile_files_are_unreadable_and_the_run_goes_on(appliance: Appliance, tmp_path: Path):
    """Each is UNREADABLE with its code, whatever it is called; the sound one between them is reported as ever."""
    files = [tmp_path / f"{name}.pdf" for name in HOSTILE]
    for file in files:
        file.write_bytes(HOSTILE[file.stem][0])
    sound = tmp_path / "sound.xml"
    sound.write_bytes(FEES)
    ran = kyso("verify", *files, sound, *files[:1], "--format", "json", home=appliance.home)
    reports = [json.loads(line) for line in ran.out.splitlines()]
    assert 4 == ran.status
    assert ["UNREADABLE"] * len(files) + ["NO_SIGNATURE", "UNREADABLE"] == [one["verdict"] for one in reports]
    assert [code for _, _, code in HOSTILE.values()] == [one["warnings"][0]["code"] for one in reports[: len(files)]]
    assert "XML" == reports[len(files)]["document"]["format"]


def test_a_hostile_file_is_not_signed(appliance: Appliance, tmp_path: Path):
    """Status 65, one line with the code, and no output."""
    file = tmp_path / "bomb.xml"
    file.write_bytes(HOSTILE["entity-bomb"][0])
    ran = kyso("sign", file, "-o", tmp_path / "out.xml", "--key", "demo-official", home=appliance.home)
    assert 65 == ran.status, ran
    assert 1 == len(ran.err)
    assert "document-doctype-refused" in ran.err[0]
    assert not (tmp_path / "out.xml").exists()


def test_detached_is_name_and_path(appliance: Appliance, tmp_path: Path):
    """A call that names no file, or two under one name, ends with 64 before anything is read."""
    file = tmp_path / "a.xml"
    file.write_bytes(FEES)
    for given in (["a.xml"], [f"a={file}", f"a={__file__}"]):
        options = [word for one in given for word in ("--detached", one)]
        ran = kyso("verify", file, *options, home=appliance.home)
        assert (64, 1) == (ran.status, len(ran.err)), ran
