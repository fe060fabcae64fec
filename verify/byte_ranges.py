"""The signature dictionaries of a PDF, and whether their byte ranges are those of signatures.

ISO 32000-1 §12.8 is followed, and no entry is trusted that can be checked in the bytes: the byte range starts at 0,
leaves out exactly the value of /Contents, overlaps no other, and belongs to the dictionary that states it. One
signature dictionary is one signature, in however many fields it stands.

    ranges = ByteRanges(file, size, reader, limits, tuple(dictionaries_of(reader, limits=limits, warnings=[])))
    [ranges.fault(one) for one in ranges.dictionaries]            # [None, "byte-range-gap"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import algorithms
from verify.document import Limits, chunks
from verify.errors import DocumentTooComplex
from verify.pdf import UNEXPECTED, get
from verify.report import Warning_

MISSING = "byte-range-beyond-end"
"""The document ends before what was signed does: the data cannot be had, whether it was cut off or never there."""

_HEX_WRAP = 2
_DOCUMENT_TIMESTAMP = "/ETSI.RFC3161"


@dataclass(frozen=True)
class SignatureDictionary:
    """One signature dictionary, as far as it could be read."""

    field: str
    values: generic.DictionaryObject
    fields: tuple[generic.DictionaryObject, ...]
    reference: generic.Reference | None
    contents: bytes
    byte_range: tuple[int, ...]

    @property
    def sub_filter(self) -> str:
        return str(get(self.values, "/SubFilter") or "")

    @property
    def end(self) -> int:
        return self.byte_range[2] + self.byte_range[3] if len(self.byte_range) == 4 else 0

    @property
    def is_timestamp(self) -> bool:
        return is_timestamp(self.values)

    @property
    def is_typed(self) -> bool:
        """/Type of a document timestamp is /DocTimeStamp, or left out (EN 319 142-1 §5.4.3): /Sig proves nothing."""
        return get(self.values, "/Type") in {"/DocTimeStamp", None}


@dataclass(frozen=True)
class ByteRanges:
    """What the dictionaries of one document say they cover."""

    file: BinaryIO
    size: int
    reader: PdfFileReader
    limits: Limits
    dictionaries: tuple[SignatureDictionary, ...]

    def fault(self, one: SignatureDictionary) -> str | None:  # noqa: PLR0911  one return for each rule
        """EN 319 102-1 §5.2.2 for PDF: why the byte range is not that of a signature, None when it is.

        1. Four numbers, from the first byte, in order, inside the file.
        2. What is left out is a hexadecimal string, and its value is /Contents.
        3. No other signature's gap lies between: each of two signatures cannot have covered the other.
        4. The gap lies in the dictionary that states it.
        """
        # 1
        if len(one.byte_range) != 4:
            return "byte-range-shape"
        start, first, second, last = one.byte_range
        if start != 0 or first <= 0 or last < 0 or second < first + _HEX_WRAP:
            return "byte-range-bounds"
        if second + last > self.size:
            return MISSING
        # 2
        gap = second - first
        if gap > 2 * self.limits.cms + _HEX_WRAP:
            return "contents-too-large"
        self.file.seek(first)
        raw = self.file.read(gap)
        if raw[:1] != b"<" or raw[-1:] != b">":
            return "byte-range-gap"
        try:
            value = bytes.fromhex(raw[1:-1].decode("ascii"))
        except ValueError:
            return "byte-range-gap"
        if len(raw.translate(None, b" \t\r\n\x0c\x00")) != gap or value != one.contents:
            return "byte-range-gap"
        # 3
        for other in self.dictionaries:
            if other is one or len(other.byte_range) != 4:
                continue
            if first < other.byte_range[1] < second or (
                first == other.byte_range[1] and other.byte_range != one.byte_range
            ):
                return "byte-range-overlap"
        # 4
        return None if self._holds(one) else "byte-range-elsewhere"

    def _holds(self, one: SignatureDictionary) -> bool:
        """Whether the gap stands in the object that was read as this dictionary, in some revision of it."""
        if one.reference is None:
            return True
        shift = getattr(self.reader.stream, "offset", 0)
        for revision in range(self.reader.xrefs.total_revisions):
            place = self.reader.xrefs.get_historical_ref(one.reference, revision)
            if not isinstance(place, int) or not 0 <= one.byte_range[1] - (place + shift) <= self.limits.cms:
                continue
            self.file.seek(place + shift)
            if b"endobj" not in self.file.read(one.byte_range[1] - place - shift):
                return True
        return False

    def digest_of(self, one: SignatureDictionary) -> Callable[[str], bytes]:
        """Digests of the byte range, each computed once."""
        known: dict[str, bytes] = {}

        def digest(name: str) -> bytes:
            if name not in known:
                if name not in algorithms.DIGESTS:
                    raise ValueError(f"unknown digest {name}")
                _, first, second, last = one.byte_range
                hasher = hashlib.new(name, usedforsecurity=False)
                for start, length in ((0, first), (second, last)):
                    for chunk in chunks(self.file, start=start, length=length):
                        hasher.update(chunk)
                known[name] = hasher.digest()
            return known[name]

        return digest


def dictionaries_of(
    reader: PdfFileReader, *, limits: Limits, warnings: list[Warning_]
) -> Iterator[SignatureDictionary]:
    """One for each signature dictionary that a field of the form has as its value."""
    grouped: dict[
        object, tuple[str, generic.DictionaryObject, generic.Reference | None, list[generic.DictionaryObject]]
    ]
    grouped = {}
    for name, field, raw in _signed_fields(reader, limits=limits):
        reference = raw.reference if isinstance(raw, generic.IndirectObject) else None
        values = raw.get_object()
        if not isinstance(values, generic.DictionaryObject):
            continue
        key: object = (reference.idnum, reference.generation) if reference else name
        grouped.setdefault(key, (name, values, reference, []))[3].append(field)
        if len(grouped) > limits.signatures:
            raise DocumentTooComplex(reason="signatures", count=len(grouped))
    taken: dict[str, int] = {}
    for stated, values, reference, fields in grouped.values():
        # Reports, and what timestamps prove, are found by name: two fields of one name are two.
        taken[stated] = taken.get(stated, 0) + 1
        name = stated if taken[stated] == 1 else f"{stated}~{taken[stated]}"
        try:
            contents = values.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW).original_bytes
            byte_range = tuple(int(number) for number in values["/ByteRange"])
        except UNEXPECTED as error:
            warnings.append(Warning_("SIGNATURE_UNREADABLE", {"field": name, "reason": type(error).__name__}))
            continue
        yield SignatureDictionary(name, values, tuple(fields), reference, contents, byte_range)


def _signed_fields(
    reader: PdfFileReader, *, limits: Limits
) -> Iterator[tuple[str, generic.DictionaryObject, generic.PdfObject]]:
    """(full name, field, raw /V) of signature fields that have a value; the form's tree may loop or be broken."""
    form = get(reader.root, "/AcroForm")
    top = get(form, "/Fields") if isinstance(form, generic.DictionaryObject) else None
    todo: list[tuple[Any, str, Any]] = (
        [(item, "", None) for item in reversed(top)] if isinstance(top, generic.ArrayObject) else []
    )
    seen: set[tuple[int, int]] = set()
    looked_at = 0
    while todo:
        item, prefix, kind = todo.pop()
        looked_at += 1
        if looked_at > limits.fields:
            raise DocumentTooComplex(reason="fields", count=looked_at)
        if isinstance(item, generic.IndirectObject):
            key = (item.reference.idnum, item.reference.generation)
            if key in seen:
                continue
            seen.add(key)
        try:
            field = item.get_object()
        except UNEXPECTED:
            continue
        if not isinstance(field, generic.DictionaryObject):
            continue
        partial = get(field, "/T")
        name = ".".join(part for part in (prefix, str(partial) if partial is not None else "") if part)
        kind = get(field, "/FT") or kind
        if kind == "/Sig" and "/V" in field:
            yield name, field, field.raw_get("/V")
        kids = get(field, "/Kids")
        if isinstance(kids, generic.ArrayObject):
            todo.extend((kid, name, kind) for kid in reversed(kids))


def is_timestamp(values: object) -> bool:
    """A document timestamp is known by its SubFilter or its /Type, whether or not it is any good; in no case it is a
    signature."""
    return bool(get(values, "/SubFilter") == _DOCUMENT_TIMESTAMP or get(values, "/Type") == "/DocTimeStamp")


def without_padding(contents: bytes) -> bytes:
    """/Contents is filled up with zero bytes behind the DER."""
    if len(contents) < 2 or contents[1] < 0x80:
        return contents[: 2 + contents[1]] if len(contents) > 1 else contents
    octets = contents[1] & 0x7F
    if octets == 0 or octets > 4:
        return contents
    return contents[: 2 + octets + int.from_bytes(contents[2 : 2 + octets], "big")]
