"""How things stand in a room, in one sentence, and what to do next: which words, with which facts.

Words stand in `api/locale/*.admin.toml`; severity is one of the tones of the pages' style (`good`, `unsure`, `bad`).

>>> standing("queue", "c1", {"jobs": ()}).word
'queue_good'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Facts = Mapping[str, Any]
SOON = 60
BACKUP = ("backup-missing", "backup-old")


@dataclass(frozen=True)
class Step:
    """Something to do; `room` is where, if anywhere on the page."""

    word: str
    facts: Facts = field(default_factory=dict)
    room: str = ""


@dataclass(frozen=True)
class Standing:
    tone: Literal["good", "unsure", "bad", "plain"]
    word: str
    facts: Facts = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


def standing(room: str, caller: str, facts: Facts) -> Standing | None:
    """None for a page that is no room."""
    found = _ROOMS.get(room)
    return None if found is None else found(caller, facts)


def _overview(_: str, facts: Facts) -> Standing:
    found = facts["state"]
    alarms = found["alarms"] if isinstance(found["alarms"], list) else []
    critical = sum(one["severity"] == "critical" for one in alarms)
    steps = [Step("alarms")] if alarms else []
    steps += [Step(one["do"], {"about": one["about"]}, _WHERE.get(one["do"], "")) for one in found["next"]]
    if found["failed_jobs"]:
        steps.append(Step("jobs", {"count": found["failed_jobs"]}, "queue"))
    if facts["waiting"]:
        steps.append(Step("approve", {"count": facts["waiting"]}, "changes"))
    if found["backup"] is None:
        steps.append(Step("backup"))
    if found["state"] != "operational":
        return Standing("bad", "overview_locked", {}, tuple(steps))
    if critical:
        return Standing("bad", "overview_critical", {"count": critical}, tuple(steps))
    if alarms:
        return Standing("unsure", "overview_warning", {"count": len(alarms)}, tuple(steps))
    return Standing("good", "overview_good", {}, tuple(steps))


_WHERE = {
    "look": "keys",
    "certificate": "keys",
    "renew": "keys",
    "trust": "trust",
    "unlock": "tokens",
    "token": "tokens",
}


def _keys(_: str, facts: Facts) -> Standing:
    steps, bad, soon = [], 0, 0
    for key in facts["keys"]:
        is_bad = key.is_disabled or key.canary not in ("passed", "none") or (key.days is not None and key.days < 0)
        bad += is_bad
        soon += not is_bad and key.days is not None and key.days <= SOON
        if key.is_disabled:
            steps.append(Step("enable", {"about": key.ref}))
        if key.canary not in ("passed", "none"):
            steps.append(Step("canary", {"about": key.ref}))
        if key.days is not None and key.days <= SOON:
            steps.append(Step("renew", {"about": key.ref}))
    count = {"count": len(facts["keys"]), "bad": bad, "soon": soon}
    if not facts["keys"]:
        return Standing("unsure", "keys_none", {}, (Step("setup"),))
    word, tone = ("keys_bad", "bad") if bad else ("keys_soon", "unsure") if soon else ("keys_good", "good")
    return Standing(tone, word, count, tuple(steps))  # type: ignore[arg-type]  # mypy joins the tones to str


def _tokens(_: str, facts: Facts) -> Standing:
    away = [one for one in facts["tokens"] if one.state != "operational"]
    steps = tuple(Step("unlock" if one.state == "locked" else "token", {"about": one.module}) for one in away)
    if not facts["tokens"]:
        return Standing("unsure", "tokens_none", {}, (Step("setup"),))
    count = {"count": len(facts["tokens"]), "bad": len(away)}
    return Standing("bad", "tokens_bad", count, steps) if away else Standing("good", "tokens_good", count)


def _trust(_: str, facts: Facts) -> Standing:
    anchors = facts["trust"]["anchors"]
    ending = [one for one in anchors if one["days"] <= SOON and one["doubt"] != "anchor-retired"]
    steps = tuple(Step("anchor", {"about": one["name"]}) for one in ending)
    if not anchors:
        return Standing("bad", "trust_none", {}, (Step("trust"),))
    count = {"count": len(anchors), "soon": len(ending)}
    return Standing("unsure", "trust_soon", count, steps) if ending else Standing("good", "trust_good", count)


def _rules(_: str, facts: Facts) -> Standing:
    bad = [one for one in facts["policies"] if not one.is_usable]
    steps = [Step("policy", {"about": one.name, "error": one.error}) for one in bad]
    if not any(one.text.callers == "*" and one.text.keys == "*" for one in facts["rules"]):
        steps.append(Step("rule"))
    count = {"rules": len(facts["rules"]), "policies": len(facts["policies"]), "bad": len(bad)}
    if bad:
        return Standing("bad", "rules_bad", count, tuple(steps))
    return Standing("plain", "rules_good" if facts["rules"] else "rules_none", count, tuple(steps))


def _changes(_: str, facts: Facts) -> Standing:
    waiting = facts["waiting"]
    steps = [Step("approve", {"count": len(waiting)})] if any(not one.needs_another for one in waiting) else []
    if any(one.needs_another for one in waiting):
        steps.append(Step("wait"))
    if waiting:
        return Standing("unsure", "changes_waiting", {"count": len(waiting)}, tuple(steps))
    return Standing("good", "changes_good")


def _callers(_: str, facts: Facts) -> Standing:
    ending = [one for one in facts["callers"] if one.days is not None and one.days <= SOON]
    steps = tuple(Step("rotate", {"about": one.entry.caller.name}) for one in ending)
    count = {"count": len(facts["callers"]), "sessions": len(facts["sessions"]), "soon": len(ending)}
    return Standing("unsure", "callers_soon", count, steps) if ending else Standing("good", "callers_good", count)


def _queue(_: str, facts: Facts) -> Standing:
    failed = sum(one.state == "failed" for one in facts["jobs"])
    count = {"failed": failed, "count": len(facts["jobs"]) - failed}
    return Standing("bad", "queue_bad", count, (Step("retry"),)) if failed else Standing("good", "queue_good", count)


def _ledger(_: str, facts: Facts) -> Standing:
    count = {"size": facts["size"], "covered": facts["covered"]}
    if not facts["covered"]:
        return Standing("unsure", "ledger_none", count, (Step("checkpoints"), Step("verify")))
    return Standing("good", "ledger_good", count, (Step("verify"),))


_ROOMS: Mapping[str, Callable[[str, Facts], Standing]] = {
    "overview": _overview,
    "keys": _keys,
    "tokens": _tokens,
    "trust": _trust,
    "rules": _rules,
    "changes": _changes,
    "callers": _callers,
    "queue": _queue,
    "ledger": _ledger,
}
