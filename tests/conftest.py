"""What all tests share: the corpus beside the project, if it is there, and one running appliance for those that ask."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance import ROOT, Appliance, free_port, running

for name in [name for name in os.environ if name.startswith("KYSO_")]:
    del os.environ[name]  # `make` exports its own; a test sets what it needs
CORPUS = ROOT.parent / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real and hostile files; a clone elsewhere has none, and says so."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of test files is not here (../shared/corpus)")
    return CORPUS


@pytest.fixture(scope="module", autouse=True)
def _houses_rest() -> Iterator[None]:
    """After each module, if it or one before it has made some."""
    yield
    if support := sys.modules.get("tests.http_support"):
        support.rest()


@pytest.fixture(scope="session")
def appliance() -> Iterator[Appliance]:
    """One appliance for the whole run, as `make run` starts it; tests that hurt it start their own."""
    with (
        tempfile.TemporaryDirectory(prefix="kyso-") as folder,
        running(Path(folder) / "home", port=free_port()) as served,
    ):
        yield served
