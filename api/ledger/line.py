"""One line of the ledger, and the canonical JSON of which it is made.

The bytes that are hashed are RFC 8785 JSON of {at, facts, kind, number}. Floats are refused (their one spelling is the
hard part of RFC 8785), keys are ASCII names (so that sorting by code point is sorting by UTF-16 unit), and integers
stay below 2^53; what remains is spelled the same by every JSON library.

>>> text = encode(1, at=datetime(2026, 11, 22, 9, tzinfo=UTC), kind="DONE", facts_json=canonical({"intent": 7}))
>>> text
'{"at":"2026-11-22T09:00:00.000000Z","facts":{"intent":7},"kind":"DONE","number":1}'
>>> decode(text).facts["intent"]
7
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, cast, get_args

Kind = Literal["PREPARED", "INTENT", "DONE", "REFUSED", "FAILED", "IN_DOUBT", "COMPLETED", "CHANGED", "SESSION"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""PREPARED: a document waits for a value from outside. INTENT: the key is about to be used. DONE: it was, here is the value. FAILED: it was not. IN_DOUBT: not known.
COMPLETED: the document was finished with the value. REFUSED: an order was turned down, before or after its INTENT.
CHANGED: the appliance was administered; `what` says how (`caller-created`, `rights-set`), `caller` who did it.
SESSION: somebody signed in on the pages, or a session was ended; `what` says which, `way` how they came in."""
CLOSING: tuple[Kind, ...] = ("DONE", "FAILED", "REFUSED", "IN_DOUBT")
"""A line of these kinds whose `intent` fact names an INTENT answers what came of that use of the key."""
SEARCHED = {
    "intent": "intent",
    "signature": "signature",
    "document": "document_sha256",
    "key": "key",
    "caller": "caller",
}
"""Column of the table → fact of which it is a copy."""

LARGEST = 2**53 - 1
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Line:
    """`number` counts from 1; `text` is what was hashed."""

    number: int
    at: datetime
    kind: Kind
    facts: Mapping[str, Any]
    text: str


def canonical(facts: Mapping[str, Any]) -> str:
    """RFC 8785 JSON of facts. Raises ValueError for what has no one spelling: floats, odd keys, unpaired surrogates."""
    _check(facts)
    text = _encode(facts)
    text.encode()  # UnicodeEncodeError is a ValueError
    return text


def encode(number: int, *, at: datetime, kind: Kind, facts_json: str) -> str:
    """The line's text; its keys are in order already, so that only the facts need sorting."""
    moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f'{{"at":"{moment}Z","facts":{facts_json},"kind":"{kind}","number":{number}}}'


def decode(text: str) -> Line:
    """A line from its text. Raises ValueError unless the text is exactly what `encode` writes."""
    data = json.loads(text)
    if not isinstance(data, dict) or set(data) != {"at", "facts", "kind", "number"}:
        raise ValueError("not a ledger line")
    at, facts, kind, number = data["at"], data["facts"], data["kind"], data["number"]
    if kind not in KINDS or not isinstance(facts, dict) or type(number) is not int or not isinstance(at, str):
        raise ValueError("not a ledger line")
    line = Line(number, datetime.fromisoformat(at), cast(Kind, kind), facts, text)
    if line.at.tzinfo is None or encode(number, at=line.at, kind=line.kind, facts_json=canonical(facts)) != text:
        raise ValueError("not in canonical form")
    return line


def columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts by which lines are searched, as columns."""
    return {column: facts.get(fact) for column, fact in SEARCHED.items()}


@lru_cache(maxsize=1024)
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _check(value: object) -> None:
    if type(value) is str:  # nearly all of them: an abstract class takes longer to deny
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not _is_name(key):
                raise ValueError(f"not a name of a fact: {key!r}")
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError("whole numbers beyond 2^53 have no one spelling in JSON")
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"a fact cannot be a {type(value).__name__}")
