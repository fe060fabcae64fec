"""Third-party notices name everything that is handed on, and nothing is handed on whose licence forbids it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from api.reports import pdf
from signer import font
from tests.appliance import ROOT

pytestmark = pytest.mark.appliance

COMPATIBLE = re.compile(
    r"(Apache-2\.0|BSD(-\d-Clause)?|MIT(-0|-CMU)?|MPL-2\.0|ISC|PSF-2\.0|LGPL-3\.0-only|dependency licenses)"
)


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch):
    """The script that writes them."""
    monkeypatch.syspath_prepend(str(ROOT / "docker"))
    return importlib.import_module("notices")


def test_the_notices_are_those_of_the_lock(notices):
    """Renewed locks want renewed notices: `make THIRD-PARTY.md`."""
    assert notices.text() == (ROOT / "THIRD-PARTY.md").read_text("utf-8")


def test_every_licence_permits_handing_on(notices):
    """Each part of each expression is one of the permissive or weakly reciprocal ones; the GPL and AGPL are not there."""
    for part in (*notices.parts(), *notices.browser_parts()):
        for licence in re.split(r" AND | OR |, ", part.licence):
            assert COMPATIBLE.fullmatch(licence), part


def test_the_fonts_that_are_embedded_are_named():
    """What stamps and reports embed is in the notices, under the licence that the fonts' package names."""
    told = (ROOT / "THIRD-PARTY.md").read_text("utf-8")
    assert all("LiberationSerif" in path.name for path in font.DEFAULT_FONTS)
    assert pdf.FONT == "Liberation Sans"
    assert "Liberation Serif" in told
    assert "Liberation Sans" in told
    licence = Path("/usr/share/doc/fonts-liberation2/copyright")
    if not licence.exists():
        pytest.skip("Debian's package fonts-liberation2 is not here")
    assert "License: SIL-OFL-1.1" in licence.read_text("utf-8")
