"""A service in one process for tests: real database, ledger, blobs, workflows and signer; keys and workers that behave
like theirs but live in memory, so that a test can make them fail at a given point."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakSet

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from api import app
from api.app import compose
from api.sandbox import viewing
from api.sandbox.calls import Outline, Portrait
from api.sandbox.errors import WorkerRefusal
from api.services import Services
from api.settings import Settings
from api.store import callers
from api.store.callers import Caller
from api.store.database import Database
from api.workflows.documents import CertificateVerdict
from hsm import permit as permits
from hsm.errors import KeeperNotAvailable, PermitRefused
from hsm.keys import KeyInfo
from hsm.lifecycle import TokenStatus
from hsm.permit import Permit
from hsm.uselog import KeyUse, UsesPage
from signer import pipeline
from signer.errors import SignerError
from tests.pki import Authority, Signer
from verify.errors import VerifyError
from verify.fetcher import FetchFailed, FetchRequest
from verify.report import DocumentFacts, Report

SECRET = bytes(range(32))
_databases: WeakSet[Database] = WeakSet()
"""Those of all houses."""


def a_use(
    state: str, value: bytes | None = None, *, number: int = 0, key: str = "seal", mechanism: str = "", tbs: bytes = b""
) -> KeyUse:
    """What a keeper's log says about one use."""
    return KeyUse(number, key, mechanism, hashlib.sha256(tbs).hexdigest(), state, value, time.time())


@dataclass
class SoftToken:
    """A token in memory, with the keeper's manners: permits are checked, each is good for one use, uses are logged."""

    signers: Mapping[str, Signer]
    logged: dict[int, KeyUse] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    away: bool = False
    state: str = "operational"
    signed: int = 0

    def status(self) -> TokenStatus:
        self._answer()
        return TokenStatus(
            name="soft",
            state=self.state,
            reason=None,
            token="soft",
            model="",
            manufacturer="",
            serial="",
            sessions=1,
            pid=0,
        )

    def keys(self) -> tuple[KeyInfo, ...]:
        self._answer()
        mechanisms = ("rsassa_pkcs1v15_sha256",) if self.state == "operational" else ()
        return tuple(key_info(ref, signer, mechanisms) for ref, signer in self.signers.items())

    def use(self, ledger_number: int) -> KeyUse | None:
        self._answer()
        return self.logged.get(ledger_number)

    def uses(self, after: int) -> UsesPage:
        self._answer()
        return UsesPage("soft", len(self.logged), tuple(self.logged.values())[after : after + 5])

    def sign(self, *, key: str, mechanism: str, tbs: bytes, permit: Permit) -> bytes:
        self._answer()
        permits.check(SECRET, permit, key=key, mechanism=mechanism, tbs=tbs, now=time.time())
        number = permit.ledger_number
        if number in self.logged:
            raise PermitRefused("the permit was used before")
        self.before()
        self.logged[number] = a_use("started", number=number, key=key, mechanism=mechanism, tbs=tbs)
        value = self.signers[key].sign(tbs, mechanism)
        self.signed += 1
        self.logged[number] = replace(self.logged[number], state="done", value=value)
        self.after()
        return value

    def _answer(self) -> None:
        if self.away:
            raise KeeperNotAvailable


def key_info(ref: str, signer: Signer, mechanisms: tuple[str, ...]) -> KeyInfo:
    spki = signer.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyInfo(ref, "soft", ref, "rsa", 2048, mechanisms, spki, signer.der, signer.chain)


