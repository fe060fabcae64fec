"""`kyso caller`: who may use the service. An API key is shown once, when it is made.

kyso caller create --name "Văn phòng" --role client --key 'seal-*'
"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import console
from api.cli.console import Form, Lang, t
from api.store import callers
from api.store.callers import CallerId, Role
from api.store.database import Database, open_database

app = typer.Typer(no_args_is_help=True, help=t("các hệ thống được gọi dịch vụ (khóa API)", "callers (API keys)"))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="caller")


@app.command("create", help=t("tạo khóa API; chỉ hiện một lần", "make an API key; it is shown once"))
def create(
    name: Annotated[str, typer.Option("--name", help=t("tên để nhận biết", "a name to know it by"))],
    role: Annotated[Role, typer.Option("--role", help=t("vai trò", "role"))] = "client",
    key: Annotated[
        list[str] | None, typer.Option("--key", help=t("mẫu tên khóa được dùng", "pattern of keys it may use"))
    ] = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    secret = _database().write(callers.create, name=name, role=role, keys=tuple(key or ()))
    if form == "json":
        print(json.dumps({"api_key": secret, "name": name, "role": role, "keys": key or []}, ensure_ascii=False))
    else:
        print(secret)
        console.err.print(t("Hãy cất khóa này; không xem lại được.", "Keep this key; it cannot be shown again."))


@app.command("list", help=t("liệt kê", "list them"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    found = _database().read(callers.listed)
    if form == "json":
        print(
            json.dumps(
                [{"id": one.id, "name": one.name, "role": one.role, "keys": list(one.keys)} for one in found],
                ensure_ascii=False,
            )
        )
        return
    shown = console.table("id", t("tên", "name"), t("vai trò", "role"), t("khóa", "keys"))
    for one in found:
        shown.add_row(one.id, escape(one.name), one.role, escape(", ".join(one.keys)) or "–")
    console.out.print(shown)


@app.command("revoke", help=t("thu hồi khóa API", "revoke an API key"))
def revoke(
    caller: Annotated[str, typer.Argument(help=t("id trong danh sách", "id, as listed"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    _database().write(callers.revoke, CallerId(caller))


def _database() -> Database:
    home = kyso_settings.load()
    home.make_folders()
    return open_database(home.database_url)
