"""A hijacked api against the keeper: a program with all of its secrets, under its user, in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.hsm_support import ROOT, need_softhsm
from tests.integration.hsm.hostile_api import NOT_ROOT

pytestmark = pytest.mark.appliance


@pytest.fixture(scope="module")
def trial() -> dict[str, Any]:
    """One run: it forks, so that it is a program of its own."""
    need_softhsm()
    command = [sys.executable, "-m", "tests.integration.hsm.hostile_api", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    if ran.returncode == NOT_ROOT:
        pytest.skip(ran.stderr.strip())
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def test_nothing_that_a_hijacked_api_tries_breaks_a_promise(trial: dict[str, Any]) -> None:
    """No person's key signs, only well-formed shapes are signed, all of it stands in the keeper's log, `kyso audit
    verify` finds each use that no ledger line covers, and the keeper serves on."""
    assert [] == trial["findings"], trial["table"]
    assert len(trial["attempts"]) > 90


def test_what_a_hijacked_api_can_do_is_only_what_is_seen(trial: dict[str, Any]) -> None:
    """Three attempts sign, with a seal and in the right shape; everything else is refused."""
    signed = [one["name"] for one in trial["attempts"] if one["outcome"] == "signed"]
    assert [
        "a well-formed use with its own permit and no ledger line",
        "forty uses at once, without ledger lines",
        "four hundred connections, and then a use",
    ] == signed
