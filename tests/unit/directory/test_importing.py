"""Imports: all or nothing, repeatable, and what mergers, renewals, corrections and ends do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.directory import Authority, Refusal, exporting, importing
from api.directory.faults import DirectoryImportEmpty, DirectoryImportRefused
from api.directory.reading import Source
from tests.directory_support import KEYS, NOW, ORGANISATIONS, PEOPLE, POSTS, ZONE, Book, counted, day
from tests.pki import Authority as CertificateAuthority

pytestmark = pytest.mark.appliance

MERGER = """\
mã,tên,loại,cấp trên,từ,đến,sáp nhập vào
N,Đảng ủy xã Mẫu Mới,đảng ủy cơ sở,T,2026-07-01,,
A,,,,,2026-06-30,N
B,,,,,2026-06-30,N
"""
NEW_POSTS = """\
cán bộ;đơn vị;chức vụ;cấp bậc;từ
p1;N;Bí thư;trưởng;2026-07-01
p4;N;Phó Bí thư;phó;2026-07-01
"""


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def test_a_first_import_is_new_and_the_same_again_changes_nothing(book: Book) -> None:
    """Running it again changes nothing, and the ledger says that it was run."""
    files = {"organisations": ORGANISATIONS, "people": PEOPLE, "posts": POSTS, "keys": KEYS}
    expected = {
        "organisations": {"new": 6},
        "people": {"new": 4},
        "subjects": {"new": 1},
        "posts": {"new": 4},
        "keys": {"new": 3},
    }
    assert expected == counted(book.take(trial=True, **files))
    assert 0 == book.ledger.state().size
    first = book.take(**files)
    assert (expected, 1, 1) == (counted(first), first.change, first.ledger)
    for as_of in ("2026-11-22", "2027-01-01"):
        again = book.take(as_of=as_of, **files)
        assert {kind: {"same": one["new"]} for kind, one in expected.items()} == counted(again)
        assert again.change == 0


def test_the_ledger_has_ids_digests_and_numbers_but_no_names(book: Book) -> None:
    """One line for each import: who, as of when, digests of the files and of the rows, counts."""
    book.filled()
    (line,) = book.ledger.read()
    assert ("CHANGED", "directory-import", "tester", 1) == (
        line.kind,
        line.facts["what"],
        line.facts["caller"],
        line.facts["directory"],
    )
    assert 4 == len(line.facts["sources"])
    assert not any(word in line.text for word in ("Mẫu", "Nguyễn", "p1", "demo.invalid"))


def test_one_bad_line_keeps_everything_out_and_every_bad_line_is_named(book: Book) -> None:
    """All or nothing, with each fault's line and a sentence that says what to do."""
    book.filled()
    posts = (
        "cán bộ;đơn vị;chức vụ;cấp bậc;từ\n"
        "p1;A;Chủ nhiệm;trưởng;2026-01-01\n"
        "p9;A;Bí thư;trưởng;2026-01-01\n"
        "p1;Z;Bí thư;trưởng;2026-01-01\n"
        "p1;A;Bí thư;to nhất;2026-01-01\n"
        "p1;A;Phó;phó;31/02/2026\n"
        ";A;Phó;phó;2026-01-01\n"
    )
    assert [
        ("posts.csv", 3, "person-unknown"),
        ("posts.csv", 4, "organisation-unknown"),
        ("posts.csv", 5, "word-unknown"),
        ("posts.csv", 6, "date-unreadable"),
        ("posts.csv", 7, "missing"),
    ] == book.faults(posts=posts)
    assert ["Bí thư"] == [post.title for post in book.directory.posts(book.person("p1"))]


