"""`kyso storage list|hold|release|purge`: which documents are kept, which stay whatever the policy says, and what goes.

kyso storage list --due                          # what the policy would erase now
kyso storage hold sig_01… --note "vụ việc 7"     # nothing of it is erased
kyso storage purge --dry-run
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.cli import console, home
from api.cli.console import Form, Lang, t

Signature = Annotated[str, typer.Argument(help=t("mã lần ký (sig_…)", "id of the signature (sig_…)"))]
NEVER = float("inf")


def register(group: typer.Typer) -> None:
    group.command("list", help=t("các tài liệu đang giữ", "documents that are kept"))(list_)
    group.command("hold", help=t("giữ lại, không xóa", "keep, whatever the policy says"))(hold)
    group.command("release", help=t("thôi giữ lại", "end a hold"))(release)
    group.command("purge", help=t("xóa tài liệu hết hạn lưu giữ", "erase what the policy lets go"))(purge)


def list_(
    due: Annotated[bool, typer.Option("--due", help=t("chỉ tài liệu hết hạn", "only those that are due"))] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.store import fates  # noqa: PLC0415 - help is shown without it
    from api.workflows import retention  # noqa: PLC0415

    with home.services(kyso_settings.load()) as services:
        found = (
            tuple(retention.due(services)) if due else services.database.read(fates.documents, before=NEVER, limit=1000)
        )
        zone = services.settings.zone
    if form == "json":
        told = [
            {"signature": one.signature, "caller": one.caller, "since": _time(one.since), "held": one.is_held}
            for one in found
        ]
        print(json.dumps(told))
        return
    shown = console.table(t("lần ký", "signature"), t("của", "of"), t("từ", "since"), "")
    for one in found:
        since = datetime.fromtimestamp(one.since, zone)
        shown.add_row(one.signature, one.caller, f"{since:%d.%m.%Y}", t("giữ lại", "held") if one.is_held else "")
    console.out.print(shown)


def hold(
    signature: Signature,
    note: Annotated[str, typer.Option("--note", help=t("lý do, để người sau biết", "why, for who comes next"))] = "",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.workflows import retention  # noqa: PLC0415 - help is shown without it

    with home.services(kyso_settings.load()) as services:
        retention.hold(services, signature, by=home.user(), note=note)


def release(signature: Signature, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    from api.workflows import retention  # noqa: PLC0415 - help is shown without it

    with home.services(kyso_settings.load()) as services:
        retention.release(services, signature, by=home.user())


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help=t("chỉ cho xem", "only show what would go"))] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.workflows import retention  # noqa: PLC0415 - help is shown without it

    with home.services(kyso_settings.load()) as services:
        found = retention.purge(services, by=home.user(), dry=dry_run, now=time.time())
    if form == "json":
        print(json.dumps({"signatures": found.signatures, "held": found.held, "dry_run": dry_run}))
        return
    for identity in found.signatures:
        console.out.print(identity)
    told = t("sẽ xóa", "would be erased") if dry_run else t("đã xóa", "erased")
    console.err.print(
        t(
            f"{len(found.signatures)} tài liệu {told}, {found.held} giữ lại",
            f"{len(found.signatures)} documents {told}, {found.held} held",
        )
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