@dataclass
class LocalDocuments:
    """Document workers in this thread: the same operations, without the sandbox."""

    verdict: CertificateVerdict = field(default_factory=lambda: CertificateVerdict("TOTAL_PASSED", None, (), ()))
    judged: int = 0
    before: Callable[[str], None] = lambda _op: None

    @contextmanager
    def open(self, _client: str) -> Iterator[LocalDocuments]:
        yield self

    def prepare(self, source, out, *, order, sha256, nonce, detached):
        return self._run(
            "prepare",
            lambda: pipeline.prepare(source, order, out=out, original_sha256=sha256, nonce=nonce, **_named(detached)),
        )

    def restore(self, source, out, *, prepared):
        return self._run("restore", lambda: pipeline.restore(source, prepared, out=out))

    def complete(self, out, *, prepared, value, fetcher, detached, **_):
        return self._run(
            "complete", lambda: pipeline.complete(prepared, value, out=out, fetcher=fetcher, **_named(detached))
        )

    def verify(self, source, *, name, trust, policy, at, fetcher, **_) -> Report:
        self.before("verify")
        data = source.read()
        return Report(DocumentFacts(name, "00" * 32, "PDF", len(data)), "NO_SIGNATURE", at, policy, ())

    def portray(self, source, *, order) -> Portrait:
        return Portrait(1, ())

    def survey(self, source, *, order):
        return self._run("survey", lambda: viewing.survey(source, order))

    def draw(self, source, *, order):
        return self._run("draw", lambda: viewing.draw(source, order))

    def outline(self, source):
        return self._run("outline", lambda: viewing.outline(source, Outline()))

    def judge_certificate(self, certificate, **_: object) -> CertificateVerdict:
        self.judged += 1
        return self.verdict

    def _run(self, op: str, work: Callable[[], Any]) -> Any:
        self.before(op)
        try:
            return work()
        except (SignerError, VerifyError) as error:
            raise WorkerRefusal(code=error.code, actor=error.actor, detail=str(error), facts=error.facts) from None


def _named(detached):
    return {"detached": detached} if detached else {}


@dataclass
class Authorities:
    """A fetcher for timestamps: `answer` makes them; without one, nobody answers."""

    answer: Callable[[bytes], bytes] | None = None
    asked: int = 0

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked += 1
        if self.answer is None or request.body is None:
            raise FetchFailed("no answer", url=request.url, reason="timeout")
        return self.answer(request.body)


@dataclass
class House:
    """The service and its parts, with a caller `client` for the keys `seal*` and one of another name."""

    services: Services
    token: SoftToken
    documents: LocalDocuments
    outside: Authorities
    secrets: dict[str, str]
    callers: dict[str, Caller]

    def ask(
        self, method: str, path: str, *, name: str | None = "client", headers=None, **more: object
    ) -> httpx.Response:
        """One request to the application, in this process; `name` is a caller, None is nobody."""
        sent = {"Accept-Language": "en"} | ({"Authorization": f"Bearer {self.secrets[name]}"} if name else {})

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=sent | (headers or {}), **more)

        return asyncio.run(ask())

    @cached_property
    def app(self) -> FastAPI:
        return app.create_app(self.services)

    def kinds(self) -> list[str]:
        """The kinds of the ledger's lines, in order."""
        return [line.kind for line in self.services.ledger.read(limit=1000)]


def rest() -> None:
    """Close the connections of all houses; one that is asked again opens new ones. Left to the garbage collector, they
    come to more files than one process may have open."""
    for database in list(_databases):
        database.close()


def house(folder: Path, **sections: object) -> House:
    """A fresh service below `folder`."""
    issuing = Authority.root().authority()
    signers = {"seal": issuing.signer("Con dấu (demo)"), "other": issuing.signer("Khác (demo)")}
    sections = {"timestamping": {"authorities": ["http://tsa.test/"]}, **sections}
    settings = Settings(home=folder, **sections)
    token, documents, outside = SoftToken(signers), LocalDocuments(), Authorities()
    services = compose(settings, permit_secret=SECRET, tokens={"soft": token}, fetcher=outside)
    _databases.add(services.database)
    services = replace(services, documents=documents)
    services.certificates._judge = lambda key: documents.judge_certificate(key.certificate)
    roles = {"client": ("seal*",), "stranger": ("x*",), "auditor": (), "administrator": ("*",), "operator": ()}
    secrets_, found = {}, {}
    for name, keys in roles.items():
        role = "client" if name == "stranger" else name
        secrets_[name] = services.database.write(callers.create, name=name, role=role, keys=keys)
        found[name] = services.database.read(callers.find, secrets_[name])
    return House(services, token, documents, outside, secrets_, found)
