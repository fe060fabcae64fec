"""Parses the ordinary dictionary object by one regular expression: pyHanko reads byte by byte, ten times as slowly.

Ordinary is what nearly every program writes: plain names, numbers, references, printable strings,
hexadecimal strings, no comments, no stream. For anything else the answer is None and pyHanko reads the object; what is
parsed here is parsed to the same values.

    parse(b"<</Type/Pages/Kids[3 0 R]/Count 1>>\\nendobj", reference)
"""

from __future__ import annotations

import re
from typing import Any

from pyhanko.pdf_utils import generic

_DEPTH = 32
_TOKEN = re.compile(
    rb"[ \t\r\n\f]*(?:(<<)|(>>)|(\[)|(\])|/([A-Za-z0-9_.,:+*-]+)"
    rb"|([1-9]\d{0,9})[ \t\r\n]+(\d{1,5})[ \t\r\n]+R(?![A-Za-z0-9])"
    rb"|([+-]?\d{1,18})(?![\d.])|([+-]?\d{1,12}\.\d{1,12})(?![\d.])"
    rb"|\(((?:[ -'*-\[\]-~]|\\[0-3][0-7]{2}|\\[()\\])*+)\)|<([0-9A-Fa-f]*)>|(true|false|null)(?![A-Za-z0-9])|(endobj|startxref))"
)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_CONSTANTS = {b"true": True, b"false": False}


def parse(text: bytes, reference: generic.Dereferenceable) -> generic.DictionaryObject | None:  # noqa: PLR0911, PLR0912
    """The dictionary with which `text` begins, if it is ordinary and `endobj` (of a trailer: `startxref`) follows."""
    match = _TOKEN.match
    stack: list[Any] = []
    current: Any = None
    key: Any = None
    at = 0
    while found := match(text, at):
        at, kind = found.end(), found.lastindex
        value: Any
        if kind in {1, 3}:
            if len(stack) > _DEPTH or (current is None and kind == 3):
                return None
            stack.append((current, key))
            current, key = {} if kind == 1 else [], None
            continue
        if kind in {2, 4}:
            if isinstance(current, dict) != (kind == 2) or key is not None or not stack:
                return None
            value = generic.DictionaryObject(current) if kind == 2 else generic.ArrayObject(current)
            current, key = stack.pop()
            if current is None:
                value.container_ref = reference
                behind = match(text, at)
                return value if behind is not None and behind.lastindex == 13 else None
        elif kind == 5:
            value = generic.NameObject("/" + found[5].decode("ascii"))
            if key is None and isinstance(current, dict):
                if value in current:
                    return None
                key = value
                continue
        elif kind == 7:
            value = generic.IndirectObject(int(found[6]), int(found[7]), reference.get_pdf_handler())
        elif kind == 8:
            value = generic.NumberObject(found[8])
        elif kind == 9:
            value = generic.FloatObject(found[9].decode("ascii"))
        elif kind == 10:
            value = generic.pdf_string(_unescaped(found[10]) if b"\\" in found[10] else found[10])
        elif kind == 11:
            digits = found[11].decode("ascii")
            value = generic.pdf_string(bytes.fromhex(digits + "0" * (len(digits) % 2)))
        elif kind == 12:
            word = found[12]
            value = generic.NullObject() if word == b"null" else generic.BooleanObject(_CONSTANTS[word])
        else:
            return None
        value.container_ref = reference
        if isinstance(current, list):
            current.append(value)
        elif isinstance(current, dict) and key is not None:
            current[key] = value
            key = None
        else:
            return None
    return None


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]) if len(found[1]) == 3 else found[1], text)
