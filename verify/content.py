"""Content that may deceive whoever signs or reads a PDF: warnings, at preparation as at verification.

Nothing here makes a signature fail; it says what a person should know. Every object of the last revision is looked at,
reachable or not, for what is not reachable today is what an attack makes reachable tomorrow.

| Code | Means |
|---|---|
| ACTIVE_CONTENT | scripts, launching, submitting, importing, jumping into other files, media |
| EXTERNAL_REFERENCE | content that stands in another file or on a server |
| HIDDEN_CONTENT | layers off, hidden annotations, values that differ from what is shown, covered text, pages not shown |
| AMBIGUOUS_PARSE | bytes that readers may take differently (`verify.pdf_tiling`) |
| CONTENT_NOT_READ | the document is larger than the budget: what was looked at and what not |

    warnings = inspect(file, reader, budget=SIGNING)     # tuple of Warning_, each code and reason once
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal, NamedTuple

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.misc import PdfDecodeLimitError
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import pdf_covering, pdf_tiling
from verify.pdf import UNEXPECTED, get
from verify.pdf_raw import HEAD, RawObject, RawObjects
from verify.report import Warning_


@dataclass(frozen=True)
class Budget:
    """What looking may cost: objects one by one, bytes of page content, bytes searched when there are more objects."""

    objects: int
    content: int
    searched: int


SIGNING = Budget(objects=1_500, content=1 << 15, searched=1 << 24)
JUDGING = Budget(objects=50_000, content=1 << 21, searched=1 << 26)

_Kind = Literal["plain", "stream", "compressed"]

_SUSPECT = re.compile(
    rb"/(?:S\s*/(?:JavaScript|Launch|SubmitForm|ImportData|GoToE|GoToR|Thread|Rendition|Movie|Sound|Hide|SetOCGState|"
    rb"GoTo3DView|RichMediaExecute)|JS[\s(<\d]|XFA\b|RichMedia\b|AA\s*<<|OpenAction\b|FFilter\b|FS\s*/URL|Ref\s*<<|"
    rb"F\s*[(<]|[A-Za-z]{0,40}#[0-9A-Fa-f]{2})"
)
"""What makes an object worth parsing; a name that is written with `#` may be any of these."""

_VALUE_OR_HIDDEN = re.compile(rb"/V\s*[(<]|/F\s+(?!4\b|132\b)\d")
"""An annotation worth parsing: a text value, or flags other than Print and Locked."""

_ACTIVE = re.compile(rb"/S\s*/(JavaScript|Launch|SubmitForm|ImportData|GoToE|GoToR)\b")
_REFERENCE = re.compile(rb"(\d\d{0,9}+)\s{1,8}\d{1,5}\s{1,8}R\b")  # beginning with one digit, it is found quickly
_OBJECT = re.compile(rb"\s*\d+\s+\d+\s+obj\s*")
_KNOWN_STREAM = re.compile(rb"/Type\b|/Subtype\b|/S\s+\d")
"""Streams that say what they are; the last is the hint stream of a linearised file (ISO 32000-1 Table F.2)."""

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")

_ACTIONS = {
    "/JavaScript": "javascript",
    "/Launch": "launch",
    "/SubmitForm": "submit-form",
    "/ImportData": "import-data",
    "/GoToE": "goto-embedded",
    "/GoToR": "goto-remote",
    "/Rendition": "media",
    "/Movie": "media",
    "/Sound": "media",
    "/RichMediaExecute": "media",
    "/Hide": "shows-or-hides",
    "/SetOCGState": "shows-or-hides",
}
_LONG_TEXT = 1_024
_LONG_STRING = 256
_PART = 1 << 20
_DEPTH = 8
LARGE = 1 << 17
"""Objects of more bytes are looked at by their dictionaries alone: a scanned page is never held in memory."""

_PAGE_CODES = {
    "page-content": "CONTENT_NOT_READ",
    "page-entry": "AMBIGUOUS_PARSE",
    "page-unreadable": "AMBIGUOUS_PARSE",
    "commented-out": "AMBIGUOUS_PARSE",
}
_HIDDEN, _NO_VIEW = 2, 32
_UNSEEN = (*UNEXPECTED, RecursionError, MemoryError, PdfDecodeLimitError)


def inspect(file: BinaryIO, reader: PdfFileReader, *, budget: Budget) -> tuple[Warning_, ...]:
    """The warnings on the document that `reader` has open from `file`. Raises nothing that a document could cause."""
    found = _Found()
    size = max((reader.xrefs.get_xref_container_info(n).size for n in range(reader.xrefs.total_revisions)), default=0)
    if size <= budget.objects:
        _each(RawObjects(file, reader, limit=budget.objects), reader, found=found, budget=budget)
    else:
        _search(file, found=found, budget=budget)
        found.add("CONTENT_NOT_READ", "objects", size)
    for code, reason in _catalog(reader):
        found.add(code, reason, 0)
    return found.warnings()


class _Found:
    """Each code and reason once, with a count and the number of the first object."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(self, code: str, reason: str, where: int) -> None:
        self._counts.setdefault((code, reason), []).append(where)

    def warnings(self) -> tuple[Warning_, ...]:
        return tuple(
            Warning_(code, {"reason": reason, "count": len(places), "first": places[0]})
            for (code, reason), places in self._counts.items()
        )


