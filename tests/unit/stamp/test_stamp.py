"""The visible stamp: Vietnamese text that a reader sees whole and a program reads back."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from signer.errors import OrderInvalid, TextNotShowable
from signer.font import DEFAULT_FONTS, FONT_VARIABLE, FontMissing, load
from signer.stamp import SMALLEST, build, default_lines
from tests.pki import Authority
from verify import pdfium

pytestmark = [
    pytest.mark.spine,
    pytest.mark.skipif(not any(map(Path.exists, DEFAULT_FONTS)), reason="Liberation Serif 2 is not installed"),
]

LINES = (
    "Người ký: Nguyễn Đặng Quỳnh",
    "Cơ quan: ỦY BAN NHÂN DÂN TỈNH THỪA THIÊN HUẾ",
    "Thời gian ký: 22.11.2026 09:00:00 +07:00",
)
VOWELS = "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY"
TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
ALPHABET = "đĐ" + "".join(unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in TONES)


def page(
    tmp_path: Path, lines: tuple[str, ...], *, width: float, height: float, spill: float = 0, border: bool = True
) -> Path:
    """A page of 600 × 400 points with one stamp at (50, 50); `spill` lets ink be seen that far outside its box."""
    writer = PdfFileWriter()
    form = build(writer, width=width, height=height, lines=lines, border=border)
    box = (-spill, -spill, width + spill, height + spill)
    form[pdf_name("/BBox")] = generic.ArrayObject(map(generic.FloatObject, box))
    resources = generic.DictionaryObject(
        {pdf_name("/XObject"): generic.DictionaryObject({pdf_name("/Stamp"): writer.add_object(form)})}
    )
    contents = writer.add_object(generic.StreamObject(stream_data=b"q 1 0 0 1 50 50 cm /Stamp Do Q"))
    writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 600, 400), resources=resources))
    buffer = io.BytesIO()
    writer.write(buffer)
    path = tmp_path / "stamp.pdf"
    path.write_bytes(buffer.getvalue())
    return path


def ink(path: Path) -> bytes:
    with path.open("rb") as file, pdfium.opened(file) as document:
        return bytes(document[0].render(scale=2, grayscale=True).buffer)


def text_of(path: Path) -> list[str]:
    run = subprocess.run(["pdftotext", "-raw", path, "-"], capture_output=True, text=True, check=True)
    return run.stdout.strip("\f\n").split("\n")


def size_of(path: Path) -> float:
    """The font size that was chosen."""
    return float(re.search(rb"/F1 ([\d.]+) Tf", path.read_bytes())[1])


needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")


@needs_poppler
def test_the_text_can_be_read_back(tmp_path):
    """Search, copy and screen readers get the lines as they were given."""
    assert list(LINES) == text_of(page(tmp_path, LINES, width=500, height=60))


@needs_poppler
def test_every_vietnamese_letter_is_there(tmp_path):
    """134 letters with their tones, from an embedded subset with a way back to Unicode."""
    lines = tuple(ALPHABET[start : start + 40] for start in range(0, len(ALPHABET), 40))
    path = page(tmp_path, lines, width=500, height=200)
    assert list(lines) == text_of(path)
    fonts = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert 1 == len(fonts)
    name, *rest = re.split(r"\s{2,}", fonts[0])
    assert re.fullmatch(r"[A-Z]{6}\+LiberationSerif", name)
    assert ["CID TrueType", "Identity-H"] == rest[:2]
    assert ["yes", "yes", "yes"] == rest[2].split()[:3]


@needs_poppler
def test_combining_marks_are_joined(tmp_path):
    """A name typed on a Mac (NFD) shows and reads as the same name in NFC."""
    path = page(tmp_path, (unicodedata.normalize("NFD", LINES[0]),), width=300, height=30)
    assert [LINES[0]] == text_of(path)
    assert ink(path) == ink(page(tmp_path, LINES[:1], width=300, height=30))


@pytest.mark.parametrize(
    ("width", "height"), [(500, 200), (200, 60), (180, 40), (100, 35), (60, 90), (300, 20), (45, 160)]
)
@pytest.mark.parametrize(
    "lines", [LINES, ("ẴẬỘ gjpqỵ",), (ALPHABET[:40], "", LINES[0])], ids=["usual", "tall", "blank line"]
)
def test_nothing_is_clipped(tmp_path, width, height, lines):
    """Lifting the clip reveals no ink that was hidden, in boxes wide, flat, narrow and small."""
    clipped = ink(page(tmp_path, lines, width=width, height=height, border=False))
    assert clipped == ink(page(tmp_path, lines, width=width, height=height, border=False, spill=40))
    assert len(set(clipped)) > 1, "something is shown"


def test_text_takes_the_room_there_is(tmp_path):
    """Larger boxes, larger text, up to 12 points; never under 4."""
    sizes = [size_of(page(tmp_path, LINES, width=width, height=width / 3)) for width in (90, 120, 180, 260, 500)]
    assert sorted(sizes) == sizes
    assert SMALLEST <= sizes[0] < sizes[-1] == 12


@needs_poppler
def test_a_long_name_wraps_between_words(tmp_path):
    """Words stay whole while they can."""
    shown = text_of(page(tmp_path, LINES[1:2], width=100, height=60))
    assert len(shown) > 1
    assert LINES[1] == " ".join(shown)


@needs_poppler
def test_a_word_that_is_too_long_wraps_within(tmp_path):
    """As a last resort, at a readable minimum, and nothing is lost."""
    address = "mot.dia.chi.rat.dai.khong.co.khoang.trang@co-quan.rat.dai.example.vn"
    shown = text_of(page(tmp_path, (address,), width=60, height=60))
    assert len(shown) > 1
    assert address == "".join(shown)


@pytest.mark.parametrize(("width", "height"), [(10, 10), (200, 8), (20, 60), (0.5, 0.5)])
def test_a_box_that_is_too_small_is_refused(tmp_path, width, height):
    """Nothing is shown in part."""
    with pytest.raises(TextNotShowable) as refused:
        page(tmp_path, LINES, width=width, height=height)
    assert "does-not-fit" == refused.value.facts["reason"]


def test_a_text_as_long_as_a_book_is_refused_at_once(tmp_path):
    """Fitting is not tried on what no stamp holds."""
    for lines in (("ký " * 100_000,), ("",) * 100_000):
        with pytest.raises(TextNotShowable) as refused:
            page(tmp_path, lines, width=500, height=300)
        assert "too-long" == refused.value.facts["reason"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Nguyễn\nVăn", "U+000A"),
        ("Nguyễn\tVăn", "U+0009"),
        ("Nguyễn\0", "U+0000"),
        ("a\u202eb", "U+202E"),
        ("a\u2066b\u2069", "U+2066, U+2069"),
        ("a\u200bb", "U+200B"),
        ("a\u00adb", "U+00AD"),
        ("\ufeffa", "U+FEFF"),
        ("a\u2028b", "U+2028"),
        ("\u05d0", "U+05D0"),
        ("\u0639", "U+0639"),
        ("ký 漢字", "U+6F22, U+5B57"),
        ("ký 🖋", "U+1F58B"),
        ("q\u0323", "U+0323"),
        ("a\ud800", "U+D800"),
        ("\ue000", "U+E000"),
    ],
)
def test_what_cannot_be_shown_honestly_is_refused(text, named):
    """Control, format and bidirectional characters, other scripts, marks without a letter: named by code point."""
    with pytest.raises(TextNotShowable) as refused:
        load().glyphs_of(text)
    assert ("characters", named) == (refused.value.facts["reason"], refused.value.facts["characters"])


def test_the_border_is_drawn_only_where_asked(tmp_path):
    """An empty stamp without border leaves no ink; with one, a frame."""
    blank = ink(page(tmp_path, (), width=100, height=50, border=False))
    assert 1 == len(set(blank))
    assert blank != ink(page(tmp_path, (), width=100, height=50, border=True))


@needs_poppler
def test_widths_are_those_of_the_letters(tmp_path):
    """/W is in thousandths of an em though the font counts 2048: the last letter ends where the font says."""
    path = page(tmp_path, (LINES[0],), width=300, height=30)
    run = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, text=True, check=True)
    right = max(float(edge) for edge in re.findall(r'xMax="([\d.]+)"', run.stdout))
    expected = 50 + 3 + sum(glyph.width for glyph in load().glyphs_of(LINES[0])) * 12  # box, margin, text at 12 points
    assert abs(right - expected) < 0.2


def test_equal_texts_share_a_subset_and_documents_stay_small(tmp_path):
    """The subset depends on the glyphs alone, and costs some kilobytes."""
    one, two = (page(tmp_path, lines, width=300, height=80).read_bytes() for lines in (LINES, LINES[::-1]))
    names = [re.search(rb"/([A-Z]{6})\+LiberationSerif", pdf)[1] for pdf in (one, two)]
    assert names[0] == names[1]
    assert len(one) < 12_000


def test_it_needs_no_file_once_it_is_loaded():
    """After `preload` it works in a process that can open nothing, not even a module."""
    program = """
