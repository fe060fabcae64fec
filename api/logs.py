"""Structured logs: one line for each event on standard error, JSON or plain text, with the facts that were named.

Facts that are bound (the request id) stand on every line of their context, in whichever thread it runs. Never in a log:
an API key, a PIN, a signature value, a document's text, a query string. `scrub` drops fields with such names as a second
net; the first is that nobody logs them. The supervisor loads this module, so it needs the standard library alone;
structlog would bring a terminal's drawing library along, a third of a second at each start.

>>> scrub({"event": "x", "authorization": "Bearer kyso_1"})
{'event': 'x', 'authorization': '[removed]'}
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

SECRET_NAMES = frozenset(
    {"authorization", "pin", "secret", "password", "token", "api_key", "value", "permit", "cookie"}
)
_FACTS = "kyso_facts"
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)
_NOTHING: Mapping[str, object] = MappingProxyType({})
_bound: ContextVar[Mapping[str, object]] = ContextVar("kyso_log", default=_NOTHING)
_root = logging.getLogger("kyso")


def scrub(event: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what must never be written, by its field's name."""
    return {name: "[removed]" if name in SECRET_NAMES else value for name, value in event.items()}


class Logger:
    """Says what happened, as an event with facts: `log.warning("ended", process="api-1")`."""

    def info(self, event: str, **facts: object) -> None:
        self._say(logging.INFO, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._say(logging.WARNING, event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._say(logging.ERROR, event, facts)

    def critical(self, event: str, **facts: object) -> None:
        self._say(logging.CRITICAL, event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """With the traceback of the exception that is being handled."""
        self._say(logging.ERROR, event, {**facts, "exc_info": True})

    def _say(self, level: int, event: str, facts: dict[str, Any]) -> None:
        with_traceback = bool(facts.pop("exc_info", False))
        _root.log(level, event, extra={_FACTS: facts}, exc_info=with_traceback)


@contextmanager
def bound(**facts: object) -> Iterator[None]:
    """These facts stand on every line within the block."""
    mark = _bound.set({**_bound.get(), **facts})
    try:
        yield
    finally:
        _bound.reset(mark)


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """The facts of one line; none for lines of libraries."""
    return getattr(record, _FACTS, {})


def set_up(form: Literal["json", "text"]) -> None:
    """Write our lines from INFO on and those of libraries from WARNING on, in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(_as_json if form == "json" else _as_text))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _root.setLevel(logging.INFO)


def divert(handler: logging.Handler) -> None:
    """From now on our lines go to this handler alone: a command tells them in its own way."""
    _root.handlers[:] = [handler]
    _root.propagate = False


class _Lines(logging.Formatter):
    """One event, one line; a traceback is a fact of its line."""

    def __init__(self, write: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        facts = {**facts_of(record), **_bound.get()}
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        head = {"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return self._write(scrub({**facts, **head}))


def _as_json(event: dict[str, Any]) -> str:
    return _JSON.encode(event)


def _as_text(event: dict[str, Any]) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level'):8} {event.pop('event')}"
    traceback = event.pop("exception", None)
    # Facts may come from outside: as JSON they neither break the line nor steer the terminal.
    line = " ".join([head, *(f"{name}={json.dumps(value, default=str)}" for name, value in event.items())])
    return f"{line}\n{traceback}" if traceback else line
