"""Text of a page that something drawn later covers: an opaque image, a filled box, or a form field on top of it.

A rough reading of content streams (ISO 32000-1 §8, §9), enough to know where text begins and which rectangles are
painted after it: no glyph is measured, no colour compared, and what is not opaque for certain covers nothing. Invisible
text (mode 3, below a scanned page) is not counted: it is the ordinary work of text recognition.

    for reason, page in covered(reader, budget=1 << 15):
        ...                               # ("text-covered", 1), ("field-over-text", 1); ("page-content", 7): not read
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfDecodeLimitError
from pyhanko.pdf_utils.reader import PdfFileReader

from verify.pdf import UNEXPECTED, get

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]

_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)
_EVERYWHERE: Box = (-1e9, -1e9, 1e9, 1e9)
_NOWHERE: Box = (0, 0, 0, 0)
_UNSEEN = (*UNEXPECTED, RecursionError, MemoryError, PdfDecodeLimitError)
_TOKEN = re.compile(
    rb"\((?:\\.|[^()\\]|\((?:\\.|[^()\\])*\))*\)|<<|>>|<[0-9A-Fa-f\s]*>|\[|\]|/[^\s()<>\[\]{}/%]*|%[^\r\n]*"
    rb"|[^\s()<>\[\]{}/%]+",
    re.DOTALL,
)
_IMAGE_START, _IMAGE_END = re.compile(rb"\sID\s"), re.compile(rb"\sEI(?=\s)")
_PAINT = re.compile(rb"\b(?:Do|re)\b")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_LETTER = re.compile(rb"[0-9A-Za-z\x80-\xff]")
_TEXT = {b"BT", b"Tm", b"Td", b"TD", b"T*", b"'", b'"', b"Tf", b"TL", b"Tr"}
_SHOWING = {b"Tj", b"TJ", b"'", b'"'}
_FILLING = {b"f", b"F", b"f*", b"b", b"b*", b"B", b"B*"}
_MAX_PAGES = 500
_MAX_STACK = 256
_PAGE_ENTRIES = frozenset(("/Contents", "/Resources", "/MediaBox", "/CropBox", "/Annots", "/Rotate", "/Parent"))
_NEARLY_CONTENT = re.compile(r"/(?:Contents|Resources|MediaBox|CropBox|Annots|Rotate|Parent)")
"""An entry that only begins as one that decides what a page shows: some readers take it for that (§7.3.5)."""

_COMMENTED_OUT = re.compile(rb"[\r\n][ \t]*%[^\r\n]{0,400}?\)\s*(?:Tj|TJ|')[^\r\n]*")
"""Text in a comment of a content stream: readers that take other bytes for an end of line show it."""

_MAX_ANNOTATIONS = 500
_NEAR = 50
"""Fields are compared with the next so many: what lies over another is drawn soon after it, or costs too much."""


def covered(
    reader: PdfFileReader, *, budget: int, large: Mapping[int, bytes], coloured: Set[int]
) -> Iterator[tuple[str, int]]:
    """(reason, page) for each page with covered text; content is read up to `budget` bytes.

    `large` has the dictionaries of objects that are too large to be loaded, by number; `coloured` are the numbers of
    those that state a background, without which an annotation covers nothing.
    """
    number = 0
    try:
        for number, page in enumerate(_pages(reader), start=1):
            if any(_NEARLY_CONTENT.match(key) for key in page.keys() - _PAGE_ENTRIES):
                yield "page-entry", number
            boxes = list(_opaque_fields(page, coloured=coloured))
            if any(_inside(one, other) for at, one in enumerate(boxes) for other in boxes[at + 1 : at + _NEAR]):
                yield "field-over-field", number
            content = _content(page, limit=budget, large=large)
            if content is None:
                yield "page-content", number
                return
            if b"%" in content and _COMMENTED_OUT.search(content):
                yield "commented-out", number
            if not boxes and not _PAINT.search(content, max(0, content.find(b"ET"))):
                continue
            budget -= len(content)
            if budget < 0:
                yield "page-content", number
                return
            drawing = _Drawing(get(page, "/Resources"), large=large)
            drawing.run(_without_inline_images(content))
            if drawing.covered:
                yield "text-covered", number
            if any(_inside(text, box) for box in boxes for text in drawing.texts):
                yield "field-over-text", number
    except _UNSEEN:
        yield "page-unreadable", number + 1


def text_of(appearance: object) -> str:
    """What an appearance stream shows, if its strings are plain: hexadecimal ones depend on the font."""
    if not isinstance(appearance, generic.StreamObject):
        return ""
    try:
        data = appearance.data
    except _UNSEEN:
        return ""
    if len(data) > 1 << 16:
        return ""
    tokens = _TOKEN.findall(data)
    if any(token[:1] == b"<" and token != b"<<" for token in tokens):
        return ""
    return "".join(_unescaped(token[1:-1]).decode("latin-1") for token in tokens if token[:1] == b"(")


@dataclass
class _State:
    matrix: Matrix = _IDENTITY
    opaque: bool = True
    size: float = 0
    leading: float = 0
    mode: int = 0
    clip: Box = _EVERYWHERE


class _Drawing:
    """Runs one content stream: remembers the text that is not covered, and how much was."""

    def __init__(self, resources: object, *, large: Mapping[int, bytes]) -> None:
        self._large = large
        self.texts: list[Box] = []
        self.covered = 0
        self._resources = resources
        self._state = _State()
        self._stack: list[_State] = []
        self._text = self._line = _IDENTITY
        self._path: list[Box] = []
        self._simple = True
        self._clipping = False

    def run(self, content: bytes) -> None:
        operands: list[bytes] = []
        for token in _TOKEN.findall(content):
            if token[:1] in b"([<]>/+-.0123456789":
                operands.append(token)
            elif token[:1] != b"%":
                self._operate(token, operands)
                operands = []

    def _operate(self, operator: bytes, operands: list[bytes]) -> None:
        numbers = [_number(one) for one in operands if one[:1] in b"+-.0123456789"]
        if operator in _TEXT:
            self._set_text(operator, numbers)
        if operator in _SHOWING:
            self._show(operands)
        elif operator == b"q" and len(self._stack) < _MAX_STACK:
            self._stack.append(replace(self._state))
        elif operator == b"Q" and self._stack:
            self._state = self._stack.pop()
        elif operator == b"cm" and len(numbers) == 6:
            self._state.matrix = _times(_matrix(numbers), self._state.matrix)
        elif operator == b"gs" and operands:
            self._state.opaque = self._state.opaque and self._is_opaque(operands[-1])
        elif operator == b"Do" and operands and self._is_opaque_image(operands[-1]):
            self._paint(_box(self._state.matrix))
        else:
            self._draw(operator, numbers)

    def _set_text(self, operator: bytes, numbers: list[float]) -> None:
        state = self._state
        if operator == b"BT":
            self._text = self._line = _IDENTITY
        elif operator == b"Tm" and len(numbers) == 6:
            self._text = self._line = _matrix(numbers)
        elif operator in {b"Td", b"TD"} and len(numbers) == 2:
            state.leading = -numbers[1] if operator == b"TD" else state.leading
            self._text = self._line = _times((1, 0, 0, 1, numbers[0], numbers[1]), self._line)
        elif operator in {b"T*", b"'", b'"'}:
            self._text = self._line = _times((1, 0, 0, 1, 0, -state.leading), self._line)
        elif numbers and operator == b"Tf":
            state.size = numbers[-1]
        elif numbers and operator == b"TL":
            state.leading = numbers[-1]
        elif numbers and operator == b"Tr":
            state.mode = int(numbers[-1])

    def _draw(self, operator: bytes, numbers: list[float]) -> None:
        """Paths: rectangles are kept, of other outlines only that they are not simple."""
        if operator == b"re" and len(numbers) == 4:
            unit = (numbers[2], 0.0, 0.0, numbers[3], numbers[0], numbers[1])
            self._path.append(_box(_times(unit, self._state.matrix)))
        elif operator in {b"l", b"c", b"v", b"y"}:
            self._simple = False
        elif operator in {b"W", b"W*"}:
            self._clipping = True
        elif operator in _FILLING or operator in {b"n", b"S", b"s"}:
            if operator in _FILLING and self._simple:
                for box in self._path:
                    self._paint(box)
            if self._clipping:
                alone = self._simple and len(self._path) == 1
                self._state.clip = _common(self._state.clip, self._path[0]) if alone else _NOWHERE
            self._path, self._simple, self._clipping = [], True, False

    def _show(self, operands: list[bytes]) -> None:
        state = self._state
        shown = b"".join(_unescaped(one[1:-1]) if one[:1] == b"(" else one for one in operands if one[:1] in b"(<")
        if state.mode == 3 or not _LETTER.search(shown):
            return
        length = 0.4 * state.size * min(len(shown), 12)
        box = _box(_times((length, 0, 0, 0.5 * state.size, 0, 0), _times(self._text, state.matrix)))
        if _inside(box, state.clip):
            self.texts.append(box)

    def _paint(self, box: Box) -> None:
        if not self._state.opaque:
            return
        area = _common(box, self._state.clip)
        left = [text for text in self.texts if not _inside(text, area)]
        self.covered += len(self.texts) - len(left)
        self.texts = left

    def _is_opaque(self, name: bytes) -> bool:
        state = get(get(self._resources, "/ExtGState"), name.decode("latin-1"))
        alpha, blend, mask = get(state, "/ca"), get(state, "/BM"), get(state, "/SMask")
        return (alpha is None or float(alpha) >= 1) and blend in {None, "/Normal"} and mask in {None, "/None"}

    def _is_opaque_image(self, name: bytes) -> bool:
        key, images = name.decode("latin-1"), get(self._resources, "/XObject")
        raw = images.raw_get(key) if isinstance(images, generic.DictionaryObject) and key in images else None
        if isinstance(raw, generic.IndirectObject) and raw.idnum in self._large:
            text = self._large[raw.idnum]
            return b"/Image" in text and b"Mask" not in text
        image = get(images, key)
        return (
            isinstance(image, generic.StreamObject)
            and get(image, "/Subtype") == "/Image"
            and not any(key in image for key in ("/SMask", "/Mask", "/SMaskInData"))
            and not bool(get(image, "/ImageMask"))
        )


def _pages(reader: PdfFileReader) -> Iterator[generic.DictionaryObject]:
    todo: list[Any] = [get(reader.root, "/Pages")]
    seen: set[int] = set()
    while todo and len(seen) < _MAX_PAGES:
        node = todo.pop()
        if not isinstance(node, generic.DictionaryObject) or id(node) in seen:
            continue
        seen.add(id(node))
        kids = get(node, "/Kids")
        if isinstance(kids, generic.ArrayObject):
            todo.extend(kids[position] for position in reversed(range(min(len(kids), _MAX_PAGES))))
        else:
            yield node


def _content(page: generic.DictionaryObject, *, limit: int, large: Mapping[int, bytes]) -> bytes | None:
    """The page's content streams in one; None when they are longer than `limit`."""
    reference = page.raw_get("/Contents") if "/Contents" in page else None
    if isinstance(reference, generic.IndirectObject) and reference.idnum in large:
        return None
    contents = get(page, "/Contents")
    parts = (
        [contents.raw_get(n) for n in range(len(contents))] if isinstance(contents, generic.ArrayObject) else [contents]
    )
    joined = b""
    for raw in parts:
        if isinstance(raw, generic.IndirectObject) and raw.idnum in large:
            return None
        part = raw.get_object() if isinstance(raw, generic.PdfObject) else None
        if isinstance(part, generic.StreamObject):
            joined += part.data + b"\n"
        if len(joined) > limit:
            return None
    return joined


