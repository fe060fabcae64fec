"""The guides for people: one page each, to be printed and to be read aloud, with words that stand on the screen."""

from __future__ import annotations

import io
import re
import subprocess
import tomllib
import unicodedata
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from api import guides
from api.guides import ROLES
from tests.appliance import ROOT
from tests.http_support import house
from verify import pdfium

pytestmark = pytest.mark.web

SOURCES = ROOT / "api" / "guides"
HOTLINE, ORIGIN = "0200 000 000 (demo)", "https://kyso.example.vn"
TASKS = {
    "official": ["Đọc.", "Chưa đồng ý thì trả lại.", "Đồng ý một lần.", "“đã ký”", "Tải và kiểm tra.", "/inbox"],
    "clerk": ["Soát thể thức.", "Điền số và ngày", "dấu của cơ quan", "Sai thì trả lại", "Số này đã dùng"],
    "administrator": ["Mỗi sáng, xem", "kyso unlock", "kyso key csr", "Sao lưu hằng ngày", "/admin"],
    "auditor": ["Tìm.", "Chứng minh một dòng:", "Kiểm tra điều bạn đã ghi lại", "kyso audit verify", "/audit"],
}


@pytest.fixture(scope="module", params=ROLES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("guides") / f"{request.param}.pdf"
    path.write_bytes(guides.build(request.param, hotline=HOTLINE, origin=ORIGIN))
    return request.param, path


def text_of(path: Path) -> str:
    ran = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True)
    return ran.stdout


def words(text: str) -> str:
    """Without line ends, which stand where the page has room."""
    return " ".join(text.split())


def raw(path: Path) -> str:
    ran = subprocess.run(["pdftotext", "-raw", path, "-"], capture_output=True, text=True, check=True)
    return words(ran.stdout)


def test_it_is_one_page_of_a4(made):
    """To be printed on one sheet."""
    with pikepdf.open(made[1]) as document:
        assert 1 == len(document.pages)
        assert [595, 842] == [round(float(side)) for side in document.pages[0].MediaBox[2:]]


