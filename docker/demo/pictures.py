"""Draws what the demo's signatures look like: a scrawl in blue for each person, a round seal in red.

Pictures as the rules ask for them: PNG on transparent ground, true size stated in the file, 300 dpi. They are nobody's:
each hand says below itself that it is a sample, and so does the seal. The appliance shows them where an order asks for a
look of a profile and brings no picture of its own (`KYSO_HOME/pictures/KEY`).

    python docker/demo/pictures.py FOLDER         folder/demo-official/signature.png, folder/demo-seal/seal.png, …
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from identities import IDENTITIES
from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/liberation2/LiberationSerif-Bold.ttf")
BLUE, RED = (22, 50, 170), (208, 18, 30)
SEAL, SEAL_MM, HAND_MM = "demo-seal", 36.0, (54.0, 24.0)
DPI = 300
_FINE = 3
"""Drawn so many times larger, then scaled down, for smooth edges."""
Point = tuple[float, float]


def write(folder: Path) -> None:
    """The pictures of every demo key that has none."""
    for identity in IDENTITIES:
        is_seal = identity.ref == SEAL
        path = folder / identity.ref / ("seal.png" if is_seal else "signature.png")
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (seal() if is_seal else hand(identity.ref)).save(path, "PNG", dpi=(DPI, DPI), optimize=True)


def hand(name: str) -> Image.Image:
    """A scrawl that looks the same each time for a name, and another for another."""
    chance = random.Random(name)
    wide, high = (_pixels(side) for side in HAND_MM)
    mask = Image.new("L", (wide * _FINE, high * _FINE))
    draw = ImageDraw.Draw(mask)
    for stroke in (list(_word(chance)), list(_flourish(chance))):
        points = [(x * mask.width, y * mask.height) for x, y in stroke]
        for one, other in pairwise(points):
            # A pen is slow in turns and quick on long ways, where its line is thin.
            pace = math.dist(one, other) / mask.width
            thick = mask.width * max(0.0045, 0.0115 - 0.42 * pace)
            draw.line((one, other), fill=255, width=round(thick))
            draw.ellipse([centre + sign * thick / 2 for sign in (-1, 1) for centre in other], fill=255)
    font = ImageFont.truetype(str(FONT), mask.height // 11)
    draw.text((mask.width * 0.97, mask.height * 0.995), "chữ ký mẫu", fill=210, font=font, anchor="rd")
    return _inked(mask, (wide, high), BLUE)


def seal() -> Image.Image:
    """Two rings, words round a star, and across it that this is a sample."""
    side = _pixels(SEAL_MM)
    full = side * _FINE
    mask = Image.new("L", (full, full))
    draw = ImageDraw.Draw(mask)
    middle = full / 2
    for reach, thick in ((0.5, 0.022), (0.46, 0.007), (0.31, 0.008)):
        inset = middle - reach * full
        draw.ellipse((inset, inset, full - 1 - inset, full - 1 - inset), outline=255, width=round(thick * full))
    star = [
        (middle + reach * full * math.sin(turn), middle - reach * full * math.cos(turn) - full * 0.07)
        for corner in range(10)
        for reach, turn in [(0.105 if corner % 2 == 0 else 0.042, math.pi * corner / 5)]
    ]
    draw.polygon(star, fill=255)
    draw.text((middle, full * 0.615), "MẪU", fill=255, font=_font(full * 0.125), anchor="mm")
    draw.text((middle, full * 0.715), "(demo)", fill=255, font=_font(full * 0.062), anchor="mm")
    _around(mask, "ĐẢNG ỦY CƠ SỞ MẪU", reach=0.385 * full, size=0.078 * full, spread=210)
    _around(mask, "KHÔNG CÓ GIÁ TRỊ", reach=0.385 * full, size=0.06 * full, spread=-120)
    return _inked(mask, (side, side), RED)


def _around(mask: Image.Image, text: str, *, reach: float, size: float, spread: float) -> None:
    """Letters on a circle; a negative `spread` (degrees) goes along the bottom, to be read from inside."""
    font = _font(size)
    advances = [font.getlength(letter) for letter in text]
    step = math.radians(spread) / sum(advances)
    is_below = spread < 0
    turn = -math.radians(spread) / 2 + (math.pi if is_below else 0.0)
    middle = mask.width / 2
    for letter, advance in zip(text, advances, strict=True):
        at = turn + step * advance / 2
        tile = Image.new("L", (round(size * 2.4),) * 2)
        ImageDraw.Draw(tile).text((tile.width / 2, tile.height / 2 + size * 0.36), letter, 255, font, anchor="ms")
        turned = tile.rotate(-math.degrees(at) + (180 if is_below else 0), Image.Resampling.BICUBIC)
        centre = (middle + reach * math.sin(at), middle - reach * math.cos(at))
        mask.paste(255, (round(centre[0] - tile.width / 2), round(centre[1] - tile.height / 2)), turned)
        turn += step * advance


def _word(chance: random.Random) -> Iterator[Point]:
    """A large first letter that runs out into waves."""
    loops, lean = chance.uniform(4.5, 6.5), chance.uniform(0.05, 0.1)
    tall, sway = chance.uniform(0.3, 0.37), chance.uniform(0, 1.2)
    for step in range(601):
        t = step / 600
        fade = (1 - t) ** 1.4
        wave = math.sin(2 * math.pi * loops * t + sway)
        high = 0.47 - (0.06 + tall * fade) * wave + 0.07 * math.sin(5 * t + sway)
        yield 0.07 + 0.8 * t**0.9 + (lean + 0.05 * fade) * math.cos(2 * math.pi * loops * t + sway), high


def _flourish(chance: random.Random) -> Iterator[Point]:
    """A line below the word, drawn back."""
    low, bend = chance.uniform(0.68, 0.76), chance.uniform(0.05, 0.12)
    for step in range(201):
        t = step / 200
        yield 0.9 - 0.68 * t + 0.03 * math.sin(9 * t), low + bend * math.sin(math.pi * t) - 0.05 * t


def _inked(mask: Image.Image, size: tuple[int, int], colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", size, (*colour, 0))
    image.putalpha(mask.resize(size, Image.Resampling.LANCZOS))
    return image


def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), round(size))


def _pixels(mm: float) -> int:
    return round(mm / 25.4 * DPI)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