import resource
from pyhanko.pdf_utils.writer import PdfFileWriter
from signer.stamp import build, preload
preload()
writer = PdfFileWriter()
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
form = build(writer, width=200, height=60, lines=("Người ký: Ẵ",), border=True)
print(len(form.data))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert int(run.stdout) > 50, run.stderr


def test_a_font_that_is_not_there_is_the_operators_business(monkeypatch, tmp_path):
    """A font that is missing, broken or without a Vietnamese letter: one code, and the path."""
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\0\1\0\0" + bytes(200))
    latin = tmp_path / "latin.ttf"
    with TTFont(next(filter(Path.exists, DEFAULT_FONTS))) as font:
        for table in font["cmap"].tables:
            table.cmap.pop(ord("ẵ"), None)
        font.save(latin)
    for path in (tmp_path / "missing.ttf", broken, latin):
        monkeypatch.setenv(FONT_VARIABLE, str(path))
        with pytest.raises(FontMissing) as refused:
            load()
        assert "operator" == refused.value.actor
        assert str(path) == refused.value.facts["path"]


AT = datetime(2026, 11, 22, 20, 5, 6, tzinfo=UTC)


def test_default_lines_in_both_languages():
    """Name, organisation, the time in Vietnam (the next day there), and a reason only where there is one."""
    signer = Authority.root().signer("Nguyễn Văn Mẫu", key="p256")
    assert (
        "Người ký: Nguyễn Văn Mẫu",
        "Cơ quan: Cơ quan Mẫu (demo)",
        "Thời gian ký: 23.11.2026 03:05:06 +07:00",
    ) == default_lines(signer.der, signing_time=AT, language="vi")
    assert (
        "Signed by: Nguyễn Văn Mẫu",
        "Organisation: Cơ quan Mẫu (demo)",
        "Signing time: 23.11.2026 03:05:06 +07:00",
        "Reason: Phê duyệt",
    ) == default_lines(signer.der, signing_time=AT, language="en", reason="Phê duyệt")


def test_a_certificate_that_cannot_be_read_has_no_lines():
    """An order's mistake, not a crash."""
    with pytest.raises(OrderInvalid):
        default_lines(b"junk", signing_time=AT, language="vi")
