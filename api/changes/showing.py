"""What a change alters, for people to read: before and after, line by line, and certificates by what they say.

An approver decides by this, so nothing in it may hide: a character that nobody sees, or that turns the direction of
writing, is written as its number.

>>> [(line.sign, line.text) for line in parts({"key": "seal", "before": False, "after": True})[0].lines]
[('-', 'enabled'), ('+', 'disabled')]
>>> visible("a" + chr(0x202E) + "b")
'a[U+202E]b'
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.trust_json import certificate_json

Sign = Literal["+", "-", " ", "…"]
CONTEXT = 3
"""Lines around what differs."""


@dataclass(frozen=True)
class DiffLine:
    sign: Sign
    text: str


@dataclass(frozen=True)
class Part:
    """One thing that changes. `words` says that its lines are codes for which the page has words."""

    title: str
    lines: tuple[DiffLine, ...] = ()
    certificate: Mapping[str, str] | None = None
    certificate_sign: Sign = "+"
    words: bool = False


def parts(effect: Mapping[str, Any]) -> tuple[Part, ...]:
    """Of an effect as `kinds` works it out."""
    before, after = effect["before"], effect["after"]
    if "key" in effect:
        sides = ["disabled" if one else "enabled" for one in (before, after)]
        return (Part(effect["key"], (DiffLine("-", sides[0]), DiffLine("+", sides[1])), words=True),)
    if "rule" in effect:
        return (Part(effect["rule"], differing(_pretty(before), _pretty(after))),)
    if "owners" in effect:
        return tuple(Part(visible(ref), differing(_owners(before[ref]), _owners(after[ref]))) for ref in sorted(after))
    if {"unlock", "caller", "api_key"} & set(effect):
        return (_one(effect, before, after),)
    return tuple(_file(path, before[path], after[path]) for path in sorted(after))


def _one(effect: Mapping[str, Any], before: Any, after: Any) -> Part:
    """A token that is unlocked, a caller, or its API key."""
    if "unlock" in effect:
        return Part(effect["unlock"], (DiffLine("-", before), DiffLine("+", after)))
    if "caller" in effect:
        return Part(effect["caller"], differing(_caller(before), _caller(after)))
    told = {name: effect[name] for name in ("overlap", "expires_at") if effect[name] is not None}
    sides = [json.dumps({"api_key_sha256": one}, indent=2) for one in (before, after)]
    return Part(effect["api_key"], (*differing(*sides), DiffLine(" ", json.dumps(told))))


def _owners(rows: list[list[Any]]) -> str:
    """Owners of one key, a line each, with the day on which that began and ended, in UTC."""
    lines = []
    for _, organisation, person, start, end in sorted(rows, key=lambda row: row[3]):
        begin, over = (None if one is None else datetime.fromtimestamp(max(one, 0), UTC) for one in (start, end))
        days = " – ".join("…" if one is None else one.isoformat(timespec="minutes") for one in (begin, over))
        lines.append(" ".join(part for part in (organisation, person, days) if part))
    return "\n".join(lines)


def _caller(told: Mapping[str, Any] | None) -> str:
    """What a caller may, without its secret."""
    return "" if told is None else json.dumps({**told, "secret_sha256": "…"}, ensure_ascii=False, indent=2)


def as_proposed(kind: str, payload: str) -> tuple[Part, ...]:
    """What was asked for, where it was never worked out."""
    lines = _pretty(payload).splitlines()
    return (Part(kind, tuple(DiffLine(" ", visible(line)) for line in lines)),)


def differing(before: str, after: str) -> tuple[DiffLine, ...]:
    """Lines that went and came, with those around them."""
    found = []
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=CONTEXT, lineterm="")
    for line in islice(lines, 2, None):  # after the names of two files
        sign: Sign = "…" if line.startswith("@@") else _SIGNS[line[0]]
        found.append(DiffLine(sign, "" if sign == "…" else visible(line[1:])))
    return tuple(found[1:] if found and found[0].sign == "…" else found)


def visible(text: str) -> str:
    """The text with what cannot be seen written as numbers."""
    return "".join(f"[U+{ord(char):04X}]" if _hides(char) else char for char in text)


_SIGNS: Mapping[str, Sign] = {"+": "+", "-": "-", " ": " "}


def _hides(char: str) -> bool:
    return char != "\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _file(path: str, before: str | None, after: str | None) -> Part:
    certificate = None if path.endswith(".toml") else _certificate(before if after is None else after)
    if certificate is not None:
        told = {name: visible(value) for name, value in certificate.items()}
        return Part(path, certificate=told, certificate_sign="-" if after is None else "+")
    return Part(path, differing(_text(before), _text(after)))


def _text(octets: str | None) -> str:
    return "" if octets is None else b64decode(octets).decode("utf-8", "replace")


def _certificate(octets: str | None) -> dict[str, str] | None:
    data = b"" if octets is None else b64decode(octets)
    if b"-----BEGIN CERTIFICATE" not in data:
        return None
    return certificate_json(x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER))


def _pretty(text: str | None) -> str:
    return "" if text is None else json.dumps(json.loads(text), ensure_ascii=False, indent=2)
