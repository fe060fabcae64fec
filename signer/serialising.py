"""Writes PDF objects as pyHanko does, to the same octets, without its loop over each letter of each name.

Only what is not encrypted; objects that write themselves in a way of their own (placeholders that remember where they
stand, streams) do so.

>>> import io
>>> out = io.BytesIO()
>>> write(generic.DictionaryObject({"/Type": generic.NameObject("/Sig")}), out)
>>> out.getvalue()
b'<<\\n/Type /Sig\\n>>'
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic

_REGULAR_NAME = re.compile(r"/[A-Za-z0-9_.,:+*-]*")
_ESCAPED = re.compile(rb"[^0-9A-Za-z ]")

_DICTIONARY = generic.DictionaryObject.write_to_stream
_ARRAY = generic.ArrayObject.write_to_stream
_TEXT = generic.TextStringObject.write_to_stream


def write(value: Any, stream: BinaryIO) -> None:
    """The object at the stream's position."""
    kind = type(value)
    if kind is generic.NameObject:
        stream.write(_name(value))
    elif kind is generic.IndirectObject:
        stream.write(b"%d %d R" % (value.idnum, value.generation))
    elif kind is generic.NumberObject:
        stream.write(b"%d" % value)
    elif kind.write_to_stream is _DICTIONARY:
        stream.write(b"<<\n")
        for key, item in dict.items(value):
            stream.write(_name(key) + b" ")
            write(item, stream)
            stream.write(b"\n")
        stream.write(b">>")
    elif kind.write_to_stream is _ARRAY:
        stream.write(b"[")
        for item in list.__iter__(value):
            stream.write(b" ")
            write(item, stream)
        stream.write(b" ]")
    elif kind.write_to_stream is _TEXT and value.isascii() and value.isprintable() and not value.force_output_encoding:
        octets = _ESCAPED.sub(lambda found: b"\\%03o" % found[0][0], value.encode("ascii"))
        stream.write(b"(" + octets + b")")
    else:
        value.write_to_stream(stream, None)


@lru_cache(maxsize=4096)
def _name(name: str) -> bytes:
    if _REGULAR_NAME.fullmatch(name):
        return name.encode("ascii")
    out = _Kept()
    generic.NameObject(name).write_to_stream(out)
    return bytes(out)


class _Kept(bytearray):
    """What is written to it."""

    def write(self, octets: bytes) -> None:
        self += octets