def test_communes_merge(book: Book) -> None:
    """Two end, one begins: what lay below them lies below the new one, keys are in its care, authority ends with the
    old ones and is what new lines say; the past stays as it was."""
    book.filled()
    before, after = day("2026-06-30"), day("2026-07-01")
    done = book.take(as_of="2026-07-01", organisations=MERGER, posts=NEW_POSTS)
    assert {"organisations": {"new": 1, "ended": 2}, "posts": {"new": 2, "ended": 3}} == counted(done)
    tree, old, new = book.directory, book.organisation("A"), book.organisation("N")
    assert ["A1", "B1", "V"] == [one.code for one in tree.descendants(new, after)]
    assert ["A1", "V"] == [one.code for one in tree.descendants(old, before)]
    assert ["N", "T"] == [one.code for one in tree.ancestors(book.organisation("B1"), after)]
    assert (old, new) == (tree.successor(old, before), tree.successor(old, after))
    assert ["key-p1", "seal-a", "seal-b"] == [key.ref for key in tree.keys_of(new, after)]
    seal = tree.owner_of_key("seal-a", after)
    assert seal is not None
    assert (new, old, True) == (seal.organisation, seal.given_to, seal.is_inherited)
    p1, p4 = book.person("p1"), book.person("p4")
    assert isinstance(tree.may_sign_for(p1, old, "direct", before), Authority)
    assert Refusal("organisation-not-in-force") == tree.may_sign_for(p1, old, "direct", after)
    assert isinstance(tree.may_sign_for(p1, new, "direct", after), Authority)
    # A chief of a former commune is no chief of the new one by that.
    assert Refusal("no-chief-post") == tree.may_sign_for(p4, new, "direct", after)
    again = book.take(as_of="2026-07-01", organisations=MERGER, posts=NEW_POSTS)
    assert {"organisations": {"same": 3}, "posts": {"same": 2}} == counted(again)


def test_a_merger_that_does_not_hold_together_is_refused(book: Book) -> None:
    """Without an end, into itself, into one that does not exist by then, and posts in what has ended."""
    book.filled()
    head = "mã,từ,đến,sáp nhập vào\n"
    assert [("organisations.csv", 2, "merged-without-end")] == book.faults(organisations=head + "A,,,B\n")
    assert [("organisations.csv", 2, "merged-into-itself")] == book.faults(organisations=head + "A,,2026-06-30,A\n")
    late = "mã,tên,loại,từ,đến,sáp nhập vào\nN,Mới,đảng ủy cơ sở,2026-09-01,,\nA,,,,2026-06-30,N\n"
    assert [("organisations.csv", 3, "successor-not-in-force")] == book.faults(organisations=late)
    post = "cán bộ;đơn vị;chức vụ;cấp bậc;từ\np2;A;Bí thư;trưởng;2026-08-01\n"
    assert ("posts.csv", 2, "organisation-not-in-force") in book.faults(organisations=MERGER, posts=post)


def test_one_absorbs_others_and_goes_on(book: Book) -> None:
    """B goes into A, which keeps its code: its key, people and past stay."""
    book.filled()
    book.take(as_of="2026-07-01", organisations="mã,đến,sáp nhập vào\nB,2026-06-30,A\n")
    tree, after = book.directory, day("2026-07-01")
    assert ["A1", "B1", "V"] == [one.code for one in tree.descendants(book.organisation("A"), after)]
    assert isinstance(tree.may_sign_for(book.person("p1"), book.organisation("A"), "direct", after), Authority)


def test_a_line_without_a_date_changes_from_the_day_that_was_named(book: Book) -> None:
    """A commune is renamed and put elsewhere as of a day; before it things are as they were, and the id is the same."""
    book.filled()
    done = book.take(as_of="2026-03-01", organisations="mã;tên\nA1;Chi bộ thôn Một mới\n")
    assert {"organisations": {"changed": 1}} == counted(done)
    identity = book.organisation("A1")
    names = [book.directory.organisation(identity, day(text)).name for text in ("2026-02-28", "2026-03-01")]
    assert ["Chi bộ thôn Một", "Chi bộ thôn Một mới"] == names
    assert {"organisations": {"same": 1}} == counted(book.take(organisations="mã;tên\nA1;Chi bộ thôn Một mới\n"))


