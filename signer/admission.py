"""Whether a PDF can be signed at all, and what its signer should know first.

1. It opens, with the order's password if it is encrypted; a broken one is mended if the order asks.
2. A password's permissions allow it: an existing field needs the right to fill forms, a new one to add them
   (ISO 32000-1 Table 22). Whoever has the owner password may do anything.
3. It is no XFA form: what a reader shows of one is not what is signed.
4. What would deceive a signer is reported (`verify.content`), and so is a former signature that cannot be read or does
   not cover what one must (SIGNATURE_UNREADABLE, SIGNATURE_BROKEN).

    admitted = admit(source, order, out=out, sha256=sha256)
    admitted.reader, admitted.warnings
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signer import archives, repair
from signer.errors import SignerError
from signer.model import SignOrder
from verify import content, pdf
from verify.byte_ranges import ByteRanges, dictionaries_of
from verify.document import Limits, chunks, sha256_of
from verify.errors import DocumentBroken
from verify.pdf_reader import Reader
from verify.report import Warning_
from verify.revisions import Layout

_MODIFY, _ANNOTATE, _FILL = 1 << 3, 1 << 5, 1 << 8


class DocumentUsesXfa(SignerError):
    """The document is an XFA form, whose appearance is made by the reader: a PDF signature would not protect it."""

    code = "document-xfa"


class PermissionDenied(SignerError):
    """The document's author does not allow signing with this password; the owner password is needed."""

    code = "document-permission-denied"


@dataclass(frozen=True)
class Admitted:
    """The document as it is signed: `source` is the caller's file, or the mended one, with its size and SHA-256."""

    source: BinaryIO
    size: int
    sha256: str
    reader: Reader
    warnings: tuple[str, ...]


def admit(source: BinaryIO, order: SignOrder, *, out: BinaryIO, sha256: str) -> Admitted:
    """Steps 1 to 4. `sha256` is what the caller believes `source` to be; a mended document is written to `out`.

    Raises SignerError or VerifyError.
    """
    # 1
    mended = False
    try:
        reader = _open(source, order)
    except DocumentBroken as error:
        if not order.repair:
            raise DocumentBroken(str(error), **{**error.facts, "repair": "not-asked"}) from error
        sha256 = _mend(source, out=out, sha256=sha256)
        source, mended = out, True
        reader = _open(source, order)
    with pdf.refusing():
        # 2
        _check_permissions(reader, order)
        # 3
        _check_xfa(reader)
        # 4
        size = source.seek(0, os.SEEK_END)
        found = [*content.inspect(source, reader, budget=content.SIGNING), *_broken(source, reader, size=size)]
    codes = tuple(dict.fromkeys(((repair.REPAIRED,) if mended else ()) + tuple(one.code for one in found)))
    return Admitted(source, size, sha256, reader, codes)


def again(source: BinaryIO, *, out: BinaryIO, warnings: tuple[str, ...]) -> BinaryIO:
    """The document as `admit` left it, on another node: the mended one in `out` if it was mended, else `source`."""
    if repair.REPAIRED not in warnings:
        return source
    repair.mend(source, out=out)
    return out


def leave_archivable(writer: IncrementalPdfFileWriter, annotation: generic.DictionaryObject) -> None:
    """In a PDF/A document an invisible field too has an appearance, an empty one (ISO 19005-1 §6.9)."""
    if not archives.is_archive(writer.root) or "/AP" in annotation:
        return
    empty = generic.StreamObject(stream_data=b"")
    empty[pdf_name("/Type")], empty[pdf_name("/Subtype")] = pdf_name("/XObject"), pdf_name("/Form")
    empty[pdf_name("/BBox")] = generic.ArrayObject(generic.NumberObject(0) for _ in range(4))
    annotation[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(empty)})
    writer.update_container(annotation)


def _broken(source: BinaryIO, reader: Reader, *, size: int) -> Iterator[Warning_]:
    """Former signatures that cannot be read, or that the verifier refuses by what they cover."""
    limits = Limits()
    unreadable: list[Warning_] = []
    try:
        dictionaries = tuple(dictionaries_of(reader, limits=limits, warnings=unreadable))
    except pdf.UNEXPECTED as error:
        yield Warning_("SIGNATURE_UNREADABLE", {"reason": type(error).__name__})
        return
    yield from unreadable
    if not dictionaries:
        return
    ranges, layout = ByteRanges(source, size, reader, limits, dictionaries), Layout.of(reader, file=source, size=size)
    for one in dictionaries:
        reason = ranges.fault(one) or ("byte-range-cuts-revision" if layout.cut_by(end=one.end) else None)
        if reason is not None:
            yield Warning_("SIGNATURE_BROKEN", {"field": one.field, "reason": reason})


def _open(source: BinaryIO, order: SignOrder) -> Reader:
    reader = pdf.open_reader(source, limits=Limits(), password=order.password)
    with pdf.refusing():
        pages = pdf.get(reader.root, "/Pages")
        if pdf.get(pages, "/Type") != "/Pages" and not isinstance(pdf.get(pages, "/Kids"), generic.ArrayObject):
            raise DocumentBroken("the document has no pages", reason="pages")
        reader.find_page_container(0)  # type: ignore[no-untyped-call]  # pyHanko's
    return reader


def _mend(source: BinaryIO, *, out: BinaryIO, sha256: str) -> str:
    """SHA-256 of the mended document. The digest of what came in is checked here, as nothing of it is kept."""
    size = source.seek(0, os.SEEK_END)
    digest = hashlib.sha256()
    for chunk in chunks(source, start=0, length=size):
        digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise DocumentBroken("the document changed while it was read", reason="digest")
    repair.mend(source, out=out)
    return sha256_of(out, size=out.seek(0, os.SEEK_END))


def _check_permissions(reader: Reader, order: SignOrder) -> None:
    allowed = reader.permissions
    if allowed is None:
        return
    fields = pdf.get(pdf.get(reader.root, "/AcroForm"), "/Fields")
    adds = order.place is not None or not fields
    needed = allowed & _MODIFY and allowed & _ANNOTATE if adds else allowed & (_FILL | _ANNOTATE)
    if not needed:
        raise PermissionDenied(reason="add-field" if adds else "fill-forms")


def _check_xfa(reader: Reader) -> None:
    form = pdf.get(reader.root, "/AcroForm")
    if pdf.get(form, "/XFA") is not None:
        dynamic = bool(pdf.get(reader.root, "/NeedsRendering"))
        raise DocumentUsesXfa(reason="dynamic" if dynamic else "static")
