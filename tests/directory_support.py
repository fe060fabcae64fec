"""A directory in a database of its own, filled from texts as files would hold them.

>>> book = Book(tmp_path)                                                  # doctest: +SKIP
>>> book.take(organisations="code;name;kind\\nA;Đảng ủy xã Mẫu;đảng ủy cơ sở", as_of="2025-07-01")   # doctest: +SKIP
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

from api.directory import Directory, importing, records
from api.directory.faults import DirectoryImportRefused, Fault
from api.directory.importing import Imported
from api.directory.reading import Source
from api.ledger import Ledger
from api.store.database import Database, open_database

ZONE = timezone(timedelta(hours=7))
NOW = datetime(2026, 11, 22, 9, tzinfo=ZONE)

ORGANISATIONS = """\
Mã;Tên;Loại;Cấp trên;Từ ngày
T;Tỉnh ủy Mẫu;tỉnh ủy;;2020-01-01
A;Đảng ủy xã Mẫu A;đảng ủy cơ sở;T;2020-01-01
B;Đảng ủy xã Mẫu B;đảng ủy cơ sở;T;2020-01-01
A1;Chi bộ thôn Một;chi bộ;A;2020-01-01
B1;Chi bộ thôn Hai;chi bộ;B;2020-01-01
V;Văn phòng Mẫu;đơn vị;A;2020-01-01
"""
PEOPLE = """\
mã cán bộ,họ và tên,tài khoản
p1,Nguyễn Văn Mẫu,mau@demo.invalid
p2,Trần Thị Ví Dụ,
p3,Lê Thử Nghiệm,
p4,Phạm Minh Họa,
"""
POSTS = """\
cán bộ;đơn vị;chức vụ;cấp bậc;từ
p1;A;Bí thư;trưởng;2021-01-01
p2;A;Phó Bí thư;phó;2021-01-01
p3;A1;Bí thư Chi bộ;trưởng;2021-01-01
p4;B;Bí thư;trưởng;2021-01-01
"""
KEYS = "khóa;đơn vị;cán bộ;từ\nseal-a;A;;2021-01-01\nkey-p1;A;p1;2021-01-01\nseal-b;B;;2021-01-01\n"


@cache
def empty_database() -> Path:
    """A database without a row: migrated once for all tests, as that takes longer than most of them."""
    folder = Path(tempfile.mkdtemp(prefix="kyso-directory-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = open_database(f"sqlite:///{folder / 'kyso.db'}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder / "kyso.db"


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


class Book:
    """One directory; `take` imports, `faults` tells what is wrong with files, `ids` finds ids by code."""

    def __init__(self, folder: Path, database: Database | None = None) -> None:
        if database is None:
            shutil.copy(empty_database(), folder / "kyso.db")
        self.database = database or open_database(f"sqlite:///{folder / 'kyso.db'}")
        self.directory = Directory(self.database, clock=lambda: NOW)
        self.ledger = Ledger(self.database)

    def filled(self) -> Book:
        """With the people and organisations that most tests are about."""
        self.take(organisations=ORGANISATIONS, people=PEOPLE, posts=POSTS, keys=KEYS)
        return self

    def take(self, *, as_of: str = "2026-11-22", trial: bool = False, **files: str | bytes) -> Imported:
        """Import texts, named as their kind."""
        sources = self.sources(**files)
        at = day(as_of)
        if trial:
            return importing.trial(self.database, sources, as_of=at, zone=ZONE)
        done = importing.run(self.database, sources, as_of=at, zone=ZONE, caller="tester", clock=lambda: NOW)
        self.directory.forget()
        return done

    def sources(self, **files: str | bytes) -> list[Source]:
        return [
            Source.of_bytes(
                f"{name}.csv", text.encode() if isinstance(text, str) else text, kind=records.kind_of_file(name)
            )
            for name, text in files.items()
        ]

    def faults(self, *, as_of: str = "2026-11-22", **files: str | bytes) -> list[tuple[str, int, str]]:
        """Place and code of everything that is wrong; nothing of it may be stored."""
        return [(one.file, one.line, one.code) for one in self.told(as_of=as_of, **files)]

    def told(self, *, as_of: str = "2026-11-22", **files: str | bytes) -> tuple[Fault, ...]:
        before = self.ledger.state().size
        try:
            self.take(as_of=as_of, **files)
        except DirectoryImportRefused as refused:
            assert before == self.ledger.state().size
            return refused.faults
        return ()

    def organisation(self, code: str) -> str:
        found = self.directory.tree().find(code)
        assert found is not None, code
        return found

    def person(self, code: str) -> str:
        with self.database.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT id FROM person WHERE code = '{code}'").scalar()
        assert found is not None, code
        return str(found)


def counted(done: Imported) -> dict[str, dict[str, int]]:
    """What an import came to, without zeros."""
    return {
        one.kind: {name: count for name, count in vars(one).items() if name != "kind" and count} for one in done.counts
    }
