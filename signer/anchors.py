"""Finds the words that a field should stand next to, and so its place.

PDFium reads the page's text from the open file, as a renderer would show it; in a worker it runs behind the lock-down.
"Below" is what the page's reader sees below, on a turned page too. What is found is a place, never a statement about the
document's content.

    place = find(file, Anchor("T/M CHI ỦY", size=(160, 60), offset=(0, -70)))
"""

from __future__ import annotations

import math
import unicodedata
from typing import BinaryIO

from signer.errors import AnchorAmbiguous, AnchorNotFound, OrderInvalid, PlaceOutsidePage
from signer.model import Anchor, Place
from signer.stamp.views import View
from verify import pdfium

MOST_PAGES = 500
"""Pages that are searched if the anchor names none: reading text costs milliseconds a page."""

LONGEST = 200


def preload() -> None:
    """Load PDFium, which `find` does otherwise: in a worker no file can be opened."""
    pdfium.load()


def find(file: BinaryIO, anchor: Anchor, *, password: str | None = None) -> Place:
    """Where the anchor's field goes. The file's position is of no account and is not kept.

    Raises AnchorNotFound, AnchorAmbiguous, PlaceOutsidePage for a page or words that are not there to be seen.
    """
    text = unicodedata.normalize("NFC", anchor.text).strip()
    if not text or len(text) > LONGEST or not all(map(math.isfinite, (*anchor.size, *anchor.offset))):
        raise OrderInvalid("the anchor's text is empty or too long", reason="anchor-text")
    with pdfium.opened(file, password=password, forms=False) as document:
        pages = range(len(document))
        if anchor.page is not None:
            if anchor.page - 1 not in pages:
                raise PlaceOutsidePage(page=anchor.page)
            pages = range(anchor.page - 1, anchor.page)
        elif len(pages) > MOST_PAGES:
            raise OrderInvalid("name the anchor's page: the document is long", reason="anchor-page")
        found = [(number + 1, *corner) for number in pages for corner in _corners(document[number], text)]
    if not found:
        raise AnchorNotFound(anchor=text)
    if len(found) > 1:
        told = ", ".join(str(page) for page in sorted({page for page, *_ in found}))
        raise AnchorAmbiguous(anchor=text, count=len(found), pages=told)
    ((page, view, left, bottom),) = found
    if min(anchor.size) <= 0:
        raise PlaceOutsidePage("the box is empty or upside down", page=page)
    left, bottom = left + anchor.offset[0], bottom + anchor.offset[1]
    box = view.to_page((left, bottom, left + anchor.size[0], bottom + anchor.size[1]))
    return Place(page, tuple(round(edge, 2) for edge in box))  # type: ignore[arg-type]  # four edges stay four


def _corners(page, text: str) -> list[tuple[View, float, float]]:  # type: ignore[no-untyped-def]  # pypdfium2 has no types
    """Lower left corners of the words as they are seen, once a place, wherever writers compose their letters.

    Raises PlaceOutsidePage for words that stand beyond what the page shows."""
    textpage = page.get_textpage()
    view = View(page.get_cropbox(), page.get_rotation())
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for form in dict.fromkeys((text, unicodedata.normalize("NFD", text))):
        searcher = textpage.search(form, match_case=True)
        while (hit := searcher.get_next()) is not None:
            start, count = hit
            boxes = [view.to_view(textpage.get_charbox(index)) for index in range(start, start + count)]
            boxes = [box for box in boxes if box[0] < box[2] and box[1] < box[3]]
            if not boxes:
                continue
            corner = (min(box[0] for box in boxes), min(box[1] for box in boxes))
            found.setdefault((round(corner[0]), round(corner[1])), corner)
    for u, v in found.values():
        if not (0 <= u <= view.width and 0 <= v <= view.height):
            raise PlaceOutsidePage("the anchor stands outside the page", anchor=text)
    return [(view, *corner) for corner in found.values()]
