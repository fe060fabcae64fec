"""Takes a multipart upload off the wire: the document straight into a file, its SHA-256 on the way.

One document a request (a batch: many), never a second copy, never the whole of it in memory. Parts `detached` are contents that a
signature in XML refers to by name; they go to files of their own, and count towards the document's limit. Fields beside
them (`order`, `options`) are bounded and kept as bytes. Whatever ends badly (too large, malformed, the caller hangs up)
leaves no file behind. It doesn't look at what the document is: that is the worker's matter.

The events of the multipart parser, RFC 7578, in their order:

1. a part begins: its headers say which name it has and whether it is a file;
2. a file's bytes go to the file and to its digest; a field's bytes to its buffer, each within its limit;
3. the closing boundary must have come, or the upload is not whole.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from api.detached import Detached, each_once, files, media_type, reference_name
from api.errors import RequestInvalid, UploadTooLarge
from api.incoming import Budget, Place, Sink
from api.refusals import MediaTypeNotSupported, NameInvalid
from api.sandbox.wire import MAX_DETACHED

FIELD_BYTES = 64 * 1024
"""Largest field beside the document."""
ORDER_BYTES = 1536 * 1024
"""An order may bring the pictures of a hand and a seal, half a MiB each, in base64."""
MAX_FIELDS = 16
NAME_BYTES = 255
"""Longest file name, in bytes of UTF-8 (NAME_MAX of Linux)."""
OVERHEAD = MAX_FIELDS * FIELD_BYTES + ORDER_BYTES + (MAX_FIELDS + MAX_DETACHED) * 8 * 1024
"""What a request may hold beside its files: fields, headers, boundaries."""

ESCAPED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
"""How browsers and HTTP libraries write a control character in a file name (WHATWG form-data encoding)."""


@dataclass
class Upload:
    """A received document: its open file, at position 0, and what was sent beside it.

    The files have no names: they are gone when the upload is closed, and when the process dies.
    """

    file: BinaryIO
    name: str
    sha256: str
    size: int
    fields: dict[str, bytes] = field(default_factory=dict)
    detached: tuple[Detached, ...] = ()

    @property
    def contents(self) -> Mapping[str, BinaryIO]:
        """The detached contents by name."""
        return files(self.detached)

    def close(self) -> None:
        """Let go of the files."""
        self.file.close()
        for one in self.detached:
            one.file.close()

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def of_file(
    source: BinaryIO, *, name: str, folder: Place, limit: int, detached: Mapping[str, BinaryIO] | None = None
) -> Upload:
    """A file on this machine as an upload: private copies with their digests (the command line)."""
    with ExitStack() as opened:
        budget = Budget(limit)
        document = Sink(clean_name(_octets(name)), folder=folder, opened=opened, budget=budget).take(source)
        further = []
        for one, file in (detached or {}).items():
            sink = Sink(reference_name(_octets(one)), folder=folder, opened=opened, budget=budget).take(file)
            sink.mime = mimetypes.guess_type(one)[0]
            further.append(sink.detached())
        found = Upload(document.file, document.name, document.sha256, document.size, {}, each_once(further))
        opened.pop_all()
    return found


Stored = Callable[[str], Awaitable["Upload"]]
"""Opens what was sent before, by the name that the field `upload` gives it."""


async def receive(
    request: Request, *, folder: Place, limit: int, needs: tuple[str, ...] = (), stored: Stored | None = None
) -> Upload:
    """Read a `multipart/form-data` body; the caller closes the upload. With `stored`, a field `upload` may name a document
    that was sent before, instead of a part `document`.

    Raises MediaTypeNotSupported, UploadTooLarge, NameInvalid, or RequestInvalid (not well-formed, `document` or one of
    the fields in `needs` missing, a part twice).
    """
    (found,) = await receive_many(request, folder=folder, limit=limit, needs=needs, most=1, stored=stored)
    return found


async def receive_many(
    request: Request,
    *,
    folder: Place,
    limit: int,
    most: int,
    needs: tuple[str, ...] = (),
    field_bytes: int = FIELD_BYTES,
    stored: Stored | None = None,
) -> tuple[Upload, ...]:
    """The same with up to `most` parts `document`, each an upload of its own, the fields and contents with each of them;
    `limit` is for all together, `field_bytes` for each field."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MediaTypeNotSupported(expected="multipart/form-data")
    if int(_digits(request.headers.get("content-length"))) > limit + OVERHEAD:
        raise UploadTooLarge(limit=limit)
    with ExitStack() as opened:
        reader = _Reader(options[b"boundary"], folder, opened, Budget(limit), most=most)
        reader.field_bytes = field_bytes
        try:
            async for chunk in request.stream():
                reader.feed(chunk)
        except ClientDisconnect:
            raise RequestInvalid("the connection ended before the upload did") from None
        named = reader.fields.get("upload")
        if stored is not None and named is not None and not reader.documents:
            reader.before = await stored(named.decode("utf-8", "replace"))
            opened.callback(reader.before.file.close)
        found = reader.finish(needs)
        opened.pop_all()
    return found


