"""pyHanko's reader, made quick on ordinary documents, and aware of what a password allows.

Nothing is read differently: what pyHanko reads byte by byte is taken at once where it is regular, cross-references by
`verify.pdf_sections`, dictionaries by `verify.pdf_parser`, streams that state their length; whatever is irregular goes to
pyHanko, which knows what to forgive. A small file is read once and held in memory. A table of 10,000 lines and a flat
tree of 5,000 pages then cost a tenth.

    reader = Reader(file, strict=True, decode_limits=DecodeLimits())
    reader.permissions        # None, or the bits that bind whoever opened the document with the user password
"""

from __future__ import annotations

import io
import os
import re
from typing import Any, BinaryIO, cast

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import _saslprep  # noqa: F401  imported later, for a password only, where no file opens
from pyhanko.pdf_utils.decode_limits import DecodeContext, DecodeLimits
from pyhanko.pdf_utils.reader import PdfFileReader, _read_header_version, process_data_at_eof
from pyhanko.pdf_utils.xref import ObjStreamRef

from verify.pdf_parser import parse_dictionary
from verify.pdf_sections import Builder, CrossReferences

_IN_MEMORY = 1 << 20
"""Files up to this size are read at once: dozens of small reads cost more."""

_HEADER = re.compile(rb"%PDF-(\d)\.(\d)[\r\n]")
_CLOSING = re.compile(rb"[\r\n]startxref(?:\r\n|\r|\n)(\d{1,12})(?:\r\n|\r|\n)%%EOF(?:\r\n|\r|\n)?\Z")
_CLOSING_LENGTH = 64
_OBJECT = re.compile(rb"\s*(\d{1,10})\s+(\d{1,5})\s+obj\s*(?=<)")
_BEHIND_DICTIONARY = re.compile(rb"[ \t\r\n\f]*+(?:endobj|(stream)(?:\r\n|\n))")
_BEHIND_STREAM = re.compile(rb"\s*+endstream\s++endobj")
_FLAT_NAME = rb"/([A-Za-z0-9_.,:+*-]++)\s*+"
_FLAT_VALUE = (
    rb"(/[A-Za-z0-9_.,:+*-]++|[1-9]\d{0,9} \d{1,5} R|[+-]?\d{1,18}(?![\d.])|<[0-9A-Fa-f]*+>|\[[\d\s]*+\]"
    rb"|\((?:[ -'*-\[\]-~]++|\\[0-3][0-7]{2}|\\[()\\])*\)|<<\s*+(?:/[A-Za-z0-9_]++\s*+[1-9]\d{0,9} \d{1,5} R\s*+)*>>)\s*+"
)
_FLAT_PAIR = re.compile(_FLAT_NAME + _FLAT_VALUE)
_FLAT = re.compile(
    rb"\s*(\d{1,10}) (\d{1,5}) obj\s*+<<\s*+(?:"
    + _FLAT_PAIR.pattern.replace(rb"(/", rb"(?:/").replace(rb"/([", rb"/(?:[")
    + rb")+>>\s*+endobj"
)
"""A dictionary of simple values, at most one of references among them: its text can be read in one way."""

_LONG_STREAM = 1 << 15
_PEEK = 1_024
_MORE = 1 << 15
_MAX_ORDINARY = 1 << 25


