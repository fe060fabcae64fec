"""Mends a broken PDF before it is signed, if the order asks for it and nobody has signed it yet.

qpdf (through pikepdf) reads what it can and writes the document anew; the result is what is signed, and the caller is
told (REPAIRED). A signed document is never touched: mending would break what was signed. The same bytes always give
the same result, so that another node can lay it out again.

    mend(source, out=out)         # out is then a whole PDF; raises DocumentBroken, DocumentSigned
"""

from __future__ import annotations

import logging
from typing import BinaryIO

import pikepdf

from signer.errors import SignerError
from verify.document import CHUNK
from verify.errors import DocumentBroken

REPAIRED = "REPAIRED"

_SIGNED = b"/ByteRange"

logging.getLogger("pikepdf").setLevel(logging.CRITICAL)  # what is wrong with a document is told to the caller


class DocumentSigned(SignerError):
    """The document is broken and carries a signature: mending it would break the signature."""

    code = "document-signed"


def mend(source: BinaryIO, *, out: BinaryIO) -> None:
    """Write `source`, read as well as can be, anew into `out`. Raises DocumentBroken, DocumentSigned."""
    if _speaks_of_signatures(source):
        raise DocumentSigned
    out.seek(0)
    out.truncate()
    source.seek(0)
    try:
        # A context manager would close `source`, which is the caller's.
        document = pikepdf.open(source, suppress_warnings=True, attempt_recovery=True)
        if document.is_encrypted:
            raise DocumentBroken("the document is broken and encrypted", reason="encrypted")
        if not len(document.pages):
            raise DocumentBroken("no page is left of the document", reason="no-pages")
        if any(isinstance(one, pikepdf.Dictionary) and _SIGNED.decode() in one for one in document.objects):
            raise DocumentSigned
        document.save(out, deterministic_id=True, linearize=False)
    except (pikepdf.PdfError, pikepdf.PasswordError, ValueError, RuntimeError, OverflowError, TypeError) as error:
        raise DocumentBroken("the document cannot be mended", reason="not-mendable") from error
    out.flush()


def _speaks_of_signatures(source: BinaryIO) -> bool:
    """Whether the bytes have a byte range anywhere: also in a part that is too broken to be read."""
    source.seek(0)
    before = b""
    while chunk := source.read(CHUNK):
        if _SIGNED in before + chunk:
            return True
        before = chunk[-len(_SIGNED) :]
    return False