def _each(raw: RawObjects, reader: PdfFileReader, *, found: _Found, budget: Budget) -> None:
    objects = tuple(raw) if raw.in_memory else raw
    for reason, offset in pdf_tiling.ambiguities(raw, objects):
        found.add("AMBIGUOUS_PARSE", reason, offset)
    seen = _Seen()
    for part in _parts(_texts(raw, objects, reader)):
        seen.look(part, reader, found=found)
    shown = get(get(reader.root, "/Pages"), "/Count")
    if isinstance(shown, int) and seen.pages > shown:
        found.add("HIDDEN_CONTENT", "page-not-shown", seen.pages - shown)
    for number in seen.loose if seen.whole else ():
        if b"%d" % number not in seen.named:
            found.add("HIDDEN_CONTENT", "content-not-shown", number)
    large = {one.number: one.dictionary for one in objects if one.end - one.offset > LARGE and one.current}
    for reason, page in pdf_covering.covered(reader, budget=budget.content, large=large, coloured=seen.coloured):
        found.add(_PAGE_CODES.get(reason, "HIDDEN_CONTENT"), reason, page)


class _Text(NamedTuple):
    """A current object without its stream and without long hexadecimal strings; `complete` says that this is all."""

    number: int
    text: bytes
    kind: _Kind
    complete: bool


class _Seen:
    """What the objects say, put together. They are searched many at a time, since hardly any of them is suspect."""

    def __init__(self) -> None:
        self.pages, self.whole = 0, True
        self.named: set[bytes] = set()
        self.coloured: set[int] = set()
        self.loose: list[int] = []

    def look(self, part: Sequence[_Text], reader: PdfFileReader, *, found: _Found) -> None:
        joined = b"\n|\n".join([one.text for one in part])
        if _PAGE.search(joined):
            self.pages += sum(bool(_PAGE.search(one.text)) for one in part)
        self.named.update(_REFERENCE.findall(joined))
        if b"/BG" in joined or b"/IC" in joined:
            self.coloured.update(one.number for one in part if b"/BG" in one.text or b"/IC" in one.text)
        self.whole = self.whole and all(one.complete for one in part)
        self.loose += [one.number for one in part if one.kind == "stream" and not _KNOWN_STREAM.search(one.text)]
        if _SUSPECT.search(joined) or (b"/AP" in joined and _VALUE_OR_HIDDEN.search(joined)):
            for number, text, kind, _ in part:
                if _SUSPECT.search(text) or (b"/AP" in text and _VALUE_OR_HIDDEN.search(text)):
                    _parse(reader, number, text, kind=kind, found=found)