class Reader(PdfFileReader):
    """Reads as PdfFileReader does. `permissions` is None unless the user password binds whoever gave it."""

    permissions: int | None = None
    _plain = False
    """Whether the document is known not to be encrypted."""
    octets: bytes | None = None
    """The whole file, if it is small."""

    def __init__(self, stream: BinaryIO, *, strict: bool, decode_limits: DecodeLimits) -> None:
        # As in PdfFileReader.__init__, which leaves no way to pass a builder in.
        self._security_handler = None
        self.strict = strict
        self._decode_context = DecodeContext(decode_limits, input_size=stream.seek(0, os.SEEK_END))
        self.resolved_objects = {}
        self._input_version = None
        self._historical_resolver_cache = {}
        if stream.tell() <= _IN_MEMORY and not hasattr(stream, "offset"):  # a view into a file is left as it is
            stream.seek(0)
            self.octets = stream.read()
            stream = io.BytesIO(self.octets)
        self.stream = stream
        self._header_version = _version(stream)
        builder = Builder(handler=self, stream=stream, strict=strict, last_startxref=_last_startxref(stream))
        self.xrefs = CrossReferences(self, builder.read_xrefs())
        self.last_startxref = builder.last_startxref
        self.trailer = builder.trailer
        self._plain = "/Encrypt" not in self.trailer
        self.has_xref_stream = builder.has_xref_stream
        self._embedded_signatures = None

    def flat(self, ref: generic.Reference) -> dict[bytes, bytes] | None:
        """The entries of a dictionary of simple values, as they are written; None if it is not such a one.

        Quicker than reading it."""
        text = self._flat(ref)
        if text is None:
            return None
        pairs = _FLAT_PAIR.findall(text)
        entries = dict(pairs)
        return entries if len(entries) == len(pairs) else None

    def is_flat(self, ref: generic.Reference, *, without: bytes) -> bool:
        """Whether the object is a dictionary of simple values in which no name is `without`; False says nothing."""
        text = self._flat(ref)
        return text is not None and without not in text

    def _flat(self, ref: generic.Reference) -> bytes | None:
        place = self.xrefs[ref] if self._plain else None
        if not isinstance(place, int):
            return None
        if self.octets is None:
            self.stream.seek(place)
        found = _FLAT.match(self.stream.read(_MORE)) if self.octets is None else _FLAT.match(self.octets, place)
        if found is None or (int(found[1]), int(found[2])) != (ref.idnum, ref.generation):
            return None
        return found[0]

    @property
    def security_handler(self) -> Any:
        return None if self._plain else super().security_handler

    def get_object(  # type: ignore[override]  # as PdfFileReader overrides it
        self,
        ref: Any,
        revision: int | None = None,
        never_decrypt: bool = False,
        transparent_decrypt: bool = True,
        as_metadata_stream: bool = False,
    ) -> Any:
        if revision is None and self._plain:
            known = self.resolved_objects.get((ref.generation, ref.idnum))
            if known is None:
                known = self._read_object(ref, self.xrefs[ref], as_metadata_stream=as_metadata_stream)
                self.resolved_objects[ref.generation, ref.idnum] = known
            return known
        return super().get_object(  # type: ignore[no-untyped-call]  # pyHanko's
            ref, revision, never_decrypt, transparent_decrypt, as_metadata_stream
        )

    def _read_object(
        self,
        ref: generic.Reference,
        marker: int | ObjStreamRef | None,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> generic.PdfObject:
        if isinstance(marker, int) and self._plain and not as_metadata_stream:
            node = self._ordinary(ref, marker)
            if node is not None:
                return node
        return cast("generic.PdfObject", super()._read_object(ref, marker, never_decrypt, as_metadata_stream))

    def _ordinary(self, ref: generic.Reference, offset: int) -> generic.DictionaryObject | None:
        """The object at `offset` if it is a dictionary or stream as nearly all are; None leaves it to pyHanko."""
        text, at = (self._beginning(offset), 0) if self.octets is None else (self.octets, offset)
        header = _OBJECT.match(text, at)
        if header is None or (int(header[1]), int(header[2])) != (ref.idnum, ref.generation):
            return None
        found = parse_dictionary(text, generic.Reference(ref.idnum, ref.generation, self), at=header.end())
        if found is None:
            return None
        dictionary, end = found
        behind = _BEHIND_DICTIONARY.match(text, end)
        if behind is None or behind[1] is None:
            return dictionary if behind is not None else None
        return self._stream(dictionary, offset + behind.end() - at)

    def _beginning(self, offset: int) -> bytes:
        """The object at `offset` up to its end or its stream, and some more."""
        self.stream.seek(offset)
        text: bytes = self.stream.read(_PEEK)
        while b"endobj" not in text and b"stream" not in text and len(text) <= _MAX_ORDINARY:
            more = self.stream.read(max(_MORE, len(text)))
            if not more:
                break
            text += more
        return text

    def _stream(self, dictionary: generic.DictionaryObject, start: int) -> generic.StreamObject | None:
        """The stream of which the data begin at `start`, if it is as long as its dictionary says."""
        length = dictionary.get("/Length")
        if not isinstance(length, generic.NumberObject) or length < 0:
            return None
        self.stream.seek(start + length)
        if not _BEHIND_STREAM.match(self.stream.read(_PEEK)):
            return None
        stream: generic.StreamObject = FileStream(self.stream, start, length)
        if self.octets is None and length > _LONG_STREAM:
            dict.update(stream, dictionary)
        else:
            stream = generic.StreamObject(dictionary, encoded_data=stream.encoded_data)
        stream.container_ref = dictionary.container_ref
        return stream


class FileStream(generic.StreamObject):
    """A long stream: its octets are read from the file each time they are asked for, and not kept.

    A comparison of revisions looks at every object of the older one; the scans on its pages need not be in memory."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._place = (file, start, length)
        self._written: bytes | None = None
        super().__init__()

    def empty(self) -> FileStream:
        """The same octets without a dictionary."""
        return FileStream(*self._place)

    @property
    def _encoded_data(self) -> bytes | None:
        if self._written is not None:
            return self._written
        file, start, length = self._place
        file.seek(start)
        return file.read(length)

    @_encoded_data.setter
    def _encoded_data(self, octets: bytes | None) -> None:
        self._written = octets


def _version(stream: BinaryIO) -> tuple[int, int]:
    """The version in the header. Raises PdfReadError."""
    stream.seek(0)
    found = _HEADER.match(stream.read(16))
    return (int(found[1]), int(found[2])) if found is not None else _read_header_version(stream)


def _last_startxref(stream: BinaryIO) -> int:
    """Where the newest cross-references are. Raises PdfReadError."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _CLOSING_LENGTH))
    found = _CLOSING.search(stream.read())
    if found is not None:
        return int(found[1])
    stream.seek(-1, os.SEEK_END)
    return process_data_at_eof(stream)
