"""Text from documents and certificates, made fit to be shown; nothing here knows what a report is.

Names come from whoever made the document. Markup in them is the business of whoever writes markup (`html` escapes, `pdf`
never reads it); here they lose what steers a reader's eye instead: controls, marks that turn the writing direction
round, characters that show nothing, towers of accents, length.

>>> clean("Nguyễn\\u202e gpj.exe")
'Nguyễn[U+202E] gpj.exe'
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from datetime import datetime

LONGEST = 300
"""Characters of one text that are shown."""
ACCENTS = 3
"""Combining marks that one letter may carry; Vietnamese letters carry two at most."""
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters by their category that show nothing."""
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what cannot be seen, or would not stay in its place."""


def clean(text: str, *, longest: int = LONGEST) -> str:
    """`text` in NFC on one line, with what cannot be seen as `[U+202E]`."""
    shown: list[str] = []
    accents = 0
    for char in unicodedata.normalize("NFC", text[: 4 * longest]):
        accents = accents + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if char in "\t\n\r\u2028\u2029":
            shown.append(" ")
        elif char in UNSEEN or unicodedata.category(char) in HIDDEN:
            shown.append(code_point(char))
        elif accents <= ACCENTS:
            shown.append(char)
    line = " ".join("".join(shown).split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def code_point(char: str) -> str:
    return f"[U+{ord(char):04X}]"


def only(text: str, *, covered: Collection[int]) -> str:
    """`text` with characters outside of `covered` (code points) named instead of shown.

    >>> only("a王", covered={97})
    'a[U+738B]'
    """
    return "".join(char if ord(char) in covered else code_point(char) for char in text)


def moment(at: datetime) -> str:
    """As people here write a time, with its offset: 22/11/2026 09:00:00 +07:00."""
    return f"{at:%d/%m/%Y %H:%M:%S} {at.isoformat()[-6:]}"


def name_parts(distinguished: str) -> dict[str, list[str]]:
    """The parts of a name as RFC 4514 writes it, by their labels, escapes resolved.

    >>> name_parts("CN=CA Mẫu,O=Cơ quan A\\\\, B,C=VN")
    {'CN': ['CA Mẫu'], 'O': ['Cơ quan A, B'], 'C': ['VN']}
    """
    parts: dict[str, list[str]] = {}
    piece, pieces, escaped = "", [], False
    for char in distinguished:
        if escaped:
            piece, escaped = piece + char, False
        elif char == "\\":
            escaped = True
        elif char in ",+":
            pieces.append(piece)
            piece = ""
        else:
            piece += char
    for one in (*pieces, piece):
        label, _, value = one.partition("=")
        if value:
            parts.setdefault(label.strip(), []).append(value)
    return parts
