"""A small stand-in for the service, for trying the component alone: it speaks the sessions' JSON, signs nothing, and fails
when it is told to. The page and the component are the real ones.

    with serving(Story()) as fake:
        tab.open(fake.link)
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api import pages, web
from api.pages import sign
from verify import pdfium

TOKEN = "t" * 43
CROSSING = {
    "Access-Control-Allow-Methods": "GET, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Accept-Language",
}
"""What the service lets pages of other systems do."""
PEOPLE = [
    {"id": "per_2", "name": "Trần Thị Ví Dụ (demo)", "title": "Phó Bí thư"},
    {"id": "per_3", "name": "Lê Văn Thư (demo)", "title": None},
]
"""To whom a document may be passed on."""


UNSIGNED = {"verdict": "NO_SIGNATURE", "summary": {}, "signatures": []}


@dataclass
class Story:
    """What is to be signed, and how it goes."""

    documents: dict[str, bytes]
    session: dict[str, Any]
    activation: dict[str, Any] | None = None
    failing: dict[str, str] = field(default_factory=dict)
    """Document → code with which its signature fails."""
    has_events: bool = True
    pause: float = 0.15
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    standings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Document → what its signatures are worth."""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """End of a path → status and code."""
    stop: threading.Event = field(default_factory=threading.Event)

    def document(self, identity: str) -> dict[str, Any]:
        return next(one for one in self.session["documents"] if one["id"] == identity)

    def sign(self) -> None:
        """In a thread of its own: one after the other, until somebody stops it."""
        self.session["state"] = "signing"
        for one in self.session["documents"]:
            if one["state"] != "waiting":
                continue
            time.sleep(self.pause)
            if self.stop.is_set():
                self.session["stopped"] = True
                return
            code = self.failing.get(one["id"])
            one["state"] = "failed" if code else "signed"
            one["outcome"] = {"state": one["state"], **({"code": code, "support_code": "S-1"} if code else {})}
            self.session["progress"]["done"] += 1
        self.session["state"] = "partly" if self.failing else "done"


def document(identity: str, content: bytes, *, title: str, **more: Any) -> dict[str, Any]:
    """A document of a session, as the service tells it."""
    is_pdf = content.startswith(b"%PDF")
    leaves = []
    if is_pdf:
        with pdfium.opened(io.BytesIO(content)) as pdf:
            leaves = [dict(zip(("width", "height"), pdf[n].get_size(), strict=True)) for n in range(len(pdf))]
    return {
        "id": identity,
        "name": f"{identity}.{'pdf' if is_pdf else 'xml'}",
        "title": title,
        "format": "PDF" if is_pdf else "XML",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "pages": leaves,
        "step": {"name": None, "look": None, "level": "B-T"},
        "place": None,
        "fields_taken": [],
        "fill": [],
        "warnings": [],
        "state": "waiting",
        "outcome": {"state": "waiting"},
        **more,
    }


def certificate(ref: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "ref": ref,
        "name": name,
        "title": "Bí thư (demo)",
        "organisation": "Đảng ủy xã Mẫu",
        "not_before": "2026-01-01T00:00:00+07:00",
        "not_after": "2099-01-01T00:00:00+07:00",
        "usable": True,
        "holder": "person",
        "activation": "none",
        **more,
    }


def session(documents: list[dict[str, Any]], certificates: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "id": "ses_1",
        "state": "opened",
        "expires_at": "2099-01-02T08:30:00+07:00",
        "person": {"name": "Nguyễn Văn Mẫu (demo)"},
        "organisation": {"name": "Đảng ủy xã Mẫu"},
        "on_behalf": None,
        "language": "vi",
        "return_url": None,
        "hotline": "0200 000 000 (demo)",
        "documents": documents,
        "certificates": certificates,
        "consent": {"at": None},
        "stopped": False,
        "progress": {"done": 0, "total": len(documents)},
        **more,
    }


