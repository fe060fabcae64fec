"""What an api process tidies up by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import background
from api.store import tables
from tests.http_support import house

pytestmark = pytest.mark.spine

LONG_AGO = time.time() - 60 * 86_400.0


def test_what_nobody_needs_goes_and_the_rest_stays(tmp_path: Path):
    """Files of dead processes and jobs done two months ago are removed; fresh files, open and failed jobs stay."""
    services = house(tmp_path).services
    old, fresh = services.settings.tmp / "old", services.settings.tmp / "fresh"
    for file in (old, fresh):
        file.write_bytes(b"x")
    os.utime(old, (LONG_AGO, LONG_AGO))
    states = ("done", "failed", "open")
    for state in states:
        identity = services.jobs.enqueue(state, {})
        ended = None if state == "open" else LONG_AGO
        change = tables.job.update().where(tables.job.c.id == identity).values(state=state, finished_at=ended)
        services.database.write(lambda connection, change=change: connection.execute(change))
    background.tidy(services, before=time.time() - 3600)
    assert [fresh] == list(services.settings.tmp.iterdir())
    left = services.database.read(lambda connection: connection.execute(sa.select(tables.job.c.state)).scalars().all())
    assert {"failed", "open"} == set(left)
