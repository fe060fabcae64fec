"""Where the revisions of a PDF end, and which bytes belong to none of them.

Each incremental update ends with its cross-reference section, `startxref` and `%%EOF` (ISO 32000-1 §7.5.6). Bytes that
no section accounts for are shown by renderers that repair files, though no parser that follows the chain sees them.

    layout = Layout.of(reader, file=file, size=size)
    layout.signed_by(end=byte_range_end)     # number of the revision that a byte range covers, None if it cuts one
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from pyhanko.pdf_utils.reader import PdfFileReader

from verify.document import CHUNK

LOOK_AHEAD = 4096
"""Bytes behind a cross-reference section in which its %%EOF must stand."""

_WHITE = b"\x00\t\n\x0c\r "
_EOF = re.compile(rb"%%EOF(\r\n|\r|\n)?")
_STARTXREF = b"startxref"
_BEGIN = re.compile(rb"startxref\s+(\d{1,12})\s")


@dataclass(frozen=True)
class Revision:
    """`section_end`: end of the cross-reference section; `marker_end`: just behind %%EOF; `end`: behind its line end."""

    section_end: int
    marker_end: int
    end: int


@dataclass(frozen=True)
class Layout:
    """The revisions from oldest to newest. A linearised file has two sections that make one revision.

    Any other section that stands before the one it goes on from was there before that was written: it may bring back
    what nobody saw. It ends behind the file, so that no byte range holds it, and one that goes so far cuts it.
    """

    revisions: tuple[Revision, ...]
    size: int

    @classmethod
    def of(cls, reader: PdfFileReader, *, file: BinaryIO, size: int) -> Layout:
        shift = getattr(reader.stream, "offset", 0)
        found: list[Revision] = []
        begin: int | None = None
        for number in range(reader.xrefs.total_revisions):
            section = reader.xrefs.get_xref_container_info(number)
            section_end = section.end_location + shift
            file.seek(section_end)
            behind = file.read(LOOK_AHEAD)
            marker = _EOF.search(behind)
            marker_end = section_end + (marker.start() + 5 if marker else 0)
            end = section_end + (marker.end() if marker else 0)
            if not found or end >= found[-1].end:
                begin = _begin(behind[: marker.start() if marker else 0])
            elif (
                begin == section.declared_startxref
            ):  # the first-page section of a linearised file: readers start there
                section_end, marker_end, end = found[-1].section_end, found[-1].marker_end, found[-1].end
            else:
                marker_end = end = size + 1
            found.append(Revision(section_end, marker_end, end))
        return cls(tuple(found), size)

    def signed_by(self, *, end: int) -> int | None:
        """The newest revision that the bytes [0, end) hold in full, with its %%EOF; None when they cut the first."""
        covered = None
        for number, revision in enumerate(self.revisions):
            if revision.marker_end > end:
                break
            covered = number
        return covered

    def cut_by(self, *, end: int) -> bool:
        """Whether a revision begins before `end` and ends behind it: a byte range that stops in the middle of one."""
        covered = self.signed_by(end=end)
        if covered is None:
            return True
        following = self.revisions[covered + 1] if covered + 1 < len(self.revisions) else None
        return following is not None and following.section_end <= end

    def unaccounted(self, file: BinaryIO, *, end: int) -> str | None:
        """Why bytes behind `end` belong to no revision, None when all do."""
        later = [r for r in self.revisions if r.marker_end > end]
        last = later[-1].end if later else end
        if not _is_white(file, start=last, end=self.size):
            return "bytes-after-last-revision"
        distinct = len({r.marker_end for r in later})
        if later and _count(file, _STARTXREF, start=end, end=last) != distinct:
            return "bytes-between-revisions"
        return None


def _begin(closing: bytes) -> int | None:
    """Where readers begin that find this end of a file."""
    found = _BEGIN.search(closing)
    return int(found[1]) if found else None


def _is_white(file: BinaryIO, *, start: int, end: int) -> bool:
    file.seek(start)
    remaining = end - start
    while remaining > 0:
        data = file.read(min(CHUNK, remaining))
        if not data:
            return True
        if data.strip(_WHITE):
            return False
        remaining -= len(data)
    return True


def _count(file: BinaryIO, needle: bytes, *, start: int, end: int) -> int:
    file.seek(start)
    total, carry, remaining = 0, b"", end - start
    while remaining > 0:
        data = file.read(min(CHUNK, remaining))
        if not data:
            break
        remaining -= len(data)
        window = carry + data
        total += window.count(needle)
        carry = window[-(len(needle) - 1) :]
    return total
