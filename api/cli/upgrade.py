"""`kyso upgrade`: whether the database fits this program, bringing it up, and bringing it back for an older program.

    kyso upgrade --check                        # 0 it fits, 1 it will be migrated, 69 it is of a newer program
    kyso upgrade --apply                        # as any start of the service does
    kyso upgrade --to 0005_smaller_indexes      # back; says first what that loses

Before either a SQLite database is copied beside itself; of a PostgreSQL database take a backup first.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.children import AlreadyRunning, only_one
from api.cli import console
from api.cli.console import Form, Lang, t
from api.errors import DatabaseVersionUnknown
from api.store import schema
from api.store.database import open_database

PENDING = 1


def register(root: typer.Typer) -> None:
    help_ = t("cơ sở dữ liệu và phiên bản chương trình", "the database and the program's version")
    root.command("upgrade", help=help_)(upgrade)


def upgrade(
    *,
    check: Annotated[bool, typer.Option("--check", help=t("chỉ xem", "only look"))] = False,
    apply: Annotated[bool, typer.Option("--apply", help=t("nâng lên", "bring it up"))] = False,
    to: Annotated[str | None, typer.Option("--to", help=t("đưa về phiên bản này", "bring it back to this"))] = None,
    yes: Annotated[bool, typer.Option("--yes", help=t("không hỏi lại", "do not ask"))] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> int:
    if (check, apply, to is not None).count(True) != 1:
        raise console.usage(t("chọn một: --check, --apply, --to", "choose one: --check, --apply, --to"))
    settings = kyso_settings.load()
    settings.make_folders()
    if check:
        return _check(settings.database_url, form)
    try:
        with only_one(settings.home):
            if to is None:
                open_database(settings.database_url).close()
                console.out.print(t(f"đang ở {schema.newest()}", f"at {schema.newest()}"))
            else:
                _go_back(settings.database_url, to, is_agreed=yes)
    except AlreadyRunning:
        told = t("hãy dừng dịch vụ trước", "stop the service first")
        raise console.CommandFailed("service-running", told, status=console.NOT_AVAILABLE) from None
    return console.DONE


def _check(url: str, form: str) -> int:
    database = open_database(url, migrate=False)
    try:
        version = database.read(schema.current)
    finally:
        database.close()
    pending = [one for one in schema.versions() if one > (version or "")]
    is_known = version is None or version in schema.versions()
    if form == "json":
        print(json.dumps({"database": version, "program": schema.newest(), "pending": pending if is_known else []}))
    else:
        console.out.print(t(f"cơ sở dữ liệu: {version or '–'}", f"database: {version or '–'}"))
        console.out.print(t(f"chương trình: {schema.newest()}", f"program: {schema.newest()}"))
    if not is_known:
        raise DatabaseVersionUnknown(f"the database has version {version}", version=str(version))
    return PENDING if pending else console.DONE


def _go_back(url: str, target: str, *, is_agreed: bool) -> None:
    if target not in schema.versions():
        raise console.usage(t(f"không có phiên bản {target}", f"there is no version {target}"))
    database = open_database(url, migrate=False)
    try:
        version = database.read(schema.current) or ""
        left = tuple(one for one in reversed(schema.versions()) if target < one <= version)
        for name, loss in zip(left, schema.losses(left), strict=True):
            console.err.print(f"{name}: {loss}", markup=False)
        if not is_agreed:
            typer.confirm(t("Tiếp tục?", "Go on?"), abort=True, err=True)
        database.go_back(target)
    finally:
        database.close()
    console.out.print(t(f"đang ở {target}", f"at {target}"))
