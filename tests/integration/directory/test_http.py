"""The directory over HTTP: a caller sees its own subtree and one 404 for the rest; imports are repeated safely."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from api.store import callers
from tests.directory_support import KEYS, ORGANISATIONS, PEOPLE, POSTS, Book, empty_database
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

EVERYTHING = {
    "organisations": [
        {"code": "T", "name": "Tỉnh ủy Mẫu", "kind": "tinh-uy"},
        {"code": "A", "name": "Đảng ủy xã Mẫu", "kind": "dang-uy-co-so", "parent": "T"},
    ],
    "people": [{"code": "p1", "name": "Nguyễn Văn Mẫu"}],
    "posts": [{"person": "p1", "organisation": "A", "title": "Bí thư", "rank": "chief"}],
}


@pytest.fixture
def served(tmp_path: Path) -> House:
    shutil.copy(empty_database(), tmp_path / "kyso.db")
    return house(tmp_path)


@pytest.fixture
def filled(served: House, tmp_path: Path) -> House:
    book = Book(tmp_path, served.services.database)
    book.take(organisations=ORGANISATIONS, people=PEOPLE, posts=POSTS, keys=KEYS)
    add(served, "of-a", organisation=book.organisation("A"))
    add(served, "of-b", organisation=book.organisation("B"))
    add(served, "administrator-of-a", role="administrator", organisation=book.organisation("A"))
    return served


def add(served: House, name: str, *, role: str = "client", organisation: str) -> None:
    """A caller that belongs to an organisation and sees what is below it."""
    served.secrets[name] = served.services.database.write(
        callers.create, name=name, role=role, keys=("*",), organisation=organisation, reach="subtree"
    )


def codes(served: House, path: str, name: str, **query: str) -> list[str]:
    answer = served.ask("GET", path, name=name, params=query)
    assert answer.status_code == 200, answer.text
    (section,) = (one for one in answer.json().values() if isinstance(one, list))
    return [one["code"] for one in section]


def import_(served: House, body: object, *, name: str = "administrator", kind: str = "application/json", **more):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind, **more.pop("headers", {})}
    return served.ask("POST", "/v1/directory/imports", name=name, content=content, headers=headers, **more)


def test_a_caller_of_an_organisation_sees_its_subtree(filled: House) -> None:
    """The whole appliance sees all; a commune sees itself and its cells, its people, and no parent's name."""
    assert ["A", "A1", "B", "B1", "T", "V"] == codes(filled, "/v1/organisations", "auditor")
    assert ["A", "A1", "V"] == codes(filled, "/v1/organisations", "of-a")
    assert ["B", "B1"] == codes(filled, "/v1/organisations", "of-b")
    assert ["p1", "p2", "p3"] == codes(filled, "/v1/people", "of-a")
    assert ["p4"] == codes(filled, "/v1/people", "of-b")
    (top, *_) = filled.ask("GET", "/v1/organisations", name="of-a").json()["organisations"]
    assert (None, "2020-01-01") == (top["parent"], top["from"])
    assert ["A1"] == codes(filled, "/v1/organisations", "of-a", under="A1")


def test_what_is_not_seen_answers_as_what_is_not_there(filled: House) -> None:
    """One 404, letter for letter, for another's person, for nobody, and for odd ids."""
    people = filled.ask("GET", "/v1/people", name="auditor").json()["people"]
    other = next(one["id"] for one in people if one["code"] == "p4")
    answers = [
        filled.ask("GET", f"/v1/people/{identity}", name="of-a", headers={"X-Request-Id": "r"})
        for identity in (other, "per_0", "%01", "ế")
    ]
    answers.append(
        filled.ask("GET", "/v1/organisations", name="of-a", params={"under": "B"}, headers={"X-Request-Id": "r"})
    )
    assert {404} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    own = next(one["id"] for one in people if one["code"] == "p1")
    told = filled.ask("GET", f"/v1/people/{own}", name="of-a").json()
    assert ["Bí thư"] == [post["title"] for post in told["posts"]]


def test_roles_that_may_not(filled: House) -> None:
    """Nobody without an API key; importing is for administrators of the whole appliance alone."""
    assert 401 == filled.ask("GET", "/v1/people", name=None).status_code
    assert 403 == filled.ask("GET", "/v1/people", name="operator").status_code
    for name in ("client", "auditor", "operator", "of-a", "administrator-of-a"):
        answer = import_(filled, EVERYTHING, name=name)
        assert (403, "not-permitted") == (answer.status_code, answer.json()["code"]), name


