"""The stamp's font: held in memory, cut down to the glyphs that a document needs, written as PDF font objects.

Type0 over CIDFontType2 with Identity-H (ISO 32000-1 §9.7): a character code is a glyph number of the whole font, so a
subset keeps its numbers and only the other outlines are left out. Widths in /W are scaled to 1000 per em here (pyHanko
writes those of the font, and tears Vietnamese text apart with a font of 2048 per em); the font program keeps its own.
No shaping: after NFC every Vietnamese letter is one glyph, and what would need shaping is refused.

Loading reads a file and takes a moment, subsetting does neither: call `load` before a process is locked down.

    font = load()
    glyphs = font.glyphs_of("Nguyễn")          # raises TextNotShowable
    reference = font.embed(writer, frozenset(glyphs))
"""

from __future__ import annotations

import hashlib
import os
import struct
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from signer.errors import SignerError, TextNotShowable

FONT_VARIABLE = "KYSO_STAMP_FONT"
"""Environment variable that names another TrueType font."""

DEFAULT_FONTS = (
    Path("/usr/share/fonts/truetype/liberation2/LiberationSerif-Regular.ttf"),
    Path("/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf"),
)
"""Liberation Serif 2, which has the widths of Times New Roman and all Vietnamese letters: in fonts-liberation2 of
Debian 12 and Ubuntu 22.04, in fonts-liberation later. (Debian 12's fonts-liberation is version 1, and is refused.)"""

_VIETNAMESE = "ĂăÂâĐđÊêÔôƠơƯưẰẵẬẫỂễỘợỮữỴỵ"


class FontMissing(SignerError):
    """The font for visible stamps is not installed or cannot be read."""

    code = "font-missing"
    actor = "operator"


@dataclass(frozen=True)
class _Subset:
    """What is the same for all documents that use the same glyphs: compressed font program, /W, compressed ToUnicode."""

    tag: str
    program: bytes
    program_size: int
    widths: tuple[tuple[int, float], ...]
    to_unicode: bytes
    present: bytes
    """/CIDSet, compressed."""


@dataclass(frozen=True)
class Glyph:
    """One letter: its number in the font, and its measures in em."""

    number: int
    width: float
    top: float
    bottom: float


