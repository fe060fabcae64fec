"""What the directory answers with each request: owners of keys, facts for the ledger, what is remembered and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.directory import answers
from tests.directory_support import Book, day

pytestmark = pytest.mark.appliance


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path).filled()


def test_a_key_that_nobody_owns_belongs_to_the_appliance(book: Book) -> None:
    """No owner, no facts: everything is as it was without a directory."""
    assert None is book.directory.owner_of_key("demo-tsa")
    assert {} == book.directory.facts(key="demo-tsa")
    assert () == book.directory.keys_of("org_0")


def test_a_key_changes_hands_at_a_day(book: Book) -> None:
    """The former owner answers for what was signed before."""
    book.take(as_of="2026-06-01", keys="khóa;đơn vị\nseal-a;B\n")
    owners = [book.directory.owner_of_key("seal-a", day(text)) for text in ("2026-05-31", "2026-06-01")]
    assert [book.organisation("A"), book.organisation("B")] == [one.organisation for one in owners if one]
    assert ["key-p1"] == [one.ref for one in book.directory.keys_of(book.organisation("A"))]


def test_facts_name_post_and_delegation_as_ids(book: Book) -> None:
    """A personal key: its person's post in the owner's organisation. With a delegation: that one, where the post is
    neither chief's nor deputy's. A seal: who used it, by their post below. Always the change they were read from."""
    directory, p1, p3 = book.directory, book.person("p1"), book.person("p3")
    (post,) = directory.posts(p1)
    expected = {"organisation": book.organisation("A"), "person": p1, "post": post.id, "directory": 1}
    assert expected == directory.facts(key="key-p1")
    (cell,) = directory.posts(p3)
    seal = directory.facts(key="seal-a", person=p3)
    assert {"organisation": book.organisation("A"), "person": p3, "post": cell.id, "directory": 1} == seal
    head = "hình thức;người giao;người nhận;đơn vị;căn cứ;từ;đến\n"
    book.take(delegations=head + "TUQ;p1;p3;A;05-QĐ;2026-01-01;2026-12-31\n")
    (given,) = directory.delegations(p3)
    assert {**seal, "delegation": given.id, "directory": 2} == directory.facts(key="seal-a", person=p3)
    assert {"organisation": book.organisation("A"), "directory": 2} == directory.facts(key="seal-a")


def test_answers_about_now_are_remembered_and_forgotten(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each signature the same question: the database is asked once in two seconds, and at once after a change here."""
    asked: list[str] = []
    real = answers.rows.in_force

    def counted(connection, table, at, /, **equal):
        asked.append(table)
        return real(connection, table, at, **equal)

    monkeypatch.setattr(answers.rows, "in_force", counted)
    first = book.directory.facts(key="key-p1", person=None)
    count = len(asked)
    assert count > 0
    assert all(first == book.directory.facts(key="key-p1", person=None) for _ in range(100))
    assert count == len(asked)
    book.directory.forget()
    assert first == book.directory.facts(key="key-p1", person=None)
    assert count * 2 == len(asked)


def test_another_process_s_change_is_seen_within_seconds(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another worker imported counts when the memory is over, without a word between the two."""
    other = answers.Directory(book.database, clock=lambda: day("2026-11-22"))
    seal = other.owner_of_key("seal-a")
    assert seal is not None
    book.take(keys="khóa;đơn vị\nseal-a;B\n", organisations="mã;tên\nA;Tên mới\n")
    assert seal == other.owner_of_key("seal-a")
    real = answers.time.monotonic
    monkeypatch.setattr(answers.time, "monotonic", lambda: real() + answers.REMEMBERED)
    moved = other.owner_of_key("seal-a")
    assert moved is not None
    assert book.organisation("B") == moved.organisation
    renamed = other.organisation("A")
    assert renamed is not None
    assert renamed.name == "Tên mới"


def test_a_subtree_holds_what_is_below_and_nothing_beside(book: Book) -> None:
    """What ended without a successor stays in sight of where it was; what is only to come is not there yet."""
    more = "mã;tên;loại;cấp trên;từ;đến\nX;Chi bộ cũ;chi bộ;A;2020-01-01;2022-12-31\nY;Chi bộ mai sau;chi bộ;A;2030-01-01;\n"
    book.take(organisations=more)
    directory = book.directory
    scope = directory.scope(book.organisation("A"))
    assert {book.organisation(code) for code in ("A", "A1", "V", "X")} == scope
    assert ["A1", "V"] == [one.code for one in directory.descendants(book.organisation("A"))]
    assert frozenset() == directory.scope("org_0")
    assert book.organisation("Y") in directory.scope(book.organisation("A"), day("2031-01-01"))
