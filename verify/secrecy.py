"""Whether a document is marked as a state secret: Mật, Tối mật, Tuyệt mật, as its stamp, its metadata or its XML say.

The word alone is no mark: it stands in bảo mật, mật khẩu, mật ong, mật độ. A mark is
- on a page: a line, or a run of text of its own, of these words in capitals and nothing else (letters may be spaced, a box
  or brackets may be around them), or what follows "Độ mật:" and the like;
- in metadata and XML: a value, or a part of one between commas, that is such a mark, in capitals or as a title; in an
  element or attribute whose name speaks of secrecy, in any letters.

Not found: marks that are pictures, marks in fonts of the years before Unicode, and what is behind `MOST_PAGES`. So it is
a net below the people who classify documents, and none in their place.

>>> marking("T Ố I   M Ậ T"), marking("[ MẬT ]"), marking("Độ mật: Tuyệt mật"), marking("BẢO MẬT"), marking("Mật độ")
('TỐI MẬT', 'MẬT', 'TUYỆT MẬT', None, None)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from lxml import etree

from verify import pdfium
from verify.document import sniff
from verify.errors import DocumentBroken, NotADocument, VerifyError

MOST_PAGES = 100
MOST_TEXT = 200_000
"""Characters of a page, and of a value, that are read."""
MOST_RUNS = 5_000
"""Runs of text of a page that are looked at one by one."""
_MARKS = {"MẬT": "MẬT", "TỐIMẬT": "TỐI MẬT", "TUYỆTMẬT": "TUYỆT MẬT"}
_NAMED = re.compile(r"^\W*(?:ĐỘ|MỨC ĐỘ|CẤP ĐỘ|DẤU(?: CHỈ)?(?: ĐỘ)?|DẤU ĐỘ) MẬT\s*[:：]\s*(TUYỆT MẬT|TỐI MẬT|MẬT)\W*$")
_BEFORE = frozenset(
    {"BẢO", "BÍ", "CƠ", "THÂN", "TRĂNG", "TÚI", "SỎI", "ỐNG", "DỊCH", "NƯỚC", "TRÁI", "RÚT", "ĐỘ", "GIẢI"}
)
"""Words of which MẬT is the second half: a line may end between them."""
_AFTER = frozenset({"ONG", "ĐỘ", "KHẨU", "MÃ", "THƯ", "VỤ", "THÁM", "THIẾT", "ƯỚC", "NGHỊ", "BÁO", "MÍA", "HOA"})
_SPEAKING = re.compile(r"(?:do|muc|cap|dau)_?-?(?:do)?_?-?mat|secre|classif|confiden|bi_?-?mat", re.IGNORECASE)


class DocumentStateSecret(VerifyError):
    """The document is marked as a state secret; this appliance is not for such documents."""

    code = "document-state-secret"


def require_unmarked(files: Iterable[BinaryIO], *, password: str | None = None) -> None:
    """Raises DocumentStateSecret, without any of the text; contents of other kinds are not read."""
    for file in files:
        try:
            kind = sniff(file)
        except NotADocument:
            continue
        found = _in_pdf(file, password) if kind == "PDF" else _in_xml(file)
        if found is not None:
            raise DocumentStateSecret(where=found)


def marking(line: str) -> str | None:
    """The mark that a line is; None for every other line."""
    text = _plain(line)
    if found := _NAMED.match(text.upper()):
        return found[1]
    letters = re.sub(r"[\W_]", "", text)
    if letters != letters.upper() or len(text) > 60:
        return None
    return _MARKS.get(letters)


def in_text(text: str) -> str | None:
    """The first mark that is a line of a page's text."""
    return _first(_plain(text[:MOST_TEXT]).splitlines())


