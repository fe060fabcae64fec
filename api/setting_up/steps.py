"""The steps of a first set-up, in their order. Each looks first at what is there, so that a set-up that was killed between
doing a step and noting it does no step twice:

1. configuration   kyso.toml, unless somebody edited it
2. storage         the key under which documents are encrypted; one that was made and is gone is never replaced
3. token           a new one in a free slot, or the one that is there; one login, never a second with the same PIN
4. keys            those that are missing
5. requests        a certification request (PKCS#10) for each key that has a subject and no certificate
6. anchors         certificates to trust, each against the SHA-256 that its authority published
7. administrator   an API key, shown once; one that an interrupted set-up made and nobody saw is revoked
8. trial           each key with a certificate signs a canary, which is verified
9. finish          the record says so, and the ledger

Where keepers are apart from the service, each is set up in its own home, under its own user: the keepers by 1, 3, 4, 5 and 9
(they have no ledger), then, while they run, the service by the others.

Whoever runs it brings the processes (`Tools`) and asks for PINs (`Pins`), when they are needed and not before.

    for outcome in Setup(settings, record, answers, tools=tools, pins=pins).run(): …
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from api import settings as kyso_settings
from api.ledger import Ledger
from api.services import Services
from api.setting_up import configuration
from api.setting_up.answers import Answers, AnswersUnusable, Part
from api.setting_up.record import Record
from api.settings import Settings
from api.store import callers
from api.store.database import Database, open_database
from api.store.encryption import keys as storage_keys
from api.store.encryption.keys import StorageKeyMissing
from api.workflows import canaries
from api.workflows.trusting import TrustStore
from hsm.errors import TokenLocked, TokenNotAvailable
from hsm.keys import KeyInfo
from hsm.token import Token, TokenAdmin
from verify import trust as trusts
from verify.errors import TrustUnusable
from verify.trust_rules import AnchorRule

CALLER = "setup"
Step = Literal["configuration", "storage", "token", "keys", "requests", "anchors", "administrator", "trial", "finish"]
_AT_TOKENS: tuple[Step, ...] = ("token", "keys", "requests")
_IN_SERVICE: tuple[Step, ...] = ("anchors", "administrator", "trial")
STEPS: Mapping[Part, tuple[Step, ...]] = {
    "whole": ("configuration", "storage", *_AT_TOKENS, *_IN_SERVICE, "finish"),
    "keepers": ("configuration", *_AT_TOKENS, "finish"),
    "service": ("configuration", "storage", *_IN_SERVICE, "finish"),
}


@dataclass(frozen=True)
class Outcome:
    """What a step did. `facts` fill the words; `secret` is shown once and kept nowhere."""

    step: Step
    did: Literal["made", "there", "skipped"]
    facts: dict[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)


class Tools(Protocol):
    """The processes that a set-up starts: a keeper for the token, and the whole service's for the trial."""

    def admin(self, settings: Settings, module: str) -> AbstractContextManager[TokenAdmin]: ...
    def services(self, settings: Settings) -> AbstractContextManager[Services]: ...


class Pins(Protocol):
    """Where PINs come from: typed, or read from files. Each call gives a fresh buffer, which the keeper wipes."""

    def user(self, *, new: bool) -> bytearray: ...
    def officer(self) -> bytearray: ...


