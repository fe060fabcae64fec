"""What the service tells its operator: Prometheus metrics here, structured logs by `api.logs`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.logs import Logger

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
FETCH_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 120)
FOR_OPERATORS = ("kyso_key", "kyso_fetches", "kyso_token", "kyso_certificate", "kyso_alarm", "kyso_disk")
"""How the names of those families begin that tell of keys, tokens and hosts: not for whoever asks without an API key."""
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
        self.stage_seconds = Histogram(
            "kyso_stage_seconds",
            "Seconds of one call into a document worker, by stage",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.key_seconds = Histogram(
            "kyso_key_seconds",
            "Seconds of one use of a key, from the api's view",
            ("module", "key"),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self.key_uses = Counter(
            "kyso_key_uses", "Uses of keys by outcome", ("module", "key", "outcome"), registry=self.registry
        )
        self.fetch_seconds = Histogram(
            "kyso_fetch_seconds",
            "Seconds of one outgoing fetch, by kind: timestamp, ocsp, crl, certificate",
            ("kind",),
            buckets=FETCH_SECONDS,
            registry=self.registry,
        )
        self.fetches = Counter(
            "kyso_fetches",
            "Outgoing fetches by kind, host and outcome",
            ("kind", "host", "outcome"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "kyso_refusals", "Requests that were refused or failed, by code", ("code",), registry=self.registry
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

    def text(self, *, whole: bool = True, more: Collector | None = None) -> bytes:
        """The exposition format. `whole` false leaves out what tells of keys, tokens and hosts; `more` collects what is
        only known when somebody asks."""
        shown = CollectorRegistry()
        everyone = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            everyone = CollectorRegistry()
            MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # the library has no types there
        shown.register(_Chosen(everyone, more, whole=whole))
        return generate_latest(shown)


class _Chosen(Collector):
    """The families that may be shown."""

    def __init__(self, registry: CollectorRegistry, more: Collector | None, *, whole: bool) -> None:
        self._registry, self._more, self._whole = registry, more, whole

    def collect(self) -> Iterable[Metric]:
        for family in (*self._registry.collect(), *(self._more.collect() if self._more is not None else ())):
            if self._whole or not family.name.startswith(FOR_OPERATORS):
                yield family

    def describe(self) -> Iterable[Metric]:
        """None beforehand: whoever registers this must not be made to collect."""
        return ()
