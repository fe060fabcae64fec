"""What an api process does besides answering: retries, recovery after a crash, and tidying up.

Every process does it; who gets which piece is decided in the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from api import jobs, telemetry
from api.errors import ApiError
from api.services import Services
from api.store import idempotency, signatures
from api.workflows import extending, passwords, recovery, redemption

SCAN_EVERY = 5.0
TIDY_EVERY = 3600.0
LEFT_BEHIND = 6 * 3600.0
"""Seconds after which a file in `tmp` belongs to nobody: no request takes that long."""


JOBS_KEPT = 30 * 86_400.0
"""Seconds for which a done job can still be looked at."""


def start(services: Services) -> Callable[[], None]:
    """Begin; the function returned ends it and waits."""
    end_jobs = services.jobs.start({**recovery.handlers(services), **extending.handlers(services)})
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(services, stop), name="recovery", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()
        end_jobs()

    return end


def _run(services: Services, stop: threading.Event) -> None:
    tidy_at = time.monotonic()
    while not stop.is_set():
        try:
            redemption.expire_all(services)
            while services.database.write(signatures.tidy) == signatures.AT_ONCE:
                pass
            passwords.sweep(services, job_kind=extending.JOB)
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


def tidy(services: Services, *, before: float) -> None:
    """Remove what nobody needs: files of dead processes older than `before` (Unix time), old Idempotency-Keys, jobs
    done long ago."""
    for file in services.settings.tmp.iterdir():
        if _is_left(file, before):
            file.unlink(missing_ok=True)
    services.blobs.sweep(before=before)
    services.database.write(idempotency.purge)
    services.database.write(jobs.purge, kept=JOBS_KEPT)


def _is_left(file: Path, before: float) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < before
    except FileNotFoundError:
        return False
