"""Every look of both profiles on one sheet, to be looked at: `python -m tests.looks_sheet FILE` (.png, .pdf).

Each is a page as the tests sign it (`tests/unit/stamp/test_looks.py`), drawn by PDFium: in millimetres as it will be
printed, beside its name and what its profile says of it. A column for each profile, a row for each look.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from signer.font import DEFAULT_FONTS
from signer.stamp import profiles
from signer.stamp.profiles import Look
from tests.looks_support import pdfium
from tests.unit.stamp.test_looks import made

DPI = 96
GAP, CAPTION, HEAD = 24, 44, 56


def sheet(folder: Path) -> Image.Image:
    """`folder` takes the signed pages, one PDF a look."""
    columns = [profiles.load(name) for name in profiles.SHIPPED]
    drawn = {
        (row, column): (look, _page(folder, f"{profile.name}/{name}"))
        for column, profile in enumerate(columns)
        for row, (name, look) in enumerate(profile.looks.items())
    }
    wide, high = next(iter(drawn.values()))[1].size
    rows = 1 + max(row for row, _ in drawn)
    size = (GAP + (wide + GAP) * len(columns), HEAD + GAP + (high + CAPTION + GAP) * rows)
    made_of = Image.new("RGB", size, "white")
    pen, large, small = ImageDraw.Draw(made_of), _font(22), _font(15)
    for column, profile in enumerate(columns):
        x = GAP + column * (wide + GAP)
        pen.text((x, GAP), f"{profile.name}: {profile.title['vi']}", fill="black", font=large, anchor="lm")
        pen.text((x, GAP + 24), profile.source, fill=(90, 90, 90), font=small, anchor="lm")
    for (row, column), (look, page) in drawn.items():
        x, y = GAP + column * (wide + GAP), HEAD + GAP + row * (high + CAPTION + GAP)
        pen.text((x, y), f"{look.name}: {look.title['vi']}", fill="black", font=small, anchor="lt")
        pen.text((x, y + 20), _rules(look), fill=(90, 90, 90), font=small, anchor="lt")
        made_of.paste(page, (x, y + CAPTION))
        pen.rectangle((x - 1, y + CAPTION - 1, x + wide, y + CAPTION + high), outline=(150, 150, 150))
    return made_of


def _page(folder: Path, name: str) -> Image.Image:
    place = folder / name.replace("/", "-")
    place.mkdir(parents=True)
    return pdfium(made(place, name), dpi=DPI)


def _rules(look: Look) -> str:
    """What its profile says, in a line."""
    parts = [f"place {look.place}", f"picture {look.shows}"]
    if look.shows == "seal":
        parts.append(f"seal {look.seal_mm:g} mm where nothing else is stated")
    if look.lines:
        parts.append(f"{look.font_size:g} pt {look.colour}")
    return " · ".join(parts)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(next(path for path in DEFAULT_FONTS if path.exists())), size)


def main(arguments: list[str]) -> int:
    """Exit status 0, or 64 for what is no such file."""
    if len(arguments) != 1 or Path(arguments[0]).suffix not in (".png", ".pdf"):
        print("FILE: .png or .pdf", file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="kyso-looks-") as folder:
        sheet(Path(folder)).save(arguments[0], resolution=DPI)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
