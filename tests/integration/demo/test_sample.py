"""The sample document: sound, embedded, with its boxes empty and in place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from tests.cli_support import ROOT

pytestmark = pytest.mark.spine

FIELDS = [
    "o1_chi_uy", "o2_dang_uy_bo_phan", "o3_dang_uy_co_so", "o3_dau", "o4_cap_tren", "o4_dau",
    "o5_noi_den", "o5_dau", "o6_tiep_nhan",
]  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.pdf"
    subprocess.run([sys.executable, ROOT / "docker" / "demo" / "sample.py", path], check=True)
    return path


def test_the_sample_is_sound(sample: Path):
    """qpdf finds nothing to say, and there is one revision: nothing to explain to a reader."""
    checked = subprocess.run(["qpdf", "--check", sample], capture_output=True, text=True, check=False)
    assert 0 == checked.returncode, checked.stdout
    assert 1 == sample.read_bytes().count(b"startxref")


def test_every_font_is_an_embedded_subset(sample: Path):
    """Vietnamese letters look the same on every machine."""
    said = subprocess.run(["pdffonts", sample], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert said
    assert all("LiberationSerif" in line and line.split()[-5:-2] == ["yes", "yes", "yes"] for line in said), said


def test_the_vietnamese_text_can_be_read_back(sample: Path):
    """A screen reader and a search find the words, with their marks."""
    text = subprocess.run(["pdftotext", "-layout", sample, "-"], capture_output=True, text=True, check=True).stdout
    for words in ("ĐẢNG CỘNG SẢN VIỆT NAM", "GIẤY GIỚI THIỆU", "CHI ỦY NƠI ĐẢNG VIÊN CHUYỂN ĐI", "Trần Thị Ví Dụ"):
        assert words in text


def test_the_boxes_hold_empty_signature_fields_within_their_pages(sample: Path):
    """Each level's field stands ready before the first signature, visible and large enough for a stamp."""
    with sample.open("rb") as file:
        found = {name: (value, field) for name, value, field in enumerate_sig_fields(PdfFileReader(file))}
        assert sorted(FIELDS) == sorted(found)
        for name, (value, reference) in found.items():
            field = reference.get_object()
            left, bottom, right, top = (float(edge) for edge in field["/Rect"])
            assert value is None, name
            assert 0 < left < right < 596, name
            assert 0 < bottom < top < 842, name
            assert right - left >= 80, name
            assert top - bottom >= 55, name
