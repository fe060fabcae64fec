"""Where two pictures of a page differ, and whether something new hides what was there. Pure arithmetic on pixels.

places = masked(before, boxes), masked(after, boxes)
differing(before, *places)         # the box around all differences, None when there are none
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from verify.pictures import BYTES, Box, Picture

MARGIN = 3
"""Pixels around a rectangle that may change: smoothed edges, and the borders of annotations."""
_INK = bytes(1 if level < 112 else 0 for level in range(256))
_PAPER = bytes(1 if level > 184 else 0 for level in range(256))
_GREEN = 1
_SPECKS = 12
"""Fewer hidden pixels of ink are no word."""
_FILLED = 0.6
"""So much of the paper between marks must be dark before they are said to be blackened; strokes through text stay less."""
_SHARE = 0.3
"""So much of the ink under a new annotation must be gone before it is said to hide it; seals lie over signatures."""
_WIDE, _TALL = 24, 16
"""Pixels of a place in which three or four letters of ordinary text stand."""


def differing(before: Picture, after: Picture, *, allowed: Iterable[Box]) -> Box | None:
    """The box around every difference outside the allowed rectangles; the whole page when its size is another."""
    if (before.width, before.height) != (after.width, after.height):
        return after.box(0, after.width, 0, after.height)
    if before.pixels == after.pixels:
        return None
    areas = [after.area(box, margin=MARGIN) for box in allowed]
    line = len(after.pixels) // after.height
    rows = [at for at in range(after.height) if _row(before, at, line) != _row(after, at, line)]
    left, right, top, bottom = after.width, 0, after.height, 0
    for at in rows:
        one, other = bytearray(_row(before, at, line)), bytearray(_row(after, at, line))
        for first, last, upper, lower in areas:
            if upper <= at < lower and first < last:
                one[first * BYTES : last * BYTES] = other[first * BYTES : last * BYTES]
        difference = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
        if difference:
            pixel = 8 * BYTES
            left = min(left, ((difference & -difference).bit_length() - 1) // pixel)
            right = max(right, (difference.bit_length() - 1) // pixel + 1)
            top, bottom = min(top, at), at + 1
    return after.box(left, right, top, bottom) if right else None


def hides(before: Picture, after: Picture, *, under: Box) -> bool:
    """Whether dark marks that stood under a rectangle cannot be read any more: something light lies over them, or what
    lay between them is dark as well."""
    if (before.width, before.height) != (after.width, after.height):
        return True
    left, right, top, bottom = after.area(under, margin=0)
    line = len(after.pixels) // after.height
    ink = gone = between = filled = 0
    for at in range(top, bottom):
        span = slice(at * line + left * BYTES + _GREEN, at * line + right * BYTES, BYTES)
        was, is_ = before.pixels[span], after.pixels[span]
        marks = was.translate(_INK)
        first, last = marks.find(1), marks.rfind(1) + 1
        if first < 0:
            continue
        ink += marks.count(1)
        gone += _both(marks, is_.translate(_PAPER))
        gaps = was[first:last].translate(_PAPER)
        between += gaps.count(1)
        filled += _both(gaps, is_[first:last].translate(_INK))
    if filled >= _SPECKS and filled >= _FILLED * between:
        return True
    if gone < _SPECKS:
        return False
    return gone >= _SHARE * ink or _hides_a_word(before, after, area=(left, right, top, bottom))


def _hides_a_word(before: Picture, after: Picture, *, area: tuple[int, int, int, int]) -> bool:
    """The same share within one place of the size of a few letters: a box around a whole page has enough ink left when
    the amount in it is another."""
    left, right, top, bottom = area
    line = len(after.pixels) // after.height
    for upper in range(top, bottom, _TALL):
        ink, gone = Counter[int](), Counter[int]()
        for at in range(upper, min(upper + _TALL, bottom)):
            span = slice(at * line + left * BYTES + _GREEN, at * line + right * BYTES, BYTES)
            marks = before.pixels[span].translate(_INK)
            lost = after.pixels[span].translate(_PAPER)
            if not _both(marks, lost):
                lost = bytes(len(lost))
            for first in range(0, len(marks), _WIDE):
                part = marks[first : first + _WIDE]
                ink[first] += part.count(1)
                gone[first] += _both(part, lost[first : first + _WIDE])
        if any(gone[first] >= _SPECKS and gone[first] >= _SHARE * ink[first] for first in gone):
            return True
    return False


def _both(one: bytes, other: bytes) -> int:
    """How many places hold a one in both."""
    return (int.from_bytes(one, "little") & int.from_bytes(other, "little")).bit_count()


def _row(picture: Picture, at: int, line: int) -> bytes:
    return picture.pixels[at * line : (at + 1) * line]
