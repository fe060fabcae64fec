"""What a file may hold: the seven kinds of records, their columns, and the headers by which people write these.

A kind says which columns name a thing (`key`), in which order kinds are read (a post after its person), and how files
and headers are called in Vietnamese and English. Words are compared without diacritics and case (`rules.plain`).

>>> kind_of_file("Chức vụ.csv").name, kind_of_file("people-2026.csv").name, kind_of_file("x.csv")
('posts', 'people', None)
>>> [field.name for field in POSTS.fields if field.is_needed]
['person', 'organisation', 'title', 'rank']
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Literal

from api.directory.rows import COLUMNS
from api.directory.rules import Table, plain

Shape = Literal["text", "code", "word", "organisation", "person", "sha256", "subjects", "file", "certificate"]


@dataclass(frozen=True)
class Field:
    """One column of a file. `shape` says how a cell is read; `words` which table its words come from."""

    name: str
    headers: tuple[str, ...]
    shape: Shape = "text"
    is_needed: bool = False
    words: Table | None = None
    longest: int = 300


START = Field("from", ("valid_from", "since", "từ", "từ ngày", "ngày bắt đầu", "hiệu lực từ"))
END = Field("to", ("valid_to", "until", "đến", "đến ngày", "đến hết ngày", "ngày kết thúc", "hiệu lực đến"))


@dataclass(frozen=True)
class RecordKind:
    """`name` is also the name of a section in JSON and of a file. `key`: what names one thing, of the table's columns."""

    name: str
    table: str
    files: tuple[str, ...]
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    is_always: bool = False
    """Begins with time itself where no beginning is said."""

    @cached_property
    def headers(self) -> dict[str, Field]:
        """Fields by every way of writing their headers."""
        everything = (*self.fields, START, END)
        return {plain(word): field for field in everything for word in (field.name, *field.headers)}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What a row says beside its id and times."""
        return COLUMNS[self.table][1:]

    @cached_property
    def needed(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.is_needed)


_PERSON = Field("person", ("mã người", "mã cán bộ", "cán bộ", "người", "người giữ chức vụ"), "person", is_needed=True)
_BODY = ("mã đơn vị", "đơn vị", "tổ chức", "mã tổ chức", "cơ quan")
_ORGANISATION = Field("organisation", _BODY, "organisation", is_needed=True)

ORGANISATIONS = RecordKind(
    "organisations",
    "organisation",
    ("tổ chức", "đơn vị", "cơ quan", "organizations"),
    ("code",),
    (
        Field("code", ("mã", "mã đơn vị", "mã tổ chức"), "code", is_needed=True, longest=64),
        Field("name", ("tên", "tên đơn vị", "tên tổ chức"), is_needed=True),
        Field("kind", ("loại", "cấp", "loại đơn vị", "loại tổ chức"), "word", is_needed=True, words="kinds"),
        Field("parent", ("cấp trên", "mã cấp trên", "trực thuộc", "đơn vị cấp trên"), "organisation"),
        Field("merged_into", ("sáp nhập vào", "hợp nhất vào", "nhập vào"), "organisation"),
    ),
    is_always=True,
)
PEOPLE = RecordKind(
    "people",
    "person",
    ("người", "cán bộ", "nhân sự", "persons"),
    ("code",),
    (
        Field("code", ("mã", "mã cán bộ", "mã người", "số hiệu"), "code", is_needed=True, longest=64),
        Field("name", ("tên", "họ tên", "họ và tên"), is_needed=True),
        Field("subjects", ("subject", "tài khoản", "tên đăng nhập", "login"), "subjects", longest=1000),
    ),
    is_always=True,
)
SUBJECTS = RecordKind("subjects", "person_subject", (), ("subject",), (), is_always=True)
"""Written in the column `subjects` of people; no file of its own."""
POSTS = RecordKind(
    "posts",
    "post",
    ("chức vụ", "chức danh"),
    ("person", "organisation", "title"),
    (
        _PERSON,
        _ORGANISATION,
        Field("title", ("chức vụ", "chức danh", "tên chức vụ"), is_needed=True),
        Field("rank", ("cấp bậc", "trưởng hay phó", "trưởng/phó", "vị trí"), "word", is_needed=True, words="ranks"),
    ),
)
ROLES = RecordKind(
    "roles",
    "person_role",
    ("vai trò",),
    ("person", "organisation", "role"),
    (_PERSON, _ORGANISATION, Field("role", ("vai trò",), "word", is_needed=True, words="roles")),
)
DELEGATIONS = RecordKind(
    "delegations",
    "delegation",
    ("ủy quyền", "uỷ quyền", "giao ký"),
    ("form", "giver", "receiver", "organisation", "reference"),
    (
        Field("form", ("hình thức", "hình thức ký"), "word", is_needed=True, words="forms"),
        Field("giver", ("người giao", "người ủy quyền", "người uỷ quyền"), "person", is_needed=True),
        Field("receiver", ("người nhận", "người được giao", "người được ủy quyền"), "person", is_needed=True),
        _ORGANISATION,
        Field("reference", ("căn cứ", "văn bản", "số văn bản", "văn bản căn cứ"), is_needed=True),
    ),
)
CERTIFICATES = RecordKind(
    "certificates",
    "certificate",
    ("chứng thư", "chứng thư số", "certs"),
    ("sha256",),
    (
        Field("file", ("tệp", "tên tệp"), "file"),
        Field("certificate", ("chứng thư", "pem"), "certificate", longest=20_000),
        Field("sha256", ("vân tay", "fingerprint", "sha 256"), "sha256"),
        Field("person", _PERSON.headers, "person"),
        Field("organisation", _BODY, "organisation"),
        Field("public_key_sha256", ("vân tay khóa",), "sha256"),
        Field("subject_sha256", ("vân tay chủ thể",), "sha256"),
    ),
    is_always=True,
)
KEYS = RecordKind(
    "keys",
    "key_owner",
    ("khóa", "khoá"),
    ("ref",),
    (
        Field("ref", ("key", "khóa", "tên khóa"), is_needed=True, longest=128),
        _ORGANISATION,
        Field("person", _PERSON.headers, "person"),
    ),
)

KINDS = (ORGANISATIONS, PEOPLE, POSTS, ROLES, DELEGATIONS, CERTIFICATES, KEYS)
"""In the order in which they are read."""
ALL = (ORGANISATIONS, PEOPLE, SUBJECTS, POSTS, ROLES, DELEGATIONS, CERTIFICATES, KEYS)
TABLE_HEADERS = frozenset(map(plain, ("table", "record", "bảng", "loại bản ghi")))
"""A column that says of each line which kind it is: for one file with everything."""
_BY_WORD = {plain(word): kind for kind in KINDS for word in (kind.name, *kind.files)}


def kind_of(word: str) -> RecordKind | None:
    """The kind that a section or a cell names."""
    return _BY_WORD.get(plain(word))


def kind_of_file(name: str) -> RecordKind | None:
    """The kind that a file's name begins with."""
    words = plain(PurePath(name).stem).split()
    for length in range(len(words), 0, -1):
        if (found := _BY_WORD.get(" ".join(words[:length]))) is not None:
            return found
    return None
