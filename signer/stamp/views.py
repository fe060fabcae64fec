"""A page as its reader sees it: the part that is shown, the right way up, in points.

Pages are turned (/Rotate), cropped (/CropBox), begin anywhere and count in units of their own (/UserUnit). A rule such
as "top right, 10 mm from the edges" is about what is seen; a field's rectangle is in the page's own coordinates.

    view = View.of(page)                       # pyHanko's page dictionary
    view.width, view.height                    # 842 × 595 for an A4 page that lies on its side
    view.to_page((10, 10, 110, 60))            # the rectangle for the field
"""

from __future__ import annotations

from dataclasses import dataclass

from pyhanko.pdf_utils import generic

from signer import fields as forms
from signer.errors import PlaceOutsidePage
from signer.fields import Box
from verify.pdf import get

POINTS = 72 / 25.4
"""In a millimetre."""
LARGEST = 1_000_000
"""Units that a page may reach from its origin: readers keep coordinates with some seven digits."""


@dataclass(frozen=True)
class View:
    """`box` is what is seen, in the page's coordinates; `turn` is /Rotate; `unit` the points in one of its units."""

    box: Box
    turn: int = 0
    unit: float = 1.0

    @classmethod
    def of(cls, page: generic.DictionaryObject) -> View:
        """Raises PlaceOutsidePage for a page that shows nothing, or that no reader can count."""
        seen = forms.visible(page)
        unit = get(page, "/UserUnit")
        scale = float(unit) if isinstance(unit, generic.NumberObject | generic.FloatObject) and unit > 0 else 1.0
        if max(map(abs, (*seen, scale))) > LARGEST:
            raise PlaceOutsidePage("the page is too large", reason="page-size")
        return cls(seen, forms.turn_of(page), scale)

    @property
    def width(self) -> float:
        return (self._high if self.turn in (90, 270) else self._wide) * self.unit

    @property
    def height(self) -> float:
        return (self._wide if self.turn in (90, 270) else self._high) * self.unit

    @property
    def _wide(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def _high(self) -> float:
        return self.box[3] - self.box[1]

    def to_page(self, box: Box) -> Box:
        """A box as seen, from the lower left corner in points, in the page's coordinates."""
        corners = [self._point(*corner) for corner in (box[:2], box[2:])]
        (x1, y1), (x2, y2) = corners
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def to_view(self, box: Box) -> Box:
        """The way back."""
        (u1, v1), (u2, v2) = [self._seen(*corner) for corner in (box[:2], box[2:])]
        return min(u1, u2), min(v1, v2), max(u1, u2), max(v1, v2)

    def _point(self, u: float, v: float) -> tuple[float, float]:
        u, v = u / self.unit, v / self.unit
        x, y = {
            0: (u, v),
            90: (self._wide - v, u),
            180: (self._wide - u, self._high - v),
            270: (v, self._high - u),
        }[self.turn]
        return self.box[0] + x, self.box[1] + y

    def _seen(self, x: float, y: float) -> tuple[float, float]:
        x, y = x - self.box[0], y - self.box[1]
        u, v = {
            0: (x, y),
            90: (y, self._wide - x),
            180: (self._wide - x, self._high - y),
            270: (self._high - y, x),
        }[self.turn]
        return u * self.unit, v * self.unit


def overlap(one: Box, other: Box, *, by: float = 0.5) -> bool:
    """Whether two boxes share more than an edge of `by` units: coordinates are often rounded."""
    return min(one[2], other[2]) - max(one[0], other[0]) > by and min(one[3], other[3]) - max(one[1], other[1]) > by


def rectangle(dictionary: generic.DictionaryObject) -> Box | None:
    """An annotation's rectangle; None where it has none, or one without extent."""
    found = forms.box_of(get(dictionary, "/Rect"))
    return found if found is not None and found[0] < found[2] and found[1] < found[3] else None
