"""`kyso rights`: rules on the use of keys.

kyso rights set dau-van-thu dau.json       # {"callers": "role:client", "keys": "seal-*", "hours": ["07:30-17:30"]}
kyso rights list
kyso rights try --caller 3f… --key seal-1 --level B-T [--rule dau.json]
kyso rights remove dau-van-thu
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import console, home
from api.cli.console import Form, Lang, t
from api.rights import Use
from api.rights.text import RuleText, parse
from api.settings import Settings
from api.workflows import rights

app = typer.Typer(no_args_is_help=True, help=t("quy tắc sử dụng khóa", "rules on the use of keys"))

Name = Annotated[str, typer.Argument(help=t("tên quy tắc", "name of the rule"))]


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="rights")


@app.command("list", help=t("các quy tắc đang có hiệu lực", "the rules in force"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    with home.services(kyso_settings.load()) as services:
        found = rights.of(services).listed()
    if form == "json":
        print(json.dumps([rights.kept_json(kept) for kept in found], ensure_ascii=False))
        return
    shown = console.table(
        t("tên", "name"),
        t("bản", "version"),
        t("người gọi", "callers"),
        t("khóa", "keys"),
        t("giới hạn", "narrows"),
        "SHA-256",
    )
    for kept in found:
        told = _told(kept.text)
        narrows = ", ".join(name for name in told if name not in ("callers", "keys"))
        shown.add_row(
            kept.name, str(kept.version), escape(kept.text.callers), escape(kept.text.keys), narrows, kept.sha256[:16]
        )
    console.out.print(shown)


@app.command("show", help=t("một quy tắc và các bản trước của nó", "a rule and its versions"))
def show(name: Name, form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    with home.services(kyso_settings.load()) as services:
        found = rights.of(services).history(name)
    told = [rights.kept_json(kept) for kept in found]
    if form == "json":
        print(json.dumps(told, ensure_ascii=False))
        return
    for one in told:
        ended = "" if one["ended_at"] is None else f" – {one['ended_at']}"
        console.out.print(f"[bold]{escape(name)}[/] {one['version']}  {one['set_at']}{ended}  {escape(one['set_by'])}")
        console.out.print_json(json.dumps(one["rule"], ensure_ascii=False))


@app.command("set", help=t("đặt quy tắc từ tệp JSON (- là đầu vào chuẩn)", "set a rule from a JSON file (- is stdin)"))
def set_(
    name: Name,
    file: Annotated[Path, typer.Argument(help=t("tệp JSON", "JSON file"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    rule = _read(file)
    with home.services(kyso_settings.load()) as services:
        kept = rights.of(services).put(name, rule, by=home.user())
    console.err.print(f"[green]✓[/] {escape(name)} {t('bản', 'version')} {kept.version}, SHA-256 {kept.sha256}")


@app.command("remove", help=t("bỏ quy tắc", "remove a rule"))
def remove(name: Name, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    with home.services(kyso_settings.load()) as services:
        rights.of(services).remove(name, by=home.user())


@app.command("try", help=t("thử một yêu cầu, không ký", "what an order would get, without doing it"))
def try_(
    *,
    caller: Annotated[str, typer.Option("--caller", help=t("id người gọi", "id of the caller"))],
    key: Annotated[str | None, typer.Option("--key")] = None,
    certificate: Annotated[str | None, typer.Option("--certificate", metavar="SHA256")] = None,
    level: Annotated[str, typer.Option("--level")] = "B-B",
    kind: Annotated[str | None, typer.Option("--kind", metavar="PAdES|XAdES")] = None,
    mechanism: Annotated[str | None, typer.Option("--mechanism")] = None,
    packaging: Annotated[str | None, typer.Option("--packaging")] = None,
    procedure: Annotated[str | None, typer.Option("--procedure")] = None,
    size: Annotated[int, typer.Option("--size", min=0)] = 0,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME")] = None,
    rule: Annotated[
        Path | None, typer.Option("--rule", help=t("quy tắc chưa đặt, cần thử", "a rule that is not set yet"))
    ] = None,
    name: Annotated[str, typer.Option("--name", help=t("tên của quy tắc đó", "that rule's name"))] = "thu",
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if (key is None) == (certificate is None):
        raise console.usage(t("cần --key hoặc --certificate", "either --key or --certificate"))
    settings = kyso_settings.load()
    candidate = None if rule is None else _read(rule).rule(name, zone=settings.zone)
    use = Use(
        key=key or f"certificate:{certificate}",
        level=level,
        format=kind,
        packaging=packaging,
        mechanism=mechanism,
        procedure=procedure,
        size=size,
    )
    with home.services(settings) as services:
        found = rights.of(services).attempt(caller, use, at=_time(settings, at), candidate=candidate)
    told = rights.trial_json(found, language=console.language)
    if form == "json":
        print(json.dumps(told, ensure_ascii=False))
    else:
        _say(told)
    if told["refusals"]:
        raise typer.Exit(console.NOT_PERMITTED)


def _say(told: dict[str, Any]) -> None:
    ruled = told["rule"]
    by = t("không quy tắc nào", "no rule") if ruled is None else f"{ruled['name']} ({ruled['version']})"
    if not told["refusals"]:
        console.out.print(f"[green]✓[/] {t('sẽ được ký', 'would be signed')}: {escape(by)}")
    for one in told["refusals"]:
        console.out.print(f"[red]✗[/] {one['code']}: {escape(one['detail'])}")


def _read(file: Path) -> RuleText:
    """Raises RequestInvalid."""
    try:
        return parse(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError:
        raise console.usage(t(f"không đọc được {file}", f"{file} cannot be read")) from None


def _told(rule: RuleText) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)


def _time(settings: Settings, given: str | None) -> datetime:
    if given is None:
        return datetime.now(settings.zone)
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise console.usage(t(f"--at: không phải thời gian: {given}", f"--at: not a time: {given}")) from None
    return at.replace(tzinfo=settings.zone) if at.tzinfo is None else at.astimezone(settings.zone)
