"""Everything about the appliance on one page: what `kyso status` shows, as facts without words.

Alarms are `api.watching`'s; here they stand beside what is in order. Each part that cannot be read says so by its code
and leaves the others alone: a broken database is when somebody needs this page.

    overview(services, running=True)["state"]
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from api.appliance_state import ApplianceState
from api.errors import ApiError
from api.ledger.kept import Kept
from api.services import Services
from api.settings import Key
from api.watching import alarms
from api.workflows.keys import certificate_of
from hsm.errors import HsmError
from hsm.keys import KeyInfo
from signer.clock import kernel_is_synchronised

SOON = 60
"""Days before the end of a certificate from which there is something to do, where `[alarms]` does not say sooner."""


def overview(services: Services, *, running: bool) -> dict[str, Any]:
    """All of it; `running` says whether the service itself runs."""
    found: dict[str, Any] = {"state": _guarded(ApplianceState(services).look), "service": running}
    found["modules"] = [_module(services, name) for name in services.keys.tokens]
    found["keys"] = _guarded(lambda: [_key(services, key) for key in services.keys.all()])
    found["trust"] = _guarded(lambda: _trust(services))
    found["clock"] = {"time": services.clock().isoformat(timespec="seconds"), "synchronised": kernel_is_synchronised()}
    found["disk"] = _guarded(lambda: _disk(services))
    found["queue"] = _guarded(services.jobs.waiting)
    found["ledger"] = _guarded(lambda: services.ledger.state().size)
    found["checkpoint"] = _guarded(lambda: _checkpoint(services))
    found["alarms"] = _guarded(lambda: _alarms(services))
    found["next"] = list(_next(found))
    return found


def is_well(found: dict[str, Any]) -> bool:
    """Whether documents can be signed and nobody has to act."""
    return bool(found["state"] == "operational" and found["service"] and found["alarms"] == [])


def _guarded(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (ApiError, HsmError, OSError, ValueError) as error:
        return {"error": getattr(error, "code", type(error).__name__)}


def _module(services: Services, name: str) -> dict[str, Any]:
    configured = services.settings.modules.get(name)
    label = configured.token if configured is not None else name
    try:
        status = services.keys.tokens[name].status()
    except HsmError as error:
        return {"module": name, "token": label, "state": "unavailable", "reason": error.code}
    return {"module": name, "token": label, "state": status.state, "reason": status.reason}


def _key(services: Services, key: KeyInfo) -> dict[str, Any]:
    certificate = certificate_of(key)
    chosen = services.settings.keys.get(key.ref, Key())
    wants_none = "checkpoint" in chosen.shapes
    days = None if certificate is None else (certificate.not_valid_after_utc - services.clock()) // timedelta(days=1)
    problem = services.canaries.failed().get(key.ref)
    if problem is None and certificate is None and not wants_none:
        problem = "key-without-certificate"
    elif problem is None and certificate is not None:
        if days is not None and days < 0:
            problem = "certificate-expired"
        elif certificate.not_valid_before_utc > services.clock():
            problem = "certificate-not-yet-valid"
    return {
        "ref": key.ref,
        "module": key.module,
        "kind": f"{key.algorithm} {key.key_size}" if key.key_size else key.algorithm,
        "subject": None if certificate is None else certificate.subject.rfc4514_string(),
        "not_after": None if certificate is None else certificate.not_valid_after_utc.isoformat(),
        "days": days,
        "problem": problem,
    }


def _trust(services: Services) -> dict[str, Any]:
    present = services.trust.current()
    return {"anchors": len(present.anchors), "bundles": len(present.bundles)}


def _disk(services: Services) -> dict[str, int]:
    space = shutil.disk_usage(services.settings.home)
    return {"free": space.free, "total": space.total}


def _checkpoint(services: Services) -> dict[str, Any] | None:
    if services.settings.checkpoints is None:
        return None
    kept = Kept(services.settings.checkpoint_folder)
    newest = kept.newest()
    if newest is None:
        return {"size": 0, "at": None}
    return {"size": newest.unverified.size, "at": int(kept.file.stat().st_mtime)}


def _alarms(services: Services) -> list[dict[str, Any]]:
    return [one.as_json(zone=services.settings.zone) for one in alarms.current(services)]


def _next(found: dict[str, Any]) -> Iterator[dict[str, str]]:
    """What to do, most pressing first: a code for the words, and what it is about."""
    if found["state"] == "unprovisioned":
        yield {"do": "setup", "about": ""}
    elif not found["service"]:
        yield {"do": "serve", "about": ""}
    for module in found["modules"]:
        if module["state"] == "locked":
            yield {"do": "unlock", "about": module["module"]}
        elif module["state"] != "operational":
            yield {"do": "token", "about": module["module"]}
    for key in found["keys"] if isinstance(found["keys"], list) else ():
        if key["problem"] == "key-without-certificate":
            yield {"do": "certificate", "about": key["ref"]}
        elif key["problem"] is not None:
            yield {"do": "look", "about": key["ref"]}
        elif key["days"] is not None and key["days"] <= SOON:
            yield {"do": "renew", "about": key["ref"]}
    if isinstance(found["trust"], dict) and found["trust"].get("anchors") == 0:
        yield {"do": "trust", "about": ""}
    if found["checkpoint"] is None:
        yield {"do": "checkpoints", "about": ""}