def test_a_line_with_the_same_beginning_is_a_correction_and_what_was_known_is_kept(book: Book) -> None:
    """The wrong name was never right; the row that said so is superseded, not gone."""
    book.filled()
    wrong = "mã;tên;từ\nA1;Chi bộ thôn 1;2020-01-01\n"
    assert {"organisations": {"corrected": 1}} == counted(book.take(organisations=wrong))
    found = book.directory.organisation("A1", day("2020-06-01"))
    assert found is not None
    assert found.name == "Chi bộ thôn 1"
    with book.database.engine.connect() as connection:
        kept = connection.exec_driver_sql(
            "SELECT name, recorded, superseded FROM organisation WHERE code = 'A1' ORDER BY row"
        ).all()
    assert [("Chi bộ thôn Một", 1, 2), ("Chi bộ thôn 1", 2, None)] == [tuple(row) for row in kept]


def test_somebody_leaves_and_what_they_held_ends(book: Book) -> None:
    """Posts, delegations, accounts and personal keys end with the person."""
    book.filled()
    book.take(delegations="hình thức;người giao;người nhận;đơn vị;căn cứ;từ\nTL;p1;p3;A;01-QĐ;2026-01-01\n")
    done = book.take(people="mã;đến\np1;2026-10-31\n")
    expected = {"people": {"ended": 1}, "subjects": {"ended": 1}, "posts": {"ended": 1}, "delegations": {"ended": 1}}
    assert {**expected, "keys": {"ended": 1}} == counted(done)
    directory, p1 = book.directory, book.person("p1")
    assert () == directory.posts(p1, day("2026-11-01"))
    assert None is directory.owner_of_key("key-p1", day("2026-11-01"))
    assert None is directory.person_of_subject("mau@demo.invalid", day("2026-11-01"))
    assert p1 == directory.person_of_subject("mau@demo.invalid", day("2026-10-31"))


def test_what_has_ended_begins_again_only_with_a_date(book: Book) -> None:
    """A file that still names an ended post does not bring it back; a beginning does."""
    book.filled()
    book.take(posts="cán bộ;đơn vị;chức vụ;đến\np2;A;Phó Bí thư;2026-06-30\n")
    line = "cán bộ;đơn vị;chức vụ;cấp bậc\np2;A;Phó Bí thư;phó\n"
    assert {"posts": {"same": 1}} == counted(book.take(posts=line))
    assert () == book.directory.posts(book.person("p2"))
    again = "cán bộ;đơn vị;chức vụ;cấp bậc;từ\np2;A;Phó Bí thư;phó;2026-09-01\n"
    assert {"posts": {"new": 1}} == counted(book.take(posts=again))
    assert ["Phó Bí thư"] == [post.title for post in book.directory.posts(book.person("p2"))]
    assert [] == book.faults(posts="cán bộ;đơn vị;chức vụ;từ;đến\np2;A;Phó Bí thư;2021-01-01;-\n")[1:]


def test_periods_of_one_thing_never_overlap(book: Book) -> None:
    """A line that reaches into a closed period, or ends before it begins, or says the same thing twice."""
    book.filled()
    book.take(posts="cán bộ;đơn vị;chức vụ;đến\np2;A;Phó Bí thư;2026-06-30\n")
    head = "cán bộ;đơn vị;chức vụ;cấp bậc;từ;đến\n"
    assert [("posts.csv", 2, "overlaps")] == book.faults(posts=head + "p2;A;Phó Bí thư;phó;2026-06-01;2026-12-31\n")
    assert [("posts.csv", 2, "end-before-start")] == book.faults(posts=head + "p3;A;X;khác;2026-06-01;2026-05-01\n")
    twice = head + "p3;A;X;khác;2026-06-01;\np3;A;X;phó;2026-06-01;\n"
    assert [("posts.csv", 3, "line-twice")] == book.faults(posts=twice)


