"""The demo's pictures of hands and of a seal: such as a signer takes, each its own, and plainly nobody's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from signer.stamp import images
from tests.cli_support import ROOT

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    subprocess.run([sys.executable, ROOT / "docker" / "demo" / "pictures.py", made], check=True)
    return made


def test_the_hands_are_blue_and_fine_enough_and_no_two_are_the_same(folder):
    """As the rules want them: blue on transparent ground, 150 dpi or more where they stand in the sample's boxes."""
    hands = [path.read_bytes() for path in sorted(folder.glob("*/signature.png"))]
    assert len(hands) == len(set(hands)) > 5
    for png in hands:
        picture = images.admit(png, kind="signature")
        assert picture is images.fitted(picture, width=150), "as fine as it is, not scaled down"


def test_the_seal_is_red_and_states_its_true_size(folder):
    """36 mm, by the resolution that the file states."""
    (path,) = folder.glob("*/seal.png")
    assert "demo-seal" == path.parent.name
    assert 36.0 == pytest.approx(images.admit(path.read_bytes(), kind="seal").stated_mm, abs=0.2)


def test_a_picture_that_is_there_stays(folder):
    """Somebody may try a picture of their own."""
    path = folder / "demo-official" / "signature.png"
    before = path.read_bytes()
    try:
        path.write_bytes(b"another")
        subprocess.run([sys.executable, ROOT / "docker" / "demo" / "pictures.py", folder], check=True)
        assert b"another" == path.read_bytes()
    finally:
        path.write_bytes(before)
