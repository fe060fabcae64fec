"""Log lines: one an event, with the facts that were named, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from api import logs

pytestmark = pytest.mark.spine

log = logs.Logger()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What went to standard error; the loggers are put back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("kyso")
    before = root.handlers[:], root.level, ours.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def test_a_line_is_one_json_object_with_its_facts(said):
    """A program reads time, level, event and facts; what has no JSON form is told as text."""
    logs.set_up("json")
    log.info("ended\nhere", process="api-1", status=None, path=ValueError("x"))
    (line,) = said().splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert {"level": "info", "event": "ended\nhere", "process": "api-1", "status": None, "path": "x"} == found


def test_what_is_bound_stands_on_every_line_of_its_context(said):
    """The request id follows a request into its thread and ends with it."""
    logs.set_up("json")
    with ThreadPoolExecutor(1) as pool:
        with logs.bound(request="r1"):
            pool.submit(copy_context().run, log.warning, "within").result()
        log.warning("after")
    within, after = map(json.loads, said().splitlines())
    assert "r1" == within["request"]
    assert "request" not in after


@pytest.mark.parametrize("form", ["json", "text"])
def test_fields_with_names_of_secrets_are_removed(said, form):
    """The second net: even a fact that somebody named by mistake is not written."""
    logs.set_up(form)
    log.error("x", pin="1234", authorization="Bearer kyso_1", value=b"sig", caller="c1")
    line = said()
    assert "c1" in line
    for secret in ("1234", "kyso_1", "sig"):
        assert secret not in line


def test_a_traceback_belongs_to_its_line(said):
    """Also one of a library, which logs in its own way."""
    logs.set_up("json")
    for tell in (log.exception, logging.getLogger("library").exception):
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            tell("it failed")
    for line in said().splitlines():
        found = json.loads(line)
        assert "it failed" == found["event"]
        assert "ZeroDivisionError" in found["exception"]


def test_plain_text_stays_on_its_line(said):
    """A fact from outside neither begins a line of its own nor steers the terminal."""
    logs.set_up("text")
    log.info("request", path="/a\n\x1b[2Jb")
    (line,) = said().splitlines()
    assert "\x1b" not in line
    assert line.endswith('path="/a\\n\\u001b[2Jb"')
