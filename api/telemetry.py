"""What the service tells its operator: Prometheus metrics here, structured logs by `api.logs`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from api.logs import Logger

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOGGER = Logger()


def logger() -> Logger:
    """The service's logger; lines within a request carry its id."""
    return _LOGGER


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
