"""Pictures of hands and seals: what is taken, what is refused and why, and how one becomes part of a PDF.

A signature is blue, a seal red, both on transparent ground (Decree 30/2020, Annex I): what a scanner makes, white
ground and black ink, is told from it before a document is touched. The file is walked by its chunks first, so that size
and kind are known before anything is unpacked; then only the chunks that draw are decoded, by Pillow. Profiles, texts
and what follows the end go nowhere. No picture is believed to be of the person it is said to be of: the key tells that.

    picture = admit(png, kind="seal")           # raises PictureRefused and its kin
    picture.stated_mm                           # what the file says of its true width, if it does
    reference = embed(writer, picture, paint=SOFT)
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Literal

from PIL import Image, ImageChops, PngImagePlugin
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from signer.errors import PictureColour, PictureOpaque, PictureResolution, PictureTooLarge, PictureUnreadable

Kind = Literal["signature", "seal"]
Paint = Literal["soft", "hard"]
"""soft: a soft mask, /SMask. hard: a stencil, /Mask: PDF/A-1 knows no transparency (ISO 19005-1 §6.4)."""

MOST_BYTES = 512 * 1024
MOST_PIXELS = 4_000_000
MOST_SIDE = 4000
LEAST_SIDE = 16
LEAST_DPI = 150
ENOUGH_DPI = 400
"""Above it a picture is scaled down to `LEAST_DPI` times two: no printer shows more, and lines are thin."""

LEAST_TRANSPARENT = 0.20
"""Share of the rectangle round the ink that must be see-through. Hands measure 0.8 and more, seals 0.4 and more."""
LEAST_COLOURED = 0.80
"""Share of the ink that must be of its colour."""
LEAD = 24
"""By how much, of 255, the colour's channel must exceed both others for a pixel to count as blue or red."""
_OPAQUE, _CLEAR = 128, 16
"""From which alpha on a pixel is ink; up to which it is see-through."""

_MAGIC = b"\x89PNG\r\n\x1a\n"
_DRAWS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOVES = (b"acTL", b"fcTL", b"fdAT")
_WITH_ALPHA = (3, 4, 6)
"""Colour types that can be transparent pixel by pixel (ISO/IEC 15948 §11.2.2)."""


@dataclass(frozen=True)
class Picture:
    """A picture cut to its ink. `stated_mm` is the true width of that, by the resolution that the file states."""

    kind: Kind
    image: Image.Image
    stated_mm: float | None

    @property
    def ratio(self) -> float:
        """Width by height."""
        return self.image.width / self.image.height


@dataclass(frozen=True)
class _Plain:
    """A file of the chunks that draw, and the pixels a metre that the original stated."""

    png: bytes
    per_metre: int | None


@lru_cache(maxsize=2)
def admit(png: bytes, *, kind: Kind) -> Picture:
    """The picture, if it is one of its kind. The last ones are remembered: a dossier has one hand and one seal.

    1. Size and chunks. 2. Decoding. 3. Ground. 4. Colour of the ink. Raises PictureTooLarge, PictureUnreadable,
    PictureOpaque, PictureColour, each with what was found and what is wanted.
    """
    # 1
    if len(png) > MOST_BYTES:
        raise PictureTooLarge(picture=kind, found=f"{len(png)} B", wanted=f"<= {MOST_BYTES} B")
    plain = _walk(png, kind)
    # 2
    try:
        image = PngImagePlugin.PngImageFile(BytesIO(plain.png)).convert("RGBA")
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error) as error:
        raise PictureUnreadable(picture=kind, found="broken", wanted="PNG") from error
    # 3
    alpha = image.getchannel("A")
    box = alpha.point(_above(_OPAQUE - 1)).getbbox()
    if box is None:
        raise PictureUnreadable("nothing is to be seen", picture=kind, found="empty", wanted="PNG")
    image, alpha = image.crop(box), alpha.crop(box)
    if image.width < LEAST_SIDE or image.height < LEAST_SIDE:
        raise PictureResolution(
            picture=kind, found=f"{image.width} × {image.height} px", wanted=f">= {LEAST_SIDE} × {LEAST_SIDE} px"
        )
    shades = alpha.histogram()
    area = image.width * image.height
    if sum(shades[: _CLEAR + 1]) < LEAST_TRANSPARENT * area:
        found = 100 * sum(shades[: _CLEAR + 1]) // area
        raise PictureOpaque(picture=kind, found=f"{found} %", wanted=f">= {int(LEAST_TRANSPARENT * 100)} %")
    # 4
    share = _coloured(image, alpha, kind=kind)
    if share < LEAST_COLOURED:
        raise PictureColour(
            picture=kind,
            colour="blue" if kind == "signature" else "red",
            found=f"{int(share * 100)} %",
            wanted=f">= {int(LEAST_COLOURED * 100)} %",
        )
    stated = None if plain.per_metre is None else image.width / plain.per_metre * 1000
    return Picture(kind, image, stated)