def _parts(texts: Iterable[_Text]) -> Iterator[list[_Text]]:
    """The texts in lists of about a megabyte."""
    part: list[_Text] = []
    size = 0
    for one in texts:
        part.append(one)
        size += len(one.text)
        if size > _PART:
            yield part
            part, size = [], 0
    yield part


def _texts(raw: RawObjects, objects: Iterable[RawObject], reader: PdfFileReader) -> Iterator[_Text]:
    for one in objects:
        if one.current:
            text = one.dictionary
            is_stream = len(text) < len(one.head)
            kind: _Kind = "stream" if is_stream else "plain"
            yield _Text(one.number, _shortened(text), kind, is_stream or one.end - one.offset <= HEAD)
    for stream in set(raw.compressed.values()):
        for number, text in _unpacked(reader, stream):
            if raw.compressed.get(number) == stream:
                yield _Text(number, _shortened(text), "compressed", True)


def _shortened(text: bytes) -> bytes:
    """Without long hexadecimal strings: a signature's value has no references, and many digits."""
    if len(text) <= _LONG_TEXT:
        return text
    kept, at = [], 0
    while (start := text.find(b"<", at)) >= 0:
        end = text.find(b">", start)
        end = len(text) if end < 0 else end
        if end - start > _LONG_STRING and text[start + 1 : end].isalnum():
            kept.append(text[at : start + 1])
            at = end
        else:
            kept.append(text[at : start + 1])
            at = start + 1
    return b"".join((*kept, text[at:])) if kept else text


def _search(file: BinaryIO, *, found: _Found, budget: Budget) -> None:
    """The bytes of a large document, without its compressed objects."""
    file.seek(0)
    left, before = budget.searched, b""
    while left > 0 and (chunk := file.read(min(left, 1 << 20))):
        for match in _ACTIVE.finditer(before + chunk):
            found.add("ACTIVE_CONTENT", _ACTIONS["/" + match[1].decode()], 0)
        left, before = left - len(chunk), chunk[-32:]


def _unpacked(reader: PdfFileReader, number: int) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of the objects in an object stream (ISO 32000-1 §7.5.7)."""
    try:
        stream = reader.get_object(generic.Reference(number, 0, reader))
        data, first = bytes(stream.read_data(DecodePurpose.OBJECT_STREAM)), int(stream["/First"])
        pairs = [int(one) for one in data[:first].split()]
    except _UNSEEN:
        return
    starts = [first + at for at in pairs[1::2]]
    for inside, start, end in zip(pairs[::2], starts, [*starts[1:], len(data)], strict=False):
        yield inside, data[start:end]


def _read(text: bytes, reference: generic.Reference) -> object:
    """An object whose bytes are at hand: one of an object stream, or a stream's dictionary without its data."""
    header = _OBJECT.match(text)
    return generic.read_object(BytesIO((text[header.end() :] if header else text) + b"\nendobj"), reference)


def _parse(reader: PdfFileReader, number: int, text: bytes, *, kind: _Kind, found: _Found) -> None:
    """What a suspect object says; where it cannot be parsed, what its bytes say."""
    try:
        reference = generic.Reference(number, 0, reader)
        value = reader.get_object(reference) if kind == "plain" else _read(text, reference)
        if kind == "stream" and isinstance(value, generic.DictionaryObject) and ("/F" in value or "/FFilter" in value):
            found.add("EXTERNAL_REFERENCE", "stream", number)
        for code, reason in _walk(value, depth=_DEPTH):
            found.add(code, reason, number)
    except _UNSEEN:
        found.add("AMBIGUOUS_PARSE", "object-unreadable", number)
        for match in _ACTIVE.finditer(text):
            found.add("ACTIVE_CONTENT", _ACTIONS["/" + match[1].decode()], number)