@contextmanager
def elsewhere(files: dict[str, str]) -> Iterator[str]:
    """The address of a plain page of another origin, which is `index.html` among its files."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            name = self.path.lstrip("/") or "index.html"
            self.send_response(200 if name in files else 404)
            kind = "text/javascript" if name.endswith(".js") else "text/html"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(files.get(name, "").encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


@dataclass(frozen=True)
class Fake:
    origin: str

    @property
    def link(self) -> str:
        return f"{self.origin}/sign/ses_1?lang=vi#token={TOKEN}"


@contextmanager
def serving(story: Story) -> Iterator[Fake]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path.startswith("/v1/sessions/ses_1"):
                self._call("GET", path.removeprefix("/v1/sessions/ses_1"), query)
            elif path.startswith("/web/"):
                found = web.file(path.removeprefix("/web/"))
                self._send(200, found.content, found.media_type)
            elif path.startswith("/sign/"):
                text = sign.page(session="ses_1", language=query.get("lang", ["vi"])[0], hotline="")  # type: ignore[arg-type]
                self._send(200, text.encode(), "text/html; charset=utf-8", **{"Content-Security-Policy": sign.csp(())})
            elif path.removeprefix("/") in (*pages.ASSETS, "report.css"):
                self._send(200, pages.asset(path.removeprefix("/")), "text/css")
            else:
                self._send(404, b"", "text/plain")

        def do_OPTIONS(self) -> None:
            self._send(204, b"", "text/plain", **CROSSING)

        def do_POST(self) -> None:
            self._call("POST", urlsplit(self.path).path.removeprefix("/v1/sessions/ses_1"), {})

        def do_PUT(self) -> None:
            self._call("PUT", urlsplit(self.path).path.removeprefix("/v1/sessions/ses_1"), {})

        def _call(  # noqa: PLR0912 - the calls of a session, one after the other
            self, method: str, path: str, query: dict[str, list[str]]
        ) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            story.asked.append((method, path, json.loads(body) if body else None))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._problem(401, "session-token-invalid")
                return
            for end, (status, code) in story.refusals.items():
                if path.endswith(end):
                    self._problem(status, code)
                    return
            given = json.loads(body) if body else {}
            match (method, path.strip("/").split("/")):
                case ("GET", [""]):
                    self._json(200, copy.deepcopy(story.session))
                case ("GET", ["documents", identity]):
                    self._send(200, story.documents[identity], "application/octet-stream")
                case ("GET", ["documents", identity, "pages", number]):
                    self._send(
                        200, picture(story.documents[identity], int(number), int(query["width"][0])), "image/png"
                    )
                case ("GET", ["documents", identity, "signatures"]):
                    self._json(200, story.standings.get(identity, UNSIGNED))
                case ("GET", ["documents", identity, "text"]):
                    self._json(200, json.loads(story.documents[identity].split(b"<!--")[1].split(b"-->")[0]))
                case ("GET", ["events"]):
                    self._events()
                case ("PUT", ["documents", identity, "place"]):
                    story.document(identity)["place"] = {**given, "fixed": False}
                    self._json(200, story.document(identity))
                case ("POST", ["documents", identity, "preview"]):
                    page = (given.get("place") or story.document(identity)["place"])["page"]
                    self._send(200, picture(story.documents[identity], page, 64), "image/png")
                case ("POST", ["documents", identity, "return"]):
                    story.document(identity).update(
                        state="returned", outcome={"state": "returned", "reason": given["reason"]}
                    )
                    story.session["progress"]["done"] += 1
                    self._json(200, story.document(identity))
                case ("GET", ["people"]):
                    self._json(200, {"people": PEOPLE})
                case ("POST", ["documents", identity, "reassign"]):
                    (name,) = (one["name"] for one in PEOPLE if one["id"] == given["person"])
                    outcome = {"state": "reassigned", "reason": given["reason"], "reassigned_name": name}
                    story.document(identity).update(state="reassigned", outcome=outcome)
                    story.session["progress"]["done"] += 1
                    self._json(200, story.document(identity))
                case ("POST", ["consent"]) if story.activation:
                    story.session["state"] = "consented"
                    self._json(202, {"state": "consented", "activation": story.activation})
                case ("POST", ["consent"]) | ("PUT", ["activation"]) | ("POST", ["continue"]):
                    story.session["stopped"] = False
                    story.session["state"] = "signing"
                    story.stop.clear()
                    threading.Thread(target=story.sign, daemon=True).start()
                    self._json(202, {"state": "signing"})
                case ("POST", ["stop"]):
                    story.stop.set()
                    self._json(202, {"state": "signing"})
                case _:
                    self._problem(404, "not-found")

        def _events(self) -> None:
            if not story.has_events:
                self._problem(503, "too-many-streams")
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            number = 0
            while story.session["state"] == "signing" and not story.session["stopped"]:
                number += 1
                self.wfile.write(f"id: {number}\nevent: progress\ndata: {{}}\n\n".encode())
                self.wfile.flush()
                time.sleep(story.pause)
            self.wfile.write(b"id: 9999\nevent: end\ndata: {}\n\n")
            self.close_connection = True

        def _json(self, status: int, told: object) -> None:
            self._send(status, json.dumps(told).encode(), "application/json")

        def _problem(self, status: int, code: str) -> None:
            told = {"code": code, "title": f"Lỗi {code}", "detail": "Hãy làm theo hướng dẫn.", "status": status}
            self._send(status, json.dumps(told).encode(), "application/problem+json")

        def _send(self, status: int, content: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.send_header("X-Request-Id", "req-1")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Fake(f"http://localhost:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()


def picture(document: bytes, number: int, width: int) -> bytes:
    with pdfium.opened(io.BytesIO(document)) as pdf:
        page = pdf[number - 1]
        out = io.BytesIO()
        page.render(scale=width / page.get_width()).to_pil().save(out, "PNG")
    return out.getvalue()


def challenge(credential: bytes) -> dict[str, Any]:
    """What a person's key asks of a browser, for a credential of this id."""
    return {
        "id": "act_1",
        "challenge": base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode(),
        "rp_id": "localhost",
        "credential_ids": [base64.urlsafe_b64encode(credential).rstrip(b"=").decode()],
        "user_verification": "required",
        "expires_at": "2099-01-01T00:00:00Z",
    }