def test_parents_in_a_circle_are_refused(book: Book) -> None:
    """Nobody is above themselves, at whatever distance."""
    book.filled()
    assert [("organisations.csv", 2, "parent-circle")] == book.faults(organisations="mã;cấp trên\nT;A1\n")
    assert [("organisations.csv", 2, "parent-circle")] == book.faults(organisations="mã;cấp trên\nA;A\n")


def test_a_certificate_belongs_to_one(book: Book) -> None:
    """Neither nobody's nor two's; octets that are no certificate, and a digest that is another's, are refused."""
    book.filled()
    digest = "ab" * 32
    head = "sha256;person;organisation\n"
    assert [("certificates.csv", 2, "certificate-of-one")] == book.faults(certificates=f"{head}{digest};p1;A\n")
    assert [("certificates.csv", 2, "digest-unreadable")] == book.faults(certificates=f"{head}xyz;p1;\n")
    assert [("certificates.csv", 2, "certificate-unreadable")] == book.faults(
        certificates="certificate;person\nAAAA;p1\n"
    )
    book.take(certificates=f"{head}{digest};;A\n")
    seal = book.directory.person_of_certificate(digest, day("2015-01-01"))
    assert seal is not None
    assert (None, book.organisation("A")) == (seal.person, seal.organisation)


def test_certificate_files_lie_beside_the_file_that_names_them(book: Book, tmp_path: Path) -> None:
    """A path that leads out of the folder, or to nothing, is a fault and nothing is read."""
    book.filled()
    folder = tmp_path / "files"
    folder.mkdir()
    signer = CertificateAuthority.root().authority().signer("Trần Thị Ví Dụ")
    (folder / "p2.cer").write_bytes(signer.der)
    (tmp_path / "outside.cer").write_bytes(signer.der)
    file = folder / "chứng thư.csv"
    file.write_text("tệp;cán bộ\n../outside.cer;p2\nmissing.cer;p2\n", "utf-8")
    with pytest.raises(DirectoryImportRefused) as caught:
        _run(book, Source.of_path(file))
    assert [(2, "certificate-unreadable"), (3, "certificate-unreadable")] == [
        (one.line, one.code) for one in caught.value.faults
    ]
    file.write_text("tệp;cán bộ\np2.cer;p2\n", "utf-8")
    _run(book, Source.of_path(file))
    assert book.directory.person_of_certificate(_sha256(signer.der)) is not None


def test_an_export_imported_elsewhere_gives_the_same_answers(book: Book, tmp_path: Path) -> None:
    """JSON and CSV, after a merger: nothing new for the same directory, all of it for an empty one."""
    book.filled()
    book.take(as_of="2026-07-01", organisations=MERGER, posts=NEW_POSTS)
    files = book.database.read(lambda connection: list(exporting.csv_files(connection, zone=ZONE)))
    sources = [
        Source.of_bytes(name, data, kind=book.sources(**{name.split(".")[0]: b""})[0].kind) for name, data in files
    ]
    here = _run(book, *sources)
    assert {"same"} == {outcome for one in counted(here).values() for outcome in one}
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Book(tmp_path / "elsewhere")
    _run(elsewhere, *sources)
    for at in ("2026-06-30", "2026-07-01"):
        for one in (book, elsewhere):
            one.directory.forget()
        told = [
            (
                [found.code for found in one.directory.descendants(one.organisation("T"), day(at))],
                [post.title for post in one.directory.posts(one.person("p1"), day(at))],
                sorted(key.ref for key in one.directory.keys_of(one.organisation("N"), day(at))),
            )
            for one in (book, elsewhere)
        ]
        assert told[0] == told[1]


