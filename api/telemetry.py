"""What the service tells its operator: structured logs and Prometheus metrics.

Logs are one JSON object a line on standard error, with the request id bound to every line of a request. Never in a log:
an API key, a PIN, a signature value, a document's text, a query string. `scrub` drops fields with such names as a
second net; the first is that nobody logs them.

>>> scrub(None, "info", {"event": "x", "authorization": "Bearer kyso_1"})
{'event': 'x', 'authorization': '[removed]'}
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

SECRET_NAMES = frozenset(
    {"authorization", "pin", "secret", "password", "token", "api_key", "value", "permit", "cookie"}
)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what must never be written, by its field's name."""
    for name in event:
        if name in SECRET_NAMES:
            event[name] = "[removed]"
    return event


def set_up_logs(form: Literal["json", "text"]) -> None:
    """Set up structlog and route the standard library's warnings and errors through it."""
    last: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        scrub,
    ]
    structlog.configure(
        processors=[*before, structlog.processors.format_exc_info, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def logger() -> Any:
    """The service's logger; lines within a request carry its id."""
    return structlog.get_logger()


class Metrics:
    """The counters of one api process. Each process answers for itself: with several workers behind one socket a
    scrape meets any of them, so sum over the `process` label that `/metrics` adds, not over scrapes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kyso_http_requests", "HTTP requests by route and status", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "kyso_http_seconds",
            "Seconds from a request's first byte to its answer's last",
            ("route",),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
            registry=self.registry,
        )
        self.signatures = Counter(
            "kyso_signatures", "Signatures by level and outcome", ("level", "outcome"), registry=self.registry
        )
        self.verifications = Counter(
            "kyso_verifications", "Verified documents by verdict", ("verdict",), registry=self.registry
        )
        self.timestamps = Counter(
            "kyso_timestamps", "Timestamps issued by the authority, by outcome", ("outcome",), registry=self.registry
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)
