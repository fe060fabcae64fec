"""On which cores api processes run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.settings import Server, Settings
from api.supervisor import core_of

pytestmark = pytest.mark.appliance


@pytest.mark.parametrize(
    ("cores", "workers", "chosen"),
    [
        pytest.param({4, 7}, 2, {4, 7}, id="one each"),
        pytest.param({4, 7}, 4, {4, 7}, id="two each"),
        pytest.param({0, 1, 2, 3}, 2, {None}, id="fewer processes than cores"),
        pytest.param({0}, 2, {None}, id="one core"),
    ],
)
def test_processes_keep_to_a_core_only_where_every_core_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: set[int], workers: int, chosen: set[int | None]
):
    """As many processes as cores: each keeps to one that this process may use. Fewer: the kernel chooses."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    settings = Settings(home=tmp_path, server=Server(workers=workers))
    assert chosen == {core_of(number, settings=settings) for number in range(1, workers + 1)}