def test_nothing_to_import_says_so(book: Book) -> None:
    """A header without lines is no success."""
    with pytest.raises(DirectoryImportEmpty):
        book.take(people="code;name\n")


def test_subjects_are_those_of_the_cell(book: Book) -> None:
    """A cell names all accounts of a person: others end; an empty cell says nothing."""
    book.filled()
    done = book.take(people="code;subject\np1;other@demo.invalid more@demo.invalid\n")
    assert {"new": 2, "ended": 1} == counted(done)["subjects"]
    assert None is book.directory.person_of_subject("mau@demo.invalid")
    assert book.person("p1") == book.directory.person_of_subject("more@demo.invalid")
    assert "subjects" not in counted(book.take(people="code;name\np1;Nguyễn Văn Mẫu\n"))


def test_an_import_that_meets_another_is_planned_again(book: Book) -> None:
    """A change between plan and write is noticed: the second import rests on the first."""
    book.filled()
    opened = []

    def open_() -> object:
        import io

        opened.append(1)
        if len(opened) == 3:  # digest, sniffing, then the plan's first look
            book.take(posts="cán bộ;đơn vị;chức vụ;cấp bậc\np3;A;Ủy viên;khác\n")
        return io.BytesIO(b"person;organisation;title;rank\np4;A;X;member\n")

    from api.directory import records

    done = _run(book, Source("posts.csv", open_, records.POSTS))  # type: ignore[arg-type]
    assert done.change == 3
    assert ["A", "B"] == sorted(
        book.directory.tree().latest(post.organisation, int(NOW.timestamp())).code
        for post in book.directory.posts(book.person("p4"))
    )


def test_json_holds_all_kinds_at_once(book: Book) -> None:
    """Sections in English or Vietnamese, numbers as they come, lines counted from one."""
    everything = {
        "tổ chức": [{"mã": "A", "tên": "Đảng ủy xã Mẫu", "loại": "đảng ủy cơ sở"}],
        "people": [{"code": 17, "name": "Nguyễn Văn Mẫu", "subjects": ["a@x", "b@x"]}],
        "posts": [{"person": "17", "organisation": "A", "title": "Bí thư", "rank": "chief", "from": None}],
    }
    source = Source.of_bytes("all.json", json.dumps(everything).encode())
    assert {"organisations": {"new": 1}, "people": {"new": 1}, "subjects": {"new": 2}, "posts": {"new": 1}} == counted(
        _run(book, source)
    )
    everything["posts"].append({"person": "18", "organisation": "A", "title": "Phó", "rank": "deputy"})
    everything["people"].append({"code": "x", "name": "y", "age": 3})
    with pytest.raises(DirectoryImportRefused) as caught:
        _run(book, Source.of_bytes("all.json", json.dumps(everything).encode()))
    assert [("all.json: people", 2, "column-unknown"), ("all.json", 2, "person-unknown")] == [
        (one.file, one.line, one.code) for one in caught.value.faults
    ]


def test_thousands_of_people_are_imported(book: Book) -> None:
    """Size costs time in proportion, and the second run finds all of them again."""
    count = 5_000
    book.take(organisations=ORGANISATIONS)
    people = "code;name\n" + "".join(f"m{number};Nguyễn Văn Mẫu {number}\n" for number in range(count))
    posts = "person;organisation;title;rank\n" + "".join(f"m{number};A;Ủy viên;khác\n" for number in range(count))
    assert {"people": {"new": count}, "posts": {"new": count}} == counted(book.take(people=people, posts=posts))
    assert {"people": {"same": count}, "posts": {"same": count}} == counted(book.take(people=people, posts=posts))


def _run(book: Book, *sources: Source) -> importing.Imported:
    done = importing.run(book.database, sources, as_of=NOW, zone=ZONE, caller="tester", clock=lambda: NOW)
    book.directory.forget()
    return done


def _sha256(octets: bytes) -> str:
    import hashlib

    return hashlib.sha256(octets).hexdigest()
