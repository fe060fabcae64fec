"""Settings become services: the one place that knows which parts an appliance is made of.

No HTTP here, so that the command line, which composes the same, does not load a web framework.

    services = compose(settings.load())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from api.auth import Gate
from api.changes.disabled import DisabledKeys
from api.directory import Directory
from api.fetch import FetchRules, HttpFetcher
from api.fetch.outward import outward
from api.fetch.rules import parse
from api.identity.ways import ways
from api.jobs import Jobs
from api.ledger import Ledger
from api.policies import Policies
from api.rights import Rights, Scopes
from api.sandbox.pool import Sandbox, SandboxLimits
from api.services import Services
from api.sessions.tokens import SessionTokens
from api.settings import Settings
from api.store.blobs import Blobs
from api.store.database import open_database
from api.store.encryption import keys as storage_keys
from api.store.encryption.blobs import EncryptedBlobs
from api.store.work import of as workplace_of
from api.telemetry import Metrics
from api.trust import TrustFolder
from api.watching.alarms import Watch
from api.watching.observing import ObservedDocuments, ObservedFetcher, ObservedToken
from api.workflows import persons
from api.workflows.canaries import Canaries
from api.workflows.certificates import CertificateGate
from api.workflows.documents import CertificateVerdict, Documents
from api.workflows.holds import Holds
from api.workflows.keys import Keys, TokenLike
from api.workflows.keyuse import KeyUser
from api.workflows.patience import BoundedWaiting
from api.workflows.refusals import RefusalLog
from api.workflows.timestamping import TimestampService
from hsm.errors import KeeperNotAvailable
from hsm.keys import KeyInfo
from hsm.token import Token
from verify.fetcher import Fetcher

INTERNAL_CLIENT = "kyso"
"""Whose workers judge the certificates of our own keys."""


def compose(
    settings: Settings,
    *,
    permit_secret: bytes | None = None,
    tokens: Mapping[str, TokenLike] | None = None,
    fetcher: Fetcher | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Services:
    """The services of these settings; makes the folders of KYSO_HOME and migrates the database.

    `permit_secret` is given by whoever started a keeper of its own; else it is read from the file that the supervisor
    wrote, when it is first needed. Raises SettingsUnusable, DatabaseUnavailable, DatabaseVersionUnknown.
    """
    settings.make_folders()
    clock = clock or partial(datetime.now, settings.zone)
    ring = storage_keys.of(settings.storage, home=settings.home)
    work = workplace_of(settings.storage, tmp=settings.tmp)
    database = open_database(settings.database_url)
    ledger = Ledger(database)
    trust = TrustFolder(settings.trust)
    policies = Policies(settings.policies, settings.trust)
    metrics, watch = Metrics(), Watch(settings)
    documents = ObservedDocuments(Documents(Sandbox(settings.workers_socket, limits=_limits(settings))), metrics)
    way = outward(settings)
    outside = ObservedFetcher(fetcher or HttpFetcher(_rules(settings), outward=way), metrics, watch.outcomes)
    given = {name: Token(settings.keeper_socket(name)) for name in settings.modules} if tokens is None else tokens
    canaries, disabled = Canaries(settings), DisabledKeys(database)
    keys = Keys(
        {name: ObservedToken(token, metrics, module=name) for name, token in given.items()},
        twins={ref: key.twin for ref, key in settings.keys.items() if key.twin is not None},
        require=(disabled.require, canaries.require),
    )

    def judge(key: KeyInfo) -> CertificateVerdict:
        with documents.open(INTERNAL_CLIENT) as worker:
            return worker.judge_certificate(
                key.certificate or b"",
                chain=key.chain,
                trust=trust.current(),
                policy=policies.shipped(settings.verification.policy),
                at=clock(),
                fetcher=outside,
                purpose="signing",
            )

    directory = Directory(database, clock=clock)
    entrance = ways(settings, database, ledger, outward=way)
    return Services(
        settings=settings,
        database=database,
        ledger=ledger,
        blobs=Blobs(settings.blobs) if ring is None else EncryptedBlobs(settings.blobs, keys=ring, work=work),
        work=work,
        storage_keys=ring,
        jobs=Jobs(database),
        fetcher=BoundedWaiting(outside, waiting=max(1, settings.server.threads // 2)),
        submit=HttpFetcher(_witnesses(settings), outward=way).submit,
        post=HttpFetcher(_own(settings), outward=way).post,
        call_back=HttpFetcher(_callbacks(settings), outward=way).post,
        documents=documents,
        keys=keys,
        key_user=KeyUser(
            ledger, keys, _secret(settings.permit_secret_file, permit_secret, apart=settings.keepers.apart is not None)
        ),
        canaries=canaries,
        holds=Holds(database),
        certificates=CertificateGate(judge, settings=settings.signing, rests_on=trust.generation),
        trust=trust,
        policies=policies,
        timestamps=TimestampService(settings.authority) if settings.authority is not None else None,
        gate=Gate(database, ways=(SessionTokens(database), *entrance.all)),
        entrance=entrance,
        directory=directory,
        rights=Rights(database, clock=clock),
        scopes=Scopes(database, directory, asks_person=partial(persons.is_persons, settings)),
        refusals=RefusalLog(ledger),
        metrics=metrics,
        watch=watch,
        clock=clock,
    )


def _limits(settings: Settings) -> SandboxLimits:
    limits = settings.limits
    return SandboxLimits(workers=limits.workers, uses=limits.documents_per_worker, wall=limits.document_seconds)


def _rules(settings: Settings) -> FetchRules:
    authorities = [url for ref in settings.keys for url in settings.authorities_for(ref)]
    return FetchRules(
        allowed=settings.fetch.allowed,
        private=settings.fetch.private,
        authorities=tuple(dict.fromkeys((*settings.timestamping.authorities, *authorities))),
        max_bytes=settings.fetch.bytes_,
        seconds=settings.fetch.seconds,
        timestamp_seconds=settings.timestamping.timeout,
    )


def _witnesses(settings: Settings) -> FetchRules:
    """The addresses of witnesses and nothing else: documents never reach these, checkpoints nobody else."""
    chosen = settings.checkpoints.witnesses if settings.checkpoints is not None else ()
    return FetchRules(
        private=settings.fetch.private,
        authorities=tuple(url.rstrip("/") + "/add-checkpoint" for url in chosen),
        max_bytes=64 * 1024,
        seconds=settings.fetch.seconds,
    )


def _own(settings: Settings) -> FetchRules:
    """The operator's own addresses, which are often private: who is told of alarms, and who collects traces."""
    urls = tuple(url for url in (settings.alarms.webhook, settings.tracing.endpoint) if url)
    targets = [parse(url) for url in urls]
    return FetchRules(
        private=tuple(f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}" for one in targets),
        authorities=urls,
        max_bytes=64 * 1024,
        seconds=settings.fetch.seconds,
    )


def _callbacks(settings: Settings) -> FetchRules:
    """Where systems are told of outcomes, and nothing else."""
    chosen = settings.sessions
    return FetchRules(
        allowed=chosen.callbacks,
        private=chosen.callbacks_private,
        max_bytes=64 * 1024,
        seconds=settings.fetch.seconds,
    )


def _secret(file: Path, given: bytes | None, *, apart: bool) -> Callable[[], bytes]:
    """The secret of permits. It is made anew with every supervisor, and this process ends with its supervisor; but not
    with that of keepers apart, so that it is read each time there."""
    known = given

    def secret() -> bytes:
        nonlocal known
        if known is not None:
            return known
        try:
            found = file.read_bytes()
        except FileNotFoundError:
            raise KeeperNotAvailable("there is no supervisor") from None
        if not apart:
            known = found
        return found

    return secret
