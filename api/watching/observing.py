"""What each step takes and how it ends: wrappers that composition puts around workers, tokens and fetches.

Use cases know nothing of it. An observation costs a few microseconds (`tests/unit/watching/test_cost.py`); with traces
switched on (`api.tracing`) each step is a span as well.

| Wrapped | Measured |
|---|---|
| `Documents.open` | `kyso_stage_seconds` by stage: prepare, complete, extend, verify, judge_certificate … |
| `Token.sign` | `kyso_key_seconds` and `kyso_key_uses` by module, key and outcome |
| `Fetcher.fetch` | `kyso_fetch_seconds` and `kyso_fetches` by kind, host and outcome; who fails goes to `outcomes` |
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TypeVar, cast
from urllib.parse import urlsplit

from api import tracing
from api.sandbox.pool import Worker
from api.telemetry import Metrics
from api.watching.outcomes import Outcomes
from api.workflows.documents import Documents, DocumentWorker
from api.workflows.keys import TokenLike, TokenState
from hsm.activation import Activation, Assertion, Challenge
from hsm.activation import Documents as Digests
from hsm.keys import KeyInfo, Mechanism
from hsm.permit import Permit
from hsm.token import spent
from hsm.uselog import KeyUse, UsesPage
from verify.fetcher import Fetcher, FetchFailed, FetchRequest

T = TypeVar("T")


class ObservedDocuments(Documents):
    """Workers whose every call is measured."""

    def __init__(self, inner: Documents, metrics: Metrics) -> None:
        super().__init__(inner.sandbox)
        object.__setattr__(self, "_stages", cache(metrics.stage_seconds.labels))

    @contextmanager
    def open(self, client: str) -> Iterator[DocumentWorker]:
        with self.sandbox.worker(client) as worker:
            yield DocumentWorker(cast(Worker, _ObservedWorker(worker, self._stages)))  # type: ignore[attr-defined]


class _ObservedWorker:
    """A worker by its one method."""

    def __init__(self, inner: Worker, stages: object) -> None:
        self._inner, self._stages = inner, stages
        self.client = inner.client

    def call(
        self,
        op: str,
        args: object,
        *,
        files: Sequence[int],
        fetcher: Fetcher,
        result: type[T],
        cpu: float | None = None,
        wall: float | None = None,
    ) -> T:
        began = time.perf_counter()
        try:
            with tracing.span(f"worker {op}", kind="worker"):
                return self._inner.call(op, args, files=files, fetcher=fetcher, result=result, cpu=cpu, wall=wall)
        finally:
            self._stages(op).observe(time.perf_counter() - began)  # type: ignore[operator]


class ObservedToken:
    """A token whose every signature is measured."""

    def __init__(self, inner: TokenLike, metrics: Metrics, *, module: str) -> None:
        self._inner, self._module = inner, module
        self._seconds = cache(lambda key: metrics.key_seconds.labels(module, key))
        self._uses = cache(lambda key, outcome: metrics.key_uses.labels(module, key, outcome))

    def status(self) -> TokenState:
        return self._inner.status()

    def keys(self) -> tuple[KeyInfo, ...]:
        return self._inner.keys()

    def use(self, ledger_number: int) -> KeyUse | None:
        return self._inner.use(ledger_number)

    def uses(self, after: int) -> UsesPage:
        return self._inner.uses(after)

    def begin_activation(self, key: str, documents: Digests, *, asker: str = "") -> Challenge:
        return self._inner.begin_activation(key, documents, asker=asker)

    def activate(self, assertion: Assertion) -> Activation:
        return self._inner.activate(assertion)

    def activation(self, identity: str) -> Activation:
        return self._inner.activation(identity)

    def sign(self, *, key: str, mechanism: Mechanism, tbs: bytes, permit: Permit, activation: str = "") -> bytes:
        began = time.perf_counter()
        outcome = "internal-error"
        try:
            with tracing.span("keeper sign", kind="keeper", module=self._module, key=key):
                more = {"activation": activation} if activation else {}
                value = self._inner.sign(key=key, mechanism=mechanism, tbs=tbs, permit=permit, **more)
                tracing.told("in keeper: sign", spent.get(), kind="keeper", module=self._module, key=key)
        except Exception as error:
            outcome = getattr(error, "code", outcome)
            raise
        else:
            outcome = "signed"
            return value
        finally:
            self._seconds(key).observe(time.perf_counter() - began)
            self._uses(key, outcome).inc()


class ObservedFetcher:
    """A fetcher whose every answer is measured."""

    def __init__(self, inner: Fetcher, metrics: Metrics, outcomes: Outcomes) -> None:
        self._inner, self._outcomes = inner, outcomes
        self._seconds = cache(metrics.fetch_seconds.labels)
        self._fetches = cache(metrics.fetches.labels)

    def fetch(self, request: FetchRequest, /) -> bytes:
        began = time.perf_counter()
        outcome = "internal-error"
        try:
            with tracing.span(f"fetch {request.kind}", kind="fetch", host=_host(request.url)):
                answer = self._inner.fetch(request)
        except FetchFailed as error:
            outcome = str(error.facts.get("reason", error.code))
            raise
        else:
            outcome = "answered"
            return answer
        finally:
            self._seconds(request.kind).observe(time.perf_counter() - began)
            # Hosts come from certificates, which anyone can write: one that the rules refused is no label.
            refused = outcome in ("host-not-allowed", "url-malformed", "host-malformed", "scheme-not-allowed")
            self._fetches(request.kind, "-" if refused else _host(request.url), outcome).inc()
            if request.kind == "timestamp":
                self._told(request.url, outcome)

    def _told(self, url: str, outcome: str) -> None:
        if outcome == "answered":
            self._outcomes.answered(url)
        elif outcome != "busy":  # nobody asked
            self._outcomes.failed(url, code=outcome)


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    """The host of a URL, for labels and spans: never a path or a query, which may name a certificate."""
    try:
        return urlsplit(url).hostname or "-"
    except ValueError:
        return "-"
