"""Files as spreadsheets write them are read; what cannot be is named with its line and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.directory import reading, records, rules, times
from api.directory.faults import DirectoryImportRefused, Faults
from api.directory.reading import Source, lines
from api.locale import LANGUAGES, fill, words
from tests.directory_support import ZONE, Book, day

pytestmark = pytest.mark.appliance

ROWS = "Mã cán bộ;Họ và tên\np1;Nguyễn Văn Mẫu\n\n;\n"
EXPECTED = [(2, {"code": "p1", "name": "Nguyễn Văn Mẫu"})]


def read(data: bytes, kind: records.RecordKind = records.PEOPLE) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    faults = Faults()
    found = lines(Source.of_bytes("x.csv", data, kind=kind), kind, faults)
    told = [(line.number, dict(line.cells)) for line in found]
    assert all(str(value).encode() for one in faults.told for value in one.facts.values())
    return told, [one.code for one in faults.told]


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (ROWS.encode(), 2),
        (b"\xef\xbb\xbf" + ROWS.encode(), 2),
        (ROWS.replace(";", ",").encode(), 2),
        (ROWS.replace(";", "\t").encode("utf-16"), 2),
        (b"sep=;\r\n" + ROWS.replace("\n", "\r\n").encode(), 3),
        (b"\xef\xbb\xbf" + b"sep=;\n" + ROWS.encode(), 3),
        (ROWS.replace("Họ và tên", " HO_VA TÊN ").encode(), 2),
        (ROWS.replace("Họ và tên\n", "Họ và tên;;\n").replace("Mẫu\n", "Mẫu;;\n").encode(), 2),
        (ROWS.replace("Nguyễn Văn Mẫu", '"Nguyễn\u00a0Văn\nMẫu "').encode(), 3),
        (ROWS.replace("Nguyễn", "Nguyễn").encode(), 2),
        (ROWS.replace("p1", "'p1").encode(), 2),
        (ROWS.replace("tên\n", "tên;Ghi chú;#của tôi\n").replace("Mẫu\n", "Mẫu;x;y\n").encode(), 2),
        (b"\n\n" + ROWS.encode(), 4),
    ],
)
def test_what_spreadsheets_write_is_read(data: bytes, number: int) -> None:
    """Marks, separators, UTF-16, breaks and odd spaces in cells, empty lines and columns, own columns, composed letters."""
    assert ([(number, EXPECTED[0][1])], []) == read(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-empty"),
        (b"\n;;\n", "file-empty"),
        ("mã;tên\np1;Nguyễn".encode("cp1258", "replace"), "file-not-utf8"),
        ("mã;tên\np1;".encode() + b"\xff", "file-not-utf8"),
        ('mã;tên\np1;"Nguyễn\n'.encode(), "csv-unreadable"),
        ("mã;tên;tuổi\np1;x;3\n".encode(), "column-unknown"),
        ("mã;code;tên\np1;p1;x\n".encode(), "column-twice"),
        ("tên\nx\n".encode(), "columns-missing"),
        ((";".join(["mã"] * 65) + "\n").encode(), "too-many-columns"),
        ("mã;tên\np1;a;b\n".encode(), "cells-too-many"),
        (("mã;tên\np1;" + "x" * 301 + "\n").encode(), "too-long"),
        (("mã;tên\np1;" + "x" * 20_001 + "\n").encode(), "csv-unreadable"),
        ("mã;tên\np1;Nguyễn\u202eVăn\n".encode(), "control-characters"),
        ("mã;tên\np1;a\x00b\n".encode(), "control-characters"),
        (b"{", "json-unreadable"),
        (b'{"a": []}', "table-unknown"),
        (b'{"people": 3}', "json-shape"),
        (b'{"people": [3]}', "json-shape"),
        (b'{"people": [{"code": 1.5}]}', "cell-not-text"),
        (b"[" * 100_000, "json-unreadable"),
        (b'{"people": [{"\\ud800": "x"}]}', "column-unknown"),
        (b'{"people": [{"code": "\\ud800"}]}', "control-characters"),
        (b'{"people": [{"code": ' + b"9" * 5000 + b"}]}", "json-unreadable"),
    ],
)
def test_what_cannot_be_read_has_a_code(data: bytes, code: str) -> None:
    """No exception but a fault, for each way in which a file can be wrong."""
    assert code in read(data)[1]


def test_numbers_that_excel_cut_are_refused(tmp_path: Path) -> None:
    """A code of twelve digits that became 1,23457E+11 names nobody."""
    book = Book(tmp_path)
    assert [("people.csv", 2, "number-shortened")] == book.faults(people="mã;tên\n1,23457E+11;Nguyễn Văn Mẫu\n")


def test_one_file_may_hold_everything(tmp_path: Path) -> None:
    """A column `bảng` says of each line what it is; columns of other kinds are left alone, unknown words are not."""
    book = Book(tmp_path)
    text = (
        "bảng;mã;tên;loại;cán bộ;đơn vị;chức vụ;cấp bậc\n"
        "chức vụ;;;;p1;A;Bí thư;trưởng\n"
        "tổ chức;A;Đảng ủy xã Mẫu;đảng ủy cơ sở;;;;\n"
        "người;p1;Nguyễn Văn Mẫu;;;;;\n"
    )
    book.take(everything=text)
    assert ["Bí thư"] == [post.title for post in book.directory.posts(book.person("p1"))]
    assert [("everything.csv", 2, "table-unknown")] == book.faults(everything="bảng;mã\nxe cộ;1\n")
    assert [("x.csv", 0, "kind-of-file-unknown")] == book.faults(x="mã;tên\np1;x\n")


def test_size_and_number_of_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More octets or lines than may be are refused before anything is worked out."""
    book = Book(tmp_path)
    monkeypatch.setattr("api.directory.importing.LARGEST", 50)
    assert [("people.csv", 0, "file-too-large")] == book.faults(people="mã;tên\n" + "p1;x\n" * 20)
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MOST_LINES", 10)
    assert "too-many-lines" in [code for _, _, code in book.faults(people="mã;tên\n" + "p1;x\n" * 20)]