def _walk(value: object, *, depth: int) -> Iterator[tuple[str, str]]:
    """What one object says, its direct parts included; references are other objects."""
    if depth == 0 or isinstance(value, generic.IndirectObject):
        return
    if isinstance(value, generic.DictionaryObject):
        yield from _dictionary(value)
        for key in value:
            raw = value.raw_get(key)
            if isinstance(raw, generic.DictionaryObject | generic.ArrayObject):
                yield from _walk(raw, depth=depth - 1)
    elif isinstance(value, generic.ArrayObject):
        for position in range(min(len(value), 1_000)):
            yield from _walk(value.raw_get(position), depth=depth - 1)


def _dictionary(value: generic.DictionaryObject) -> Iterator[tuple[str, str]]:
    action = _direct(value, "/S")
    if isinstance(action, str) and _direct(value, "/Type") in {None, "/Action"}:
        if action in _ACTIONS:
            yield "ACTIVE_CONTENT", _ACTIONS[action]
        elif action == "/Thread" and "/F" in value:
            yield "ACTIVE_CONTENT", "goto-remote"
    elif "/JS" in value:
        yield "ACTIVE_CONTENT", "javascript"
    if "/XFA" in value and "/Fields" in value:
        yield "ACTIVE_CONTENT", "xfa"
    if _direct(value, "/Subtype") == "/RichMedia":
        yield "ACTIVE_CONTENT", "media"
    if _direct(value, "/Subtype") == "/Form" and "/Ref" in value:
        yield "EXTERNAL_REFERENCE", "stream"
    if _direct(value, "/FS") == "/URL":
        yield "EXTERNAL_REFERENCE", "url"
    if "/AP" in value and "/Rect" in value and _is_shown_field(value):
        yield from _annotation(value)


def _direct(value: generic.DictionaryObject, key: str) -> object:
    raw = value.raw_get(key) if key in value else None
    return get(value, key) if isinstance(raw, generic.IndirectObject) else raw


def _is_shown_field(value: generic.DictionaryObject) -> bool:
    """Signature fields are hidden on purpose when they are invisible; popups belong to their annotation."""
    return get(value, "/FT") != "/Sig" and get(value, "/Subtype") not in {"/Popup", "/Link"}


def _annotation(value: generic.DictionaryObject) -> Iterator[tuple[str, str]]:
    flags = get(value, "/F")
    if isinstance(flags, int) and flags & (_HIDDEN | _NO_VIEW):
        yield "HIDDEN_CONTENT", "annotation-hidden"
    stated, kind = get(value, "/V"), get(value, "/FT")
    if kind == "/Tx" and isinstance(stated, str) and stated.strip():
        shown = pdf_covering.text_of(get(get(value, "/AP"), "/N"))
        if shown and _plain(stated) not in _plain(shown):
            yield "HIDDEN_CONTENT", "value-differs"


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _catalog(reader: PdfFileReader) -> Iterator[tuple[str, str]]:
    """Optional content (ISO 32000-1 §8.11) that is off when the document is opened, or whenever it is looked at."""
    try:
        content = get(reader.root, "/OCProperties")
        default = get(content, "/D")
        off, base = get(default, "/OFF"), get(default, "/BaseState")
        if (isinstance(off, generic.ArrayObject) and len(off)) or base == "/OFF":
            yield "HIDDEN_CONTENT", "layer-off"
        groups = get(content, "/OCGs")
        for position in range(min(len(groups), 200)) if isinstance(groups, generic.ArrayObject) else ():
            usage = get(groups[position], "/Usage")
            states = (get(get(usage, "/View"), "/ViewState"), get(get(usage, "/Print"), "/PrintState"))
            if "/OFF" in states and get(default, "/AS") is not None:
                yield "HIDDEN_CONTENT", "layer-by-use"
                return
    except _UNSEEN:
        yield "AMBIGUOUS_PARSE", "catalog-unreadable"