def test_it_is_tagged_and_in_vietnamese(made):
    """PDF/A-2a: structure, language and title for screen readers, fonts embedded, each picture with words for it."""
    with pikepdf.open(made[1]) as document:
        root = document.Root
        assert root.MarkInfo.Marked
        assert str(root.Lang).startswith("vi")
        found = list(elements(root.StructTreeRoot))
        figures = [one for one in found if one.S == "/Figure"]
        assert len(figures) >= 3
        assert [True] * len(figures) == [len(str(one.get("/Alt", ""))) > 30 for one in figures]
        assert {"/H1", "/H2", "/LI", "/TH", "/TD"} <= {str(one.S) for one in found}
        metadata = root.Metadata.read_bytes().decode()
        assert re.search(r"pdfaid:part>2<", metadata)
        assert re.search(r"pdfaid:conformance>A<", metadata)
    said = subprocess.run(["pdffonts", made[1]], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert all("yes yes yes" in " ".join(line.split()) for line in said), said


def elements(node):
    for kid in node.get("/K", []) if isinstance(node.get("/K"), pikepdf.Array) else filter(None, [node.get("/K")]):
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from elements(kid)


def test_it_names_what_the_role_does_and_whom_to_call(made):
    """Read back from the page, with all marks; the hotline and the address are the appliance's own."""
    role, path = made
    text = raw(path)
    assert unicodedata.normalize("NFC", text) == text
    for task in (*TASKS[role], "Khi gặp trục trặc", HOTLINE, f"{ORIGIN}/guides", "/sign/demo"):
        assert task.replace(" ", "") in text.replace(" ", ""), task


def test_it_has_five_to_eight_steps(made):
    """For tired people."""
    numbers = re.findall(r"(?m)^\s*(\d)\s+\S", text_of(made[1]))
    assert [str(one) for one in range(1, len(numbers) + 1)] == numbers
    assert 5 <= len(numbers) <= 8


def test_it_can_be_read_in_grey(made):
    """What is light on dark, and dark on light, stays so without colour: hardly anything is in between."""
    with made[1].open("rb") as file, pdfium.opened(file) as document:
        page = document[0].render(scale=1).to_pil().convert("L")
    header = page.crop((60, 40, 500, 70)).histogram()
    assert sum(header[:90]) > 0.5 * sum(header), "the title stands on dark ground"
    assert sum(page.histogram()[230:]) > 0.6 * sum(page.histogram()), "and the page is white"


def test_a_long_number_leaves_it_one_page():
    """As long as the setting allows."""
    made = guides.build("clerk", hotline="Phòng Cơ yếu (demo), " * 9 + "0200 000", origin=ORIGIN)
    with pdfium.opened(io.BytesIO(made)) as document:
        assert 1 == len(document)


def test_without_a_number_there_is_a_line_to_write_on():
    """Nobody's number is made up."""
    made = guides.build("official")
    with pdfium.opened(io.BytesIO(made)) as document:
        text = words(document[0].get_textpage().get_text_range())
        assert 1 == len(document)
    assert "ghi số hỗ trợ của cơ quan vào đây" in text
    assert "0200" not in text


@pytest.mark.parametrize("role", ROLES)
def test_what_it_quotes_stands_on_the_screen(role):
    """Buttons and messages that a guide names are found among the words of the pages: one that is renamed is missed."""
    quoted = re.findall(r'#ui\("([^"]+)"\)', (SOURCES / f"{role}.typ").read_text("utf-8"))
    assert len(quoted) > 5
    known = (ROOT / "api" / "web" / "src" / "words" / "vi.ts").read_text("utf-8")
    for path in (ROOT / "api" / "locale").glob("vi*.toml"):
        known += "\n".join(strings(tomllib.loads(path.read_text("utf-8"))))
    assert [] == [one for one in quoted if one not in known]


def strings(table):
    for value in table.values():
        if isinstance(value, dict):
            yield from strings(value)
        elif isinstance(value, str):
            yield value


def test_the_pictures_are_small_and_fine_enough_and_all_are_used():
    """At most 150 kB each, 250 dpi on paper, 75 mm wide."""
    named = {
        name for path in SOURCES.glob("*.typ") for name in re.findall(r'picture\("([^"]+)"', path.read_text("utf-8"))
    }
    paths = sorted((SOURCES / "pictures").iterdir())
    assert sorted(named) == [path.stem for path in paths]
    for path in paths:
        assert path.stat().st_size <= 150 * 1024, path.name
        with Image.open(path) as picture:
            assert picture.width / 75 * 25.4 >= 250, path.name


def test_the_appliance_serves_them(tmp_path):
    """To everybody, at addresses that stay, with its own number and address; links lead there from the page at `/`."""
    made = house(
        tmp_path / "home", server={"origin": ORIGIN}, sessions={"hotline": HOTLINE, "unsafe_practice": "client"}
    )
    page = made.ask("GET", "/guides?lang=vi", name=None)
    assert 200 == page.status_code
    assert HOTLINE in page.text
    assert "/sign/demo" in page.text
    for role in ROLES:
        assert f'href="/guides/{role}.pdf"' in page.text
    answer = made.ask("GET", "/guides/official.pdf", name=None)
    assert (200, "application/pdf") == (answer.status_code, answer.headers["content-type"])
    with pdfium.opened(io.BytesIO(answer.content)) as document:
        text = words(document[0].get_textpage().get_text_range())
    assert HOTLINE in text
    assert f"{ORIGIN}/inbox" in text.replace(" ", "")
    assert 404 == made.ask("GET", "/guides/nobody.pdf", name=None).status_code
    assert 'href="/guides?lang=vi"' in made.ask("GET", "/?lang=vi", name=None).text
