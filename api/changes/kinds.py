"""What can be changed by proposal: each kind reads its payload strictly, works out its effect, and can be tried.

| Kind | Subject | Does |
|---|---|---|
| `trust-add`, `trust-remove`, `trust-retire`, `trust-distrust` | trust | as `kyso trust` does |
| `policy-set`, `policy-remove` | policy | a validation policy in `KYSO_HOME/policies` |
| `rights-set`, `rights-remove` | rights | a rule on the use of keys |
| `key-disable`, `key-enable` | keys | a key signs nothing until it is enabled again |
| `key-owners` | keys | whose keys are whose, in the directory (`api.changes.owners`) |
| `unlock` | unlock | a token may be unlocked for a while (`api.workflows.unlocking`) |
| `caller-create`, `caller-rotate` | rights | a caller that may sign, and its API key (`api.changes.callers`) |

An effect is plain JSON and is stored before it is done. Doing it twice is doing it once, so that a change which was cut
off in the middle is finished by doing it again; its `before` is what undoing brings back.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import AfterValidator, Field, ValidationError

from api.changes import callers, owners
from api.changes.errors import ChangeNotAsProposed, ChangeSuperseded
from api.errors import RequestInvalid
from api.rights import store as rights
from api.rights.text import RuleText
from api.schema_base import Hex256, Input, Line
from api.services import Services
from api.store import keystates
from api.workflows.trusting import Files, TrustStore, write_files
from verify import policy, trust
from verify.errors import PolicyUnusable, TrustUnusable
from verify.trust_rules import AnchorRule, Purpose

Subject = Literal["trust", "policy", "rights", "keys", "unlock"]
UNLOCK, WITHIN = "unlock", 900.0
"""Unlocking a token, and the seconds within which that is approved and done."""
Effect = dict[str, Any]
AnchorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
PolicyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


# --- payloads ---------------------------------------------------------------------------------------------------------


def _certificate(text: str) -> str:
    """PEM, or DER in base64; kept as DER in base64."""
    try:
        if "-----BEGIN" in text:
            found = x509.load_pem_x509_certificate(text.encode())
        else:
            found = x509.load_der_x509_certificate(b64decode(text, validate=True))
    except ValueError:
        raise ValueError("not a certificate") from None
    return b64encode(found.public_bytes(Encoding.DER)).decode()


class TrustAdd(Input):
    """A certificate that is to be believed; `sha256` came another way than the certificate did."""

    name: AnchorName
    certificate: Annotated[str, Field(max_length=32_768), AfterValidator(_certificate)]
    sha256: Hex256
    purposes: tuple[Purpose, ...] = Field(default=("signing", "timestamping"), min_length=1)
    since: datetime | None = None
    until: datetime | None = None
    title: Line | None = None


class TrustName(Input):
    name: AnchorName


class TrustRetire(Input):
    """An anchor that is believed for what is older than `until` alone; None believes it for ever again."""

    name: AnchorName
    until: datetime | None


class TrustDistrust(Input):
    sha256: Hex256
    why: Line


class PolicySet(Input):
    name: PolicyName
    text: Annotated[str, Field(max_length=policy.LARGEST)]


class PolicyRemove(Input):
    name: PolicyName


class RightsSet(Input):
    name: Annotated[str, Field(max_length=40)]
    rule: RuleText


class RightsRemove(Input):
    name: Annotated[str, Field(max_length=40)]


class KeyState(Input):
    key: Annotated[str, Field(min_length=1, max_length=128)]


class Unlock(Input):
    module: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """`effect` works out what a payload does, as things stand now; it changes nothing. `within` is for how many seconds a
    proposal can be approved."""

    name: str
    subject: Subject
    payload: type[Input]
    effect: Callable[[Services, Any], Effect]
    within: float | None = None


def parse(name: str, raw: object) -> tuple[Kind, Input]:
    """The kind and its payload. Raises RequestInvalid."""
    kind = KINDS.get(name)
    if kind is None:
        raise RequestInvalid(f"no such kind of change: {name[:40]}", field="kind", allowed=", ".join(KINDS))
    try:
        text = raw if isinstance(raw, str) else json.dumps(raw)
        return kind, kind.payload.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("payload", *fault["loc"]))
        raise RequestInvalid(f"{where}: {fault['msg']}", field=where) from None


def write(services: Services, effect: Effect) -> None:
    """Do what lies in files; doing it again changes nothing."""
    if "folder" in effect:
        write_files(_folder(services, effect), {path: _octets(text) for path, text in effect["after"].items()})


def store(connection: sa.Connection, services: Services, effect: Effect, *, by: str) -> None:
    """Do what lies in the database. Raises ChangeNotAsProposed where that cannot be done any more."""
    if "rule" in effect:
        _set_rule(connection, effect["rule"], effect["after"], by=by)
    if "key" in effect:
        keystates.set_(connection, effect["key"], disabled=effect["after"], by=by)
    if "owners" in effect:
        owners.apply_within(connection, services, effect, by=by)
    if "caller" in effect or "api_key" in effect:
        callers.apply_within(connection, services, effect, by=by)


def stands(connection: sa.Connection, services: Services, effect: Effect, side: Literal["before", "after"]) -> bool:
    """Whether what the effect is about is as that side of it says."""
    wanted = effect[side]
    if "folder" in effect:
        return bool(_present(_folder(services, effect), wanted) == wanted)
    if "rule" in effect:
        return bool(_rule_in_force(connection, effect["rule"]) == wanted)
    if "owners" in effect:
        return owners.stand(connection, effect)
    if "caller" in effect or "api_key" in effect:
        return callers.stand(connection, effect, side)
    if "unlock" in effect:
        return True
    return keystates.disabled(connection, effect["key"]) is bool(wanted)


def reversed_(services: Services, effect: Effect) -> Effect:
    """What takes it back. Raises ChangeSuperseded where that would take back something later, too, ChangeNotAsProposed
    where it is taken back in another way."""
    if {"owners", "api_key", "unlock"} & set(effect):
        raise ChangeNotAsProposed("this is not undone: propose what is to be instead")
    if not services.database.read(stands, services, effect, "after"):
        raise ChangeSuperseded
    back = {**effect, "before": effect["after"], "after": effect["before"]}
    if "folder" in effect:
        _require_readable(services, effect["folder"], back["after"])
    return back


def tried(services: Services, effect: Effect) -> tuple[trust.Trust, Callable[[str], str]]:
    """Trust and policies as they would be: what a sample is judged by."""
    changed = {path: _octets(text) for path, text in effect["after"].items()} if "folder" in effect else {}
    anchors = services.trust.current()
    if effect.get("folder") == "trust":
        anchors = trust.assemble(_merged(services.settings.trust, changed))
    texts = changed if effect.get("folder") == "policies" else {}

    def shipped(name: str) -> str:
        text = texts.get(f"{name}.toml")
        if f"{name}.toml" in texts and text is None:
            raise ChangeNotAsProposed(f"policy {name} would be gone", policy=name)
        if text is None:
            return services.policies.shipped(name)
        return services.policies.from_text(text.decode(), name=name).shipped

    return anchors, shipped


def _files(folder: Literal["trust", "policies"], path: Path, changes: Files) -> Effect:
    after = {name: None if data is None else b64encode(data).decode() for name, data in changes.items()}
    return {"folder": folder, "before": _present(path, after), "after": after}


def _present(folder: Path, paths: Mapping[str, object]) -> dict[str, str | None]:
    return {
        path: b64encode((folder / path).read_bytes()).decode() if (folder / path).is_file() else None for path in paths
    }


def _merged(folder: Path, changed: Files) -> dict[str, bytes]:
    result: dict[str, bytes] = trust.read_folder(folder) if folder.is_dir() else {}
    for path, data in changed.items():
        if data is None:
            result.pop(path, None)
        else:
            result[path] = data
    return result


def _require_readable(services: Services, folder: str, after: Mapping[str, str | None]) -> None:
    if folder == "trust":
        try:
            trust.assemble(_merged(services.settings.trust, {path: _octets(text) for path, text in after.items()}))
        except TrustUnusable as error:
            raise ChangeNotAsProposed(str(error), **error.facts) from error


def _octets(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _folder(services: Services, effect: Effect) -> Path:
    return services.settings.trust if effect["folder"] == "trust" else services.settings.policies


def _trust(act: Callable[[TrustStore, Any], None]) -> Callable[[Services, Any], Effect]:
    """The files that a change of trust would write: checked as `kyso trust` checks it, and written by nobody."""

    def effect(services: Services, payload: Any) -> Effect:
        planned: list[Files] = []
        store = TrustStore(services.settings.trust, put=lambda _, files: planned.append(files))
        try:
            act(store, payload)
        except TrustUnusable as error:
            raise ChangeNotAsProposed(str(error), **error.facts) from error
        return _files("trust", services.settings.trust, planned[0])

    return effect


def _add(store: TrustStore, payload: TrustAdd) -> None:
    certificate = b64decode(payload.certificate)
    rule = AnchorRule(
        sha256=payload.sha256,
        purposes=payload.purposes,
        since=payload.since,
        until=payload.until,
        title=payload.title or "",
    )
    store.add(certificate, name=payload.name, rule=rule)


def _set_policy(services: Services, payload: PolicySet) -> Effect:
    if payload.name in policy.names():
        raise ChangeNotAsProposed(f"{payload.name} is a policy of the program's own", policy=payload.name)
    try:
        services.policies.from_text(payload.text, name=payload.name)
    except PolicyUnusable as error:
        raise ChangeNotAsProposed(str(error), **error.facts) from error
    return _files("policies", services.settings.policies, {f"{payload.name}.toml": payload.text.encode()})


def _remove_policy(services: Services, payload: PolicyRemove) -> Effect:
    file = f"{payload.name}.toml"
    if not (services.settings.policies / file).is_file():
        raise ChangeNotAsProposed(f"there is no policy {payload.name}", policy=payload.name)
    if payload.name in (services.settings.verification.policy, services.settings.signing.evidence_policy):
        raise ChangeNotAsProposed(f"policy {payload.name} is the one that kyso.toml names", policy=payload.name)
    return _files("policies", services.settings.policies, {file: None})


def _rule_in_force(connection: sa.Connection, name: str) -> str | None:
    return next((kept.text.canonical() for kept in rights.in_force(connection) if kept.name == name), None)


def _rule(services: Services, payload: RightsSet | RightsRemove) -> Effect:
    before = services.database.read(_rule_in_force, payload.name)
    if isinstance(payload, RightsRemove) and before is None:
        raise ChangeNotAsProposed(f"there is no rule {payload.name}", rule=payload.name)
    after = payload.rule.canonical() if isinstance(payload, RightsSet) else None
    return {"rule": payload.name, "before": before, "after": after}


def _set_rule(connection: sa.Connection, name: str, text: str | None, *, by: str) -> None:
    if text is not None:
        rights.put(connection, name=name, rule=RuleText.model_validate_json(text), by=by)
    elif any(kept.name == name for kept in rights.in_force(connection)):
        rights.remove(connection, name=name, by=by)


def _key(*, disabled: bool) -> Callable[[Services, Any], Effect]:
    def effect(services: Services, payload: KeyState) -> Effect:
        if all(key.ref != payload.key for key in services.keys.all()):
            raise ChangeNotAsProposed(f"there is no key {payload.key}", key=payload.key)
        before = services.database.read(keystates.disabled, payload.key)
        if before == disabled:
            raise ChangeNotAsProposed("the key is in that state already", key=payload.key)
        return {"key": payload.key, "before": before, "after": disabled}

    return effect


def _unlock(services: Services, payload: Unlock) -> Effect:
    if payload.module not in services.settings.modules:
        raise ChangeNotAsProposed(f"there is no module {payload.module}", module=payload.module)
    return {"unlock": payload.module, "before": "locked", "after": "may be unlocked"}


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("trust-add", "trust", TrustAdd, _trust(_add)),
        Kind("trust-remove", "trust", TrustName, _trust(lambda store, one: store.remove(one.name))),
        Kind(
            "trust-retire",
            "trust",
            TrustRetire,
            _trust(lambda store, one: store.change(one.name, lambda rule: replace(rule, until=one.until))),
        ),
        Kind(
            "trust-distrust", "trust", TrustDistrust, _trust(lambda store, one: store.distrust(one.sha256, why=one.why))
        ),
        Kind("policy-set", "policy", PolicySet, _set_policy),
        Kind("policy-remove", "policy", PolicyRemove, _remove_policy),
        Kind("rights-set", "rights", RightsSet, _rule),
        Kind("rights-remove", "rights", RightsRemove, _rule),
        Kind("key-disable", "keys", KeyState, _key(disabled=True)),
        Kind("key-enable", "keys", KeyState, _key(disabled=False)),
        Kind(UNLOCK, "unlock", Unlock, _unlock, within=WITHIN),
        Kind(owners.KIND, "keys", owners.KeyOwners, owners.effect),
        Kind("caller-create", callers.SUBJECT, callers.CallerCreate, callers.creation),
        Kind("caller-rotate", callers.SUBJECT, callers.CallerRotate, callers.rotation),
    )
}
