"""The pictures of a report, with their captions: pages with the places of signatures, and pages before and after.

What the worker drew is passed on only if it is a picture of the promised size: the worker read a hostile document.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from api.sandbox import calls
from api.sandbox.calls import Portrait

ROOM = 7
"""Pixels between what has changed and the frame around it."""
_HEADER = struct.Struct("!8sI4sII")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Mark:
    """A rectangle on a picture, in its pixels."""

    x: int
    y: int
    width: int
    height: int
    label: str
    kind: Literal["signature", "change"]


@dataclass(frozen=True)
class Picture:
    """`description` says in words what is to be seen, for whoever does not see it."""

    png: bytes
    width: int
    height: int
    caption: str
    description: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A page when it was signed and now; a note stands where there is no picture."""

    heading: str
    before: Picture | None
    after: Picture | None
    before_note: str = ""
    after_note: str = ""


def pages_of(portrait: Portrait | None, *, labels: dict[str, str], words: dict[str, str]) -> tuple[Picture, ...]:
    """The pages as they are now, with the places of the signatures."""
    if portrait is None:
        return ()
    made = []
    for drawn in portrait.pictures:
        signed = [labels[mark.id] for mark in drawn.marks if mark.id in labels]
        told = (
            words["page_signed_here"].format(signatures=", ".join(dict.fromkeys(signed)))
            if signed
            else words["page_no_mark"]
        )
        made.append(
            _picture(
                drawn,
                caption=words["page"].format(page=drawn.page),
                description=words["page_described"].format(page=drawn.page, marks=told),
                labels=labels,
            )
        )
    return tuple(one for one in made if one is not None)


def comparisons_of(
    portrait: Portrait | None, *, labels: dict[str, str], words: dict[str, str]
) -> tuple[Comparison, ...]:
    """Pages before and after, for every signature after which something was changed."""
    return () if portrait is None else tuple(_comparisons(portrait, labels=labels, words=words))


def _comparisons(portrait: Portrait, *, labels: dict[str, str], words: dict[str, str]) -> Iterator[Comparison]:
    for compared in portrait.compared:
        label = labels.get(compared.id, "")
        if not compared.pages:
            yield Comparison(words["comparison_none"].format(signature=label), None, None)
        for page in compared.pages:
            number = page.page
            before = _picture(
                page.before,
                caption=words["before"],
                description=words["before_described"].format(page=number),
                labels=labels,
            )
            after = _picture(
                page.after,
                caption=words["after"],
                description=words["after_described"].format(page=number),
                labels=labels,
            )
            yield Comparison(
                words["comparison"].format(signature=label, page=number),
                before,
                after,
                "" if before else words["before_missing"],
                "" if after else words["after_missing"],
            )
        if compared.more:
            yield Comparison(words["comparison_left"].format(count=len(compared.pages)), None, None)


def _picture(drawn: calls.Picture | None, *, caption: str, description: str, labels: dict[str, str]) -> Picture | None:
    """The picture with its marks; None when the worker's bytes are not what they should be."""
    if drawn is None or len(drawn.png) < _HEADER.size:
        return None
    signature, _, chunk, width, height = _HEADER.unpack_from(drawn.png)
    if (signature, chunk, width, height) != (_SIGNATURE, b"IHDR", drawn.width, drawn.height):
        return None
    if not (0 < width <= calls.LARGEST_PICTURE and 0 < height <= calls.LARGEST_PICTURE):
        return None
    marks = tuple(_mark(mark, labels=labels) for mark in drawn.marks if not mark.id or mark.id in labels)
    return Picture(drawn.png, width, height, caption, description, marks)


def _mark(drawn: calls.Mark, *, labels: dict[str, str]) -> Mark:
    """A frame; one around a change leaves some room, so that it does not hide what it points at."""
    left, top, right, bottom = drawn.box
    room = 0 if drawn.id else ROOM
    x, y = max(0, left - room), max(0, top - room)
    size = (max(1, right + room - x), max(1, bottom + room - y))
    return Mark(x, y, *size, labels.get(drawn.id, ""), "signature" if drawn.id else "change")