class Setup:
    """One set-up. `run` may be called again after any interruption."""

    def __init__(self, home: Path, record: Record, answers: Answers, *, tools: Tools, pins: Pins) -> None:
        self._home = home
        self._record = record
        self._answers = answers
        self._tools = tools
        self._pins = pins
        self._user: bytes | None = None

    def run(self) -> Iterator[Outcome]:
        """The outcomes, step by step. Raises the errors of all packages; what was done stays done."""
        try:
            yield from self._run()
        finally:
            self._user = None

    def _run(self) -> Iterator[Outcome]:
        yield self._configuration()
        settings = kyso_settings.load(self._home)
        settings.make_folders()
        steps = STEPS[self._answers.part]
        certified: list[str] = []
        if "storage" in steps:
            yield self._storage(settings)
        if "token" in steps:
            with self._tools.admin(settings, self._answers.module) as admin:
                yield self._token(settings, admin)
                yield self._keys(settings, admin)
                yield self._requests(admin)
                certified = _certified(_listed(admin))
        if self._answers.part == "service":
            with Token(settings.keeper_socket(self._answers.module)) as token:
                certified = _certified(token.keys())
        if "anchors" in steps:
            yield self._anchors(settings)
            yield self._administrator(settings)
            yield self._trial(settings, certified)
        self._note(settings, {"what": "setup-finished", "configuration_sha256": self._record.fact("configuration")})
        self._record.finish()
        yield Outcome("finish", "made")

    def _configuration(self) -> Outcome:
        file, wanted = self._home / "kyso.toml", configuration.text_of(self._answers)
        known = self._record.fact("configuration")
        if not configuration.require_ours(file, wanted, known=known):
            self._record.done("configuration", configuration.mark(wanted))
            return Outcome("configuration", "there", {"file": str(file)})
        self._record.done("configuration", configuration.mark(wanted))  # before: what is ours may be written again
        _write(file, wanted.encode())
        return Outcome("configuration", "made", {"file": str(file)})

    def _storage(self, settings: Settings) -> Outcome:
        if settings.storage.key_file is None:
            return Outcome("storage", "skipped")
        file, known = settings.home / settings.storage.key_file, self._record.fact("storage")
        made = not file.exists()
        if made:
            if known:  # documents may lie under it: a new one would hide that it is lost
                raise StorageKeyMissing("the storage key that was made here is gone", reason=f"{file}, {known}")
            storage_keys.make(file)
        ring = storage_keys.of(settings.storage, home=settings.home)
        assert ring is not None
        identity = ring.current.id.hex()
        if made:
            self._note(settings, {"what": "storage-key-made", "storage_key": identity})
        self._record.done("storage", identity)
        facts = {"file": str(file), "key": identity, "kept_by": settings.storage.kept_by}
        return Outcome("storage", "made" if made else "there", facts)

    # -- with the token ---------------------------------------------------------------------------------------------

    def _token(self, settings: Settings, admin: TokenAdmin) -> Outcome:
        label, status = self._answers.token, admin.status()
        made = status.state == "unprovisioned" and self._answers.new_token
        if made:
            officer, user = self._pins.officer(), self._pin(new=True)
            self._keep(settings, user)
            status = admin.initialise(label, so_pin=officer, pin=user)
            officer[:] = bytes(len(officer))
            self._note(settings, {"what": "token-initialised", "module": self._answers.module})
        elif status.state == "locked":
            user = self._pin(new=False)
            status = admin.unlock(user)
            if status.state == "operational":
                self._keep(settings, bytearray(self._user or b""))
        if made and status.state == "locked":  # a PIN that is kept nowhere
            status = admin.unlock(self._pin(new=False))
        if status.state == "locked":
            raise TokenLocked(f"the token {label} is locked: {status.reason}", reason=status.reason or "locked")
        if status.state != "operational":
            raise TokenNotAvailable(f"the token {label}: {status.reason}", reason=status.reason or status.state)
        self._record.done("token")
        return Outcome("token", "made" if made else "there", {"token": label, "model": status.model})

    def _keys(self, settings: Settings, admin: TokenAdmin) -> Outcome:
        there = {key.ref for key in _listed(admin)}
        made = [key for key in self._answers.keys if key.ref not in there]
        for key in made:
            admin.create_key(key.ref, key.algorithm)
            self._note(settings, {"what": "key-created", "key": key.ref})
        self._record.done("keys")
        return Outcome("keys", "made" if made else "there", {"keys": ", ".join(key.ref for key in self._answers.keys)})

    def _requests(self, admin: TokenAdmin) -> Outcome:
        bare = {key.ref for key in _listed(admin) if key.certificate is None}
        folder = self._home / "csr"
        written = []
        for key in self._answers.keys:
            if key.ref in bare and key.subject:
                folder.mkdir(mode=0o700, exist_ok=True)
                file = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', key.ref)}.csr"
                if not file.exists():
                    _write(file, admin.csr(key.ref, key.subject))
                written.append(str(file))
        self._record.done("requests")
        return Outcome("requests", "made" if written else "skipped", {"files": ", ".join(written)})

    # -- without it -------------------------------------------------------------------------------------------------

    def _anchors(self, settings: Settings) -> Outcome:
        store, added = TrustStore(settings.trust), []
        for one in self._answers.anchors:
            certificates, _ = trusts.read_file(one.file)
            if len(certificates) != 1 or trusts.Anchor(certificates[0]).sha256 != one.sha256:
                raise AnswersUnusable(f"anchors: {one.file} is not the one certificate with this SHA-256")
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", one.file.stem).strip(".-")
            try:
                store.add(certificates[0], name=name, rule=AnchorRule(one.sha256, one.purposes, None, None, ""))
            except TrustUnusable as error:
                if error.facts.get("reason") != "anchor-twice":
                    raise
            else:
                added.append(name)
                self._note(settings, {"what": "anchor-added", "certificate_sha256": one.sha256})
        self._record.done("anchors")
        did: Literal["made", "there", "skipped"] = "made" if added else "there" if self._answers.anchors else "skipped"
        return Outcome("anchors", did, {"anchors": str(len(self._answers.anchors))})

    def _administrator(self, settings: Settings) -> Outcome:
        if self._record.has("administrator"):
            return Outcome("administrator", "there")
        with _database(settings) as database:
            for former in database.read(callers.listed):
                if former.name == self._answers.administrator and former.role == "administrator":
                    database.write(callers.revoke, former.id)  # made by a set-up that ended before anybody saw its key
            secret = database.write(callers.create, name=self._answers.administrator, role="administrator", keys=("*",))
            made = database.read(callers.find, secret)
        self._note(settings, {"what": "caller-created", "subject": made.id if made is not None else ""})
        return Outcome("administrator", "made", secret=secret)

    def administrator_was_shown(self) -> None:
        """Whoever showed the API key says so; until then an interrupted set-up makes another."""
        self._record.done("administrator")

    def _trial(self, settings: Settings, certified: list[str]) -> Outcome:
        failed: tuple[str, ...] = ()
        if certified:  # without, nothing has to be started
            with self._tools.services(settings) as services:
                self._open(settings)
                failed = canaries.sign_due(services)
        self._record.done("trial")
        facts = {"keys": ", ".join(certified), "failed": ", ".join(failed)}
        return Outcome("trial", "made" if certified else "skipped", facts)

    def _open(self, settings: Settings) -> None:
        """The token, where that is this set-up's to do: asked of the keeper itself, for the service's list is remembered."""
        if self._answers.part == "service":
            return
        with TokenAdmin(settings.keeper_admin_socket(self._answers.module)) as admin:
            if admin.status().state == "locked":
                admin.unlock(self._pin(new=False))

    # -- PINs and notes ---------------------------------------------------------------------------------------------

    def _pin(self, *, new: bool) -> bytearray:
        """The user PIN, asked once a run."""
        if self._user is None:
            kept = self._home / "secrets" / f"{self._answers.module}.pin"
            if self._answers.pin == "file" and kept.exists():
                self._user = kept.read_bytes().strip()
            else:
                self._user = bytes(self._pins.user(new=new))
        return bytearray(self._user)

    def _keep(self, settings: Settings, pin: bytearray) -> None:
        """The PIN's file, where it is to be in one. Written before the token is made: a PIN nobody knows is worse than a
        file too many."""
        file = settings.secrets / f"{self._answers.module}.pin"
        if self._answers.pin != "file" or file.exists():
            return
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(pin)
            out.flush()
            os.fsync(out.fileno())

    def _note(self, settings: Settings, facts: dict[str, str]) -> None:
        if self._answers.part == "keepers":
            return  # the ledger is the service's
        with _database(settings) as database:
            Ledger(database).append("CHANGED", {"caller": CALLER, **facts})


def _listed(admin: TokenAdmin) -> tuple[KeyInfo, ...]:
    return admin.keys()


def _certified(keys: tuple[KeyInfo, ...]) -> list[str]:
    return [key.ref for key in keys if key.certificate is not None]


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    found = open_database(settings.database_url)
    try:
        yield found
    finally:
        found.close()


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all, for this user alone: through the keepers' folder the service's group passes. Raises OSError."""
    part = file.with_name(f".{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