def test_thousands_of_faults_are_counted_and_the_first_are_told(tmp_path: Path) -> None:
    """The answer stays of a size that somebody reads."""
    book = Book(tmp_path)
    with pytest.raises(DirectoryImportRefused) as caught:
        book.take(posts="cán bộ;đơn vị;chức vụ;cấp bậc\n" + "p1;A;x;khác\n" * 1000)
    assert (200, 1000) == (len(caught.value.faults), caught.value.facts["faults"])


def test_every_fault_and_refusal_has_a_sentence_in_both_languages() -> None:
    """Codes in the program and tables of words are the same set; placeholders are the same in both languages."""
    folder = Path(reading.__file__).parent
    source = "".join(file.read_text("utf-8") for file in folder.glob("*.py"))
    codes = set(re.findall(r'Bad\(\s*"([a-z0-9-]+)"', source)) | {"organisation-unknown", "person-unknown"}
    codes |= {"overlaps", "end-before-start", "organisation-not-in-force", "person-not-in-force"}
    refusals = set(re.findall(r'_Refused\(\s*"([a-z-]+)"', source)) | {
        "delegation-over",
        "no-deputy-post",
        "no-delegation",
    }
    tables = [words(language) for language in LANGUAGES]
    for table in tables:
        assert codes == set(table["directory"])
        assert refusals == set(table["authority"])
    for section in ("directory", "authority"):
        for code in tables[0][section]:
            marks = [set(re.findall(r"\{(\w+)\}", table[section][code])) for table in tables]
            assert marks[0] == marks[1], code
            assert fill(tables[0][section][code], {})


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025-07-01", "2025-07-01T00:00:00", "2025-07-02T00:00:00"),
        ("20250701", "2025-07-01T00:00:00", "2025-07-02T00:00:00"),
        ("1/7/2025", "2025-07-01T00:00:00", "2025-07-02T00:00:00"),
        ("01.07.2025 00:00:00", "2025-07-01T00:00:00", "2025-07-02T00:00:00"),
        ("2025-07-01T08:30:00", "2025-07-01T08:30:00", "2025-07-01T08:30:00"),
        ("2025-07-01T01:30:00Z", "2025-07-01T08:30:00", "2025-07-01T08:30:00"),
        ("7/15/2025", None, None),
        ("2025-02-30", None, None),
        ("hôm qua", None, None),
        ("0001-01-01", None, None),
        ("45839", None, None),
    ],
)
def test_a_date_alone_is_a_whole_day(text: str, start: str | None, end: str | None) -> None:
    """Its first second as a beginning, the first second after it as an end; month first and serial numbers are refused."""
    for read_, expected in ((times.start_of, start), (times.end_of, end)):
        if expected is None:
            with pytest.raises(ValueError, match=r".*"):
                read_(text, ZONE)
        else:
            assert int(day(expected).timestamp()) == read_(text, ZONE)


def test_words_are_known_with_and_without_marks() -> None:
    """Kinds, forms, ranks and roles, as people write them."""
    assert ["tinh-uy", "tinh-uy", "dang-uy-co-so"] == [rules.kind(one) for one in ("Tỉnh ủy", "THANH UY", "Đảng uỷ xã")]
    assert ["KT", "KT", "TL", None] == [rules.form(one) for one in ("K/T", "ký thay", "T.L.", "XX")]
    assert ["chief", "deputy", None] == [rules.rank(one) for one in ("Bí thư", "phó chủ tịch", "to")]
    assert "clerk" == rules.code_of("roles", "văn thư")
    assert [
        ("organisations", "Tổ chức"),
        ("posts", "chuc vu"),
        ("keys", "Khoá"),
        ("delegations", "uỷ quyền 2026"),
    ] == [
        (found.name, name)
        for name in ("Tổ chức", "chuc vu", "Khoá", "uỷ quyền 2026")
        if (found := records.kind_of_file(f"{name}.csv"))
    ]
