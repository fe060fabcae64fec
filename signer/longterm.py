"""What a PDF needs so that its signatures can be judged years later: /DSS with evidence, and document timestamps.

EN 319 142-1 §5.4 and §6.3: B-LT is B-T and a document security store; B-LTA is B-LT and a document timestamp over all of
it. Each is one incremental revision. This module writes revisions; it fetches and judges nothing, and leaves
/Info, XMP and everything that was signed as it was.

    revision = store(reader, size=size, entries=(Entry(contents, evidence),), sha256=…)   # None: nothing is missing
    revision = timestamp(reader, size=size, sha256=…)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import ensure_sig_flags, enumerate_sig_fields
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

from signer import admission
from signer import fields as forms
from signer.lifting import Revision
from signer.revision import RepeatableWriter
from verify.found import Evidence
from verify.pdf import UNEXPECTED, get

TIMESTAMP_ROOM = 16 * 1024
"""Bytes reserved for a document timestamp's token."""

_KINDS = (("/Certs", "/Cert"), ("/OCSPs", "/OCSP"), ("/CRLs", "/CRL"))
"""Names in the store and in an entry of its /VRI (EN 319 142-1 §5.4.2.2, §5.4.2.3)."""


@dataclass(frozen=True)
class Entry:
    """Evidence for one signature; `contents` is its /Contents, padding included. None makes no entry in /VRI: so for
    document timestamps, whose evidence mostly is there already."""

    contents: bytes | None
    evidence: Evidence

    @property
    def key(self) -> str | None:
        """Name of the /VRI entry: SHA-1 of /Contents is an identifier here."""
        if self.contents is None:
            return None
        return "/" + hashlib.sha1(self.contents, usedforsecurity=False).hexdigest().upper()


def store(reader: PdfFileReader, *, size: int, entries: Iterable[Entry], sha256: str) -> Revision | None:
    """The revision that adds what /DSS lacks of `entries`; None when it has it all. Nothing is stored twice.

    `sha256` is the file's, from which randomness is drawn where an encrypted document needs some: the same revision
    comes out again."""
    seed = hashlib.sha256(sha256.encode())
    writer = RepeatableWriter(reader.stream, prev=reader)
    root = writer.root
    old = get(root, "/DSS")
    fresh = generic.DictionaryObject(_raw_items(old)) if isinstance(old, generic.DictionaryObject) else None
    dss = fresh if fresh is not None else generic.DictionaryObject()
    known: dict[str, dict[bytes, generic.IndirectObject]] = {name: dict(_streams(old, name)) for name, _ in _KINDS}
    lists = {name: generic.ArrayObject(_raw_array(old, name)) for name, _ in _KINDS}
    vri = generic.DictionaryObject(_raw_items(get(old, "/VRI")))
    changed = False
    for entry in entries:
        kinds = zip(_KINDS, (entry.evidence.certificates, entry.evidence.ocsps, entry.evidence.crls), strict=True)
        wanted: dict[str, list[generic.IndirectObject]] = {}
        for (name, short), ders in kinds:
            for der in ders:
                seed.update(hashlib.sha256(der).digest())
                if der not in known[name]:
                    known[name][der] = writer.add_object(generic.StreamObject(stream_data=der))
                    lists[name].append(known[name][der])
                    changed = True
                wanted.setdefault(short, []).append(known[name][der])
        if entry.key is None:
            continue
        before = get(vri, entry.key)
        present = {short: [*_raw_array(before, short)] for _, short in _KINDS}
        lacking = {short: [ref for ref in refs if ref not in present[short]] for short, refs in wanted.items()}
        if any(lacking.values()):
            merged = generic.DictionaryObject(_raw_items(before))
            for short, refs in lacking.items():
                merged[pdf_name(short)] = generic.ArrayObject([*present[short], *refs])
            vri[pdf_name(entry.key)] = writer.add_object(merged)
            changed = True
    if not changed:
        return None
    for name, items in lists.items():
        if items:
            dss[pdf_name(name)] = items
    dss[pdf_name("/VRI")] = vri
    root[pdf_name("/DSS")] = writer.add_object(dss)
    writer.update_container(root)
    return Revision(writer.appended_by(size, seed=seed.digest()).getvalue())


def timestamp(reader: PdfFileReader, *, size: int, sha256: str) -> Revision:
    """The revision with an invisible field and a document timestamp in it whose value is still a gap."""
    writer = RepeatableWriter(reader.stream, prev=reader)
    taken = forms.survey(writer)
    name = next(one for number in range(1, len(taken) + 2) if (one := f"Timestamp{number}") not in taken)
    field = forms.create_bare(writer, name, place=None)
    ensure_sig_flags(writer)
    values = field.get_object()
    admission.leave_archivable(writer, values)
    dictionary = DocumentTimestamp(bytes_reserved=2 * TIMESTAMP_ROOM)
    values[pdf_name("/V")] = writer.add_object(dictionary)
    writer.mark_update(field)
    appended = writer.appended_by(size, seed=sha256.encode())
    gap_start, gap_end = dictionary.contents.offsets
    dictionary.byte_range.fill_offsets(appended, gap_start, gap_end, size + len(appended.getbuffer()))
    return Revision(appended.getvalue(), gap_start, gap_end)


def without_entry(reader: PdfFileReader) -> set[bytes]:
    """/Contents of the signatures that /VRI does not name; document timestamps are left out."""
    entries = get(get(reader.root, "/DSS"), "/VRI")
    known = set(entries) if isinstance(entries, generic.DictionaryObject) else set()
    found = set()
    for _, value, _ in enumerate_sig_fields(reader, filled_status=True):
        dictionary = value.get_object()
        if get(dictionary, "/SubFilter") == "/ETSI.RFC3161":
            continue
        contents = dictionary.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW).original_bytes
        if Entry(contents, Evidence()).key not in known:
            found.add(contents)
    return found


def _raw_items(values: object) -> dict[generic.NameObject, generic.PdfObject]:
    return {key: values.raw_get(key) for key in values} if isinstance(values, generic.DictionaryObject) else {}


def _raw_array(values: object, key: str) -> Iterator[generic.PdfObject]:
    items = get(values, key)
    if isinstance(items, generic.ArrayObject):
        yield from (items.raw_get(index) for index in range(len(items)))


def _streams(values: object, key: str) -> Iterator[tuple[bytes, generic.IndirectObject]]:
    """What is stored already, by its bytes; what cannot be read is left as it is."""
    for item in _raw_array(values, key):
        if not isinstance(item, generic.IndirectObject):
            continue
        try:
            stream = item.get_object()
            if isinstance(stream, generic.StreamObject):
                yield bytes(stream.data), item
        except UNEXPECTED:
            continue
