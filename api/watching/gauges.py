"""Numbers that are looked up when somebody scrapes `/metrics`: tokens, certificates, queue, ledger, disk, alarms.

Counters add up over processes (`api.telemetry`); these are facts of the whole appliance, and whichever process is asked
finds them. One that cannot be read is left out, and the alarms say why. Repeated for a few seconds, so that scraping often
costs tokens and database nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from cryptography import x509
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.errors import ApiError
from api.ledger.kept import Kept
from api.services import Services
from api.store.tables import job
from api.watching import alarms, machine
from hsm.errors import HsmError

REMEMBERED = 5.0
_DAY = 86_400.0
_JOBS = sa.select(job.c.kind, job.c.state, sa.func.count(), sa.func.min(job.c.due)).group_by(job.c.kind, job.c.state)


class Gauges(Collector):
    """Safe for threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._seen: tuple[float, tuple[Metric, ...]] | None = None

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] > REMEMBERED:
                self._seen = now, tuple(self._look())
            return self._seen[1]

    def _look(self) -> Iterator[Metric]:
        parts: tuple[Callable[[Services], Iterator[Metric]], ...] = (
            _tokens,
            _certificates,
            _jobs,
            _ledger,
            _checkpoint,
            _disk,
            _alarms,
        )
        for part in parts:
            try:
                yield from part(self._services)
            except (ApiError, HsmError, OSError, ValueError):
                continue


def _tokens(services: Services) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "kyso_token_state", "1 for the state that a module's token is in", labels=("module", "state")
    )
    sessions = GaugeMetricFamily("kyso_token_sessions", "Open sessions with a module's token", labels=("module",))
    uses = GaugeMetricFamily(
        "kyso_keeper_uses", "Uses of a key in all its life, as its keeper's log counts them", labels=("module", "key")
    )
    for name, token in services.keys.tokens.items():
        try:
            status = token.status()
        except HsmError:
            state.add_metric((name, "unavailable"), 1)
            continue
        state.add_metric((name, status.state), 1)
        sessions.add_metric((name,), status.sessions)
        for count in status.uses:
            uses.add_metric((name, count.key), count.total)
    yield from (state, sessions, uses)


def _certificates(services: Services) -> Iterator[Metric]:
    left = GaugeMetricFamily(
        "kyso_certificate_days_left", "Days until a certificate ends", labels=("purpose", "subject")
    )
    now = datetime.now(UTC)
    for key in services.keys.all():
        if key.certificate is not None:
            end = x509.load_der_x509_certificate(key.certificate).not_valid_after_utc
            left.add_metric(("key", key.ref), (end - now).total_seconds() / _DAY)
    if services.settings.tls_files is not None:
        for one in x509.load_pem_x509_certificates(services.settings.tls_files[0].read_bytes())[:1]:
            left.add_metric(("tls", "server"), (one.not_valid_after_utc - now).total_seconds() / _DAY)
    for number, anchor in enumerate(services.trust.current().anchors, start=1):
        end = x509.load_der_x509_certificate(anchor).not_valid_after_utc
        left.add_metric(("anchor", str(number)), (end - now).total_seconds() / _DAY)
    yield left


def _jobs(services: Services) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "kyso_jobs", "Jobs by kind and state; done ones are kept for a while", labels=("kind", "state")
    )
    late = GaugeMetricFamily(
        "kyso_jobs_late_seconds", "Seconds for which the oldest open job has been due", labels=("kind",)
    )
    for kind, state, count, due in services.database.read(lambda connection: connection.execute(_JOBS).all()):
        jobs.add_metric((kind, state), count)
        if state == "open":
            late.add_metric((kind,), max(time.time() - due, 0.0))
    yield from (jobs, late)


def _ledger(services: Services) -> Iterator[Metric]:
    yield GaugeMetricFamily("kyso_ledger_size", "Lines of the ledger", value=services.ledger.state().size)


def _checkpoint(services: Services) -> Iterator[Metric]:
    if services.settings.checkpoints is None:
        return
    kept = Kept(services.settings.checkpoint_folder)
    newest = kept.newest()
    if newest is not None:
        behind = services.ledger.state().size - newest.unverified.size
        yield GaugeMetricFamily("kyso_checkpoint_lines_behind", "Lines that no checkpoint covers", value=behind)
        age = time.time() - kept.file.stat().st_mtime
        yield GaugeMetricFamily("kyso_checkpoint_age_seconds", "Seconds since the newest checkpoint", value=age)


def _disk(services: Services) -> Iterator[Metric]:
    free = GaugeMetricFamily("kyso_disk_free_bytes", "Free bytes where this lies", labels=("place",))
    inodes = GaugeMetricFamily("kyso_disk_free_inodes", "Free inodes where this lies", labels=("place",))
    for one in machine.spaces(services):
        free.add_metric((one.place,), one.bytes)
        if one.inodes >= 0:
            inodes.add_metric((one.place,), one.inodes)
    yield from (free, inodes)


def _alarms(services: Services) -> Iterator[Metric]:
    standing = GaugeMetricFamily("kyso_alarms", "Alarms that stand, by code and severity", labels=("code", "severity"))
    for (code, severity), count in Counter((one.code, one.severity) for one in alarms.current(services)).items():
        standing.add_metric((code, severity), count)
    yield standing
