"""Deciding on changes: who proposes, who approves, what is done then, and what takes it back.

1. A proposal is checked as if it were done, so that nobody is asked to approve what cannot be. PROPOSED.
2. Where its subject needs two (`[changes] two_administrators`), another administrator than the proposer approves: another
   caller, and another person where both are known. Else it is done at once, unless it is to be held for a trial.
3. It is worked out anew, as things stand now, and that is stored: `applying`. APPROVED. One change of a subject at a time,
   and only as long as things stand as it was worked out for: else the later of two would take back the other unseen.
4. It is done, and `applied`, in one transaction. APPLIED. What a crash left between 3 and 4 is finished by `resume`.
5. Undoing is a change of its own, proposed and decided in the same way; what was changed again since is refused.

Capitals are what the ledger's CHANGED line says.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

import sqlalchemy as sa

from api import auth
from api.changes import kinds, store
from api.changes.errors import ChangeDecided, ChangeNeedsAnother, ChangeNotAsProposed, ChangeUnderWay
from api.changes.kinds import Effect
from api.changes.store import Change
from api.services import Services
from api.store.callers import Caller
from api.store.tables import ledger as ledger_table
from verify.fetcher import Offline
from verify.report import Report

CUT_OFF = 30.0
"""Seconds after which a change that was begun and not finished was cut off."""


@dataclass(frozen=True)
class Trial:
    """A sample judged as things are and as they would be."""

    before: Report
    after: Report


@dataclass(frozen=True)
class Changes:
    """The decisions of one appliance."""

    services: Services

    def propose(self, caller: Caller, kind: str, payload: object, *, reason: str, hold: bool = False) -> Change:
        """1 and 2. `hold` leaves it to be tried and approved, even where one administrator is enough.

        Raises NotPermitted, RequestInvalid, ChangeNotAsProposed, ChangeUnderWay."""
        auth.require(caller, "administer")
        return self.submit(caller, kind, payload, reason=reason, hold=hold)

    def submit(self, caller: Caller, kind: str, payload: object, *, reason: str, hold: bool = False) -> Change:
        """The same for use cases that have seen to it that this caller may ask for it."""
        found, checked = kinds.parse(kind, payload)
        found.effect(self.services, checked)
        change = store.new(
            kind, subject=found.subject, payload=checked.model_dump_json(exclude_none=True), reason=reason, by=caller.id
        )
        self._insert(change, person=caller.person)
        return change if hold or self.needs_two(change) else self._apply(change, by=caller.id)

    def undo(self, caller: Caller, identity: str, *, reason: str, hold: bool = False) -> Change:
        """5. The change that takes it back. Raises NotPermitted, NotFound, ChangeDecided, ChangeSuperseded."""
        auth.require(caller, "administer")
        undone = self.get(identity)
        if undone.state != "applied" or undone.effect is None:
            raise ChangeDecided(change=identity, state=undone.state)
        kinds.reversed_(self.services, json.loads(undone.effect))
        change = store.new(
            undone.kind, subject=undone.subject, payload=undone.payload, reason=reason, by=caller.id, undoes=undone.id
        )
        self._insert(change, person=caller.person)
        return change if hold or self.needs_two(change) else self._apply(change, by=caller.id)

    def approve(self, caller: Caller, identity: str, *, sha256: str) -> Change:
        """3 and 4. `sha256` is what the approver was shown. Raises NotPermitted, NotFound, ChangeNeedsAnother,
        ChangeDecided, ChangeNotAsProposed, ChangeSuperseded, ChangeUnderWay."""
        auth.require(caller, "approve-change")
        change = self.get(identity)
        if sha256 != change.sha256:
            raise ChangeNotAsProposed("this is not what was proposed", change=identity, found=change.sha256)
        if change.state != "proposed":
            raise ChangeDecided(change=identity, state=change.state)
        if self.needs_another(caller, change):
            raise ChangeNeedsAnother(change=identity)
        within = kinds.KINDS[change.kind].within
        if within is not None and change.proposed_at < time.time() - within:
            raise ChangeNotAsProposed("it was proposed too long ago", change=identity)
        return self._apply(change, by=caller.id)

    def reject(self, caller: Caller, identity: str) -> Change:
        """Also by whoever proposed it. Raises NotPermitted, NotFound, ChangeDecided."""
        auth.require(caller, "approve-change")
        change = self.get(identity)

        def work(connection: sa.Connection, _: int) -> None:
            store.move(connection, change.id, before="proposed", after="rejected", by=caller.id)

        self.services.ledger.append("CHANGED", _facts(change, "change-rejected", by=caller.id), also=work)
        return self.get(identity)

    def try_(self, caller: Caller, identity: str, sample: BinaryIO, *, name: str) -> Trial:
        """A sample judged by trust and policy as they are and as the change would leave them. Raises what judging raises,
        ChangeNotAsProposed."""
        auth.require(caller, "administer")
        effect = self._effect(self.get(identity))
        services = self.services
        policy = services.settings.verification.policy
        if effect.get("folder") == "policies":
            policy = next(iter(effect["after"])).removesuffix(".toml")
        trust, shipped = kinds.tried(services, effect)
        is_new = policy not in services.policies.names()
        now = services.settings.verification.policy if is_new else policy
        with services.documents.open(caller.id) as worker:

            def judged(by: Any, text: str) -> Report:
                sample.seek(0)
                return worker.verify(
                    sample, name=name, trust=by, policy=text, at=services.clock(), fetcher=Offline(), password=None
                )

            return Trial(
                judged(services.trust.current(), services.policies.shipped(now)), judged(trust, shipped(policy))
            )

    def get(self, identity: str) -> Change:
        """Raises NotFound."""
        return self.services.database.read(store.get, identity)

    def listed(self, *, state: str | None = None) -> tuple[Change, ...]:
        return self.services.database.read(store.listed, state=state)

    def needs_two(self, change: Change) -> bool:
        return change.subject in self.services.settings.changes.two_administrators

    def needs_another(self, caller: Caller, change: Change) -> bool:
        """Whether somebody else than this caller has to approve it."""
        return self.needs_two(change) and self._is_same(caller, change)

    def effect(self, change: Change) -> Effect:
        """What it did; of one that is not decided, what it would do as things stand now. Raises ChangeDecided,
        ChangeNotAsProposed, ChangeSuperseded."""
        return json.loads(change.effect) if change.effect is not None else self._effect(change)

    def resume(self) -> int:
        """Finish what was cut off; how many. What another process is just doing is left to it."""
        left = [one for one in self.listed(state="applying") if (one.decided_at or 0.0) < time.time() - CUT_OFF]
        for change in left:
            self._finish(change)
        return len(left)

    def _insert(self, change: Change, *, person: str | None) -> None:
        self.services.ledger.append(
            "CHANGED",
            _facts(change, "change-proposed", by=change.proposed_by) | ({"person": person} if person else {}),
            also=lambda connection, _: store.insert(connection, change),
        )

    def _effect(self, change: Change) -> Effect:
        if change.undoes is None:
            found, payload = kinds.parse(change.kind, change.payload)
            return found.effect(self.services, payload)
        undone = self.get(change.undoes)
        if undone.state != "applied" or undone.effect is None:
            raise ChangeDecided(change=undone.id, state=undone.state)
        return kinds.reversed_(self.services, json.loads(undone.effect))

    def _apply(self, change: Change, *, by: str) -> Change:
        effect = self._effect(change)

        def work(connection: sa.Connection, _: int) -> None:
            other = store.under_way(connection, change.subject)
            if other not in (None, change.id):
                raise ChangeUnderWay(change=other)
            store.move(connection, change.id, before="proposed", after="applying", by=by, effect=json.dumps(effect))
            if not kinds.stands(connection, self.services, effect, "before"):
                raise ChangeNotAsProposed("something was changed a moment ago", change=change.id)

        self.services.ledger.append("CHANGED", _facts(change, "change-approved", by=by), also=work)
        return self._finish(self.get(change.id))

    def _finish(self, change: Change) -> Change:
        assert change.effect is not None
        assert change.decided_by is not None
        by = change.decided_by

        effect = json.loads(change.effect)

        def work(connection: sa.Connection, _: int) -> None:
            store.move(connection, change.id, before="applying", after="applied")
            if change.undoes is not None:
                store.move(connection, change.undoes, before="applied", after="undone")
            kinds.store(connection, self.services, effect, by=by)
            # Within the transaction: whoever comes second to finish it finds it finished, and writes no file.
            kinds.write(self.services, effect)

        try:
            self.services.ledger.append("CHANGED", _facts(change, "change-applied", by=by), also=work)
        except ChangeNotAsProposed:  # nothing of it was done, and waiting would not change that
            self._give_up(change, by=by)
            raise
        return self.get(change.id)

    def _give_up(self, change: Change, *, by: str) -> None:
        def work(connection: sa.Connection, _: int) -> None:
            store.move(connection, change.id, before="applying", after="rejected")

        self.services.ledger.append("CHANGED", _facts(change, "change-rejected", by=by), also=work)

    def _is_same(self, caller: Caller, change: Change) -> bool:
        return caller.id == change.proposed_by or (
            caller.person is not None and caller.person == self._proposer(change)
        )

    def _proposer(self, change: Change) -> str | None:
        """The person who proposed it, by the ledger: callers are revoked, and those of an issuer stand in no table."""
        about = ledger_table.c.line.contains(change.id)
        (line,) = self.services.ledger.read(kind="CHANGED", caller=change.proposed_by, among=about, limit=1)
        person: str | None = line.facts.get("person")
        return person


def _facts(change: Change, what: str, *, by: str) -> dict[str, Any]:
    told = {"what": what, "change": change.id, "kind": change.kind, "sha256": change.sha256, "caller": by}
    return told | ({"undoes": change.undoes} if change.undoes else {})
