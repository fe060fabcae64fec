"""What an api process does besides answering: retries, recovery after a crash, tidying up, and watching its own ledger.

Every process does it; who gets which piece is decided in the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from api import jobs, resuming, telemetry
from api.changes import Changes
from api.errors import ApiError, LedgerBroken
from api.services import Services
from api.sessions import callbacks, consenting, ending, working
from api.store import idempotency, sessions, signatures
from api.watching import notes
from api.workflows import (
    backup,
    batches,
    canaries,
    checkpoints,
    extending,
    passwords,
    reconciling,
    recovery,
    redemption,
    retention,
    sweeping,
)
from hsm.errors import HsmError

SCAN_EVERY = 5.0
TIDY_EVERY = 3600.0
SETTLED_IN = 600.0
"""Seconds after a start until the store is looked through for the first time: a start has better things to do."""
LEFT_BEHIND = sweeping.APART
"""Seconds after which a file in `tmp` belongs to nobody: no request takes that long."""


def start(services: Services) -> Callable[[], None]:
    """Begin; the function returned ends it and waits."""
    end_jobs = services.jobs.start({**recovery.handlers(services), **extending.handlers(services)})
    end_batches = services.jobs.start({**batches.handlers(services), **backup.handlers(services)})  # these take long
    end_sessions = services.jobs.start(working.handlers(services))
    end_callbacks = services.jobs.start(callbacks.handlers(services))  # these wait for others
    stop = threading.Event()
    threads = [
        threading.Thread(target=work, args=(services, stop), name=work.__name__, daemon=True)
        for work in (_run, _watch, _sweep)
    ]
    for thread in threads:
        thread.start()
    end_watch = services.watch.begin(services)

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join()
        end_watch()
        end_jobs()
        end_batches()
        end_sessions()
        end_callbacks()

    return end


def _run(services: Services, stop: threading.Event) -> None:
    tidy_at = time.monotonic()
    while not stop.is_set():
        try:
            redemption.expire_all(services)
            ending.expire_all(services)
            resuming.sweep(services, now=time.time())
            consenting.resume_all(services)
            Changes(services).resume()
            while services.database.write(signatures.tidy) == signatures.AT_ONCE:
                pass
            passwords.sweep(services, job_kind=extending.JOB)
            backup.schedule(services)
            services.gate.note_uses()
            found = recovery.scan(services)
            if found:
                telemetry.logger().warning("recovery", open=found)
            if time.monotonic() >= tidy_at:
                tidy_at += TIDY_EVERY
                tidy(services, before=time.time() - LEFT_BEHIND)
        except ApiError as error:
            telemetry.logger().warning("recovery waits", code=error.code)
        except Exception:  # noqa: BLE001 - this thread must outlive whatever is wrong with one record
            telemetry.logger().exception("recovery failed")
        stop.wait(SCAN_EVERY)


def _watch(services: Services, stop: threading.Event) -> None:
    """Checkpoints at the start, at intervals and at the end; comparisons with the keepers' logs of uses."""
    wanted = services.settings.checkpoints
    checkpoint_at = reconcile_at = time.monotonic()
    quiet_until = 0.0  # what failed is tried again after a while, not at once
    while not stop.is_set():
        now = time.monotonic()
        if wanted is not None and now >= quiet_until:
            is_time = now >= checkpoint_at
            due = checkpoints.Due(1 if is_time else wanted.lines)
            is_made = _guarded("checkpoint", checkpoints.make, services, due)
            checkpoint_at = now + wanted.every if is_time or not is_made else checkpoint_at
            quiet_until = now if is_made else checkpoint_at
        if now >= reconcile_at:
            reconcile_at = now + services.settings.audit.reconcile
            _guarded("reconciliation", reconciling.reconcile, services)
        _guarded("canary", canaries.sign_due, services)
        stop.wait(SCAN_EVERY)
    if wanted is not None:
        _guarded("checkpoint", checkpoints.make, services)


def _sweep(services: Services, stop: threading.Event) -> None:
    """Files that no record names, at intervals: reading all records takes a while in a large store."""
    sweeper = sweeping.Sweeper()
    pause = SETTLED_IN
    while not stop.wait(pause):
        _guarded("sweep", lambda services: sweeper.look(services, now=time.monotonic()), services)
        pause = sweeping.APART


def _guarded(what: str, work: Callable[..., object], services: Services, *more: object) -> bool:
    """Whether it worked; this thread must outlive whatever is wrong."""
    try:
        work(services, *more)
    except LedgerBroken as error:
        with suppress(OSError):
            notes.record_ledger_alarm(services.settings, error, at=time.time())
        services.metrics.ledger_alarms.labels(error.code).inc()
        telemetry.logger().error("ledger alarm", code=error.code, line=error.facts.get("line", 0), detail=str(error))
    except (ApiError, HsmError, OSError) as error:
        telemetry.logger().warning(f"{what} waits", code=getattr(error, "code", ""), reason=str(error))
    except Exception:  # noqa: BLE001 - as it says
        telemetry.logger().exception(f"{what} failed")
    else:
        return True
    return False


def tidy(services: Services, *, before: float) -> None:
    """Remove what nobody needs: files of dead processes older than `before` (Unix time), and what `[retention]` lets go
    of."""
    for file in services.settings.tmp.iterdir():
        if _is_left(file, before):
            file.unlink(missing_ok=True)
    services.blobs.sweep(before=before)
    kept = services.settings.retention
    services.database.write(idempotency.purge, kept=kept.idempotency * retention.DAY)
    services.database.write(jobs.purge, kept=kept.jobs * retention.DAY)
    services.database.write(sessions.tidy, now=time.time())
    retention.purge(services)
    ending.forget(services)


def _is_left(file: Path, before: float) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < before
    except FileNotFoundError:
        return False
