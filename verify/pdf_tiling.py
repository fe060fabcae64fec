"""Whether a PDF's bytes can be read in one way only: the file is tiled by header, objects, tables and trailers.

Readers that follow the cross-references and readers that search for objects see the same document only if nothing lies
between the things that the cross-references name, and each of them is built as ISO 32000-1 §7.3 and §7.5 say. Whatever
else is found is a reason for AMBIGUOUS_PARSE. No object is interpreted here.

    raw = RawObjects(file, reader, limit=2_000)
    reasons = dict(ambiguities(raw, tuple(raw)))      # {"stray-bytes": 1024}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from verify.pdf_raw import HEAD, LENGTH, RawObject, RawObjects

_HEADER = re.compile(rb"%PDF-\d\.\d[^\r\n]{0,32}[\r\n]++(?:%[^\r\n]{0,200}+[\r\n]++|\s)*")
_OBJECT = re.compile(rb"\s*(\d+)\s+(\d+)\s+obj(?=[\s<\[(/])")
_STREAM = re.compile(rb">>\s*stream(?:\r\n|\n)")
_BEHIND_DATA = re.compile(rb"\s*endstream\s*endobj\s*")
_COMMENT = re.compile(rb"\s*%(?!%EOF)[^\r\n]*\Z")
_MAX_COMMENTS = 4

_CLOSING = re.compile(rb"startxref\s+\d+\s+%%EOF\s*")
_STRING = re.compile(rb"\((?:\\.|[^()\\])*\)", re.DOTALL)
_HIDING_COMMENT = re.compile(rb"%[^\r\n]*[/<>\[\]()]")
_NESTING = re.compile(rb"<<|>>|/Length(?=[\s\d])")


def ambiguities(raw: RawObjects, objects: Iterable[RawObject]) -> Iterator[tuple[str, int]]:
    """(reason, offset) of what readers may take differently; empty for a file that is tiled in full."""
    first = raw.offsets[0] if raw.offsets else raw.size
    start = min(first, raw.marks_from(0))
    if start <= HEAD and not _HEADER.fullmatch(raw.between(0, start)):
        yield "header", 0
    tables = {section.start_location: section for section in raw.sections}
    for section in tables.values():
        if section.stream_ref is not None:
            continue
        reason = _trailer(raw.between(section.end_location, raw.marks_from(section.end_location)))
        if reason is not None:
            yield reason, section.end_location
    for one in objects:
        reason = _object(one, raw)
        if reason is not None:
            yield reason, one.offset


def _trailer(text: bytes) -> str | None:
    """A classic trailer from its dictionary on: §7.5.5."""
    closing = _CLOSING.search(text)
    if closing is None:
        return "trailer"
    if closing.end() != len(text):
        return "bytes-behind-trailer"
    return None if _without_comments(text[: closing.start()]).endswith(b">>") else "trailer"


def _object(one: RawObject, raw: RawObjects) -> str | None:  # noqa: PLR0911  one return for each rule
    header = _OBJECT.match(one.head)
    if header is None or (int(header[1]), int(header[2])) != (one.number, one.generation):
        return "object-header"
    whole = one.end - one.offset <= HEAD
    if whole and b"stream" not in one.head and b"%" not in one.head:
        return None if one.head.count(b"endobj") == 1 and one.head.rstrip().endswith(b"endobj") else "stray-bytes"
    at = one.head.find(b"stream", header.end())
    if at >= 0 and one.head.find(b"endobj", header.end(), at) >= 0:
        at = -1
    dictionary = one.head[header.end() : at if at >= 0 else None]
    if b"%" in dictionary and _HIDING_COMMENT.search(_STRING.sub(b"", dictionary)):
        return "comment"
    if at < 0:
        if not whole:
            return None if _without_closing(one.tail).endswith(b"endobj") else "stray-bytes"
        text = _without_closing(one.head)
        return None if text.endswith(b"endobj") and text.count(b"endobj") == 1 else "stray-bytes"
    opening = _STREAM.search(one.head, max(0, at - 64))
    if opening is None or not at <= opening.end() <= at + 8:
        return None if _in_string(one.head, at) else "stream-keyword"
    if len(LENGTH.findall(dictionary)) > 1 and _lengths(dictionary) > 1:
        return "length-twice"
    length = raw.length_of(dictionary)
    data_end = one.offset + opening.end() + (length or 0)
    if length is None or data_end > one.end:
        return "stream-length"
    if not _BEHIND_DATA.fullmatch(_without_closing(raw.between(data_end, one.end)) + b"\n"):
        return "stream-length"
    if whole and b"/Filter" not in dictionary and b"endobj" in one.head[opening.end() : opening.end() + length]:
        return "object-inside-stream"
    return None


def _without_closing(text: bytes) -> bytes:
    """An object stands last of its revision if it is a cross-reference stream: then `startxref` follows it."""
    closing = _CLOSING.search(text, max(0, len(text.rstrip()) - 80))
    return _without_comments(text[: closing.start()] if closing is not None and closing.end() == len(text) else text)


def _without_comments(text: bytes) -> bytes:
    """Without lines of comment at its end: some programs sign their work behind an object or a trailer."""
    if text[-1:] not in {b"\n", b"\r"}:  # a comment without its end of line swallows what follows
        return text.rstrip()
    text = text.rstrip()
    for _ in range(_MAX_COMMENTS):
        line = text[max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 :]
        if not _COMMENT.match(line):
            break
        text = text[: -len(line)].rstrip()
    return text


def _in_string(head: bytes, at: int) -> bool:
    return any(found.start() <= at < found.end() for found in _STRING.finditer(head))


def _lengths(dictionary: bytes) -> int:
    """How often the outermost dictionary has /Length."""
    depth = count = 0
    for token in _NESTING.findall(dictionary):
        depth += {b"<<": 1, b">>": -1}.get(token, 0)
        count += depth == 1 and token == b"/Length"
    return count
