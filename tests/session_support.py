"""Signing sessions in a service of one process: asked for by a system, opened by an official's browser."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from api.directory import importing, records
from api.directory.reading import Source
from api.store.tables import caller as caller_table
from tests.documents import pdf
from tests.http_support import House, house

ORGANISATIONS = """\
Mã;Tên;Loại;Cấp trên;Từ ngày
A;Đảng ủy xã Mẫu A;đảng ủy cơ sở;;2020-01-01
A1;Chi bộ thôn Mẫu;chi bộ;A;2020-01-01
"""
PEOPLE = "mã cán bộ,họ và tên,tài khoản\np1,Nguyễn Văn Mẫu,\np2,Trần Thị Ví Dụ,\np3,Lê Văn Thư,\n"
POSTS = "cán bộ;đơn vị;chức vụ;cấp bậc;từ\np1;A;Bí thư;trưởng;2021-01-01\np2;A;Phó Bí thư;phó;2021-01-01\n"
ROLES = "cán bộ;đơn vị;vai trò;từ ngày\np3;A;văn thư;2024-01-01\n"
KEYS = "khóa;đơn vị;cán bộ;từ\nseal;A;;2021-01-01\nother;A;p2;2021-01-01\n"


@dataclass
class Desk:
    """A house with sessions: `made` are what systems were told, by session."""

    house: House
    folder: Path
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def papers(self, count: int) -> list[tuple[str, bytes]]:
        return [(f"đơn-{n}.pdf", pdf(self.folder / f"{n}.pdf", ballast=n).read_bytes()) for n in range(1, count + 1)]

    def post(self, documents: list[tuple[str, bytes]] | None = None, *, name: str = "client", headers=None, **more):
        """`POST /v1/sessions`; `each` is what every document's entry says besides."""
        documents = self.papers(1) if documents is None else documents
        each = more.pop("each", {})
        asked = {"person": "Nguyễn Văn Mẫu", "documents": [{"document": one, **each} for one, _ in documents], **more}
        files = [("document", (called, data, "application/octet-stream")) for called, data in documents]
        files.append(("session", (None, json.dumps(asked).encode(), "application/json")))
        return self.house.ask("POST", "/v1/sessions", files=files, name=name, headers=headers)

    def asked(self, documents: list[tuple[str, bytes]] | None = None, **more: Any) -> str:
        """A session that was made; its id."""
        answer = self.post(documents, **more)
        assert 201 == answer.status_code, answer.text
        told = answer.json()
        self.made[told["id"]] = told
        return told["id"]

    def page(self, method: str, session: str, path: str = "", *, token: str | None = None, headers=None, **more):
        """One call of the session's page, under its token."""
        shown = {"Authorization": f"Bearer {token or self.made[session]['token']}"} | (headers or {})
        return self.house.ask(method, f"/v1/sessions/{session}{path}", name=None, headers=shown, **more)

    def show(self, session: str) -> dict[str, Any]:
        answer = self.page("GET", session)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def consent(self, session: str, key: str = "seal", *, headers=None, **more: Any) -> httpx.Response:
        """To everything that waits, as it is shown."""
        if "documents" not in more:
            waiting = [one for one in self.show(session)["documents"] if one["state"] == "waiting"]
            more["documents"] = [{"id": one["id"], "sha256": one["sha256"]} for one in waiting]
        return self.page("POST", session, "/consent", json={"key": key, **more}, headers=headers)

    def work(self) -> bool:
        """One job of the background."""
        from api.sessions import callbacks, working

        services = self.house.services
        return services.jobs.run_one({**working.handlers(services), **callbacks.handlers(services)})

    def lines(self, session: str) -> list[str]:
        """What the ledger says of a session."""
        found = self.house.services.ledger.read(limit=1000, kind="SESSION")
        return [line.facts["what"] for line in found if line.facts["session"] == session]


def desk(folder: Path, *, directory: bool = False, **sections: Any) -> Desk:
    """A desk below `folder`; with a directory of a small office where that is wanted."""
    made = house(folder / "home", **sections)
    if directory:
        services = made.services
        # The system may use the office's seal and the official's key, which asks nobody for a passkey.
        patterns = sa.update(caller_table).where(caller_table.c.id == made.callers["client"].id)
        services.database.write(lambda connection: connection.execute(patterns.values(keys_json='["seal*", "other"]')))
        texts = {"organisations": ORGANISATIONS, "people": PEOPLE, "posts": POSTS, "roles": ROLES, "keys": KEYS}
        sources = [
            Source.of_bytes(f"{name}.csv", text.encode(), kind=records.kind_of_file(name))
            for name, text in texts.items()
        ]
        zone, clock = services.settings.zone, services.clock
        importing.run(services.database, sources, as_of=clock(), zone=zone, caller="tester", clock=clock)
        services.directory.forget()
    return Desk(made, folder)