class Font:
    """A TrueType font in memory; see `load`."""

    def __init__(self, path: Path) -> None:
        try:
            with TTFont(path, lazy=True) as file:
                self._read(file, path)
        except (OSError, TTLibError, KeyError, struct.error) as error:
            raise FontMissing("the stamp font cannot be read", path=str(path), reason=str(error)) from error

    def _read(self, file: TTFont, path: Path) -> None:
        outlines, order = file["glyf"], file.getGlyphOrder()
        for name in order:
            outlines[name].removeHinting()  # fpgm, prep and cvt are left out of the subset, so no program may call them
        numbers = {name: number for number, name in enumerate(order)}
        self._outlines = tuple(outlines[name].compile(outlines, recalcBBoxes=False) for name in order)
        self._parts = tuple(
            tuple(numbers[part] for part in outlines[name].getComponentNames(outlines)) for name in order
        )
        self._advances = tuple(file["hmtx"][name] for name in order)
        self._head, self._hhea, self._maxp = (bytearray(file.getTableData(tag)) for tag in ("head", "hhea", "maxp"))
        em = file["head"].unitsPerEm
        self._name = file["name"].getDebugName(6) or "Font"
        self._measures = {
            "/Ascent": file["hhea"].ascent * 1000 // em,
            "/Descent": file["hhea"].descent * 1000 // em,
            "/CapHeight": file["OS/2"].sCapHeight * 1000 // em,
        }
        head = file["head"]
        self._box = tuple(side * 1000 // em for side in (head.xMin, head.yMin, head.xMax, head.yMax))
        self._glyphs = {
            chr(code): Glyph(
                numbers[name],
                file["hmtx"][name][0] / em,
                getattr(outlines[name], "yMax", 0) / em,
                getattr(outlines[name], "yMin", 0) / em,
            )
            for code, name in file.getBestCmap().items()
        }
        if missing := [letter for letter in _VIETNAMESE if letter not in self._glyphs]:
            raise FontMissing("the stamp font lacks Vietnamese letters", path=str(path), reason="".join(missing))
        self._characters = {glyph.number: character for character, glyph in reversed(self._glyphs.items())}
        self._subset = lru_cache(maxsize=64)(self._cut)

    def glyphs_of(self, text: str) -> tuple[Glyph, ...]:
        """The glyphs of a line of text, normalised to NFC.

        Raises TextNotShowable for control and format characters (bidirectional overrides among them), for scripts
        written from right to left, for marks that do not join their letter, and for what the font does not have.
        """
        text = unicodedata.normalize("NFC", text)
        refused = [character for character in dict.fromkeys(text) if not self._is_showable(character)]
        if refused:
            named = ", ".join(f"U+{ord(character):04X}" for character in refused[:8])
            raise TextNotShowable("the font cannot show some characters", reason="characters", characters=named)
        return tuple(self._glyphs[character] for character in text)

    def _is_showable(self, character: str) -> bool:
        return (
            character in self._glyphs
            and unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Mc", "Me")
            and unicodedata.bidirectional(character) not in ("R", "AL", "AN")
        )

    def embed(self, writer: BasePdfFileWriter, numbers: frozenset[int]) -> generic.IndirectObject:
        """Add the font with these glyphs to a document; returns the reference for /Resources /Font."""
        subset = self._subset(numbers)
        name = pdf_name(f"/{subset.tag}+{self._name}")
        program = _compressed(subset.program, {"/Length1": generic.NumberObject(subset.program_size)})
        descriptor = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/FontDescriptor"),
                pdf_name("/FontName"): name,
                pdf_name("/Flags"): generic.NumberObject(6),  # serif, and with glyphs beyond standard Latin
                pdf_name("/FontBBox"): _array(self._box),
                pdf_name("/ItalicAngle"): generic.NumberObject(0),
                pdf_name("/StemV"): generic.NumberObject(80),
                **{pdf_name(key): generic.NumberObject(value) for key, value in self._measures.items()},
                pdf_name("/FontFile2"): writer.add_object(program),
                pdf_name("/CIDSet"): writer.add_object(_compressed(subset.present, {})),
            }
        )
        widths = generic.ArrayObject()
        for number, width in subset.widths:
            widths += [generic.NumberObject(number), _array([width])]
        descendant = generic.DictionaryObject(
            {
                pdf_name("/Type"): pdf_name("/Font"),
                pdf_name("/Subtype"): pdf_name("/CIDFontType2"),
                pdf_name("/BaseFont"): name,
                pdf_name("/CIDSystemInfo"): generic.DictionaryObject(
                    {
                        pdf_name("/Registry"): generic.TextStringObject("Adobe"),
                        pdf_name("/Ordering"): generic.TextStringObject("Identity"),
                        pdf_name("/Supplement"): generic.NumberObject(0),
                    }
                ),
                pdf_name("/FontDescriptor"): writer.add_object(descriptor),
                pdf_name("/DW"): generic.NumberObject(0),
                pdf_name("/W"): widths,
                pdf_name("/CIDToGIDMap"): pdf_name("/Identity"),
            }
        )
        return writer.add_object(
            generic.DictionaryObject(
                {
                    pdf_name("/Type"): pdf_name("/Font"),
                    pdf_name("/Subtype"): pdf_name("/Type0"),
                    pdf_name("/BaseFont"): name,
                    pdf_name("/Encoding"): pdf_name("/Identity-H"),
                    pdf_name("/DescendantFonts"): generic.ArrayObject([writer.add_object(descendant)]),
                    pdf_name("/ToUnicode"): writer.add_object(_compressed(subset.to_unicode, {})),
                }
            )
        )

    def _cut(self, numbers: frozenset[int]) -> _Subset:
        kept = self._with_parts(numbers)
        program = self._program(kept)
        tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(program).digest()[:6])
        em = struct.unpack_from(">H", self._head, 18)[0]
        widths = tuple((number, round(self._advances[number][0] * 1000 / em, 2)) for number in sorted(numbers))
        # PDF/A-1 (ISO 19005-1 §6.3.5): a bit for each glyph of the program; those left out are there, and empty
        count = max(kept) + 1
        present = bytes([255]) * (count // 8) + bytes([0xFF00 >> (count % 8) & 255] if count % 8 else [])
        return _Subset(
            tag,
            zlib.compress(program),
            len(program),
            widths,
            zlib.compress(self._to_unicode(numbers)),
            zlib.compress(present),
        )

    def _with_parts(self, numbers: Iterable[int]) -> set[int]:
        """The glyphs, those they are composed of, and .notdef."""
        kept, waiting = {0}, list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in kept:
                kept.add(number)
                waiting += self._parts[number]
        return kept

    def _program(self, kept: set[int]) -> bytes:
        """A TrueType file with the tables that PDF asks for (ISO 32000-1 §9.9), up to the last glyph that is kept."""
        count = max(kept) + 1
        outlines, offsets, metrics = bytearray(), [], bytearray()
        for number in range(count):
            offsets.append(len(outlines))
            if number in kept:
                outlines += self._outlines[number]
                outlines += bytes(-len(outlines) % 4)
            metrics += struct.pack(">Hh", *(self._advances[number] if number in kept else (0, 0)))
        offsets.append(len(outlines))
        head, hhea, maxp = bytearray(self._head), bytearray(self._hhea), bytearray(self._maxp)
        struct.pack_into(">I", head, 8, 0)  # checkSumAdjustment: readers of PDF do not look
        struct.pack_into(">h", head, 50, 1)  # indexToLocFormat: 32-bit offsets
        struct.pack_into(">H", hhea, 34, count)  # numberOfHMetrics
        struct.pack_into(">H", maxp, 4, count)  # numGlyphs
        tables = {
            b"glyf": bytes(outlines),
            b"head": bytes(head),
            b"hhea": bytes(hhea),
            b"hmtx": bytes(metrics),
            b"loca": struct.pack(f">{len(offsets)}I", *offsets),
            b"maxp": bytes(maxp),
        }
        return _sfnt(tables)

    def _to_unicode(self, numbers: frozenset[int]) -> bytes:
        """The CMap from glyph numbers back to characters (ISO 32000-1 §9.10.3), for search and screen readers."""
        lines = [
            f"<{number:04X}> <{self._characters[number].encode('utf-16-be').hex().upper()}>"
            for number in sorted(numbers)
        ]
        blocks = [lines[start : start + 100] for start in range(0, len(lines), 100)]
        mapping = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            f"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n{mapping}\n"
            "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        ).encode()


def load() -> Font:
    """The font that the environment names, else Liberation Serif; read once a process. Raises FontMissing."""
    named = os.environ.get(FONT_VARIABLE)
    return _load(Path(named)) if named else _load_default()


@lru_cache(maxsize=1)
def _load_default() -> Font:
    return _load(next((path for path in DEFAULT_FONTS if path.exists()), DEFAULT_FONTS[0]))


@lru_cache(maxsize=2)
def _load(path: Path) -> Font:
    return Font(path)


def _sfnt(tables: dict[bytes, bytes]) -> bytes:
    """A font file of these tables, given in the order of their tags (OpenType, "Organization of an OpenType Font")."""
    power = len(tables).bit_length() - 1
    header = struct.pack(">IHHHH", 0x00010000, len(tables), 16 << power, power, 16 * len(tables) - (16 << power))
    offset = len(header) + 16 * len(tables)
    directory, body = bytearray(), bytearray()
    for tag, data in tables.items():
        padded = data + bytes(-len(data) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += tag + struct.pack(">III", checksum, offset + len(body), len(data))
        body += padded
    return header + bytes(directory) + bytes(body)


def _compressed(data: bytes, entries: dict[str, generic.PdfObject]) -> generic.StreamObject:
    dictionary: dict[generic.NameObject, generic.PdfObject] = {pdf_name("/Filter"): pdf_name("/FlateDecode")}
    dictionary.update((pdf_name(key), value) for key, value in entries.items())
    return generic.StreamObject(dictionary, encoded_data=data)


def _array(numbers: Iterable[float]) -> generic.ArrayObject:
    return generic.ArrayObject(generic.FloatObject(number) for number in numbers)
