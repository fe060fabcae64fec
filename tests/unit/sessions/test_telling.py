"""Outcomes are told by signed callbacks; practice sessions are for demos alone; another origin may embed the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pyhanko.sign.fields import SigFieldSpec
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from api import production
from api.sessions import callbacks
from tests.documents import pdf
from tests.session_support import Desk, desk
from verify.fetcher import FetchFailed

pytestmark = pytest.mark.web

ADDRESS = "https://tthc.example.vn/hook"


class Listener:
    """The system that is told; it fails as often as a test wants."""

    def __init__(self, *, failing: int) -> None:
        self.failing, self.heard = failing, []

    def __call__(self, url: str, body: bytes, headers) -> bytes:
        self.heard.append((url, body, dict(headers)))
        if len(self.heard) <= self.failing:
            raise FetchFailed("no", url=url, reason="status")
        return b""


def listening(folder: Path, *, failing: int = 0) -> tuple[Desk, Listener, str]:
    made = desk(folder, sessions={"callbacks": ["tthc.example.vn"]})
    heard = Listener(failing=failing)
    made = replace(made, house=replace(made.house, services=replace(made.house.services, call_back=heard)))
    secret = callbacks.new_secret(made.house.services, made.house.callers["client"].id)
    return made, heard, secret


def test_an_outcome_is_told_signed_and_again_until_it_is_taken(tmp_path: Path):
    """Standard Webhooks: the same id at each try, a signature that the secret verifies, outcomes by document."""
    made, heard, secret = listening(tmp_path, failing=1)
    session = made.asked(made.papers(2), callback=ADDRESS)
    made.page("POST", session, "/documents/d1/return", json={"reason": "Sai tên"})
    made.consent(session)
    for _ in range(2):
        made.work()
    services = made.house.services
    services.database.write(lambda c: c.exec_driver_sql("UPDATE job SET due = 0 WHERE state = 'open'"))
    while made.work():
        pass
    assert [ADDRESS] * 2 == [url for url, _, _ in heard.heard]
    assert 1 == len({headers["webhook-id"] for _, _, headers in heard.heard})
    _, body, headers = heard.heard[-1]
    told = Webhook(secret).verify(body, headers)
    assert ("session.partly", session) == (told["type"], told["data"]["id"])
    outcomes = [one["outcome"] for one in told["data"]["documents"]]
    assert [("returned", "Sai tên"), ("signed", None)] == [(one["state"], one.get("reason")) for one in outcomes]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"partly", b"done!!"), headers)


def test_only_configured_hosts_are_told_and_only_with_a_secret(tmp_path: Path):
    """Another host, or a caller without a secret: refused when the session is asked for. The secret lies sealed."""
    made, _, secret = listening(tmp_path)
    assert "callback-refused" == made.post(callback="https://evil.example/x").json()["code"]
    assert 201 == made.post(callback=ADDRESS).status_code
    assert "callback-refused" == made.post(callback=ADDRESS, name="stranger").json()["code"]
    with made.house.services.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT value FROM callback_secret").all()
    assert secret.encode() not in rows[0][0]


def test_practice_is_for_demos_alone(tmp_path: Path):
    """Off, the address is not there; on, it leads to a session with the demo's documents; production refuses the setting."""
    assert 404 == desk(tmp_path / "off").house.ask("GET", "/sign/demo", name=None).status_code
    chosen = {"unsafe_practice": "client", "practice_documents": ["demo/a.pdf"], "practice_person": "Con dấu (demo)"}
    chosen |= {"practice_field": "ky", "practice_look": "dang/nguoi-ky"}
    made = desk(tmp_path / "on", sessions=chosen)
    folder = made.house.services.settings.home / "demo"
    folder.mkdir()
    pdf(folder / "a.pdf", fields=(SigFieldSpec("ky", box=(60, 60, 220, 130)),))
    answer = made.house.ask("GET", "/sign/demo", name=None)
    assert 303 == answer.status_code, answer.text
    session, _, token = answer.headers["location"].removeprefix("/sign/").partition("#token=")
    (shown,) = made.page("GET", session, token=token).json()["documents"]
    assert ("a.pdf", "nguoi-ky", True) == (shown["name"], shown["step"]["look"], shown["place"]["fixed"])
    found = production._unsafe_settings(production.Look(made.house.services.settings))
    assert ["sessions.unsafe_practice"] == [one.setting for one in found]


def test_only_configured_origins_may_call_from_their_pages(tmp_path: Path):
    """CORS for one session's addresses and the named origins; nothing for others, nothing for the rest of the service."""
    made = desk(tmp_path, sessions={"origins": ["https://tthc.example.vn"]})
    session = made.asked()

    def asked(origin: str, path: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        answer = made.house.ask("OPTIONS", path, name=None, headers=headers)
        return answer.headers.get("access-control-allow-origin")

    assert "https://tthc.example.vn" == asked("https://tthc.example.vn", f"/v1/sessions/{session}")
    assert None is asked("https://evil.example", f"/v1/sessions/{session}")
    assert None is asked("https://tthc.example.vn", "/v1/keys")
    assert json.loads(made.page("GET", session).text)["id"] == session
