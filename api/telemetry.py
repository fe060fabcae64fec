"""What the service tells its operator: Prometheus metrics here, structured logs by `api.logs`."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.logs import Logger

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOGGER = Logger()


def logger() -> Logger:
    """The service's logger; lines within a request carry its id."""
    return _LOGGER


class Metrics:
    """The counters of all api processes together: the supervisor names a folder in which each keeps its own, and
    whichever a scrape meets adds them up. Without that folder (tests, one command) a process has its own alone."""

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

        self.ledger_alarms = Counter(
            "kyso_ledger_alarms",
            "What the ledger and the keepers' logs of uses contradict each other in, by code",
            ("code",),
            registry=self.registry,
        )
        self.witness_failures = Counter(
            "kyso_witness_failures", "Checkpoints that a witness did not sign", registry=self.registry
        )
        self.checkpoint_size = Gauge(
            "kyso_checkpoint_size",
            "Lines of the ledger that the newest checkpoint covers",
            registry=self.registry,
            multiprocess_mode="max",
        )

    def text(self) -> bytes:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # the library has no types there
        return generate_latest(everyone)