def in_value(value: str, *, name: str = "") -> str | None:
    """The mark that a value of metadata or XML is, or a part of it."""
    text = _plain(value[:MOST_TEXT])
    for part in re.split(r"[,;|\n]", text):
        said = part.strip(" \t[]()<>.\"'“”-–")
        if found := marking(part):
            return found
        letters = re.sub(r"\s", "", said).upper()
        is_title = (said[:1].isupper() and " " not in said) or letters != "MẬT"
        if letters in _MARKS and (_SPEAKING.search(_ascii(name)) or (is_title and name != "")):
            return _MARKS[letters]
    return None


# --- documents --------------------------------------------------------------------------------------------------------


def _in_pdf(file: BinaryIO, password: str | None) -> str | None:
    """Where the mark is: page, metadata; None when there is none. Raises DocumentBroken."""
    try:
        with pdfium.opened(file, password=password, forms=False) as document:
            if any(in_value(value, name=name) for name, value in document.get_metadata_dict().items()):
                return "metadata"
            if any(_on_page(document, number) for number in range(min(len(document), MOST_PAGES))):
                return "page"
    finally:
        file.seek(0)
    return "metadata" if _in_xmp(file) else None


def _on_page(document: Any, number: int) -> bool:
    """Of what is seen: stamps that are annotations, and values of fields, are made part of the page first, in memory."""
    page = document[number]
    raw = pdfium.load().raw
    raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY)
    page.close()
    page = document[number]
    text = page.get_textpage()
    try:
        if in_text(text.get_text_bounded()):
            return True
        runs = min(text.count_rects(), MOST_RUNS)
        return _first([_plain(text.get_text_bounded(*text.get_rect(run))) for run in range(runs)]) is not None
    finally:
        text.close()
        page.close()


def _in_xmp(file: BinaryIO) -> bool:
    """The document's XMP, as the packets that stand in the file for every program to find (XMP part 1 §7.3)."""
    file.seek(0)
    data = file.read(32 << 20)
    file.seek(0)
    for packet in re.findall(rb"<x:xmpmeta.*?</x:xmpmeta>", data, re.DOTALL)[:20]:
        with suppress(etree.XMLSyntaxError):
            root = etree.fromstring(packet, etree.XMLParser(resolve_entities=False, no_network=True))
            if any(in_value(value, name=name) for name, value in _values(root)):
                return True
    return False


def _in_xml(file: BinaryIO) -> str | None:
    """Element by element, so that a large document costs no memory."""
    file.seek(0)
    try:
        for _, element in etree.iterparse(file, resolve_entities=False, no_network=True, huge_tree=False):
            if any(in_value(value, name=name) for name, value in _own_values(element)):
                return "xml"
            element.clear(keep_tail=True)
    except etree.XMLSyntaxError as error:
        raise DocumentBroken("the XML cannot be read", reason="text") from error
    finally:
        file.seek(0)
    return None


def _values(root: Any) -> Iterator[tuple[str, str]]:
    for element in root.iter(etree.Element):
        yield from _own_values(element)


def _own_values(element: Any) -> Iterator[tuple[str, str]]:
    if isinstance(element.tag, str):
        name = etree.QName(element).localname
        yield name, element.text or ""
        for key, value in element.attrib.items():
            yield etree.QName(key).localname, value
    yield "", element.tail or ""


# --- words ------------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """NFC of the compatibility form, without marks that are not seen."""
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf" or char == "\n")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", seen)).replace("\r", "\n")


def _first(lines: list[str]) -> str | None:
    """The first line that is a mark, and is not half of a word that the line before or after has the other half of."""
    lines = [line.strip() for line in lines if line.strip()]
    for number, line in enumerate(lines):
        found = marking(line)
        if found is None:
            continue
        before = lines[number - 1].upper().split()[-1:] if number else []
        after = lines[number + 1].upper().split()[:1] if number + 1 < len(lines) else []
        is_half = found == "MẬT" and (_BEFORE & set(before) or _AFTER & set(after))
        if not is_half:
            return found
    return None


def _ascii(name: str) -> str:
    """A name without the marks of its letters, đ as d."""
    bare = unicodedata.normalize("NFD", name).replace("đ", "d").replace("Đ", "D")
    return "".join(char for char in bare if not unicodedata.combining(char))
