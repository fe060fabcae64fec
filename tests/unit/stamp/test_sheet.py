"""The sheet with every look of both profiles, to be looked at by a person."""

from __future__ import annotations

import pytest
from PIL import Image

from signer.stamp import profiles
from tests import looks_sheet

pytestmark = pytest.mark.web


def test_every_look_is_on_the_sheet(tmp_path):
    """A column a profile, a row a look; each signed and drawn anew, none of them empty."""
    assert 0 == looks_sheet.main([str(tmp_path / "looks.png")])
    with Image.open(tmp_path / "looks.png") as sheet:
        wide, high = sheet.size
        rows = max(len(profiles.load(name).looks) for name in profiles.SHIPPED)
        assert wide > 1000
        assert high > rows * 300
        for row in range(rows):
            top, bottom = row * high // rows, (row + 1) * high // rows
            for column in range(2):
                cell = sheet.convert("L").crop((column * wide // 2, top, (column + 1) * wide // 2, bottom))
                assert cell.getextrema() == (0, 255)


def test_another_kind_of_file_is_refused(capsys):
    """Nothing is written."""
    assert 64 == looks_sheet.main(["looks.txt"])
    assert "FILE" in capsys.readouterr().err
