"""Where a signature goes in a document's bytes, and the writing of the output file.

lxml knows no offsets, and the original bytes are to stay as they are: so the end of the root is looked for in the last
bytes of the file, where after it only white space, comments and processing instructions may stand (XML 1.0 §2.1). Such
text can look like an end tag itself; so every place that fits is a candidate, and the caller takes the first at which
the output, once parsed, has the signature as the root's last child.

    for placed in inside(source, size=size): ...
    lay_out(source, layout, appended=octets, out=out)
"""

from __future__ import annotations

import codecs
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

from signer.copying import copy
from signer.xades.plan import Body, XmlLayout
from signer.xades.splicing import EncodingNotSupported

_EDGE = 1 << 20
"""Bytes at either end of a document among which its root must begin or end; what stands beside it is seldom a line."""
_MOST_TAGS, _MOST_MATCHED, _MOST_CANDIDATES = 20_000, 16, 3
"""How many things that end with `>` are looked at, of which so many tags, of which so many are candidates."""
_CHUNK = 3 << 18
"""A multiple of three, so that base64 can be written piece by piece."""

_SPACE = re.compile(r"[ \t\r\n]*")
_END_TAG = re.compile(r"</([^ \t\r\n<>/]+)[ \t\r\n]*>")
_EMPTY_TAG = re.compile(r"<([^ \t\r\n<>/\"']+)[^<>\"']*/>")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_ENCODING = re.compile(rb"<\?xml[ \t\r\n][^>]*?encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z][A-Za-z0-9._\-]*)[\"']")
_ASCII_BASED = re.compile(r"(?:utf-8|us-ascii|ascii|iso-8859-\d+|windows-125\d|koi8-[ru])", re.IGNORECASE)
"""Encodings in which an ASCII character is its own byte and no other character contains it."""
_PAIRED = (
    (codecs.BOM_UTF16_LE, "<?".encode("utf-16-le"), "utf-16-le"),
    (codecs.BOM_UTF16_BE, "<?".encode("utf-16-be"), "utf-16-be"),
)
"""Without a mark there is a declaration (XML 1.0 §4.3.3)."""


@dataclass(frozen=True)
class Encoding:
    """`codec` encodes what is inserted; `view` decodes the document so that markup is seen for what it is: byte for byte, or
    in pairs. `mark` begins a document in UTF-16; `name` is what an XML declaration calls it."""

    codec: str
    view: str
    mark: bytes = b""
    name: str = "UTF-8"


_UTF_8: Final = Encoding("ascii", "latin-1")


def encoding_of(head: bytes) -> Encoding:
    """From the first bytes of an XML document. Raises EncodingNotSupported."""
    for mark, start, codec in _PAIRED:
        if head.startswith((mark, start)) and not head.startswith(codecs.BOM_UTF32_LE):
            return Encoding(codec, codec, mark, "UTF-16")
    found = _ENCODING.match(head.removeprefix(codecs.BOM_UTF8))
    name = found[1].decode("ascii") if found else "UTF-8"
    if b"\0" in head[:4] or not _ASCII_BASED.fullmatch(name):
        raise EncodingNotSupported(encoding="UTF-32" if b"\0" in head[:4] else name[:40])
    return _UTF_8 if name == "UTF-8" else Encoding("ascii", "latin-1", b"", name)


class Placed(NamedTuple):
    """A layout to try, without what depends on the markup; `before` and `after` stand beside it in what is appended."""

    layout: XmlLayout
    before: bytes = b""
    after: bytes = b""


def inside(source: BinaryIO, *, size: int) -> Iterator[Placed]:
    """Places before the end tag of the root, the likeliest first; a root without content is given an end tag.

    Raises EncodingNotSupported.
    """
    encoding = _encoding(source)
    for tag, stop, name in _root_ends(source, encoding, size=size):
        if name is None:
            yield Placed(XmlLayout("copied", 0, tag, tag, size, 0, encoding.codec))
        else:
            slash = stop - len("/>".encode(encoding.view))
            bracket = stop - len(">".encode(encoding.view))
            removed = "/".encode(encoding.view)
            layout = XmlLayout("copied", 0, slash, bracket, size, 0, encoding.codec, removed=removed)
            yield Placed(layout, ">".encode(encoding.view), f"</{name}".encode(encoding.view))


