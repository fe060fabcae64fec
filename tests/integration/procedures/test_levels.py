"""A document of a procedure at the levels that its file says: timestamped on the way, lasting at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer import procedures
from tests.longterm_support import World
from tests.readers import poppler
from tests.unit.procedures.support import facts_of, made, values_for, who_for

pytestmark = pytest.mark.web


def test_a_report_is_lasting_once_it_is_sealed(tmp_path: Path):
    """Treasurer and secretary at B-T, the seal at B-LTA; afterwards all three are valid by the verifier, offline."""
    procedure, world = procedures.load("thu-nop-dang-phi"), World()
    path, out = made(tmp_path, procedure, "bao-cao", {"ky_bao_cao": "tháng 11 năm 2026"}), tmp_path / "out.pdf"
    levels = []
    for step in ("thu-quy-ky", "bi-thu-ky", "bao-cao-dau"):
        facts, values = facts_of(path), values_for(procedure, step)
        procedures.require(procedure, step, who=who_for(procedure, step), facts=facts, fill=values)
        parts = procedures.order_for(procedure, step, facts=facts, fill=values)
        levels.append(world.hand().sign(path, out, **parts.changes()).level)
        out.replace(path)
    assert ["B-T", "B-T", "B-LTA"] == levels
    report = world.judge(path)
    assert ["TOTAL_PASSED"] * 3 == [one.indication for one in report.signatures]
    assert [False] * 3 == [one.changes.modified for one in report.signatures]
    assert procedures.state(procedure, "bao-cao", facts_of(path)).complete
    assert [True] * 3 == [
        is_valid for is_valid, _ in poppler(path)[:3]
    ]  # behind them the timestamp, of a type unknown to it