def test_pages_follow_one_another(filled: House) -> None:
    """`next` is given to `after` until there is none."""
    seen, after = [], ""
    while True:
        page = filled.ask("GET", "/v1/people", name="auditor", params={"limit": 3, "after": after}).json()
        seen += [one["code"] for one in page["people"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert ["p1", "p2", "p3", "p4"] == seen
    first = filled.ask("GET", "/v1/organisations", name="auditor", params={"limit": 2}).json()
    assert (["A", "A1"], "A1") == ([one["code"] for one in first["organisations"]], first["next"])


def test_a_trial_tells_and_writes_nothing(served: House) -> None:
    """`dry_run`: what would change."""
    answer = import_(served, EVERYTHING, params={"dry_run": "true", "as_of": "2026-01-01"})
    assert 200 == answer.status_code
    assert (True, 1, None) == (
        answer.json()["dry_run"],
        answer.json()["counts"]["posts"]["new"],
        answer.json()["change"],
    )
    assert [] == served.kinds()
    assert [] == codes(served, "/v1/organisations", "auditor")


def test_an_import_has_one_effect_and_one_answer_for_its_idempotency_key(served: House) -> None:
    """The same key again: the same answer, marked; with another body: refused. Both leave one line in the ledger."""
    headers = {"Idempotency-Key": "k1"}
    first = import_(served, EVERYTHING, headers=headers)
    again = import_(served, EVERYTHING, headers=headers)
    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert "true" == again.headers["Idempotency-Replayed"]
    assert ["CHANGED"] == served.kinds()
    assert 409 == import_(served, {"people": []}, headers=headers).status_code
    assert ["A", "T"] == codes(served, "/v1/organisations", "auditor")
    anew = import_(served, EVERYTHING)
    assert (None, 2) == (anew.json()["change"], anew.json()["ledger"])


def test_faults_come_back_with_every_line(served: House) -> None:
    """422 with place, code and sentence of each, in the caller's language; the Idempotency-Key is free again."""
    bad = {**EVERYTHING, "posts": [{"person": "p9", "organisation": "A", "title": "x", "rank": "chief"}]}
    answer = import_(served, bad, headers={"Idempotency-Key": "k", "Accept-Language": "vi"})
    assert (422, "directory-import-refused") == (answer.status_code, answer.json()["code"])
    (fault,) = answer.json()["faults"]
    assert (1, "person-unknown", True) == (
        fault["line"],
        fault["code"],
        "Không có người mang mã `p9`" in fault["detail"],
    )
    assert [] == served.kinds()
    assert 201 == import_(served, EVERYTHING, headers={"Idempotency-Key": "k"}).status_code


def test_csv_is_taken_with_its_kind(served: House) -> None:
    """`text/csv` names the kind in the query or in a column."""
    text = "mã;tên;loại\nA;Đảng ủy xã Mẫu;đảng ủy cơ sở\n".encode()
    assert 422 == import_(served, text, kind="text/csv").status_code
    done = import_(served, text, kind="text/csv; charset=utf-8", params={"kind": "organisations"})
    assert (201, 1) == (done.status_code, done.json()["counts"]["organisations"]["new"])


def test_odd_bodies_are_refused_with_codes(served: House) -> None:
    """Another type, nothing, files that are named, dates that are none, odd parameters."""
    assert 415 == import_(served, b"x", kind="application/xml").status_code
    assert "directory-import-empty" == import_(served, {}).json()["code"]
    assert "directory-import-refused" == import_(served, b"").json()["code"]
    assert 400 == import_(served, EVERYTHING, params={"as_of": "yesterday"}).status_code
    assert 400 == import_(served, EVERYTHING, params={"kind": "cars"}).status_code
    files = {"certificates": [{"file": "/etc/passwd", "person": "p1"}]}
    answer = import_(served, {**EVERYTHING, **files})
    assert ["certificate-unreadable"] == [one["code"] for one in answer.json()["faults"]]
    assert 400 == served.ask("GET", "/v1/people", name="auditor", params={"after": "\0"}).status_code


def test_bodies_are_bounded(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than an import may hold is cut off while it comes in."""
    monkeypatch.setattr("api.routes.directory.LARGEST", 100)
    assert 413 == import_(served, b"x" * 101).status_code
