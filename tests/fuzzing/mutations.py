"""What is done to a document to break its reader: small, structure-aware, and named by values that can be kept.

A `Recipe` says everything; the same recipe on the same bytes gives the same file, so a finding is a line of text.

    mutate(data, Recipe((Edit("flip", 0.25, 7), Edit("number", 0.5, 3))))
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

LARGEST = 4 << 20
"""Bytes of a mutated file; repeating a part may not make it grow for ever."""

_NUMBER = re.compile(rb"\d+")
_NAME = re.compile(rb"/[A-Za-z]+")
_REFERENCE = re.compile(rb"\d+ \d+ R")
_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")
_NUMBERS = (
    b"0", b"1", b"-1", b"2", b"65535", b"65536", b"2147483647", b"2147483648", b"-2147483648", b"4294967296",
    b"18446744073709551616", b"1e309", b"0.0000001", b"9" * 400, b"00000000000000000001", b"--5", b".",
)  # fmt: skip
_TOKENS = (
    b"<<", b">>", b"[", b"]", b"(", b")", b"<", b">", b"/", b"%", b"obj", b"endobj", b"stream\n", b"endstream",
    b"xref", b"trailer", b"startxref", b"%%EOF", b"null", b"true", b"R", b"f", b"n", b"\r", b"\x00", b"/Prev 0",
    b"/Kids[1 0 R 1 0 R]", b"/Parent 1 0 R", b"/Length 99999999", b"/Filter[/FlateDecode/FlateDecode]", b"/Type/ObjStm",
    b"/Filter/ASCIIHexDecode", b"/DecodeParms<</Predictor 15/Columns 2147483647>>", b"/W[0 0 0]", b"/Index[0 99999999]",
    b"/ByteRange[0 1 2 3]", b"/V 1 0 R", b"/Encrypt 1 0 R", b"/XRefStm 9", b"#00", b"/Rotate 45", b"\\777", b"(" * 500,
    b"[" * 500, b"<<" * 500, b"/MediaBox[0 0 9e9 9e9]", b"%PDF-2.0",
)  # fmt: skip

OPERATIONS = (
    "flip", "byte", "cut", "repeat", "move", "number", "name", "token", "reference", "hex", "truncate", "drop-line",
    "swap-objects", "graft", "zero",
)  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """One change: where (a share of the file's length) and which variant."""

    operation: str
    place: float
    variant: int


@dataclass(frozen=True)
class Recipe:
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        return " ".join(f"{one.operation}@{one.place:.9f}:{one.variant}" for one in self.edits)

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The inverse of `str`."""
        parts = (re.fullmatch(r"([a-z-]+)@([\d.]+):(\d+)", word) for word in text.split())
        return cls(tuple(Edit(part[1], float(part[2]), int(part[3])) for part in parts if part))

    @classmethod
    def draw(cls, chance: random.Random) -> Recipe:
        count = chance.choice((1, 1, 1, 2, 3, 5, 8))
        return cls(
            tuple(
                Edit(chance.choice(OPERATIONS), round(chance.random(), 9), chance.randrange(1 << 16))
                for _ in range(count)
            )
        )


def mutate(data: bytes, recipe: Recipe) -> bytes:
    """The bytes with every edit of the recipe, in order.

    Three in four keep the length, so that cross-references still lead to objects and the change is read at all.
    """
    for edit in recipe.edits:
        changed = _apply(data, edit)
        data = _fitted(data, changed) if edit.variant % 4 else changed[:LARGEST]
    return data


def _fitted(before: bytes, after: bytes) -> bytes:
    """`after` in the length of `before`: blanks behind what was changed, or so much of what followed left out."""
    missing = len(before) - len(after)
    if missing == 0:
        return after
    same = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), len(after))
    if missing > 0:
        tail = len(before) - same - missing
        return after[: len(after) - tail] + b" " * missing + after[len(after) - tail :] if tail > 0 else after
    return after[: same - missing] + before[same - missing :]


def _apply(data: bytes, edit: Edit) -> bytes:  # noqa: PLR0911, PLR0912  one branch for each operation
    at, variant = int(edit.place * len(data)), edit.variant
    length = 1 + variant % 97
    match edit.operation:
        case "flip":
            return _put(data, at, bytes(byte ^ (1 << variant % 8) for byte in data[at : at + 1]))
        case "byte":
            return _put(data, at, bytes((variant % 256,)))
        case "zero":
            return _put(data, at, bytes(len(data[at : at + length])))
        case "cut":
            return data[:at] + data[at + length :]
        case "repeat":
            return data[:at] + data[at : at + length] * (1 + variant % 5) + data[at:]
        case "move":
            rest = data[:at] + data[at + length :]
            there = variant * 7919 % (len(rest) + 1)
            return rest[:there] + data[at : at + length] + rest[there:]
        case "truncate":
            return data[:at]
        case "token":
            return data[:at] + _TOKENS[variant % len(_TOKENS)] + data[at:]
        case "number":
            return _replace(data, _NUMBER, at, _NUMBERS[variant % len(_NUMBERS)])
        case "name":
            names = _NAME.findall(data[: 1 << 16]) or [b"/A"]
            return _replace(data, _NAME, at, names[variant % len(names)])
        case "reference":
            others = _REFERENCE.findall(data) or [b"1 0 R"]
            return _replace(data, _REFERENCE, at, others[variant % len(others)])
        case "hex":
            found = _HEX.search(data, at)
            if found is None:
                return data
            inside = found.start() + variant % (found.end() - found.start())
            return _put(data, inside, b"%x" % (variant % 16))
        case "drop-line":
            end = data.find(b"\n", at)
            return data[:at] + (data[end + 1 :] if end >= 0 else b"")
        case "swap-objects":
            return _swap(data, at, variant)
        case "graft":  # a whole revision once more, behind the last
            ends = [found.end() for found in re.finditer(rb"%%EOF\s?", data)] or [len(data)]
            begin = ([0, *ends])[variant % len(ends)]
            return data + data[begin : ends[variant % len(ends)]]
    raise ValueError(edit.operation)


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _replace(data: bytes, pattern: re.Pattern[bytes], at: int, new: bytes) -> bytes:
    found = pattern.search(data, at)
    return data if found is None else data[: found.start()] + new + data[found.end() :]


def _swap(data: bytes, at: int, variant: int) -> bytes:
    """Two objects change places, but not their numbers in the table."""
    bodies = [(one.start(), one.end()) for one in re.finditer(rb"\d+ \d+ obj\b.*?endobj", data, re.DOTALL)]
    if len(bodies) < 2:
        return data
    first = min(range(len(bodies)), key=lambda index: abs(bodies[index][0] - at))
    second = (first + 1 + variant % (len(bodies) - 1)) % len(bodies)
    (a, b), (c, d) = sorted((bodies[first], bodies[second]))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]
