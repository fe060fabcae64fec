"""What PDF/A (ISO 19005) asks of a form: whether a document is an archive, and the font in which fields may be typed.

Outside an archive that font is Helvetica, which every reader has and no document need hold. An archive holds its fonts:
there it is the stamp's, with all Latin and Vietnamese letters. What we fill ourselves brings its own (`filling`).

    name = form_font(writer, form)             # "/Helv" or "/KysoSerif", in the form's /DR
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signer import font as fonts
from signer.errors import TextNotShowable
from verify.pdf import UNEXPECTED, get

HELVETICA = "/Helv"
EMBEDDED = "/KysoSerif"
_METADATA_READ = 1 << 20
_PART = re.compile(rb"""pdfaid:part\s*(?:=\s*["']|>)\s*(\d)""")
_LETTERS = "".join(
    map(chr, (*range(0x20, 0x180), *range(0x1A0, 0x1B1), *range(0x1EA0, 0x1EFA), *range(0x2010, 0x2040)))
)
"""Latin with all accents, Vietnamese, dashes and quotation marks; the font may lack some."""


def is_archive(root: generic.DictionaryObject) -> bool:
    """Whether the document says that it is PDF/A: by its colour profile, or by its metadata (ISO 19005-1 §6.7.11)."""
    if "/OutputIntents" in root:
        return True
    metadata = get(root, "/Metadata")
    try:
        return isinstance(metadata, generic.StreamObject) and b"pdfaid" in metadata.data[:_METADATA_READ]
    except UNEXPECTED:
        return False


@dataclass(frozen=True)
class Archive:
    """`part` of ISO 19005, 1 where the document does not say."""

    part: int
    has_intent: bool

    @property
    def has_transparency(self) -> bool:
        """Whether something may be half seen: never in part 1 (§6.4), and else only where an output intent says how
        colours blend (ISO 19005-2 §6.2.10), for a page's own group is not ours to add."""
        return self.part > 1 and self.has_intent


def archive_of(root: generic.DictionaryObject) -> Archive | None:
    """Which PDF/A the document says that it is, if it does."""
    if not is_archive(root):
        return None
    metadata = get(root, "/Metadata")
    try:
        told = metadata.data[:_METADATA_READ] if isinstance(metadata, generic.StreamObject) else b""
    except UNEXPECTED:
        told = b""
    part = _PART.search(told)
    return Archive(int(part[1]) if part else 1, "/OutputIntents" in root)


def form_font(writer: IncrementalPdfFileWriter, form: generic.DictionaryObject) -> str:
    """The name of the font for typing in the form's resources, put there where it is missing."""
    resources = get(form, "/DR")
    if not isinstance(resources, generic.DictionaryObject):
        resources = form[pdf_name("/DR")] = generic.DictionaryObject()
        writer.update_container(form)
    known = get(resources, "/Font")
    if not isinstance(known, generic.DictionaryObject):
        known = resources[pdf_name("/Font")] = generic.DictionaryObject()
        _note(writer, resources, form)
    name = EMBEDDED if is_archive(writer.root) else HELVETICA
    if name not in known:
        known[pdf_name(name)] = _embedded(writer) if name == EMBEDDED else writer.add_object(_helvetica())
        _note(writer, known, form)
    return name


def _helvetica() -> generic.DictionaryObject:
    return generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Font"),
            pdf_name("/Subtype"): pdf_name("/Type1"),
            pdf_name("/BaseFont"): pdf_name("/Helvetica"),
            pdf_name("/Encoding"): pdf_name("/WinAnsiEncoding"),
        }
    )


def _embedded(writer: IncrementalPdfFileWriter) -> generic.IndirectObject:
    font = fonts.load()
    numbers: set[int] = set()
    for letter in _LETTERS:
        try:
            numbers.update(glyph.number for glyph in font.glyphs_of(letter))
        except TextNotShowable:
            continue
    return font.embed(writer, frozenset(numbers))


def _note(writer: IncrementalPdfFileWriter, changed: generic.DictionaryObject, form: generic.DictionaryObject) -> None:
    """Both the object and the form: a dictionary that was just made knows of no container."""
    if changed.container_ref is not None:
        writer.update_container(changed)
    writer.update_container(form)
