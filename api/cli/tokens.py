"""`kyso token`: the state of each module's token, and a new token's first set-up.

    kyso token list
    kyso token init --module demo --so-pin-file so.pin

PINs come from files, never from the command line: arguments can be read by every user of the machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.console import Form, Lang, t
from hsm.errors import HsmError
from hsm.lifecycle import PinSource

app = typer.Typer(no_args_is_help=True, help=t("thiết bị lưu khóa", "tokens"))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="token")


@app.command("list", help=t("trạng thái các thiết bị", "the tokens and their state"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    rows: list[dict[str, str | int | None]] = []
    for module, configured in settings.modules.items():
        try:
            with appliance.admin(settings, module) as admin:
                status = admin.status()
        except HsmError as error:
            rows.append({"module": module, "token": configured.token, "state": "unavailable", "reason": error.code})
            continue
        rows.append(
            {
                "module": module,
                "token": status.token or configured.token,
                "state": status.state,
                "reason": status.reason,
                "model": status.model,
                "manufacturer": status.manufacturer,
                "serial": status.serial,
                "sessions": status.sessions,
            }
        )
    if form == "json":
        print(json.dumps(rows, ensure_ascii=False))
        return
    shown = console.table(t("mô-đun", "module"), t("thiết bị", "token"), t("trạng thái", "state"), t("kiểu", "model"))
    for row in rows:
        state = f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])
        shown.add_row(
            str(row["module"]), escape(str(row["token"])), escape(state), escape(str(row.get("model") or "–"))
        )
    console.out.print(shown)


@app.command("init", help=t("khởi tạo thiết bị mới", "set up a new token"))
def init(
    so_pin_file: Annotated[Path, typer.Option("--so-pin-file", help=t("tệp chứa mã SO-PIN", "file with the SO PIN"))],
    module: Annotated[
        str | None, typer.Option("--module", help=t("mô-đun trong kyso.toml", "module, as in kyso.toml"))
    ] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    name = appliance.module_of(settings, module)
    pin = settings.pin_source(name)
    if pin is None:
        raise console.usage(
            t(
                f"[modules.{name}] chưa có pin_file hoặc pin_credential",
                f"[modules.{name}] names no PIN file or credential",
            )
        )
    label = settings.modules[name].token
    with appliance.admin(settings, name) as admin:
        admin.initialise(label, so_pin=PinSource(file=str(so_pin_file.absolute())), pin=msgspec.convert(pin, PinSource))
    console.out.print(t(f"đã khởi tạo thiết bị {label}", f"token {label} is set up"), markup=False)
