"""Finds the signatures and document timestamps of a PDF and hands them over in format-neutral values.

ISO 32000-1 §12.8 is followed, and no entry is trusted that can be checked in the bytes: the byte range starts at 0,
leaves out exactly the value of /Contents, overlaps no other, and belongs to the dictionary that states it. One
signature dictionary is one signature, in however many fields it stands. Digests are streamed; judging is for
`verify.engine`.

    findings = find(file, limits=Limits())
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import parse_pdf_date
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import algorithms, cms, content, pdf_profile, pdf_proofs, pdf_store, permissions
from verify.changes import History
from verify.document import Limits, chunks, size_of
from verify.errors import DocumentBroken, DocumentTooComplex
from verify.found import Findings, FoundSignature, FoundTimestamp, Integrity, identify
from verify.pdf import UNEXPECTED, get, open_reader, refusing
from verify.report import Changes, Warning_
from verify.revisions import Layout

_HEX_WRAP = 2
_MISSING = "byte-range-beyond-end"
"""The document ends before what was signed does: the data cannot be had, whether it was cut off or never there."""

_DOCUMENT_TIMESTAMP = "/ETSI.RFC3161"


@dataclass(frozen=True)
class _Dictionary:
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
        """A document timestamp is known by its SubFilter or its /Type; in no case it is a signature."""
        return self.sub_filter == _DOCUMENT_TIMESTAMP or get(self.values, "/Type") == "/DocTimeStamp"

    @property
    def is_typed(self) -> bool:
        """/Type of a document timestamp is /DocTimeStamp, or left out (EN 319 142-1 §5.4.3): /Sig proves nothing."""
        return get(self.values, "/Type") in {"/DocTimeStamp", None}


def find(
    file: BinaryIO,
    *,
    limits: Limits,
    password: str | None = None,
    detached: Mapping[str, BinaryIO] | None = None,  # noqa: ARG001  a PDF refers to none; all readers are called alike
) -> Findings:
    """Everything signed or timestamped in the document. Raises a VerifyError when it cannot be read."""
    reader = open_reader(file, limits=limits, password=password, tolerance="lenient")
    if reader.strict:
        try:
            return _find(file, reader=reader, limits=limits, password=password)
        except DocumentBroken:  # strict reading may fail as late as at an object that only now is looked at
            reader = open_reader(file, limits=limits, password=password, tolerance="loose")
    return _find(file, reader=reader, limits=limits, password=password)


def _find(file: BinaryIO, *, reader: PdfFileReader, limits: Limits, password: str | None) -> Findings:
    size = size_of(file)
    warnings: list[Warning_] = []
    if not reader.strict and not reader.xrefs.hybrid_xrefs_present:
        warnings.append(Warning_("AMBIGUOUS_PARSE", {"reason": "not-strict"}))
    warnings.extend(content.inspect(file, reader, budget=content.JUDGING))
    with refusing(), ExitStack() as opened:
        dictionaries = list(dictionaries_of(reader, limits=limits, warnings=warnings))
        dictionaries.sort(key=lambda d: d.end)
        layout = Layout.of(reader, file=file, size=size)
        names = tuple((one.end, one.field) for one in dictionaries if not one.is_timestamp)
        history = opened.enter_context(
            History(reader, layout=layout, file=file, limits=limits, names=names, password=password)
        )
        store = pdf_store.read(reader, layout=layout)
        reading = _Reading(file, size, reader, layout, history, store, limits, tuple(dictionaries))
        signatures: list[FoundSignature] = []
        timestamps: list[FoundTimestamp] = []
        for one in dictionaries:
            if one.is_timestamp and not one.is_typed:
                warnings.append(Warning_("TIMESTAMP_MALFORMED", {"field": one.field, "reason": "type"}))
                continue
            if one.is_timestamp:
                timestamps.append(reading.timestamp(one))
                continue
            try:
                signatures.extend(reading.signatures(one))
            except cms.CmsUnreadable as error:
                warnings.append(
                    Warning_("SIGNATURE_UNREADABLE", {"field": one.field, "sub_filter": one.sub_filter, **error.facts})
                )
    if timestamps:
        items = pdf_proofs.items(reader, layout=layout, signatures=signatures, timestamps=timestamps)
        timestamps = [replace(one, protects=pdf_proofs.covered(items, by=one)) for one in timestamps]
    return Findings(tuple(signatures), tuple(timestamps), tuple(warnings))


@dataclass(frozen=True)
class _Reading:
    """One pass over one document."""

    file: BinaryIO
    size: int
    reader: PdfFileReader
    layout: Layout
    history: History
    store: pdf_store.Store
    limits: Limits
    dictionaries: tuple[_Dictionary, ...]

    def timestamp(self, one: _Dictionary) -> FoundTimestamp:
        fault = self.fault(one)
        return FoundTimestamp(
            id=one.field,
            type="document",
            der=without_padding(one.contents),
            digest_of=self.digest_of(one),
            covers=self.covers(one, fault=fault),
            fault=fault,
        )

    def covers(self, one: _Dictionary, *, fault: str | None) -> int:
        """The end of the byte range. Where that is none, the dictionary may claim any place in the file: then only what
        covers the whole file covers it, so that nobody gets the age of an archive by saying that he stands in it."""
        return one.end if fault is None else self.size

    def signatures(self, one: _Dictionary) -> Iterator[FoundSignature]:
        """The signature of a dictionary, and whoever signed its value. Raises CmsUnreadable."""
        fault = self.fault(one)
        covers = self.covers(one, fault=fault)
        message = cms.read(one.contents, known=self.store.evidence.certificates)
        digest_of = self.digest_of(one)
        if fault is not None:
            failure: Literal["SIGNED_DATA_NOT_FOUND", "FORMAT_FAILURE"]
            failure = "SIGNED_DATA_NOT_FOUND" if fault == _MISSING else "FORMAT_FAILURE"
            integrity = Integrity(failure, reason=fault)
            changes = Changes()
        else:
            integrity = cms.check(message, digest_of=digest_of)
            changes = self.changes(one)
        profile = pdf_profile.of(message, sub_filter=one.sub_filter, has_time="/M" in one.values)
        yield FoundSignature(
            id=one.field,
            format=profile.format,
            integrity=integrity,
            signer=message.signer,
            binding=message.binding,
            changes=changes,
            covers=covers,
            profile=profile.level,
            scope="FULL",
            claimed_time=message.claimed_time or _date(one.values),
            evidence=self.store.evidence.with_(message.evidence),
            carried=message.evidence,
            contents=one.contents,
            archived_at=self.store.archived_at(message.signer, known=message.evidence.certificates),
            kept_at=self.store.kept_at(message.signer, behind=covers),
            timestamps=tuple(_attached(one.field, message, digest_of=digest_of, covers=covers)),
            constraints=profile.missing,
            facts={"sub_filter": one.sub_filter, "field": one.field, "signers": message.signers, "covers": one.end},
            value=message.value,
            tbs=cms.to_be_signed(message) if fault is None else None,
            signature_policy=message.policy,
        )
        for number, counter in enumerate(message.counters):
            yield self.counter_signature(one, counter, number=number, value=message.value, covers=covers)

    def counter_signature(
        self, one: _Dictionary, message: cms.Signed, *, number: int, value: bytes, covers: int
    ) -> FoundSignature:
        """A signature over the value of another one (RFC 5652 §11.4), judged by itself: it says nothing of the page."""

        def digest_of(name: str) -> bytes:
            return algorithms.digest(name, value)

        name = f"{one.field}#counter-{number}"
        return FoundSignature(
            id=name,
            format="PAdES" if one.sub_filter == "/ETSI.CAdES.detached" else "PKCS7",
            integrity=cms.check(message, digest_of=digest_of),
            signer=message.signer,
            binding=message.binding,
            changes=Changes(),
            covers=covers,
            profile=None,
            parent=one.field,
            scope="PARTIAL",
            claimed_time=message.claimed_time,
            evidence=self.store.evidence.with_(message.evidence),
            carried=message.evidence,
            timestamps=tuple(_attached(name, message, digest_of=digest_of, covers=covers)),
            facts={"field": one.field, "counter": number},
            value=message.value,
            tbs=cms.to_be_signed(message),
            signature_policy=message.policy,
        )

    def fault(self, one: _Dictionary) -> str | None:  # noqa: PLR0911  one return for each rule
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
            return _MISSING
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

    def _holds(self, one: _Dictionary) -> bool:
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

    def changes(self, one: _Dictionary) -> Changes:
        revision = self.layout.signed_by(end=one.end)
        written = None if one.reference is None else self.reader.xrefs.get_last_change(one.reference)
        return self.history.since(
            revision,
            end=one.end,
            permission=permissions.permission(one.values, fields=one.fields),
            locked=permissions.locked(one.values, fields=one.fields),
            replaced=revision is not None and written is not None and written > revision,
        )

    def digest_of(self, one: _Dictionary) -> Callable[[str], bytes]:
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


def dictionaries_of(reader: PdfFileReader, *, limits: Limits, warnings: list[Warning_]) -> Iterator[_Dictionary]:
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
        yield _Dictionary(name, values, tuple(fields), reference, contents, byte_range)


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


def _attached(
    name: str, message: cms.Signed, *, digest_of: Callable[[str], bytes], covers: int
) -> Iterator[FoundTimestamp]:
    """Timestamps inside the CMS: over the signature value, or over the content before it was signed."""
    for number, der in enumerate(message.content_timestamps):
        yield FoundTimestamp(f"{name}#content-{number}", "content", der, digest_of, covers=covers)
    value = message.value
    # The signed attributes name the certificate by its digest: what the value is over existed with it.
    bound = (value, message.signer) if message.signer is not None and message.binding == "matched" else (value,)
    for number, der in enumerate(message.signature_timestamps):
        yield FoundTimestamp(
            f"{name}#signature-{number}",
            "signature",
            der,
            lambda name: algorithms.digest(name, value),
            covers=covers,
            protects=frozenset(map(identify, bound)),
        )


def _date(values: generic.DictionaryObject) -> datetime | None:
    raw = get(values, "/M")
    try:
        moment = parse_pdf_date(raw, strict=False) if isinstance(raw, str) else None
    except UNEXPECTED:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def without_padding(contents: bytes) -> bytes:
    """/Contents is filled up with zero bytes behind the DER."""
    if len(contents) < 2 or contents[1] < 0x80:
        return contents[: 2 + contents[1]] if len(contents) > 1 else contents
    octets = contents[1] & 0x7F
    if octets == 0 or octets > 4:
        return contents
    return contents[: 2 + octets + int.from_bytes(contents[2 : 2 + octets], "big")]