def fitted(picture: Picture, *, width: float) -> Picture:
    """The picture for a width of so many points: scaled down if it is much finer than anybody can see.

    Raises PictureResolution if it is too coarse."""
    dpi = picture.image.width / width * 72
    if dpi < LEAST_DPI - 0.5:
        raise PictureResolution(
            picture=picture.kind,
            found=f"{dpi:.0f} dpi",
            wanted=f">= {LEAST_DPI} dpi ({width * LEAST_DPI / 72:.0f} px)",
        )
    if dpi <= ENOUGH_DPI:
        return picture
    scale = 2 * LEAST_DPI / dpi
    sides = (round(picture.image.width * scale), max(1, round(picture.image.height * scale)))
    smaller = picture.image.resize(sides, Image.Resampling.LANCZOS)
    return Picture(picture.kind, smaller, picture.stated_mm)


def embed(writer: BasePdfFileWriter, picture: Picture, *, paint: Paint, calibrated: bool) -> generic.IndirectObject:
    """Add the picture to a document as an image XObject; returns the reference for /Resources /XObject.

    `calibrated` states what red and blue mean without an output intent, as PDF/A asks (ISO 19005-2 §6.2.4.3)."""
    alpha = picture.image.getchannel("A")
    colours = _under(picture.image, alpha)
    space: generic.PdfObject = srgb() if calibrated else pdf_name("/DeviceRGB")
    entries: dict[str, generic.PdfObject] = {"/ColorSpace": space, "/BitsPerComponent": generic.NumberObject(8)}
    if paint == "soft":
        shape = {"/ColorSpace": pdf_name("/DeviceGray"), "/BitsPerComponent": generic.NumberObject(8)}
        entries["/SMask"] = writer.add_object(_stream(alpha, alpha.tobytes(), shape))
    else:
        # ISO 32000-1 §8.9.6.3: where the stencil is 1, nothing is painted.
        hidden = alpha.point([255 if shade < _OPAQUE else 0 for shade in range(256)]).convert("1")
        stencil: dict[str, generic.PdfObject] = {
            "/ImageMask": generic.BooleanObject(True),
            "/BitsPerComponent": generic.NumberObject(1),
        }
        entries["/Mask"] = writer.add_object(_stream(hidden, hidden.tobytes(), stencil))
    return writer.add_object(_stream(colours, colours.tobytes(), entries))


def srgb() -> generic.ArrayObject:
    """Colours of sRGB, as a space that needs no profile (ISO 32000-1 §8.6.5.3; IEC 61966-2-1, D65)."""
    matrix = (0.4124, 0.2126, 0.0193, 0.3576, 0.7152, 0.1192, 0.1805, 0.0722, 0.9505)
    values = {"/WhitePoint": (0.9505, 1.0, 1.089), "/Gamma": (2.2, 2.2, 2.2), "/Matrix": matrix}
    numbers = {
        pdf_name(key): generic.ArrayObject(generic.FloatObject(one) for one in ones) for key, ones in values.items()
    }
    return generic.ArrayObject([pdf_name("/CalRGB"), generic.DictionaryObject(numbers)])


