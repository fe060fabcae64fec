"""A service in one process with two organisations, one below the other, and a third beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.store import callers
from tests.documents import pdf
from tests.http_support import House, house

ORGANISATIONS = [
    {"code": "TINH", "name": "Tỉnh ủy Mẫu", "kind": "tinh-uy", "from": "2020-01-01"},
    {"code": "XA", "name": "Đảng ủy xã Mẫu", "kind": "dang-uy-co-so", "parent": "TINH", "from": "2020-01-01"},
    {"code": "KHAC", "name": "Đảng ủy xã Khác (mẫu)", "kind": "dang-uy-co-so", "from": "2020-01-01"},
]
PEOPLE = [{"code": "P1", "name": "Nguyễn Văn Mẫu"}, {"code": "P2", "name": "Trần Thị Mẫu"}]


@dataclass
class World:
    """`home` with callers of organisations; `ids` are the directory's ids by code."""

    home: House
    ids: dict[str, str]
    document: bytes

    def caller(self, name: str, *, role: str = "client", organisation: str | None = None, **more: object) -> str:
        """Make a caller that `ask` knows by this name; returns its id."""
        self.home.secrets[name] = self.home.services.database.write(
            callers.create,
            name=name,
            role=role,
            keys=more.pop("keys", ("*",)),
            organisation=self.ids[organisation] if organisation else None,
            **more,
        )
        return self.home.secrets[name].split("_")[1]

    def tell(self, **sections: list[dict[str, str]]) -> None:
        """An import into the directory, by the administrator."""
        answer = self.home.ask("POST", "/v1/directory/imports", name="administrator", json=sections)
        assert answer.status_code in (200, 201), answer.text
        self.home.services.directory.forget()

    def ask(self, method: str, path: str, name: str, **more: object) -> httpx.Response:
        return self.home.ask(method, path, name=name, **more)

    def sign(self, name: str, *, document: bytes | None = None, **order: object) -> httpx.Response:
        """POST /v1/signatures with the key `seal`, unless the order says otherwise."""
        order = {"level": "B-B", **({} if "certificate" in order else {"key": "seal"}), **order}
        return self.ask(
            "POST",
            "/v1/signatures",
            name,
            files={"document": ("a.pdf", document or self.document, "application/pdf")},
            data={"order": json.dumps(order)},
        )

    def rule(self, name: str, **rule: object) -> None:
        """Set a rule on all callers and keys, unless it says otherwise."""
        text = {"callers": "*", "keys": "*", **rule}
        answer = self.ask("PUT", f"/v1/rights/{name}", "administrator", json=text)
        assert 200 == answer.status_code, answer.text


def open_world(folder: Path, document: bytes, **sections: object) -> World:
    home = house(folder, **sections)
    world = World(home, {}, document)
    world.tell(
        organisations=ORGANISATIONS,
        people=PEOPLE,
        keys=[{"ref": "seal", "organisation": "XA"}, {"ref": "other", "organisation": "KHAC"}],
    )
    directory = home.services.directory
    for one in ORGANISATIONS:
        found = directory.organisation(one["code"])
        assert found is not None
        world.ids[one["code"]] = found.id
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return open_world(tmp_path / "home", pdf(tmp_path / "a.pdf").read_bytes())
