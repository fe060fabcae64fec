"""What document workers do, in the words of the use cases: the one seam to `api.sandbox`.

Each method is one call into a worker; files are handed over as open descriptors. It reads no document itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import BinaryIO, Literal

from api.sandbox import calls
from api.sandbox.errors import WorkerDied
from api.sandbox.pool import Sandbox, Worker
from signer.model import Extended, Prepared, SignatureValue, Signed, SignOrder
from verify.dissected import Dissected
from verify.fetcher import Fetcher, Offline
from verify.report import Check, Report, Warning_
from verify.trust import Trust

Contents = Mapping[str, BinaryIO]
"""Open files by the names under which a signature in XML knows them (ds:Reference/@URI): contents that it does not hold."""
NONE: Contents = {}


@dataclass(frozen=True)
class CertificateVerdict:
    """`verify.engine.CertificateReport`, without importing the engine into this process."""

    indication: str
    sub_indication: str | None
    path: tuple[str, ...]
    checks: tuple[Check, ...]
    warnings: tuple[Warning_, ...] = ()


@dataclass(frozen=True)
class Documents:
    """Opens workers; one for each document of a client."""

    sandbox: Sandbox

    @contextmanager
    def open(self, client: str) -> Iterator[DocumentWorker]:
        with self.sandbox.worker(client) as worker:
            yield DocumentWorker(worker)


@dataclass(frozen=True)
class DocumentWorker:
    """One document's worker. Raises WorkerRefusal with the core's code, and the sandbox's own errors."""

    worker: Worker

    def prepare(
        self,
        source: BinaryIO,
        out: BinaryIO,
        *,
        order: SignOrder,
        sha256: str,
        nonce: int,
        detached: Contents = NONE,
    ) -> Prepared:
        return self.worker.call(
            "prepare",
            calls.Prepare(order, sha256, nonce, tuple(detached)),
            files=_numbers(source, out, detached=detached),
            fetcher=Offline(),
            result=Prepared,
        )

    def require_unmarked(self, source: BinaryIO, *, password: str | None = None, detached: Contents = NONE) -> None:
        """Raises WorkerRefusal with `document-state-secret`."""
        order = calls.RequireUnmarked(password, tuple(detached))
        files = _numbers(source, detached=detached)
        self.worker.call("require_unmarked", order, files=files, fetcher=Offline(), result=type(None))

    def restore(self, source: BinaryIO, out: BinaryIO, *, prepared: Prepared) -> None:
        self.worker.call(
            "restore",
            calls.Restore(prepared),
            files=(source.fileno(), out.fileno()),
            fetcher=Offline(),
            result=type(None),
        )

    def complete(
        self,
        out: BinaryIO,
        *,
        prepared: Prepared,
        value: SignatureValue,
        fetcher: Fetcher,
        trust: Trust | None = None,
        policy: str = "default",
        at: datetime | None = None,
        detached: Contents = NONE,
    ) -> Signed:
        """`trust` and `at` are needed from B-LT on: what the evidence is checked against."""
        return self.worker.call(
            "complete",
            calls.Complete(prepared, value, trust, policy, at, tuple(detached)),
            files=_numbers(out, detached=detached),
            fetcher=fetcher,
            result=Signed,
        )

    def extend(
        self, source: BinaryIO, out: BinaryIO, *, order: calls.Extend, fetcher: Fetcher, detached: Contents = NONE
    ) -> Extended:
        order = replace(order, detached=tuple(detached))
        files = _numbers(source, out, detached=detached)
        return self.worker.call("extend", order, files=files, fetcher=fetcher, result=Extended)

    def verify(
        self,
        source: BinaryIO,
        *,
        name: str,
        trust: Trust,
        policy: str,
        at: datetime,
        fetcher: Fetcher,
        password: str | None = None,
        detached: Contents = NONE,
    ) -> Report:
        """A page that ends the worker which draws it does not keep the document from being judged: it is judged once
        more without pictures, and what came after a signature is then suspicious. Raises what `Worker.call` raises."""
        order = calls.Verify(name, trust, policy, at, password, detached=tuple(detached))
        files = _numbers(source, detached=detached)
        verify = partial(self.worker.call, "verify", files=files, fetcher=fetcher, result=Report)
        try:
            return verify(order)
        except WorkerDied:
            return verify(replace(order, pictures="none"))

    def portray(self, source: BinaryIO, *, order: calls.Portray) -> calls.Portrait:
        return self.worker.call("portray", order, files=(source.fileno(),), fetcher=Offline(), result=calls.Portrait)

    def dissect(self, source: BinaryIO, *, order: calls.Dissect) -> Dissected:
        return self.worker.call("dissect", order, files=(source.fileno(),), fetcher=Offline(), result=Dissected)

    def survey(self, source: BinaryIO, *, order: calls.Survey) -> calls.Surveyed:
        return self.worker.call("survey", order, files=(source.fileno(),), fetcher=Offline(), result=calls.Surveyed)

    def draw(self, source: BinaryIO, *, order: calls.Look) -> calls.Drawn:
        return self.worker.call("draw", order, files=(source.fileno(),), fetcher=Offline(), result=calls.Drawn)

    def outline(self, source: BinaryIO) -> calls.Outlined:
        files = (source.fileno(),)
        return self.worker.call("outline", calls.Outline(), files=files, fetcher=Offline(), result=calls.Outlined)

    def judge_certificate(
        self,
        certificate: bytes,
        *,
        chain: tuple[bytes, ...],
        trust: Trust,
        policy: str,
        at: datetime,
        fetcher: Fetcher,
        purpose: Literal["signing", "timestamping"],
    ) -> CertificateVerdict:
        return self.worker.call(
            "judge_certificate",
            calls.JudgeCertificate(certificate, chain, trust, policy, at, purpose),
            files=(),
            fetcher=fetcher,
            result=CertificateVerdict,
        )


def _numbers(*files: BinaryIO, detached: Contents) -> tuple[int, ...]:
    """The descriptors of a call, in the order that `api.sandbox.calls` tells."""
    return tuple(file.fileno() for file in (*files, *detached.values()))
