"""What is held about a person, erasing it, and holding the directory against the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.directory import people, proving
from api.directory.faults import PersonInOffice
from api.errors import NotFound
from tests.directory_support import NOW, ZONE, Book, counted, day

pytestmark = pytest.mark.appliance


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path).filled()


def erase(book: Book, person: str) -> int:
    line = people.erase(book.database, person, caller="tester", clock=lambda: NOW)
    book.directory.forget()
    return line


def test_a_person_is_told_everything_that_is_held(book: Book) -> None:
    """Names, accounts, posts and keys, the corrected ones too."""
    book.take(people="mã;tên\np1;Nguyễn Văn Mẫu Hai\n")
    told = book.database.read(people.told, book.person("p1"), zone=ZONE)
    assert ["Nguyễn Văn Mẫu", "Nguyễn Văn Mẫu", "Nguyễn Văn Mẫu Hai"] == sorted(one["name"] for one in told["names"])
    assert ["mau@demo.invalid"] == [one["subject"] for one in told["subjects"]]
    assert (["Bí thư"], ["key-p1"]) == ([one["title"] for one in told["posts"]], [one["ref"] for one in told["keys"]])
    with pytest.raises(NotFound):
        book.database.read(people.told, "per_0", zone=ZONE)


def test_who_is_in_office_is_not_erased(book: Book) -> None:
    """Posts, roles, delegations and keys come first."""
    before = book.ledger.state().size
    with pytest.raises(PersonInOffice) as caught:
        erase(book, book.person("p1"))
    assert caught.value.facts["section"] == "posts"
    with pytest.raises(NotFound):
        erase(book, "per_0")
    assert before == book.ledger.state().size


def test_erasing_takes_the_name_out_of_everything_and_leaves_the_rest(book: Book, tmp_path: Path) -> None:
    """Name, code and accounts are in no row any more, also not in superseded ones; what was signed stays explicable; the
    ledger has the id; the directory still is what the ledger says; and the code may be somebody else's."""
    p1 = book.person("p1")
    book.take(as_of="2026-03-01", people="mã;tên\np1;Nguyễn Văn Mẫu Hai\n")
    book.take(people="mã;đến\np1;2026-11-01\n")
    line = erase(book, p1)
    found = book.ledger.read(since=line - 1)[0]
    assert ("directory-erasure", p1) == (found.facts["what"], found.facts["person"])
    with book.database.engine.connect() as connection:
        everything = json.dumps(
            [
                [list(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
                for table in ("person", "person_subject", "post", "key_owner", "directory_change")
            ],
            ensure_ascii=False,
        )
    assert not any(word in everything for word in ("Nguyễn", "mau@demo", '"p1"'))
    assert ["Bí thư"] == [post.title for post in book.directory.posts(p1, day("2026-10-31"))]
    assert proving.Proof(3, (), 0) == book.database.read(proving.examine)
    assert {"people": {"new": 1}} == counted(book.take(people="mã;tên\np1;Người Khác\n"))
    assert p1 != book.person("p1")


def test_several_can_be_erased_and_organisations_still_end(book: Book) -> None:
    """Nothing names the erased, and what hung on them is still found."""
    book.take(people="mã;đến\np1;2026-11-01\np2;2026-11-01\n")
    for code in ("p1", "p2"):
        erase(book, book.person(code))
    done = book.take(organisations="mã;đến\nA1;2026-11-10\n")
    assert {"organisations": {"ended": 1}, "posts": {"ended": 1}} == counted(done)


@pytest.mark.parametrize(
    "meddling",
    [
        "UPDATE post SET rank = 'chief' WHERE rank = 'deputy'",
        "UPDATE key_owner SET organisation = 'org_0' WHERE ref = 'seal-a'",
        "UPDATE post SET valid_to = NULL",
        "UPDATE post SET superseded = NULL",
        "DELETE FROM person_subject",
        "UPDATE directory_change SET rows_sha256 = '00' WHERE number = 9",
    ],
)
def test_rows_that_were_edited_are_found(book: Book, meddling: str) -> None:
    """Each change's rows against its line in the ledger."""
    book.take(posts="cán bộ;đơn vị;chức vụ;đến\np2;A;Phó Bí thư;2026-06-30\n")
    assert proving.Proof(2, (), 0) == book.database.read(proving.examine)
    with book.database.engine.begin() as connection:
        connection.exec_driver_sql(meddling)
    is_whole = "number = 9" in meddling
    assert is_whole == (not book.database.read(proving.examine).broken)


def test_rows_that_no_change_wrote_are_found(book: Book) -> None:
    """Somebody adds a chief behind the newest change."""
    with book.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO post SELECT row + 1000000, 'pst_x', person, organisation, title, 'chief', valid_from, valid_to, 7, NULL "
            "FROM post LIMIT 1"
        )
    assert 1 == book.database.read(proving.examine).strange
