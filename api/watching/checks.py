"""What is looked at: each check is a function of the services that yields findings; none of them changes anything.

A check that cannot look (a keeper is away, the database is gone) says so as a finding of its own, because what cannot be
seen is no reason to be quiet. Thresholds are those of `[alarms]`. Clock and disk are in `machine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from cryptography import x509

from api.errors import ApiError
from api.ledger.kept import Kept
from api.ledger.note import state_of
from api.production import Look, TokenFacts, reasons
from api.services import Services
from api.store import callers
from api.store.tables import job
from api.watching import notes
from api.watching.alarm import Finding, Severity
from api.workflows import checkpoints, reconciling
from hsm.errors import HsmError

Check = Callable[[Services], Iterator[Finding]]
CRITICAL_PART = 10
"""A tenth of a threshold is critical."""


def findings(services: Services, checks: tuple[Check, ...]) -> Iterator[Finding]:
    """Everything that these checks find."""
    for check in checks:
        try:
            yield from check(services)
        except (ApiError, HsmError, OSError, ValueError) as error:
            code = getattr(error, "code", type(error).__name__)
            if code in ("database-unavailable", "ledger-unavailable"):
                yield Finding("database-away", severity="critical", facts={"reason": code})
            else:
                yield Finding("not-checked", check.__name__, facts={"reason": code})


# --- certificates -----------------------------------------------------------------------------------------------------


def certificates(services: Services) -> Iterator[Finding]:
    """Those of keys and what stands above them, of the server, and the anchors."""
    for key in services.keys.all():
        if key.certificate is not None:
            yield from _ending(services, key.certificate, "certificate", key.ref)
        for number, above in enumerate(key.chain, start=1):
            yield from _ending(services, above, "ca", f"{key.ref} +{number}")
    if services.settings.tls_files is not None:
        server = services.settings.tls_files[0]
        for one in x509.load_pem_x509_certificates(server.read_bytes())[:1]:
            yield from _until(services, one.not_valid_after_utc, "tls", server.name)


def _ending(services: Services, der: bytes, kind: str, subject: str) -> Iterator[Finding]:
    try:
        end = x509.load_der_x509_certificate(der).not_valid_after_utc
    except ValueError:
        return
    yield from _until(services, end, kind, subject)


def _until(services: Services, end: datetime, kind: str, subject: str) -> Iterator[Finding]:
    days = services.settings.alarms.certificate_days
    left = (end - services.clock()) / timedelta(days=1)
    facts: dict[str, str | int] = {"days": int(left), "until": end.date().isoformat()}
    if left <= 0:
        yield Finding(f"{kind}-expired", subject, "critical", facts)
    elif left <= days:
        yield Finding(f"{kind}-expiring", subject, _severity(left, days), facts)


def _severity(value: float, threshold: float) -> Severity:
    return "critical" if value <= threshold / CRITICAL_PART else "warning"


def trust(services: Services) -> Iterator[Finding]:
    """Anchors, signed bundles and revocation lists."""
    try:
        present = services.trust.current()
    except ApiError as error:
        yield Finding("trust-unusable", severity="critical", facts={"reason": error.code})
        return
    if not present.anchors:
        yield Finding("trust-empty", severity="critical")
    now = services.clock()
    for bundle in present.bundles:
        if bundle.expires < now:
            yield Finding(
                "trust-bundle-overdue", str(bundle.number), facts={"until": bundle.expires.date().isoformat()}
            )
    for anchor in present.anchors:
        name = present.anchor(anchor).name or present.anchor(anchor).sha256[:16]
        if (retired := present.anchor(anchor).until) is None or retired > now:
            yield from _ending(services, anchor, "anchor", name)
    overdue = timedelta(hours=services.settings.alarms.crl_hours)
    for one in present.crls:
        read = x509.load_der_x509_crl(one)
        if read.next_update_utc is not None and read.next_update_utc + overdue < now:
            facts = {"until": read.next_update_utc.date().isoformat()}
            yield Finding("crl-overdue", read.issuer.rfc4514_string()[:100], facts=facts)


# --- tokens and timestamps --------------------------------------------------------------------------------------------


def tokens(services: Services) -> Iterator[Finding]:
    for name, token in services.keys.tokens.items():
        try:
            status = token.status()
        except HsmError as error:
            yield Finding("token-away", name, "critical", {"module": name, "reason": error.code})
            continue
        facts = {"module": name, "reason": status.reason or status.state}
        if status.state == "locked":
            yield Finding("token-locked", name, "critical", facts)
        elif status.state != "operational":
            yield Finding("token-away", name, "critical", facts)


def canaries(services: Services) -> Iterator[Finding]:
    """Keys whose trial signature did not verify; they are refused until it does."""
    for ref, code in services.canaries.failed().items():
        yield Finding("key-canary-failed", ref, "critical", {"reason": code})


def production(services: Services) -> Iterator[Finding]:
    """What a start would refuse, and could not see then: a token that was away, one that was changed for another."""
    if not services.settings.production:
        return
    seen: dict[str, TokenFacts] = {}
    for name, token in services.keys.tokens.items():
        with suppress(HsmError):
            status = token.status()
            manufacturer, model = (str(getattr(status, part, "")) for part in ("manufacturer", "model"))
            seen[name] = TokenFacts(manufacturer, model, token.keys())
    look = Look(settings=services.settings, tokens=seen, anchors=services.trust.current().anchors)
    for reason in reasons(look):
        yield Finding("production-violated", reason.setting, "critical", {"reason": reason.code})


def authorities(services: Services) -> Iterator[Finding]:
    """Timestamp authorities that failed the last few times."""
    for one in services.watch.outcomes.failing():
        if one.failures >= services.settings.alarms.timestamp_failures:
            facts: dict[str, str | int] = {"failures": one.failures, "reason": one.code}
            yield Finding("timestamps-failing", one.url[:200], "critical", facts)


# --- work -------------------------------------------------------------------------------------------------------------

_OPEN = sa.select(sa.func.count(), sa.func.min(job.c.due)).where(job.c.state == "open")
_FAILED = sa.select(sa.func.count()).where(job.c.state == "failed")


def queue(services: Services) -> Iterator[Finding]:
    chosen = services.settings.alarms
    waiting, oldest = services.database.read(lambda connection: connection.execute(_OPEN).one())
    if waiting >= chosen.queue_length:
        yield Finding("queue-long", facts={"jobs": waiting})
    if oldest is not None and time.time() - oldest > chosen.queue_age:
        yield Finding("queue-old", facts={"minutes": int((time.time() - oldest) / 60)})
    if failed := services.database.read(lambda connection: connection.execute(_FAILED).scalar_one()):
        yield Finding("jobs-failed", facts={"jobs": failed})


# --- records ----------------------------------------------------------------------------------------------------------


def ledger(services: Services) -> Iterator[Finding]:
    """What reconciliation and checkpoints found, and whether the newest line lies in the future."""
    if found := reconciling.alarms(services):
        yield Finding("ledger-contradiction", severity="critical", facts={"alarms": found})
    for one in notes.ledger_alarms(services.settings):
        yield Finding("ledger-broken", one.code, "critical", {"line": one.line})
    state = services.ledger.state()
    now = services.clock()
    for line in services.ledger.read(since=max(state.size - 1, 0), limit=1):
        ahead = (line.at - now).total_seconds()
        if ahead > services.settings.alarms.clock_jump:
            yield Finding("clock-behind", severity="critical", facts={"seconds": int(ahead)})
    wanted = services.settings.checkpoints
    if wanted is None:
        return
    newest = Kept(services.settings.checkpoint_folder).newest()
    if newest is not None and newest.unverified.origin == wanted.origin:
        checkpoints.require_length(services, state_of(newest.unverified))
    covered = 0 if newest is None else newest.unverified.size
    if services.ledger.others_since(covered, key=wanted.key):
        page = services.ledger.read(since=covered, limit=1)
        age = (now - page[0].at).total_seconds() if page else 0.0
        if age > services.settings.alarms.checkpoint_age:
            yield Finding("checkpoint-overdue", facts={"minutes": int(age / 60), "lines": state.size - covered})


def api_keys(services: Services) -> Iterator[Finding]:
    now = time.time()
    before = now + services.settings.alarms.api_key_days * 86_400
    for entry in services.database.read(callers.expiring, before=before):
        assert entry.expires_at is not None
        facts = {"until": datetime.fromtimestamp(entry.expires_at, UTC).date().isoformat()}
        code = "api-key-expired" if entry.over(now) else "api-key-expiring"
        yield Finding(code, entry.caller.id, facts=facts)


def backup(services: Services) -> Iterator[Finding]:
    hours = services.settings.alarms.backup_hours
    if not hours:
        return
    last = notes.last_backup(services)
    if last is None:
        yield Finding("backup-missing", severity="critical")
    elif (age := (time.time() - last) / 3600) > hours:
        yield Finding("backup-old", severity="critical", facts={"hours": int(age)})


ALL: tuple[Check, ...] = (
    certificates,
    trust,
    tokens,
    canaries,
    production,
    authorities,
    queue,
    ledger,
    api_keys,
    backup,
)
