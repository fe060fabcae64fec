"""`kyso storage`: the key under which documents lie encrypted, and what lies there.

    kyso storage init                       # makes secrets/storage.key and says what to write into kyso.toml
    kyso storage stock                      # how many files, by storage key
    kyso storage rotate                     # a new key, and everything brought to it
    kyso storage rotate --drop              # and the former keys forgotten
    kyso storage decrypt                    # everything in plain again, before going back to an older program

Deleting by policy and holds: `api.cli.retention`, whose commands stand in this group too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.children import AlreadyRunning, only_one
from api.cli import console, home
from api.cli.console import Form, Lang, t
from api.store.encryption import keys

app = typer.Typer(no_args_is_help=True, help=t("kho tài liệu: mã hóa, lưu giữ, xóa", "the store of documents"))


def register(root: typer.Typer) -> None:
    from api.cli import retention  # noqa: PLC0415 - it adds its commands to this group

    retention.register(app)
    root.add_typer(app, name="storage")


@app.command("init", help=t("tạo khóa lưu trữ", "make the storage key"))
def init(lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    chosen = settings.storage.key_file or Path("secrets/storage.key")
    try:
        keys.make(settings.home / chosen)
    except FileExistsError:
        raise console.usage(t(f"đã có {chosen}", f"there is a {chosen} already")) from None
    console.out.print(
        t(
            f"Đã tạo {chosen}. Hãy cất một bản sao ở nơi khác: mất khóa là mất tài liệu.",
            f"{chosen} is made. Keep a copy elsewhere: without the key the documents are lost.",
        )
    )
    if not settings.storage.encrypts:
        console.out.print(f'\n[storage]\nkey_file = "{chosen}"', markup=False)


@app.command("stock", help=t("có gì trong kho", "what lies in the store"))
def stock(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    from api.workflows import storage  # noqa: PLC0415 - help is shown without it

    with home.services(kyso_settings.load()) as services:
        found = storage.stock(services)
        current = storage.store_of(services).keys.current.id.hex()
    if form == "json":
        print(json.dumps({"current": current, "files": found.files, "bytes": found.bytes_}))
        return
    shown = console.table(t("khóa lưu trữ", "storage key"), t("số tệp", "files"), "")
    for identity, count in sorted(found.files.items()):
        shown.add_row(identity, str(count), t("đang dùng", "current") if identity == current else "")
    console.out.print(shown)
    console.out.print(f"{found.bytes_:,} byte")


@app.command("rotate", help=t("thay khóa lưu trữ", "change the storage key"))
def rotate(
    again: Annotated[
        bool, typer.Option("--again", help=t("không tạo khóa mới, chỉ làm tiếp", "make no key, go on"))
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help=t("bỏ các khóa cũ", "forget the former keys"))] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.workflows import storage  # noqa: PLC0415 - as above

    with home.services(kyso_settings.load()) as services:
        if not again:
            storage.begin(services)
        done = storage.renew(services, by=home.user())
        console.out.print(
            t(
                f"Khóa {done.key}: {done.files} tệp, {done.values} bí mật đã chuyển sang.",
                f"Key {done.key}: {done.files} files and {done.values} secrets were brought to it.",
            )
        )
        if done.busy:
            told = t(
                f"{done.busy} tệp đang được dùng; hãy chạy lại với --again", f"{done.busy} files are in use; run it"
            )
            raise console.CommandFailed("request-in-progress", told + " --again", status=console.NOT_AVAILABLE)
        if drop:
            dropped = storage.drop(services)
            console.out.print(t(f"Đã bỏ {dropped} khóa cũ.", f"{dropped} former keys are forgotten."))


@app.command("decrypt", help=t("giải mã toàn bộ, trước khi quay về bản cũ", "decrypt everything, for an older program"))
def decrypt(
    yes: Annotated[bool, typer.Option("--yes", help=t("không hỏi lại", "do not ask"))] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.workflows import storage  # noqa: PLC0415 - help is shown without it

    settings = kyso_settings.load()
    if not yes:
        typer.confirm(
            t("Mọi tài liệu sẽ nằm trên đĩa không mã hóa. Tiếp tục?", "All documents will lie in plain. Go on?"),
            abort=True,
            err=True,
        )
    try:
        with only_one(settings.home), home.services(settings) as services:
            count = storage.decrypt(services, by=home.user())
    except AlreadyRunning:
        told = t("hãy dừng dịch vụ trước", "stop the service first")
        raise console.CommandFailed("service-running", told, status=console.NOT_AVAILABLE) from None
    console.out.print(
        t(
            f"{count} tệp đã giải mã; hãy bỏ [storage] khỏi kyso.toml",
            f"{count} files are in plain; now take [storage] out of kyso.toml",
        )
    )