def _octets(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _digits(text: str | None) -> str:
    return text if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else "0"


class _Reader:
    """The parser's callbacks and what they have gathered so far."""

    def __init__(self, boundary: bytes, folder: Place, opened: ExitStack, budget: Budget, *, most: int) -> None:
        self.documents: list[Sink] = []
        self.before: Upload | None = None
        self.detached: list[Sink] = []
        self.fields: dict[str, bytes] = {}
        self._new = partial(Sink, folder=folder, opened=opened, budget=budget)
        self._most = most
        self.field_bytes = FIELD_BYTES
        self._fields_seen = 0
        self._sink: Sink | None = None
        self._field = ""
        self._buffer = bytearray()
        self._header = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._media_type = b""
        self._ended = False
        try:
            self.parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_value,
                    "on_header_end": self._header_done,
                    "on_headers_finished": self._headers_done,
                    "on_part_data": self._data,
                    "on_part_end": self._part_done,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise RequestInvalid("the multipart boundary is too long") from None

    def feed(self, chunk: bytes) -> None:
        if not chunk:
            return
        try:
            self.parser.write(chunk)
        except FormParserError:
            raise RequestInvalid("the multipart body is malformed") from None

    def finish(self, needs: tuple[str, ...]) -> tuple[Upload, ...]:
        # 3. whole, and with everything that this call takes
        if not self._ended:
            raise RequestInvalid("the multipart body ends before its closing boundary")
        if not self.documents and self.before is None:
            raise RequestInvalid("the part `document` is missing", part="document")
        for need in needs:
            if need not in self.fields:
                raise RequestInvalid(f"the part `{need}` is missing", part=need)
        detached = each_once(sink.detached() for sink in self.detached)
        if self.before is not None:
            return (replace(self.before, fields=self.fields, detached=detached),)
        for sink in self.documents:
            sink.file.seek(0)
        return tuple(Upload(one.file, one.name, one.sha256, one.size, self.fields, detached) for one in self.documents)

    # 1. headers

    def _begin(self) -> None:
        self._disposition = self._media_type = b""
        self._buffer = bytearray()
        self._sink = None

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_done(self) -> None:
        match self._header.lower():
            case b"content-disposition":
                self._disposition = bytes(self._header_value)
            case b"content-type":
                self._media_type = bytes(self._header_value)
        self._header.clear()
        self._header_value.clear()

    def _headers_done(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise RequestInvalid("a part has no name")
        part, name = options[b"name"].decode("utf-8", "replace"), options.get(b"filename", b"")
        if part == "document":
            if len(self.documents) == self._most:
                what = "is there twice" if self._most == 1 else f"is there more than {self._most} times"
                raise RequestInvalid(f"the part `document` {what}", part="document")
            self._sink = self._new(clean_name(name))
            self.documents.append(self._sink)
            return
        if part == "detached":
            if len(self.detached) == MAX_DETACHED:
                raise RequestInvalid(f"more than {MAX_DETACHED} detached contents", part="detached")
            self._sink = self._new(reference_name(name))
            self._sink.mime = media_type(self._media_type)
            self.detached.append(self._sink)
            return
        self._fields_seen += 1
        if self._fields_seen > MAX_FIELDS:
            raise RequestInvalid("too many parts")
        if part in self.fields or not part.isidentifier() or len(part) > 64:
            raise RequestInvalid("a part is there twice, or its name is not known")
        self._field = part

    # 2. content

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._sink.write(memoryview(data)[start:end])
            return
        most = ORDER_BYTES if self._field == "order" else self.field_bytes
        if len(self._buffer) + end - start > most:
            raise RequestInvalid(f"the part `{self._field}` is larger than {most} bytes", part=self._field)
        self._buffer += data[start:end]

    def _part_done(self) -> None:
        if self._sink is None:
            self.fields[self._field] = bytes(self._buffer)

    def _end(self) -> None:
        self._ended = True


def clean_name(raw: bytes) -> str:
    """The base name of a file name off the wire, in NFC; raises NameInvalid for what could deceive a reader.

    >>> clean_name("C:\\\\Hồ sơ\\\\giấy.pdf".encode())
    'giấy.pdf'
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NameInvalid("the file name is not UTF-8", name="?") from None
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", text)[-1]).strip()
    # Cc are controls, Cf include the marks that turn writing direction round, Cs are lone surrogates.
    shown = "".join("?" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in base)
    if shown != base or ESCAPED_CONTROL.search(base) or len(base.encode("utf-8", "replace")) > NAME_BYTES:
        raise NameInvalid("control characters or too long", name=shown[:80])
    return "document" if base in ("", ".", "..") else base
