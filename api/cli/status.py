"""`kyso status`: how the appliance is, on one screen, and what to do next.

    kyso status
    kyso status --format json

Exit status: 0 all is well, 1 somebody has to act, 69 nothing can be signed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import typer
from rich.markup import escape

from api import children
from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.console import Form, Lang, t
from api.settings import Settings
from api.workflows.overview import is_well, overview

TO_DO = 1
"""Exit status: it works, and somebody has to act."""


def register(app: typer.Typer) -> None:
    app.command("status", help=t("tình trạng hệ thống và việc cần làm", "how the appliance is, and what to do"))(status)


def status(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    settings.make_folders()
    running = _runs(settings)
    with appliance.services(settings) as services:
        found = overview(services, running=running)
    if form == "json":
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)
    if found["state"] != "operational" or not running:
        raise typer.Exit(console.NOT_AVAILABLE)
    if not is_well(found) or found["next"]:
        raise typer.Exit(TO_DO)


def _runs(settings: Settings) -> bool:
    try:
        with children.only_one(settings.home):
            return False
    except children.AlreadyRunning:
        return True


def _show(found: dict[str, Any]) -> None:
    state = {
        "operational": t("[bold green]đang hoạt động[/]", "[bold green]operational[/]"),
        "locked": t("[bold yellow]đang khóa[/]", "[bold yellow]locked[/]"),
        "unprovisioned": t("[bold red]chưa thiết lập[/]", "[bold red]not set up[/]"),
    }
    told = state.get(str(found["state"]), t("[bold red]không rõ[/]", "[bold red]not known[/]"))
    service = (
        t("dịch vụ đang chạy", "the service runs")
        if found["service"]
        else t("dịch vụ đang dừng", "the service is stopped")
    )
    console.out.print(f"Kyso: {told}, {service}")
    console.out.print()
    modules = console.table(t("mô-đun", "module"), t("thiết bị", "token"), t("trạng thái", "state"))
    for one in found["modules"]:
        reason = f" ({one['reason']})" if one["reason"] else ""
        modules.add_row(one["module"], escape(one["token"]), _token(one["state"]) + escape(reason))
    if found["modules"]:
        console.out.print(modules)
        console.out.print()
    if isinstance(found["keys"], list) and found["keys"]:
        keys = console.table(t("khóa", "key"), t("loại", "kind"), t("chứng thư", "certificate"), t("còn", "left"), "")
        for one in found["keys"]:
            days = "–" if one["days"] is None else t(f"{one['days']} ngày", f"{one['days']} days")
            problem = f"[red]{one['problem']}[/]" if one["problem"] else ""
            keys.add_row(escape(one["ref"]), one["kind"], escape(one["subject"] or "–"), days, problem)
        console.out.print(keys)
        console.out.print()
    for name, value in _lines(found):
        console.out.print(f"{name:<14}", end="")
        console.out.print(value, markup=False)
    _show_alarms(found["alarms"])
    if found["next"]:
        console.out.print()
        console.out.print(t("[bold]Việc cần làm[/]", "[bold]To do[/]"))
        for one in found["next"]:
            console.out.print("  • " + to_do(one["do"], one["about"]), markup=False)


def _token(state: str) -> str:
    words = {
        "operational": t("[green]mở[/]", "[green]open[/]"),
        "locked": t("[yellow]khóa[/]", "[yellow]locked[/]"),
        "unprovisioned": t("[red]chưa có[/]", "[red]not made[/]"),
    }
    return words.get(state, t("[red]không dùng được[/]", "[red]not available[/]"))


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    clock, disk, trust, checkpoint = found["clock"], found["disk"], found["trust"], found["checkpoint"]
    synchronised = t("được đồng bộ", "synchronised") if clock["synchronised"] else t("chưa đồng bộ", "not synchronised")
    if checkpoint is None:
        last = t("không cấu hình", "not configured")
    elif checkpoint.get("at") is None:
        last = checkpoint.get("error") or t("chưa có", "none yet")
    else:
        at = datetime.fromtimestamp(checkpoint["at"], UTC).isoformat(timespec="seconds")
        last = t(f"{checkpoint['size']} dòng, {at}", f"{checkpoint['size']} lines, {at}")
    return [
        (
            t("Tin cậy", "Trust"),
            _or_error(trust, lambda one: t(f"{one['anchors']} chứng thư gốc", f"{one['anchors']} anchors")),
        ),
        (t("Đồng hồ", "Clock"), f"{clock['time']}, {synchronised}"),
        (
            t("Đĩa trống", "Free disk"),
            _or_error(disk, lambda one: f"{one['free'] // 2**20} / {one['total'] // 2**20} MiB"),
        ),
        (t("Đang chờ", "Waiting"), _or_error(found["queue"], lambda one: t(f"{one} việc", f"{one} jobs"))),
        (t("Nhật ký", "Ledger"), _or_error(found["ledger"], lambda one: t(f"{one} dòng", f"{one} lines"))),
        (t("Điểm kiểm tra", "Checkpoint"), last),
    ]


def _or_error(value: Any, told: Any) -> str:
    return str(value["error"]) if isinstance(value, dict) and "error" in value else str(told(value))


def _show_alarms(found: Any) -> None:
    if not isinstance(found, list):
        console.out.print(t("Cảnh báo: không đọc được", "Alarms: cannot be read"))
        return
    if not found:
        return
    console.out.print()
    console.out.print(t("[bold]Cảnh báo[/]", "[bold]Alarms[/]"))
    for one in found:
        colour = "red" if one["severity"] == "critical" else "yellow"
        console.out.print(f"  [{colour}]![/] ", end="")
        console.out.print(f"{one['what'][console.language]} {one['do'][console.language]}", markup=False)


def to_do(what: str, about: str) -> str:
    """One thing to do, as a sentence."""
    return {
        "setup": t("thiết lập lần đầu: kyso setup", "complete the first set-up: kyso setup"),
        "serve": t("khởi động dịch vụ: kyso serve", "start the service: kyso serve"),
        "unlock": t(f"mở khóa: kyso unlock {about}", f"unlock it: kyso unlock {about}"),
        "token": t(f"kiểm tra thiết bị của mô-đun {about}", f"see to the token of module {about}"),
        "certificate": t(
            f"xin chứng thư cho khóa {about}: kyso key csr {about}, rồi kyso key import-cert {about} TỆP",
            f"get a certificate for key {about}: kyso key csr {about}, then kyso key import-cert {about} FILE",
        ),
        "look": t(f"xem lại khóa {about}; khóa này đang không dùng được", f"see to key {about}, which cannot be used"),
        "renew": t(f"gia hạn chứng thư của khóa {about}", f"renew the certificate of key {about}"),
        "trust": t("thêm chứng thư gốc tin cậy: kyso trust add", "add a trust anchor: kyso trust add"),
        "checkpoints": t(
            "tạo khóa và cấu hình [checkpoints] để nhật ký được ký",
            "make a key and configure [checkpoints], so that the ledger is signed",
        ),
    }[what]
