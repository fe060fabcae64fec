"""The one door to PDFium, which bears one thread at a time.

Its parser counts how deep it is in a variable of the whole process. Two threads in it at once may crash it, or leave that
count too high: it then refuses every document that comes after ("Data format error"). So whoever calls it holds `AT_WORK`,
which `opened` does by itself. Document workers have one thread; other programs that sign or judge may have more.

    with pdfium.opened(file) as document:
        document[0].get_size()
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, BinaryIO

from verify.errors import DocumentBroken

Document = Any
"""A `pypdfium2.PdfDocument`; the library states no types."""
AT_WORK = threading.RLock()
"""Re-entrant: one thread may have several documents open."""


def load() -> ModuleType:
    """PDFium, imported when it is first needed: 7 MB that most documents do without. A worker that is locked down can
    open no file any more and calls this beforehand."""
    return import_module("pypdfium2")


@contextmanager
def opened(file: BinaryIO | io.RawIOBase, *, password: str | None = None, forms: bool = True) -> Iterator[Document]:
    """The document; other threads wait for its end. `forms`: fields are drawn as well.

    Raises DocumentBroken when PDFium cannot read the document or, later, what is asked of it.
    """
    library = load()
    file.seek(0)
    with AT_WORK:
        try:
            with library.PdfDocument(file, password=password) as document:
                if forms:
                    document.init_forms()  # before any page is loaded: fields are drawn by the form's own module
                yield document
        except library.PdfiumError as error:
            raise DocumentBroken("the document's pages cannot be read", reason=str(error)) from error


class Prefix(io.RawIOBase):
    """The first bytes of a file, up to the end of a revision."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end, self._at = file, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = position + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        wanted = min(len(buffer), max(self._end - self._at, 0))
        self._file.seek(self._at)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
