"""`kyso change`: changes of trust, policies, rules and keys by one administrator or two.

    export KYSO_API_KEY_FILE=admin.key            # who you are: an administrator's API key, in a file
    kyso change propose trust-add --reason "G2" --file root-g2.json --hold
    kyso change try chg_1 sample.pdf              # judged as things are, and as they would be
    kyso change list --state proposed
    kyso change approve chg_1                     # shows it, asks, and does it
    kyso change undo chg_1 --reason "wrong root"

What a kind takes stands in `api.changes.kinds` and in `/docs`.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.changes import Change, Changes
from api.cli import console, whoever
from api.cli.console import Form, Lang, t
from api.cli.whoever import KeyFile
from api.composition import compose
from api.store.callers import Caller

app = typer.Typer(no_args_is_help=True, help=t("thay đổi cần duyệt", "changes, proposed and approved"))

Reason = Annotated[str, typer.Option("--reason", help=t("lý do", "the reason"))]
Hold = Annotated[bool, typer.Option("--hold", help=t("chỉ đề xuất, để thử trước", "propose only, to try it first"))]
STATES = {
    "proposed": t("chờ duyệt", "proposed"),
    "applying": t("đang thực hiện", "applying"),
    "applied": t("đã thực hiện", "applied"),
    "rejected": t("đã từ chối", "rejected"),
    "undone": t("đã hoàn tác", "undone"),
}


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="change")


@app.command("list", help=t("các thay đổi, mới nhất trước", "changes, the newest first"))
def list_(
    state: Annotated[str | None, typer.Option("--state", help=t("trạng thái", "state"))] = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    found = _changes().listed(state=state)
    if form == "json":
        print(json.dumps([_json(one) for one in found], ensure_ascii=False))
        return
    shown = console.table("id", t("loại", "kind"), t("trạng thái", "state"), t("lý do", "reason"), t("lúc", "at"))
    for one in found:
        shown.add_row(one.id, one.kind, STATES[one.state], escape(one.reason), _moment(one.proposed_at))
    console.out.print(shown)


@app.command("show", help=t("xem một thay đổi", "show a change"))
def show(change: str, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    print(json.dumps(_json(_changes().get(change)), ensure_ascii=False, indent=2))


@app.command("propose", help=t("đề xuất một thay đổi", "propose a change"))
def propose(
    kind: Annotated[str, typer.Argument(help=t("loại thay đổi, vd. trust-add", "kind of change, such as trust-add"))],
    *,
    reason: Reason,
    file: Annotated[
        Path | None, typer.Option("--file", help=t("tệp JSON; - là đầu vào chuẩn", "JSON file; - is standard input"))
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help=t("TÊN=GIÁ TRỊ; @TỆP lấy từ tệp", "NAME=VALUE; @FILE reads a file")),
    ] = None,
    hold: Hold = False,
    key_file: KeyFile = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    payload = _payload(file, set_ or [])
    changes = _changes()
    _told(changes, changes.propose(_administrator(changes, key_file), kind, payload, reason=reason, hold=hold))


@app.command("try", help=t("kiểm tra thử một tài liệu mẫu", "judge a sample as it is and as it would be"))
def try_(
    change: str,
    sample: Annotated[Path, typer.Argument(help=t("tài liệu đã ký", "a signed document"), exists=True, dir_okay=False)],
    key_file: KeyFile = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    changes = _changes()
    caller = _administrator(changes, key_file)
    with sample.open("rb") as file:
        found = changes.try_(caller, change, file, name=sample.name)
    shown = console.table("", t("hiện nay", "now"), t("sau thay đổi", "after the change"))
    shown.add_row(t("kết luận", "verdict"), found.before.verdict, found.after.verdict)
    for before, after in zip(found.before.signatures, found.after.signatures, strict=False):
        told = [f"{one.indication} {one.sub_indication or ''}" for one in (before, after)]
        shown.add_row(t("chữ ký", "signature"), *told)
    console.out.print(shown)


@app.command("approve", help=t("duyệt và thực hiện", "approve it, which does it"))
def approve(
    change: str,
    yes: Annotated[bool, typer.Option("--yes", help=t("không hỏi lại", "do not ask"))] = False,
    key_file: KeyFile = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    changes = _changes()
    caller, found = _administrator(changes, key_file), changes.get(change)
    if not yes:
        console.err.print(json.dumps(_json(found), ensure_ascii=False, indent=2), markup=False)
        if not typer.confirm(t("Duyệt thay đổi này?", "Approve this change?"), err=True):
            raise typer.Abort
    _told(changes, changes.approve(caller, change, sha256=found.sha256))


@app.command("reject", help=t("từ chối", "reject it"))
def reject(change: str, key_file: KeyFile = None, lang: Lang = "vi") -> None:  # noqa: ARG001 - see console
    changes = _changes()
    _told(changes, changes.reject(_administrator(changes, key_file), change))


@app.command("undo", help=t("hoàn tác một thay đổi đã thực hiện", "take back a change that was applied"))
def undo(
    change: str,
    reason: Reason,
    hold: Hold = False,
    key_file: KeyFile = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    changes = _changes()
    _told(changes, changes.undo(_administrator(changes, key_file), change, reason=reason, hold=hold))


def _told(changes: Changes, change: Change) -> None:
    more = ""
    if change.state == "proposed":
        more = (
            t("; chờ một quản trị viên khác duyệt", "; another administrator is to approve it")
            if changes.needs_two(change)
            else t(f"; duyệt: kyso change approve {change.id}", f"; to do it: kyso change approve {change.id}")
        )
    console.out.print(f"{change.id}  {change.kind}: {STATES[change.state]}{more}", markup=False)


def _changes() -> Changes:
    return Changes(compose(kyso_settings.load()))


def _administrator(changes: Changes, file: Path | None) -> Caller:
    """Who acts: on the machine, too, a change has a name behind it."""
    found = whoever.named(changes.services.database, file)
    if found is None:
        raise console.usage(t("thiếu --api-key-file (khóa API của quản trị viên)", "--api-key-file is missing"))
    return found


def _payload(file: Path | None, given: list[str]) -> dict[str, object]:
    payload: dict[str, object] = {}
    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        try:
            payload = json.loads(text)
        except ValueError as error:
            raise console.usage(f"{file}: {error}") from None
    for one in given:
        name, separator, value = one.partition("=")
        if not separator:
            raise console.usage(t(f"{one}: cần TÊN=GIÁ TRỊ", f"{one}: NAME=VALUE is wanted"))
        payload[name] = Path(value[1:]).read_text("utf-8") if value.startswith("@") else value
    return payload


def _json(change: Change) -> dict[str, object]:
    return {
        "id": change.id,
        "kind": change.kind,
        "subject": change.subject,
        "state": change.state,
        "reason": change.reason,
        "payload": json.loads(change.payload),
        "sha256": change.sha256,
        "proposed_by": change.proposed_by,
        "proposed_at": _moment(change.proposed_at),
        "decided_by": change.decided_by,
        "undoes": change.undoes,
    }


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
