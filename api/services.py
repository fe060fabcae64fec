"""Everything the use cases stand on, in one frozen value: made by `api.composition`, handed to every workflow.

Not a registry and not global: HTTP routes find it in the application's state, the command line composes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from api.auth import Gate
from api.directory import Directory
from api.identity.ways import Ways
from api.jobs import Jobs
from api.ledger import Ledger
from api.policies import Policies
from api.rights import Rights, Scopes
from api.settings import Settings
from api.store.blobs import Blobs
from api.store.database import Database
from api.store.encryption.keys import KeyRing
from api.store.work import Workplace
from api.telemetry import Metrics
from api.trust import TrustFolder
from api.watching.alarms import Watch
from api.workflows.certificates import CertificateGate
from api.workflows.documents import Documents
from api.workflows.holds import Holds
from api.workflows.keys import Keys
from api.workflows.keyuse import KeyUser
from api.workflows.refusals import RefusalLog
from verify.fetcher import Fetcher

if TYPE_CHECKING:
    from api.workflows.canaries import Canaries
    from api.workflows.timestamping import TimestampService


@dataclass(frozen=True)
class Services:
    """`fetcher` is the one with the rules of `[fetch]`; `submit` the one that reaches witnesses of the
    ledger; `post` the one that reaches the operator's own addresses (alarms, traces); `call_back` the one that reaches hosts of `[sessions] callbacks`; `clock` gives the aware local time; `entrance` has the ways in beside API keys, and where sessions begin; `work` is where plain bytes of documents lie while they are worked on;
    `storage_keys` encrypt what stays, where any are configured;
    `timestamps` is the authority behind `POST /tsa`, where one is configured."""

    settings: Settings
    database: Database
    ledger: Ledger
    blobs: Blobs
    work: Workplace
    storage_keys: KeyRing | None
    jobs: Jobs
    fetcher: Fetcher
    submit: Callable[[str, bytes], bytes]
    post: Callable[[str, bytes, Sequence[tuple[str, str]]], bytes]
    call_back: Callable[[str, bytes, Sequence[tuple[str, str]]], bytes]
    documents: Documents
    keys: Keys
    key_user: KeyUser
    canaries: Canaries
    holds: Holds
    certificates: CertificateGate
    trust: TrustFolder
    policies: Policies
    timestamps: TimestampService | None
    gate: Gate
    entrance: Ways
    directory: Directory
    rights: Rights
    scopes: Scopes
    refusals: RefusalLog
    metrics: Metrics
    watch: Watch
    clock: Callable[[], datetime]
