"""Lines of text set into a box: the largest size at which they fit, and the rows that they then make.

Only measures, no drawing: glyphs are in em, boxes in points. Nothing is ever clipped; what does not fit is refused.

    size, rows = fit([font.glyphs_of("Người ký: …")], font, width=190, height=50)
"""

from __future__ import annotations

from collections.abc import Iterable

from signer.errors import TextNotShowable
from signer.font import Font, Glyph

LARGEST, READABLE, SMALLEST, STEP = 12.0, 8.0, 4.0, 0.25
"""Font sizes in points. Lines are kept whole down to READABLE; below it, wrapping is better than shrinking."""

LINE_HEIGHT = 1.15
"""From baseline to baseline, in em; more where the glyphs are taller."""

Row = tuple[Glyph, ...]


def fit(
    lines: list[Row],
    font: Font,
    *,
    width: float,
    height: float,
    largest: float = LARGEST,
    smallest: float = SMALLEST,
) -> tuple[float, list[Row]]:
    """The largest size at which all lines fit, and the rows they then make. Raises TextNotShowable.

    1. whole lines, as long as that is readable; 2. wrapped between words; 3. wrapped anywhere.
    """
    (space,) = font.glyphs_of(" ")
    sizes = [largest - STEP * step for step in range(int((largest - smallest) / STEP) + 1)]
    for size in sizes:
        if size >= READABLE and _fits(lines, size=size, width=width, height=height):
            return size, lines
    for splits_words in (False, True):
        for size in sizes:
            rows = [row for line in lines for row in wrap(line, space, room=width / size, splits_words=splits_words)]
            if _fits(rows, size=size, width=width, height=height):
                return size, rows
    raise TextNotShowable(
        "the box is too small for the text", reason="does-not-fit", width=f"{width:.0f}", height=f"{height:.0f}"
    )


def _fits(rows: list[Row], *, size: float, width: float, height: float) -> bool:
    block = ((len(rows) - 1) * leading(rows) + reach(rows)) * size
    return block <= height and all(width_of(row) * size <= width for row in rows)


def wrap(line: Row, space: Glyph, *, room: float, splits_words: bool) -> Iterable[Row]:
    """Rows of at most `room` em, if the words allow it, broken at spaces and, where asked, within words."""
    row: list[Glyph] = []
    used = 0.0
    for word in _words(line, space):
        wide = width_of(word)
        if row and used + space.width + wide > room:
            yield tuple(row)
            row, used = [], 0.0
        if row:
            row.append(space)
            used += space.width
        for glyph in word:
            if splits_words and row and used + glyph.width > room:
                yield tuple(row)
                row, used = [], 0.0
            row.append(glyph)
            used += glyph.width
    yield tuple(row)


def _words(line: Row, space: Glyph) -> list[list[Glyph]]:
    words: list[list[Glyph]] = [[]]
    for glyph in line:
        if glyph == space:
            words.append([])
        else:
            words[-1].append(glyph)
    return words


def width_of(row: Iterable[Glyph]) -> float:
    return sum(glyph.width for glyph in row)


def top(rows: list[Row]) -> float:
    return max((glyph.top for row in rows for glyph in row), default=0.0)


def reach(rows: list[Row]) -> float:
    """From the top of the tallest glyph to the bottom of the deepest, in em."""
    return top(rows) - min((glyph.bottom for row in rows for glyph in row), default=0.0)


def leading(rows: list[Row]) -> float:
    return max(LINE_HEIGHT, reach(rows))
