"""A fresh service and a document, for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.workflows import keyuse
from tests.documents import pdf
from tests.http_support import House, house


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(keyuse, "PATIENCE", 1.0)
    monkeypatch.setattr(keyuse, "PAUSE", 0.01)
    return house(tmp_path / "home")


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    return pdf(tmp_path / "plain.pdf").read_bytes()