def _walk(png: bytes, kind: Kind) -> _Plain:
    """Chunk by chunk (ISO/IEC 15948 §5.3); nothing is unpacked."""

    broken = PictureUnreadable(picture=kind, found="broken", wanted="PNG")
    if not png.startswith(_MAGIC):
        raise PictureUnreadable(picture=kind, found="other format", wanted="PNG")
    clean, at, per_metre, names = bytearray(_MAGIC), len(_MAGIC), None, list[bytes]()
    while not names or names[-1] != b"IEND":
        if at + 12 > len(png):
            raise broken
        size, name = struct.unpack_from(">I4s", png, at)
        end = at + 12 + size
        if size > MOST_BYTES or end > len(png) or (name == b"IHDR") != (not names):
            raise broken
        body = png[at + 8 : end - 4]
        if struct.unpack_from(">I", png, end - 4)[0] != zlib.crc32(name + body):
            raise broken
        if name in _MOVES:
            raise PictureUnreadable(picture=kind, found="animated", wanted="one picture")
        if name == b"IHDR":
            _require_header(body, kind)
        if name == b"pHYs" and size == 9:
            across, down, unit = struct.unpack(">IIB", body)
            per_metre = across if unit == 1 and across == down and across else None
        if name in _DRAWS:
            clean += png[at:end]
        names.append(name)
        at = end
    return _Plain(bytes(clean), per_metre)


def _require_header(body: bytes, kind: Kind) -> None:
    """What the first chunk says of the picture (ISO/IEC 15948 §11.2.2): enough to refuse a bomb before it is unpacked."""
    if len(body) != 13:
        raise PictureUnreadable(picture=kind, found="broken", wanted="PNG")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
    if not width or not height or max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise PictureTooLarge(
            picture=kind, found=f"{width} × {height} px", wanted=f"<= {MOST_SIDE} px, {MOST_PIXELS} px in all"
        )
    if depth > 8:
        raise PictureUnreadable(picture=kind, found=f"{depth} bit", wanted="8 bit")
    if interlace:
        raise PictureUnreadable(picture=kind, found="interlaced", wanted="not interlaced")
    if colour not in _WITH_ALPHA:
        raise PictureOpaque(picture=kind, found="0 %", wanted=f">= {int(LEAST_TRANSPARENT * 100)} %")


def _coloured(image: Image.Image, alpha: Image.Image, *, kind: Kind) -> float:
    """The share of the ink that is blue (of a signature) or red (of a seal)."""
    red, green, blue, _ = image.split()
    lead = (
        ImageChops.subtract(blue, ImageChops.lighter(red, green))
        if kind == "signature"
        else ImageChops.subtract(red, ImageChops.lighter(green, blue))
    )
    ink = alpha.point(_above(_OPAQUE - 1))
    inked = ink.histogram()[255]
    return float(lead.point(_above(LEAD - 1)).histogram(ink)[255]) / inked


def _under(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """The colours alone; see-through pixels take the mean one, for a reader blends edges with what is beside them."""
    ink = alpha.point(_above(_OPAQUE - 1))
    colours = image.convert("RGB")
    means = []
    for channel in colours.split():
        shades = channel.histogram(ink)
        means.append(sum(shade * count for shade, count in enumerate(shades)) // max(1, sum(shades)))
    ground = Image.new("RGB", image.size, tuple(means))
    return Image.composite(colours, ground, alpha.point(_above(0)))


def _above(least: int) -> list[int]:
    """A table for `point`: 255 for all that is more."""
    return [255 if shade > least else 0 for shade in range(256)]


def _stream(image: Image.Image, data: bytes, entries: dict[str, generic.PdfObject]) -> generic.StreamObject:
    dictionary: dict[generic.NameObject, generic.PdfObject] = {
        pdf_name("/Type"): pdf_name("/XObject"),
        pdf_name("/Subtype"): pdf_name("/Image"),
        pdf_name("/Width"): generic.NumberObject(image.width),
        pdf_name("/Height"): generic.NumberObject(image.height),
        pdf_name("/Filter"): pdf_name("/FlateDecode"),
    }
    dictionary.update((pdf_name(key), value) for key, value in entries.items())
    return generic.StreamObject(dictionary, encoded_data=zlib.compress(data))
