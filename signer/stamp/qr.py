"""A link as a QR code, drawn with rectangles: sharp at any size, and no picture.

content = draw("https://kyso.example/", left=0, bottom=0, side=56)
"""

from __future__ import annotations

import segno

from signer.errors import OrderInvalid

LONGEST = 200
_QUIET = 2
"""Modules left free on each side. ISO/IEC 18004 §5.3.8 asks for four: the paper round the box is the rest."""


def require(link: str) -> None:
    """Raises OrderInvalid for what is no web address."""
    if not link.startswith(("https://", "http://")) or len(link) > LONGEST or not link.isascii() or " " in link:
        raise OrderInvalid("a QR code holds a web address of at most 200 ASCII letters", reason="link")


def draw(link: str, *, left: float, bottom: float, side: float) -> bytes:
    """Drawing operators for the code in a square of `side` points; error correction M."""
    require(link)
    rows = [bytes(row) for row in segno.make(link, error="m", micro=False, boost_error=False).matrix]
    module = side / (len(rows) + 2 * _QUIET)
    parts = ["0 g"]
    for number, row in enumerate(rows):
        y = bottom + side - (_QUIET + number + 1) * module
        at = 0
        while at < len(row):
            end = at
            while end < len(row) and row[end]:
                end += 1
            if end > at:
                x = left + (_QUIET + at) * module
                parts.append(f"{x:.3f} {y:.3f} {(end - at) * module:.3f} {module:.3f} re")
            at = max(end, at + 1)
    return ("\n".join(parts) + "\nf").encode()
