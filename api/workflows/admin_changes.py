"""Changes as the administrator's page shows them, and what its forms propose, made into payloads of `api.changes.kinds`.

card(services, caller, "chg_1").needs_another
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from api.changes import Change, Changes
from api.changes.deciding import Trial
from api.changes.showing import Part, as_proposed, parts
from api.errors import ApiError, RequestInvalid
from api.services import Services
from api.store.callers import Caller
from verify.report import Report

DECIDED = 50
"""Decided changes that are listed."""
TRIED = ("trust", "policy")
"""Subjects that a verdict depends on."""


@dataclass(frozen=True)
class Card:
    """A change with all that somebody who decides has to know. `impossible` says why it cannot be done now."""

    change: Change
    parts: tuple[Part, ...]
    needs_two: bool
    needs_another: bool
    impossible: str

    @property
    def can_be_tried(self) -> bool:
        return self.change.subject in TRIED and not self.impossible


@dataclass(frozen=True)
class TrialRow:
    """Indication and sub-indication, before and after."""

    before: tuple[str, str]
    after: tuple[str, str]
    signer: str = ""


@dataclass(frozen=True)
class Tried:
    name: str
    rows: tuple[TrialRow, ...]

    @property
    def differs(self) -> bool:
        return any(row.before != row.after for row in self.rows)


def listed(services: Services, caller: Caller) -> dict[str, Any]:
    """Those that wait, whole; and the newest decided ones."""
    found = Changes(services).listed()
    waiting = tuple(card_of(services, caller, one) for one in found if one.state == "proposed")
    return {"waiting": waiting, "decided": tuple(one for one in found if one.state != "proposed")[:DECIDED]}


def card(services: Services, caller: Caller, identity: str) -> Card:
    """Raises NotFound."""
    return card_of(services, caller, Changes(services).get(identity))


def card_of(services: Services, caller: Caller, change: Change) -> Card:
    changes = Changes(services)
    found: tuple[Part, ...] = ()
    impossible = ""
    try:
        is_over = change.state == "rejected"
        found = as_proposed(change.kind, change.payload) if is_over else parts(changes.effect(change))
    except ApiError as error:
        impossible = str(error)
    return Card(change, found, changes.needs_two(change), changes.needs_another(caller, change), impossible)


def tried(trial: Trial, *, name: str) -> Tried:
    """The verdict of the whole, then each signature."""
    rows = [TrialRow((trial.before.verdict, ""), (trial.after.verdict, ""))]
    before, after = _signatures(trial.before), _signatures(trial.after)
    for one in dict.fromkeys((*before, *after)):
        gone = ("–", "", "")
        was, now = before.get(one, gone), after.get(one, gone)
        rows.append(TrialRow(was[:2], now[:2], signer=was[2] or now[2]))
    return Tried(name, tuple(rows))


def payload(services: Services, form: Mapping[str, str], *, certificate: bytes = b"") -> dict[str, Any]:
    """What the form of a kind says. Raises RequestInvalid with the field that is wrong."""
    zone, given = services.settings.zone, {name: value.strip() for name, value in form.items()}
    kind = given.get("kind", "")

    def day(name: str, at: time) -> str | None:
        if not given.get(name):
            return None
        try:
            return datetime.combine(date.fromisoformat(given[name]), at, zone).isoformat()
        except ValueError:
            raise RequestInvalid("a day", field=name) from None

    told: dict[str, Any] = {"name": given.get("name", "")}
    match kind:
        case "trust-add":
            told |= {
                "certificate": _certificate(given, certificate),
                "sha256": _sha256(given),
                "purposes": [one for one in ("signing", "timestamping") if given.get(one)],
                "since": day("since", time.min),
                "until": day("until", time(23, 59, 59)),
                "title": given.get("title") or None,
            }
        case "trust-retire":
            told["until"] = day("until", time(23, 59, 59))
            if told["until"] is None:
                raise RequestInvalid("a day", field="until")
        case "trust-distrust":
            told = {"sha256": _sha256(given), "why": given.get("why", "")}
        case "policy-set":
            told["text"] = form.get("text", "").replace("\r\n", "\n")
        case "rights-set":
            told["rule"] = _json(form.get("rule", ""))
        case "key-disable" | "key-enable":
            told = {"key": given.get("key", "")}
    return told


def _certificate(given: Mapping[str, str], octets: bytes) -> str:
    """Pasted or, where a file was given, that file: PEM as it is, DER in base64."""
    text = given.get("certificate", "")
    if bool(text) == bool(octets):
        raise RequestInvalid("a certificate, pasted or as a file", field="certificate")
    if not octets:
        return text
    try:
        return octets.decode("ascii") if b"-----BEGIN" in octets else b64encode(octets).decode()
    except UnicodeDecodeError:
        raise RequestInvalid("not a certificate", field="certificate") from None


def _sha256(given: Mapping[str, str]) -> str:
    """As people copy it: with colons, spaces, capitals."""
    return given.get("sha256", "").replace(":", "").replace(" ", "").lower()


def _json(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(str(error)[:200], field="rule") from None
    if not isinstance(found, dict):
        raise RequestInvalid("a JSON object", field="rule")
    return found


def _signatures(report: Report) -> dict[str, tuple[str, str, str]]:
    return {
        one.id: (
            one.indication,
            one.sub_indication or "",
            "" if one.signer is None else one.signer.common_name or one.signer.subject,
        )
        for one in report.signatures
    }
