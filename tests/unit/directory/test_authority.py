"""Who may sign for whom: own posts, deputies, delegations, at a time; and what is refused, by code."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.directory import Authority, Refusal, rules
from tests.directory_support import Book, day

pytestmark = pytest.mark.appliance

HEAD = "hình thức;người giao;người nhận;đơn vị;căn cứ;từ;đến\n"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path).filled()


def answer(book: Book, person: str, organisation: str, form: str, at: str = "2026-11-22") -> str:
    """The reference of what it rests on, or the refusal's code."""
    chosen = rules.form(form)
    assert chosen is not None
    found = book.directory.may_sign_for(book.person(person), book.organisation(organisation), chosen, day(at))
    if isinstance(found, Refusal):
        return found.code
    assert isinstance(found, Authority)
    return found.delegation.reference if found.delegation else found.post.title if found.post else "-"


@pytest.mark.parametrize(
    ("person", "organisation", "form", "expected"),
    [
        ("p1", "A", "direct", "Bí thư"),
        ("p1", "A", "TM.", "Bí thư"),
        ("p1", "A", "KT", "no-deputy-post"),
        ("p2", "A", "KT.", "Phó Bí thư"),
        ("p2", "A", "TM", "Phó Bí thư"),
        ("p2", "A", "direct", "no-chief-post"),
        ("p1", "T", "direct", "no-chief-post"),
        ("p1", "A1", "direct", "no-chief-post"),
        ("p1", "B", "TM", "no-delegation"),
        ("p1", "V", "TM", "form-not-for-kind"),
        ("p3", "A", "TL", "no-delegation"),
    ],
)
def test_posts_decide(book: Book, person: str, organisation: str, form: str, expected: str) -> None:
    """A chief in the own office and TM., a deputy KT. and TM.; nobody for an organisation above, below or beside."""
    assert expected == answer(book, person, organisation, form)


def test_a_post_counts_from_its_first_day_to_its_last(book: Book) -> None:
    """The day before and the day after, nothing."""
    book.take(posts="cán bộ;đơn vị;chức vụ;đến\np1;A;Bí thư;30/06/2026\n")
    days = ("2020-12-31", "2021-01-01", "2026-06-30", "2026-07-01")
    assert ["no-chief-post", "Bí thư", "Bí thư", "no-chief-post"] == [
        answer(book, "p1", "A", "direct", d) for d in days
    ]


def test_a_delegation_counts_for_its_form_organisation_and_time(book: Book) -> None:
    """TUQ. given by the chief to the head of a unit below, for half a year."""
    book.take(delegations=HEAD + "thừa ủy quyền;p1;p3;A;05-QĐ/ĐU;2026-01-01;2026-06-30\n")
    assert "05-QĐ/ĐU" == answer(book, "p3", "A", "TUQ", "2026-06-30")
    assert "delegation-over" == answer(book, "p3", "A", "TUQ", "2026-07-01")
    assert "delegation-over" == answer(book, "p3", "A", "TUQ", "2025-12-31")
    assert "no-delegation" == answer(book, "p3", "A", "TL", "2026-06-30")
    assert "no-delegation" == answer(book, "p3", "B", "TUQ", "2026-06-30")


def test_a_delegation_ends_with_the_office_of_its_giver(book: Book) -> None:
    """A new chief gives it anew; and who was never chief gave nothing."""
    book.take(delegations=HEAD + "TL;p1;p3;A;05-QĐ/ĐU;2026-01-01;\nTL;p2;p3;A;06-QĐ/ĐU;2026-01-01;\n")
    assert "05-QĐ/ĐU" == answer(book, "p3", "A", "TL")
    book.take(posts="cán bộ;đơn vị;chức vụ;đến\np1;A;Bí thư;2026-06-30\n")
    assert "giver-not-in-office" == answer(book, "p3", "A", "TL")
    assert "05-QĐ/ĐU" == answer(book, "p3", "A", "TL", "2026-06-30")


def test_who_receives_it_holds_a_post_there_or_below(book: Book) -> None:
    """The chief of another commune cannot sign by order of this one's."""
    book.take(delegations=HEAD + "TL;p1;p4;A;05-QĐ/ĐU;2026-01-01;\n")
    assert "receiver-without-post" == answer(book, "p4", "A", "TL")


def test_what_was_received_is_not_passed_on(book: Book) -> None:
    """p3 signs for A by TUQ.; giving that to p4 is worth nothing, as p3 is not A's chief."""
    given = "TUQ;p1;p3;A;05-QĐ/ĐU;2026-01-01;2026-12-31\nTUQ;p3;p2;A;06-QĐ;2026-01-01;2026-12-31\n"
    book.take(delegations=HEAD + given)
    assert "giver-not-in-office" == answer(book, "p2", "A", "TUQ")


def test_an_authorisation_without_an_end_is_not_taken_in(book: Book) -> None:
    """TUQ. is for a limited time; and nobody gives anything to themselves."""
    assert [("delegations.csv", 2, "delegation-without-end")] == book.faults(
        delegations=HEAD + "TUQ;p1;p3;A;05-QĐ/ĐU;2026-01-01;\n"
    )
    assert [("delegations.csv", 2, "delegation-to-oneself")] == book.faults(
        delegations=HEAD + "TL;p1;p1;A;05-QĐ/ĐU;2026-01-01;\n"
    )


def test_what_is_not_known_is_refused(book: Book) -> None:
    """An organisation before its time, a person who left, ids that nobody has."""
    assert "organisation-not-in-force" == answer(book, "p1", "A", "direct", "2019-12-31")
    p1 = book.person("p1")
    book.take(people="mã;đến\np1;2026-06-30\n")
    a, at = book.organisation("A"), day("2026-07-01")
    assert Refusal("person-not-known") == book.directory.may_sign_for(p1, a, "direct", at)
    assert Refusal("organisation-not-in-force") == book.directory.may_sign_for(p1, "org_0", "direct", at)
    assert Refusal("person-not-known") == book.directory.may_sign_for("per_0", a, "direct", at)