def around(source: BinaryIO, *, size: int) -> Iterator[Placed]:
    """The root, byte for byte, as the body of a new document; what stands beside it is left out.

    Raises EncodingNotSupported.
    """
    encoding = _encoding(source)
    source.seek(0)
    head = source.read(_EDGE)
    skipped = next((len(mark) for mark in (encoding.mark or codecs.BOM_UTF8,) if head.startswith(mark)), 0)
    text = head[skipped:].decode(encoding.view, "replace")
    at = _beside_root(text, 0)
    if not text.startswith("<", at) or text.startswith("<!", at):
        return
    start = skipped + len(text[:at].encode(encoding.view))
    declaration = "" if encoding.mark else f'<?xml version="1.0" encoding="{encoding.name}"?>'
    lead = encoding.mark + declaration.encode(encoding.codec)
    for _, stop, _ in _root_ends(source, encoding, size=size):
        yield Placed(XmlLayout("copied", start, stop, size, size, 0, encoding.codec, lead))


def apart(*, size: int, body: Body) -> Placed:
    """A new document that holds the whole file as base64, or nothing of it."""
    lead = b'<?xml version="1.0" encoding="UTF-8"?>'
    return Placed(XmlLayout(body, 0, size if body == "base64" else 0, size, size, 0, "ascii", lead))


def body_size(layout: XmlLayout) -> int:
    """Bytes of the body in the output."""
    size = layout.at - layout.start
    return {"copied": size, "base64": -(-size // 3) * 4, "none": 0}[layout.body]


def mentions(source: BinaryIO, word: str) -> bool:
    """Whether a name can occur in the document: names are written as they are, never by references."""
    wanted = word.encode(_encoding(source).view)
    source.seek(0)
    before = b""
    while chunk := source.read(_EDGE):
        if wanted in before + chunk:
            return True
        before = chunk[-len(wanted) :]
    return False


def _encoding(source: BinaryIO) -> Encoding:
    source.seek(0)
    return encoding_of(source.read(1024))


def _root_ends(source: BinaryIO, encoding: Encoding, *, size: int) -> Iterator[tuple[int, int, str | None]]:
    """Where the tag that ends the root may begin and stop, in bytes; the root's name where it is an empty element."""
    start = max(0, size - _EDGE)
    start -= start % 2
    source.seek(start)
    text = source.read().decode(encoding.view, "replace")

    def offset(index: int) -> int:
        if encoding.view == "latin-1":  # a character is an octet
            return size - len(text) + index
        return size - len(text[index:].encode(encoding.view, "replace"))

    end, matched, count = len(text), 0, 0
    for _ in range(_MOST_TAGS):
        end = text.rfind(">", 0, end)
        if end < 0 or matched == _MOST_MATCHED or count == _MOST_CANDIDATES:
            return
        at = max(0, text.rfind("<", 0, end))
        tag = text[at : end + 1]
        empty = None if tag.startswith("</") else _EMPTY_TAG.fullmatch(_QUOTED.sub("", tag))
        if empty or _END_TAG.fullmatch(tag):
            matched += 1
            if _beside_root(text, end + 1) == len(text):
                count += 1
                yield offset(at), offset(end + 1), empty[1] if empty else None
        elif tag.endswith("-->"):  # a comment, most likely: nothing in it can be the end
            end = max(0, text.rfind("<!--", 0, end))


def _beside_root(text: str, at: int) -> int:
    """Where the white space, comments and processing instructions end that begin there (XML 1.0 §2.5, §2.6); the XML
    declaration looks like one of these."""
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if text.startswith("<!--", at):
            end = text.find("--", at + 4)
            if not text.startswith("-->", max(end, at + 4)):
                return at
            at = end + 3
        elif text.startswith("<?", at) and (end := text.find("?>", at + 2)) >= 0:
            at = end + 2
        else:
            return at


def lay_out(source: BinaryIO, layout: XmlLayout, *, appended: bytes, out: BinaryIO) -> None:
    """`lead` + body + `appended` + rest into an empty `out`. Raises PreparedMismatch where `source` is shorter."""
    out.seek(0)
    out.truncate(0)
    out.write(layout.lead)
    if layout.body == "copied":
        copy(source, out, start=layout.start, length=layout.at - layout.start)
    elif layout.body == "base64":
        source.seek(layout.start)
        left = layout.at - layout.start
        while left and (chunk := source.read(min(_CHUNK, left))):
            out.write(b64encode(chunk))
            left -= len(chunk)
    out.write(appended)
    copy(source, out, start=layout.resume, length=layout.end - layout.resume)
    out.flush()


def assembled(source: BinaryIO, layout: XmlLayout, *, appended: bytes) -> bytes:
    """The same in memory, for what is small."""
    source.seek(0)
    data = source.read()
    body = data[layout.start : layout.at]
    body = {"copied": body, "base64": b64encode(body) if layout.body == "base64" else b"", "none": b""}[layout.body]
    return b"".join((layout.lead, body, appended, data[layout.resume : layout.end]))
