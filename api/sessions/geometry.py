"""Boxes on a page as people see it, and in the page's own coordinates (PDF user space): cropped, turned, or neither.

A page that is shown turned by 90 degrees clockwise: what is at its left in the file is seen at the top.

>>> shown((10, 20, 110, 60), corner=(0, 0, 595, 842), turn=90)
(20, 485, 60, 585)
>>> own((20, 485, 60, 585), corner=(0, 0, 595, 842), turn=90)
(10, 20, 110, 60)
"""

from __future__ import annotations

Box = tuple[float, float, float, float]


def own(box: Box, *, corner: Box, turn: int) -> Box:
    """From the page as it is shown to its own coordinates."""
    return _sorted(_own(box[0], box[1], corner, turn), _own(box[2], box[3], corner, turn))


def shown(box: Box, *, corner: Box, turn: int) -> Box:
    """From the page's own coordinates to what people see."""
    return _sorted(_shown(box[0], box[1], corner, turn), _shown(box[2], box[3], corner, turn))


def overlap(one: Box, other: Box, *, slack: float = 0.5) -> bool:
    """Whether two boxes lie over one another by more than `slack` points."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[1], other[1])
    return across > slack and up > slack


def _own(u: float, v: float, corner: Box, turn: int) -> tuple[float, float]:
    x0, y0, x1, y1 = corner
    match turn:
        case 90:
            return x1 - v, y0 + u
        case 180:
            return x1 - u, y1 - v
        case 270:
            return x0 + v, y1 - u
        case _:
            return x0 + u, y0 + v


def _shown(x: float, y: float, corner: Box, turn: int) -> tuple[float, float]:
    x0, y0, x1, y1 = corner
    match turn:
        case 90:
            return y - y0, x1 - x
        case 180:
            return x1 - x, y1 - y
        case 270:
            return y1 - y, x - x0
        case _:
            return x - x0, y - y0


def _sorted(one: tuple[float, float], other: tuple[float, float]) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])
