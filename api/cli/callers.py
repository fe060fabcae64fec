"""`kyso caller`: who may use the service. An API key is shown once, when it is made.

kyso caller create --name "Văn phòng" --role client --key 'seal-*' --expires 90
kyso caller list
kyso caller rotate ID --overlap 24
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import console, home, whoever
from api.cli.console import Form, Lang, t
from api.services import Services
from api.sessions import callbacks
from api.settings import Settings
from api.store.callers import Caller, Reach, Role, id_of
from api.workflows import callers
from api.workflows.callers import DAY, NewCaller

app = typer.Typer(no_args_is_help=True, help=t("các hệ thống được gọi dịch vụ (khóa API)", "callers (API keys)"))

Expires = Annotated[
    str | None,
    typer.Option(
        "--expires",
        metavar=t("NGÀY|SỐ NGÀY|never", "DATE|DAYS|never"),
        help=t("khi nào hết hạn (mặc định theo callers.api_key_days)", "when it ends (default: callers.api_key_days)"),
    ),
]
Identity = Annotated[str, typer.Argument(help=t("id trong danh sách", "id, as listed"))]


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="caller")


@app.command("create", help=t("tạo khóa API; chỉ hiện một lần", "make an API key; it is shown once"))
def create(
    *,
    name: Annotated[str, typer.Option("--name", help=t("tên để nhận biết", "a name to know it by"))],
    role: Annotated[Role, typer.Option("--role", help=t("vai trò", "role"))] = "client",
    key: Annotated[
        list[str] | None, typer.Option("--key", help=t("mẫu tên khóa được dùng", "pattern of keys it may use"))
    ] = None,
    organisation: Annotated[
        str | None,
        typer.Option("--organisation", help=t("cơ quan, theo id hoặc mã", "its organisation, by id or code")),
    ] = None,
    person: Annotated[str | None, typer.Option("--person", help=t("id của người dùng", "id of whom it is"))] = None,
    reach: Annotated[
        Reach, typer.Option("--reach", help=t("thấy cả cơ quan cấp dưới: subtree", "subtree sees those below, too"))
    ] = "organisation",
    expires: Expires = None,
    key_file: whoever.KeyFile = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    new = NewCaller(
        name=name,
        role=role,
        keys=tuple(key or ()),
        organisation=organisation,
        person=person,
        reach=reach,
        expires_at=_expiry(settings, expires),
    )
    with home.services(settings) as services:
        found = callers.of(services, on_the_machine=True)
        asking = _asking(services, key_file, new.role, new.organisation)
        _show(found, asking, found.create(asking, new), form)


@app.command("rotate", help=t("đổi khóa API; khóa cũ còn dùng được một thời gian", "exchange an API key for another"))
def rotate(
    caller: Identity,
    *,
    overlap: Annotated[
        float | None,
        typer.Option(
            "--overlap", min=0, help=t("số giờ khóa cũ còn dùng được", "hours for which the former still opens")
        ),
    ] = None,
    expires: Expires = None,
    key_file: whoever.KeyFile = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    hours = settings.callers.overlap_hours if overlap is None else overlap
    with home.services(settings) as services:
        found = callers.of(services, on_the_machine=True)
        about = found.entry(whoever.user(), caller).caller
        asking = _asking(services, key_file, about.role, about.organisation)
        issued = found.rotate(asking, caller, overlap=hours * 3600, expires_at=_expiry(settings, expires))
        _show(found, asking, issued, form)


@app.command("list", help=t("liệt kê", "list them"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings, now = kyso_settings.load(), time.time()
    with home.services(settings) as services:
        found = callers.of(services, on_the_machine=True).listed(whoever.user())
    if form == "json":
        print(json.dumps([callers.as_json(entry, now=now) for entry in found], ensure_ascii=False))
        return
    shown = console.table(
        "id",
        t("tên", "name"),
        t("vai trò", "role"),
        t("khóa", "keys"),
        t("cơ quan", "organisation"),
        t("còn (ngày)", "days left"),
        t("dùng lần cuối", "last used"),
    )
    for entry in found:
        one, left = entry.caller, callers.days_left(entry, now=now)
        shown.add_row(
            one.id,
            escape(one.name),
            one.role,
            escape(", ".join(one.keys)) or "–",
            escape(one.organisation or "–"),
            "–" if left is None else f"[red]{left}[/]" if left == 0 else str(left),
            _when(settings, entry.last_used_at),
        )
    console.out.print(shown)


@app.command(
    "callback-secret",
    help=t("tạo khóa bí mật ký các lần gọi lại; chỉ hiện một lần", "make the secret that callbacks are signed with"),
)
def callback_secret(
    caller: Identity,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    with home.services(kyso_settings.load()) as services:
        print(callbacks.new_secret(services, caller))
    console.err.print(t("Hãy cất khóa này; không xem lại được.", "Keep this secret; it cannot be shown again."))


@app.command("revoke", help=t("thu hồi khóa API", "revoke an API key"))
def revoke(
    caller: Identity,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    with home.services(kyso_settings.load()) as services:
        callers.of(services, on_the_machine=True).revoke(whoever.user(), caller)


def _asking(services: Services, key_file: Path | None, role: str, organisation: str | None) -> Caller:
    """Whoever has the machine; an administrator by name where one is given, but for those who approve: they are made
    here."""
    named = whoever.named(services.database, key_file)
    is_approver = role == "administrator" and organisation is None
    return whoever.user() if named is None or is_approver else named


def _show(found: callers.Callers, asking: Caller, issued: callers.Issued, form: str) -> None:
    """The API key, once, and of what it is."""
    told: dict[str, object] = {"id": id_of(issued.api_key), "change": issued.change, "state": "proposed"}
    if issued.change is None:
        told = callers.as_json(found.entry(asking, id_of(issued.api_key)), now=time.time())
    if form == "json":
        print(json.dumps({"api_key": issued.api_key, **told}, ensure_ascii=False))
        return
    print(issued.api_key)
    console.err.print(t("Hãy cất khóa này; không xem lại được.", "Keep this key; it cannot be shown again."))
    if issued.change is not None:
        console.err.print(
            t(
                f"Chưa dùng được cho đến khi quản trị viên khác duyệt: kyso change approve {issued.change}",
                f"It opens nothing until another administrator has approved it: kyso change approve {issued.change}",
            )
        )


def _expiry(settings: Settings, given: str | None) -> float | None:
    """Unix seconds: so many days from now, or the end of a day in the service's zone; None for ever."""
    if given is None:
        given = str(settings.callers.api_key_days or "never")
    if given == "never":
        return None
    if given.isascii() and given.isdigit() and 0 < int(given) <= 3650:
        return time.time() + int(given) * DAY
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=settings.zone).timestamp() + DAY
    except ValueError:
        raise console.usage(
            t(
                f"--expires: số ngày, YYYY-MM-DD hoặc never; không phải {given}",
                f"--expires wants days, YYYY-MM-DD or never, not {given}",
            )
        ) from None


def _when(settings: Settings, at: float | None) -> str:
    return "–" if at is None else datetime.fromtimestamp(at, settings.zone).strftime("%Y-%m-%d %H:00")
