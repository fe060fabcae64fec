"""The plain visible stamp: lines of text in a box, as the appearance of a signature field.

Not an image, not a seal: those are appearance profiles of their own. The text is black, left-aligned, as large as the
box allows and never clipped: what does not fit at 4 points is refused.

    lines = default_lines(certificate, signing_time=now, language="vi")
    form = build(writer, width=200, height=60, lines=lines, border=True)
    annotation["/AP"] = {"/N": writer.add_object(form)}
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from signer.errors import OrderInvalid, TextNotShowable
from signer.font import load
from signer.stamp import rows as typesetting
from signer.stamp.rows import Row

VIETNAM = timezone(timedelta(hours=7))

_LABELS = {
    "vi": ("Người ký", "Cơ quan", "Thời gian ký", "Lý do"),
    "en": ("Signed by", "Organisation", "Signing time", "Reason"),
}

LONGEST = 2000
"""Letters and lines of one stamp: fitting costs time with each."""


def preload() -> None:
    """Read the font into memory: `build` may then run where no file can be opened. Raises FontMissing."""
    load()


def default_lines(
    certificate: bytes, *, signing_time: datetime, language: Literal["vi", "en"], reason: str | None = None
) -> tuple[str, ...]:
    """Name, organisation, signing time in Vietnam's time, and reason where there is one.

    `certificate` is DER, `signing_time` timezone-aware. Raises OrderInvalid for a certificate that cannot be read.
    """
    signer, organisation = names_of(certificate)
    contents = (signer, organisation, time_of(signing_time), reason)
    return tuple(f"{label}: {text}" for label, text in zip(_LABELS[language], contents, strict=True) if text)


def names_of(certificate: bytes) -> tuple[str, str | None]:
    """The signer and, where it is named, the organisation. Raises OrderInvalid for what is no certificate (DER)."""
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
        names = [_first(subject, kind) for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)]
        return names[0] or subject.rfc4514_string(), names[1]
    except ValueError as error:
        raise OrderInvalid("the certificate cannot be read", reason="certificate") from error


def time_of(signing_time: datetime) -> str:
    """The time as people read it: dd.MM.yyyy HH:mm:ss, in Vietnam."""
    return f"{signing_time.astimezone(VIETNAM):%d.%m.%Y %H:%M:%S} +07:00"


def build(
    writer: BasePdfFileWriter, *, width: float, height: float, lines: tuple[str, ...], border: bool
) -> generic.StreamObject:
    """A form XObject of `width` by `height` points that shows `lines`, with its font embedded into `writer`.

    Raises TextNotShowable if a character cannot be shown (fact `reason` is `characters`), the text needs more room
    (`does-not-fit`) or is longer than any stamp (`too-long`); FontMissing if there is no font.
    """
    font = load()
    if sum(len(line) + 1 for line in lines) > LONGEST:
        raise TextNotShowable("the text is too long for a stamp", reason="too-long", longest=LONGEST)
    text = [font.glyphs_of(line) for line in lines]
    margin = min(4.0, width / 20, height / 10)
    size, rows = typesetting.fit(text, font, width=width - 2 * margin, height=height - 2 * margin)
    content = [b"q"]
    if border:
        content.append(f"0.5 w 0.25 0.25 {width - 0.5:.2f} {height - 0.5:.2f} re S".encode())
    resources = generic.DictionaryObject()
    numbers = frozenset(glyph.number for row in rows for glyph in row)
    if numbers:
        content.append(_text(rows, size=size, left=margin, height=height))
        fonts = generic.DictionaryObject({pdf_name("/F1"): font.embed(writer, numbers)})
        resources[pdf_name("/Font")] = fonts
    content.append(b"Q")
    box = (0, 0, width, height)
    return generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject(generic.FloatObject(round(side, 3)) for side in box),
            pdf_name("/Resources"): resources,
        },
        stream_data=b"\n".join(content),
    )


def _first(name: x509.Name, kind: x509.ObjectIdentifier) -> str | None:
    values = [str(attribute.value) for attribute in name.get_attributes_for_oid(kind)]
    return values[0] if values else None


def _text(rows: list[Row], *, size: float, left: float, height: float) -> bytes:
    """The text object: the block of rows stands in the middle of the height."""
    top, leading = typesetting.top(rows), typesetting.leading(rows)
    block = ((len(rows) - 1) * leading + typesetting.reach(rows)) * size
    first = (height + block) / 2 - top * size
    shown = [f"<{''.join(f'{glyph.number:04X}' for glyph in row)}> Tj" for row in rows]
    return (
        f"BT\n/F1 {size:g} Tf\n{leading * size:.3f} TL\n{left:.3f} {first:.3f} Td\n".encode()
        + ("\nT*\n".join(shown) + "\nET").encode()
    )
