"""Finds the signatures and document timestamps of a PDF and hands them over in format-neutral values.

What a byte range must be is said in `verify.byte_ranges`. Digests are streamed; judging is for `verify.engine`.

    findings = find(file, limits=Limits())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO, Literal

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import parse_pdf_date
from pyhanko.pdf_utils.reader import PdfFileReader

from verify import algorithms, cms, content, pdf_profile, pdf_proofs, pdf_store, permissions
from verify.byte_ranges import MISSING, ByteRanges, SignatureDictionary, dictionaries_of, without_padding
from verify.changes import History
from verify.document import Limits, size_of
from verify.errors import DocumentBroken
from verify.found import Findings, FoundSignature, FoundTimestamp, Integrity, identify
from verify.pdf import UNEXPECTED, get, open_reader, refusing
from verify.report import Changes, Warning_
from verify.revisions import Layout


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
        reading = _Reading(ByteRanges(file, size, reader, limits, tuple(dictionaries)), layout, history, store)
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

    ranges: ByteRanges
    layout: Layout
    history: History
    store: pdf_store.Store

    def timestamp(self, one: SignatureDictionary) -> FoundTimestamp:
        fault = self.ranges.fault(one)
        return FoundTimestamp(
            id=one.field,
            type="document",
            der=without_padding(one.contents),
            digest_of=self.ranges.digest_of(one),
            covers=self.covers(one, fault=fault),
            fault=fault,
        )

    def covers(self, one: SignatureDictionary, *, fault: str | None) -> int:
        """The end of the byte range. Where that is none, the dictionary may claim any place in the file: then only what
        covers the whole file covers it, so that nobody gets the age of an archive by saying that he stands in it."""
        return one.end if fault is None else self.ranges.size

    def signatures(self, one: SignatureDictionary) -> Iterator[FoundSignature]:
        """The signature of a dictionary, and whoever signed its value. Raises CmsUnreadable."""
        fault = self.ranges.fault(one)
        covers = self.covers(one, fault=fault)
        message = cms.read(one.contents, known=self.store.evidence.certificates)
        digest_of = self.ranges.digest_of(one)
        if fault is not None:
            failure: Literal["SIGNED_DATA_NOT_FOUND", "FORMAT_FAILURE"]
            failure = "SIGNED_DATA_NOT_FOUND" if fault == MISSING else "FORMAT_FAILURE"
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
        self, one: SignatureDictionary, message: cms.Signed, *, number: int, value: bytes, covers: int
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

    def changes(self, one: SignatureDictionary) -> Changes:
        revision = self.layout.signed_by(end=one.end)
        written = None if one.reference is None else self.ranges.reader.xrefs.get_last_change(one.reference)
        return self.history.since(
            revision,
            end=one.end,
            permission=permissions.permission(one.values, fields=one.fields),
            locked=permissions.locked(one.values, fields=one.fields),
            replaced=revision is not None and written is not None and written > revision,
        )


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
