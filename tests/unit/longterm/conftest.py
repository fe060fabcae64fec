"""One world for the tests of a module, and a plain document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import pdf
from tests.longterm_support import Hand, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hand(world: World) -> Hand:
    return world.hand()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return pdf(tmp_path / "plain.pdf")
