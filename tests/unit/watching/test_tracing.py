"""Traces: one for each request across its steps, with attributes from a list, and nothing at all while they are off."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import tracing
from tests import documents
from tests.hsm_support import ROOT
from tests.http_support import House, house
from tests.unit.watching.otlp import Receiver, receiver

pytestmark = pytest.mark.appliance

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def taken() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
        tracing.end()


def traced(folder: Path, taken: Receiver, **chosen: object) -> House:
    found = house(folder, tracing={"endpoint": taken.url, **chosen})
    tracing.set_up(found.services.settings.tracing, post=found.services.post)
    return found


def sign(found: House, **headers: str):
    document = documents.pdf(found.services.settings.home / "a.pdf").read_bytes()
    return found.ask(
        "POST",
        "/v1/signatures",
        headers=headers,
        files={"document": ("a.pdf", document, "application/pdf")},
        data={"order": json.dumps({"key": "seal", "format": "PAdES", "level": "B-B"})},
    )


def test_while_off_nothing_of_it_is_loaded_and_a_span_costs_nothing():
    """No SDK, no protobuf in the process; a step is a comparison."""
    code = (
        "import sys, api.app, api.serve, api.tracing as t\n"
        "with t.span('x', kind='y'): pass\n"
        "assert not [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'google.protobuf'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_request_is_one_trace_with_its_steps(tmp_path: Path, taken: Receiver):
    """The caller's from a trusted address; the key's use is a child; what is exported says no name and no content."""
    found = traced(tmp_path, taken, trusted=("127.0.0.1/32",))
    assert 201 == sign(found, traceparent=PARENT).status_code
    tracing.end()
    spans = {span.name: span for span in taken.spans()}
    request, key = spans["POST /v1/signatures"], spans["keeper sign"]
    assert ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331") == (request.trace, request.parent)
    assert (request.trace, "seal") == (key.trace, key.attributes["kyso.key"])
    assert 201 == request.attributes["kyso.status"]
    for span in spans.values():
        assert {name.removeprefix("kyso.") for name in span.attributes} <= tracing.ALLOWED
    assert b"a.pdf" not in b"".join(taken.bodies)


@pytest.mark.parametrize(
    ("trusted", "header"),
    [((), PARENT), (("127.0.0.1/32",), PARENT.upper()), (("127.0.0.1/32",), "00-" + "0" * 32 + "-" + "0" * 16 + "-01"), (("127.0.0.1/32",), "x" * 5000)],
)  # fmt: skip
def test_a_trace_begins_here_for_everybody_else(tmp_path: Path, taken: Receiver, trusted: tuple[str, ...], header: str):
    """From an address that is not trusted, and for whatever is not the one form of the header."""
    found = traced(tmp_path, taken, trusted=trusted)
    found.ask("GET", "/health/alive", name=None, headers={"traceparent": header})
    tracing.end()
    (span,) = taken.spans()
    assert ("", True) == (span.parent, span.trace != "0af7651916cd43dd8448eb211c80319c")


def test_an_error_leaves_its_code_and_never_its_text(tmp_path: Path, taken: Receiver):
    """An exception may quote a document."""
    found = traced(tmp_path, taken)
    found.token.before = lambda: (_ for _ in ()).throw(RuntimeError("canary-text-of-a-document"))
    assert 500 == sign(found).status_code
    tracing.end()
    assert b"canary-text" not in b"".join(taken.bodies)
    assert {span.name for span in taken.spans() if span.is_error} >= {"POST /v1/signatures", "keeper sign"}


def test_attributes_are_those_of_the_list_with_short_plain_values():
    """A name that is not listed, and a value that could be anything, are left out."""
    given = {"key": "seal", "secret": "x", "host": "a\nb", "code": "y" * 101, "status": 200}
    assert {"kyso.key": "seal", "kyso.status": 200} == tracing.permitted(given)


def test_a_receiver_that_is_away_costs_requests_nothing(tmp_path: Path, taken: Receiver):
    """Spans are dropped; the answer is the same and as quick."""
    found = traced(tmp_path, taken)
    taken.status = 500
    began = time.monotonic()
    assert 200 == found.ask("GET", "/health/alive", name=None).status_code
    assert time.monotonic() - began < 5


def test_observing_and_an_idle_span_cost_less_than_fifty_microseconds(tmp_path: Path):
    """The signing path is hot: what is measured must not be what is slow. The best of many, for machines are busy."""
    found = house(tmp_path)
    token = found.services.keys.tokens["soft"]
    token._inner = type("Quick", (), {"sign": lambda *_, **__: b"value"})()
    best = 1.0
    for _ in range(50):
        began = time.perf_counter()
        for _ in range(20):
            token.sign(key="seal", mechanism="rsassa_pkcs1v15_sha256", tbs=b"", permit=None)
        best = min(best, (time.perf_counter() - began) / 20)
    print(f"observing one use of a key: {best * 1e6:.1f} µs")
    assert best < 50e-6
