"""What is appended to a PDF: an incremental update, with the offsets it will have behind the original.

pyHanko keeps the book of objects; its own writer copies the whole file and rewrites document metadata, which neither a
signature nor evidence needs. Nothing here knows what the objects are about.

    writer = RevisionWriter(reader.stream, prev=reader)
    writer.add_object(...)
    appended = writer.appended(size).getvalue()
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import threading
from operator import itemgetter
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import filter_mixins
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

from signer import serialising
from signer.errors import SignerError
from verify import pdf

_PATCHING = threading.Lock()


def _without_exponent(number: generic.FloatObject) -> str:
    """Never as `1E-7`, which is no number in a PDF (ISO 32000-1 §7.3.3); whole numbers without a point."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") or "0" if number == number.to_integral() and "." in text else text


# Objects write themselves, and pyHanko has no seam for it.
generic.FloatObject.__repr__ = _without_exponent  # type: ignore[method-assign]  # this is the method that is wrong
_number = itemgetter(0)


class DocumentHasMac(SignerError):
    """The document has an integrity code (ISO/TS 32004) that any addition would make wrong."""

    code = "document-mac"


class RevisionWriter(IncrementalPdfFileWriter):
    """Writes the update alone. Raises DocumentHasMac at once: nothing may be added to such a document without a code
    over all of it, which is to be computed again with every signature."""

    def __init__(self, stream: BinaryIO, prev: PdfFileReader) -> None:
        if pdf.has_mac(prev):
            raise DocumentHasMac
        super().__init__(stream, prev=prev)

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        """The first part as it was, the second anew (ISO 32000-1 §14.4); also where there was but one, or none."""
        known = [_octets(part) for part in prev.trailer["/ID"]] if "/ID" in prev.trailer else []
        parts = (known[0] if known else secrets.token_bytes(16), secrets.token_bytes(16))
        return generic.ArrayObject(generic.ByteStringObject(part) for part in parts)

    def appended(self, size: int) -> Appended:
        """The update for a file of `size` bytes."""
        stream = Appended(size)
        self.prev.stream.seek(-1, io.SEEK_END)
        if self.prev.stream.read(1) not in b"\r\n":
            stream.write(b"\n")
        self.digest_aware_write = True
        self._write(stream, skip_header=True)
        return stream

    def _write_objects(self, stream: Appended, object_position_dict: dict[tuple[int, int], Any]) -> None:
        if self.security_handler is not None or self.object_streams:
            super()._write_objects(stream, object_position_dict)
            return
        for (generation, number), value in sorted(self.objects.items(), key=_number):
            object_position_dict[generation, number] = stream.tell()
            stream.write(b"%d %d obj\n" % (number, generation))
            serialising.write(value, stream)
            stream.write(b"\nendobj\n")


class RepeatableWriter(RevisionWriter):
    """Writes the same update for the same file and objects: a completion that is repeated asks the same question of a
    timestamp authority. pyHanko draws the second half of /ID at random; here it follows from what was there."""

    def appended_by(self, size: int, *, seed: bytes) -> Appended:
        """As `appended`. In an encrypted document, initialisation vectors follow from `seed`, which must differ for
        other content: digest the file and all that is written."""
        if not self.prev.encrypted:
            return self.appended(size)
        with _PATCHING:
            names = vars(filter_mixins)  # pyHanko has no seam for it
            drawn, names["secrets"] = names["secrets"], _Steady(seed)
            try:
                return self.appended(size)
            finally:
                names["secrets"] = drawn

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        start = str(prev.last_startxref).encode()
        known = [_octets(part) for part in prev.trailer["/ID"]] if "/ID" in prev.trailer else []
        first = known[0] if known else hashlib.sha256(b"first" + start).digest()[:16]
        second = hashlib.sha256(b"".join((*known, start))).digest()[:16]
        return generic.ArrayObject([generic.ByteStringObject(first), generic.ByteStringObject(second)])


class _Steady:
    """In the place of `secrets`: bytes that repeat for the same seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count = seed, 0

    def token_bytes(self, size: int) -> bytes:
        self._count += 1
        return hmac.digest(self._seed, self._count.to_bytes(8, "big"), "sha256")[:size]


class Appended(io.BytesIO):
    """Bytes that know they begin `base` bytes into a file."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self._base = base

    def tell(self) -> int:
        return super().tell() + self._base

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(offset - self._base if whence == io.SEEK_SET else offset, whence)


def _octets(text: generic.TextStringObject | generic.ByteStringObject) -> bytes:
    return bytes(text.original_bytes) if isinstance(text, generic.TextStringObject) else bytes(text)