def _without_inline_images(content: bytes) -> bytes:
    """The content without the octets of inline images, which are no tokens."""
    parts, at = [], 0
    while start := _IMAGE_START.search(content, at):
        end = _IMAGE_END.search(content, start.end())
        if end is None:
            break
        parts.append(content[at : start.start()])
        at = end.end()
    return b" ".join((*parts, content[at:]))


def _opaque_fields(page: generic.DictionaryObject, *, coloured: Set[int]) -> Iterator[Box]:
    """Rectangles of fields and annotations that have a background, signature fields excepted."""
    annotations = get(page, "/Annots")
    if not isinstance(annotations, generic.ArrayObject):
        return
    for position in range(min(len(annotations), _MAX_ANNOTATIONS)):
        raw = annotations.raw_get(position)
        if isinstance(raw, generic.IndirectObject) and raw.idnum not in coloured:
            continue
        one = annotations[position]
        if not isinstance(one, generic.DictionaryObject) or get(one, "/FT") == "/Sig":
            continue
        if get(one, "/Subtype") not in {"/Widget", "/FreeText", "/Stamp", "/Square"}:
            continue
        background = get(get(one, "/MK"), "/BG") or (get(one, "/IC") if get(one, "/Subtype") == "/Square" else None)
        flags, rectangle = get(one, "/F"), get(one, "/Rect")
        hidden = isinstance(flags, int) and flags & 2
        if background and not hidden and isinstance(rectangle, generic.ArrayObject) and len(rectangle) == 4:
            left, bottom, right, top = (float(edge) for edge in rectangle)
            yield min(left, right), min(bottom, top), max(left, right), max(bottom, top)


def _inside(inner: Box, outer: Box) -> bool:
    return (
        outer[0] - 1 <= inner[0] and outer[1] - 1 <= inner[1] and inner[2] <= outer[2] + 1 and inner[3] <= outer[3] + 1
    )


def _common(one: Box, other: Box) -> Box:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _times(first: Matrix, second: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _box(matrix: Matrix) -> Box:
    """Where the unit square goes."""
    a, b, c, d, e, f = matrix
    xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
    return min(xs), min(ys), max(xs), max(ys)


def _matrix(numbers: list[float]) -> Matrix:
    a, b, c, d, e, f = numbers
    return a, b, c, d, e, f


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:
        return 0.0


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 255]) if found[1][:1] in b"01234567" else found[1], text)
