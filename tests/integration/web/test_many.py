"""One consent over many documents survives what interrupts people; each is signed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.web.many import Morning
from tests.integration.web.office import House

pytestmark = pytest.mark.web

COUNT = 12


def test_nothing_is_lost_and_nothing_signed_twice(offices: House, tmp_path: Path) -> None:
    """The consent's answer is lost, and the same consent goes on; the passkey's answer never goes out and the tab is
    closed, and the link leads back; the line is away while it signs, and the page finds out. Twelve documents, twelve uses."""
    morning = Morning(offices, tmp_path, COUNT)
    morning.ask()
    morning.open()
    morning.hold("/consent", stage="Response")
    morning.lose()
    offices.tab.wait("deep('#problem')")
    assert ("consented", 0) == (morning.state()["state"], morning.done)
    morning.hold("/activation", stage="Request")
    morning.lose()
    morning.close()
    assert ("consented", 0) == (morning.state()["state"], morning.done)
    morning.open()
    morning.consent()
    morning.wait(lambda: morning.state()["state"] != "consented")
    morning.offline(is_offline=True)
    morning.wait(lambda: morning.done == COUNT)
    morning.offline(is_offline=False)
    offices.tab.wait(f"deepAll('nav .good').length === {COUNT}")
    assert COUNT == len(morning.require_each_once())


def test_the_line_is_away_when_the_passkey_has_answered(offices: House, tmp_path: Path) -> None:
    """The service has the answer and signs, and the page never hears so: it finds out by itself when the line is back."""
    morning = Morning(offices, tmp_path, 2)
    morning.ask()
    morning.open()
    morning.hold("/activation", stage="Response")
    morning.offline(is_offline=True)
    morning.lose()
    offices.tab.wait("deep('#problem')")
    morning.wait(lambda: morning.done == 2)
    morning.offline(is_offline=False)
    offices.tab.wait("deepAll('nav .good').length === 2 && !deep('#problem')")
    assert 2 == len(morning.require_each_once())
