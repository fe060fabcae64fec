"""Evidence to carry away, and judging by it: what `…/evidence`, `kyso verify --evidence` and `kyso verify evidence.zip` do.

Making: 1. the judgement, by whoever calls, with a `Recorder` as its fetcher; 2. the same worker draws the pages and says
where the signatures lie; 3. all of it is written down.

Judging: the document of a ZIP, by the trust, policy and time of the ZIP where the caller names no others. The report says
which of them came from the ZIP, and whether it comes to something else than the one inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, BinaryIO

from api.evidence.collecting import collect
from api.evidence.ledger import LedgerPart, ProvenLedger
from api.evidence.manifest import CHECKPOINT
from api.evidence.reading import Opened
from api.ledger.note import NoteRefused, VerifierKey
from api.refusals import EvidenceUnusable
from api.sandbox.calls import Dissect
from api.sandbox.errors import SandboxError
from api.workflows import reporting
from api.workflows.documents import Contents, DocumentWorker
from verify import policy as policies
from verify.dissected import Dissected
from verify.errors import PolicyUnusable
from verify.fetcher import Fetcher, FetchRequest
from verify.policy import Policy
from verify.report import Report, Warning_
from verify.trust import Trust

if TYPE_CHECKING:
    from api.evidence.activating import ActivationPart
    from api.evidence.standing import StandingPart  # it loads the database, which judging a file needs not


@dataclass(frozen=True)
class Made:
    """A judgement that is to be carried away: its report, by which trust, and what was fetched for it."""

    report: Report
    trust: Trust
    fetched: Mapping[FetchRequest, bytes]
    ledger: LedgerPart | None = None
    detached: Contents = field(default_factory=dict)
    standing: tuple[StandingPart, ...] = ()
    """By which post and delegation somebody signed."""
    activations: tuple[ActivationPart, ...] = ()
    """What a person agreed to, whose key it is."""


def write(
    out: BinaryIO,
    worker: DocumentWorker,
    source: BinaryIO,
    made: Made,
    *,
    zone: tzinfo,
    password: str | None = None,
) -> None:
    """Steps 2 and 3. Raises EvidenceTooLarge."""
    from api.evidence import writing  # noqa: PLC0415 - the command line starts faster without templates and XML

    collected = collect(made.report, trust=made.trust, fetched=made.fetched)
    held = {
        kind: tuple(collected.data[one.id] for one in collected.objects if one.kind == kind) for kind in ("ocsp", "crl")
    }
    order = Dissect(writing.pairs(collected, made.report), held["ocsp"], held["crl"], password)
    try:
        dissected = worker.dissect(source, order=order)
        portrait = reporting.portrait(worker, source, made.report, password=password)
    except SandboxError:  # the page then says less; what the judgement rested on is there all the same
        dissected, portrait = Dissected(), None
    told = writing.Told(
        made.report,
        collected,
        dissected,
        zone,
        portrait,
        made.ledger,
        made.detached,
        made.standing,
        made.activations,
    )
    writing.write(out, source, told=told)


@dataclass(frozen=True)
class Terms:
    """By what a ZIP is judged: None is what the ZIP says itself. `fetcher` reaches out where that is wanted."""

    trust: Trust | None = None
    policy: Policy | None = None
    at: datetime | None = None
    fetcher: Fetcher | None = None
    ledger_keys: tuple[VerifierKey, ...] = ()
    """Whose checkpoints of a ledger are believed."""


def policy_of(opened: Opened) -> Policy:
    """The policy in a ZIP; raises EvidenceUnusable."""
    try:
        return policies.parse(opened.policy)
    except PolicyUnusable as error:
        raise EvidenceUnusable(f"policy.toml: {error}", reason="policy", file="policy.toml") from error


def judge(worker: DocumentWorker, opened: Opened, *, terms: Terms, password: str | None = None) -> Report:
    """The report on the document of a ZIP. Raises EvidenceUnusable, and what judging a document raises."""
    said = opened.manifest
    report = worker.verify(
        opened.document,
        name=said.document.name,
        trust=opened.trust if terms.trust is None else _with(terms.trust, opened.helpers),
        policy=(terms.policy or policy_of(opened)).shipped,
        at=terms.at or said.validated_at,
        fetcher=terms.fetcher or opened.fetcher,
        password=password,
        detached=opened.detached,
    )
    notes = []
    if terms.trust is None:
        notes.append(Warning_("TRUST_FROM_EVIDENCE", {"anchors": len(said.trust.anchors)}))
    if terms.policy is None:
        notes.append(Warning_("POLICY_FROM_EVIDENCE", {"policy": report.policy}))
    if terms.at is None:
        notes.append(Warning_("TIME_FROM_EVIDENCE", {"at": said.validated_at.isoformat()}))
    if opened.ledger is not None:
        notes += _of_ledger(opened.ledger, document=said.document.sha256, keys=terms.ledger_keys)
    if report.verdict != said.verdict:
        notes.append(Warning_("EVIDENCE_VERDICT_DIFFERS", {"then": said.verdict, "now": report.verdict}))
    return replace(report, warnings=(*report.warnings, *notes))


def _of_ledger(ledger: ProvenLedger, *, document: str, keys: tuple[VerifierKey, ...]) -> list[Warning_]:
    """What its lines do not prove. Raises EvidenceUnusable when none of the keys signed the checkpoint."""
    notes = []
    if not ledger.is_about(document):
        notes.append(Warning_("LEDGER_OF_ANOTHER_DOCUMENT", {"lines": len(ledger.lines)}))
    if ledger.checkpoint is None:
        notes.append(Warning_("LEDGER_WITHOUT_CHECKPOINT", {"size": ledger.size}))
        return notes
    note, key = ledger.checkpoint
    if keys:
        try:
            note.verified(keys)
        except NoteRefused as error:
            raise EvidenceUnusable(f"{CHECKPOINT}: {error}", reason="ledger", file=CHECKPOINT) from error
    else:
        notes.append(Warning_("LEDGER_KEY_FROM_EVIDENCE", {"size": ledger.size, "key": key.text}))
    return notes


def _with(trust: Trust, helpers: Trust) -> Trust:
    """Somebody's own trust, with what helps to reach it; whom the ZIP distrusts is distrusted as well."""
    return replace(
        trust,
        intermediates=tuple(dict.fromkeys((*trust.intermediates, *helpers.intermediates))),
        crls=tuple(dict.fromkeys((*trust.crls, *helpers.crls))),
        ocsps=tuple(dict.fromkeys((*trust.ocsps, *helpers.ocsps))),
        distrusted=tuple(dict.fromkeys((*trust.distrusted, *helpers.distrusted))),
    )
