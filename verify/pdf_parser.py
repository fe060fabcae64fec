"""Parses the ordinary dictionary object by regular expressions: pyHanko reads byte by byte, ten times as slowly.

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
_S = rb"[ \t\r\n\f]*+"
_NAME = rb"/([A-Za-z0-9_.,:+*-]++)"
_VALUE = (
    _NAME + rb"|([1-9]\d{0,9})[ \t\r\n]+(\d{1,5})[ \t\r\n]+R(?![A-Za-z0-9])"
    rb"|([+-]?\d{1,18})(?![\d.])|([+-]?\d{1,12}\.\d{1,12})(?![\d.])"
    rb"|\(((?:[ -'*-\[\]-~]++|\\[0-3][0-7]{2}|\\[()\\])*)\)|<([0-9A-Fa-f]*+)>|(true|false|null)(?![A-Za-z0-9])|(\[)|(<<)"
)
_BEGIN = re.compile(_S + rb"<<")
_ITEM = re.compile(_S + rb"(?:" + _VALUE + rb"|(\]))")
_ENTRY = re.compile(_S + rb"(?:" + _NAME + _S + rb"(?:" + _VALUE + rb")|(>>))")
_END = re.compile(_S + rb"(?:endobj|startxref)")
_INTEGERS = re.compile(rb"[\d \t\r\n\f]*+\]")
_IS_NAME, _IS_REFERENCE, _IS_INTEGER, _IS_REAL, _IS_TEXT, _IS_HEX, _IS_WORD, _IS_ARRAY, _IS_DICTIONARY = (
    1,
    *range(3, 11),
)
_IS_END = 11
"""Groups of `_ITEM`; in `_ENTRY` each stands one further, behind the key."""

_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_CONSTANTS = {b"true": True, b"false": False}
_KEYS: dict[bytes, generic.NameObject] = {}
_MOST_KEYS = 4_000


class _Irregular(Exception):
    """Left to pyHanko."""


def parse(text: bytes, reference: generic.Dereferenceable) -> generic.DictionaryObject | None:
    """The dictionary with which `text` begins, if it is ordinary and `endobj` (of a trailer: `startxref`) follows."""
    found = parse_dictionary(text, reference, at=0)
    return found[0] if found is not None and _END.match(text, found[1]) else None


def parse_dictionary(
    text: bytes, reference: generic.Dereferenceable, *, at: int
) -> tuple[generic.DictionaryObject, int] | None:
    """The dictionary that begins at `at`, if it is ordinary, and where it ends."""
    begin = _BEGIN.match(text, at)
    if begin is None:
        return None
    try:
        return _Parser(text, reference).dictionary(begin.end(), depth=_DEPTH)
    except _Irregular:
        return None


class _Parser:
    """One text, and the object that its parts belong to."""

    __slots__ = ("_handler", "_reference", "_text")

    def __init__(self, text: bytes, reference: generic.Dereferenceable) -> None:
        self._text = text
        self._reference = reference
        self._handler = reference.get_pdf_handler()

    def dictionary(self, at: int, *, depth: int) -> tuple[generic.DictionaryObject, int]:
        text, reference, match, put = self._text, self._reference, _ENTRY.match, dict.__setitem__
        result = generic.DictionaryObject()
        result.container_ref = reference
        while found := match(text, at):
            at, kind = found.end(), found.lastindex or 0
            if kind == _IS_END + 1:
                return result, at
            key = _KEYS.get(found[1]) or _key(found[1])
            if key in result:
                break
            if kind > _IS_ARRAY:
                value, at = self._nested(at, kind=kind - 1, depth=depth)
            else:
                value = self._simple(found, kind=kind - 1, first=1)
                value.container_ref = reference
            put(result, key, value)
        raise _Irregular

    def _array(self, at: int, *, depth: int) -> tuple[generic.ArrayObject, int]:
        text, reference = self._text, self._reference
        result = generic.ArrayObject()
        result.container_ref = reference
        if (integers := _INTEGERS.match(text, at)) is not None:
            for token in integers[0][:-1].split():
                if len(token) > 18:
                    raise _Irregular
                value: Any = int.__new__(generic.NumberObject, token)
                value.container_ref = reference
                result.append(value)
            return result, integers.end()
        while found := _ITEM.match(text, at):
            at, kind = found.end(), found.lastindex or 0
            if kind == _IS_END:
                return result, at
            if kind >= _IS_ARRAY:
                value, at = self._nested(at, kind=kind, depth=depth)
            else:
                value = self._simple(found, kind=kind, first=0)
                value.container_ref = reference
            result.append(value)
        raise _Irregular

    def _nested(self, at: int, *, kind: int, depth: int) -> tuple[Any, int]:
        if not depth:
            raise _Irregular
        return self._array(at, depth=depth - 1) if kind == _IS_ARRAY else self.dictionary(at, depth=depth - 1)

    def _simple(self, found: re.Match[bytes], *, kind: int, first: int) -> Any:  # noqa: PLR0911  one for each kind
        if kind == _IS_REFERENCE:
            return generic.IndirectObject(int(found[2 + first]), int(found[3 + first]), self._handler)
        raw = found[kind + first]
        if kind == _IS_NAME:
            return generic.NameObject("/" + raw.decode("ascii"))
        if kind == _IS_INTEGER:
            return int.__new__(generic.NumberObject, raw)
        if kind == _IS_HEX:
            digits = raw.decode("ascii")
            return generic.pdf_string(bytes.fromhex(digits + "0" if len(digits) % 2 else digits))
        if kind == _IS_TEXT:
            return generic.pdf_string(_unescaped(raw)) if b"\\" in raw else _plain_text(raw)
        if kind == _IS_REAL:
            return generic.FloatObject(raw.decode("ascii"))
        return generic.NullObject() if raw == b"null" else generic.BooleanObject(_CONSTANTS[raw])


def _plain_text(raw: bytes) -> generic.TextStringObject:
    """A string of printable ASCII, which PDFDocEncoding shares (ISO 32000-1 Annex D.2)."""
    text = generic.TextStringObject(raw.decode("ascii"))
    text.autodetected_encoding = generic.TextStringEncoding.PDF_DOC
    return text


def _key(raw: bytes) -> generic.NameObject:
    """The name of an entry; those that were met are kept, up to a bound, since a document may invent any."""
    name = generic.NameObject("/" + raw.decode("ascii"))
    if len(_KEYS) < _MOST_KEYS:
        _KEYS[raw] = name
    return name


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]) if len(found[1]) == 3 else found[1], text)
