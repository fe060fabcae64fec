"""`kyso backup` and `kyso restore`: all of an appliance in one encrypted file, and back from it on a bare machine.

    kyso backup kyso.age --recipient age1…              # or as `[backup] recipients` says
    kyso backup kyso.backup --passphrase-file secret.txt --with-keys
    kyso restore kyso.age --home /var/lib/kyso --identity key.txt --storage-key storage.key
    kyso restore kyso.age --home /tmp/x --identity key.txt --check        # opens and checks it, leaves nothing

The storage keys are in it only with `--with-keys`; an HSM's keys never are. There is no call over HTTP: who may fetch a
whole appliance should have to be on its machine, or read the folder where `[backup]` puts them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.cli import console
from api.cli import home as home_
from api.cli.console import Lang, t
from api.settings import Settings

File = Annotated[Path, typer.Argument(help=t("tệp sao lưu", "file of the backup"), show_default=False)]
Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help=t("tệp chứa mật khẩu", "file that holds a passphrase"))
]


def register(root: typer.Typer) -> None:
    root.command("backup", help=t("sao lưu toàn bộ, mã hóa", "back everything up, encrypted"))(backup)
    root.command("restore", help=t("khôi phục từ bản sao lưu", "restore a backup"))(restore)


def backup(
    file: File,
    *,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help=t("khóa công khai age hoặc SSH", "public key, age or SSH"))
    ] = None,
    passphrase_file: Passphrase = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help=t("kèm cả khóa lưu trữ", "with the storage keys"))
    ] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.backup.envelope import Key  # noqa: PLC0415 - help is shown without it
    from api.workflows import backup as backups  # noqa: PLC0415

    with home_.services(kyso_settings.load()) as services:
        recipients = tuple(recipient or ()) or (() if passphrase_file else services.settings.backup.recipients)
        key = Key(recipients=recipients, passphrase=_passphrase(passphrase_file))
        done = backups.make(services, file.absolute(), key=key, with_keys=with_keys, by=home_.user())
    console.out.print(
        t(
            f"{file}: {done.size:,} byte, {len(done.manifest.files)} tệp, sổ đến dòng {done.manifest.ledger_size}",
            f"{file}: {done.size:,} bytes, {len(done.manifest.files)} files, ledger to line {done.manifest.ledger_size}",
        )
    )
    console.out.print(f"SHA-256 {done.sha256}")
    if done.manifest.storage_keys and not with_keys:
        _say_who_keeps(services.settings, done.manifest.storage_keys)


def _say_who_keeps(settings: Settings, keys: tuple[str, ...]) -> None:
    """Which keys are wanted beside this backup, where they are, and with whom."""
    storage, named = settings.storage, ", ".join(keys)
    place = settings.home / storage.key_file if storage.key_file is not None else f"systemd: {storage.key_credential}"
    console.err.print(
        t(
            f"Khóa lưu trữ ({named}) không nằm trong bản này, thiếu khóa thì không đọc được tài liệu. Khóa ở {place}; người giữ "
            f"bản sao của khóa, khác với người giữ bản sao lưu: {storage.kept_by or 'chưa ghi ([storage] kept_by)'}.",
            f"The storage keys ({named}) are not in it, and without them the documents cannot be read. They are in {place}; who "
            f"keeps a copy, apart from the backup: {storage.kept_by or 'not on record ([storage] kept_by)'}.",
        ),
        markup=False,
    )


def restore(
    file: File,
    *,
    home: Annotated[Path, typer.Option("--home", help=t("thư mục trống", "an empty folder"))],
    identity: Annotated[Path | None, typer.Option("--identity", help=t("khóa bí mật", "secret key"))] = None,
    passphrase_file: Passphrase = None,
    storage_key: Annotated[
        Path | None, typer.Option("--storage-key", help=t("khóa lưu trữ cất riêng", "storage keys kept elsewhere"))
    ] = None,
    check: Annotated[bool, typer.Option("--check", help=t("chỉ kiểm tra", "only check it"))] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.backup.envelope import Key  # noqa: PLC0415 - help is shown without it
    from api.workflows import restoring  # noqa: PLC0415

    key = Key(identities=_identities(identity), passphrase=_passphrase(passphrase_file))
    done = restoring.restore(
        _existing(file), home.absolute(), key=key, storage_key=storage_key, dry=check, by=home_.user()
    )
    console.out.print(
        t(
            f"{len(done.manifest.files)} tệp, sao lưu lúc {done.manifest.made_at}, sổ đến dòng {done.manifest.ledger_size}",
            f"{len(done.manifest.files)} files, backed up at {done.manifest.made_at}, ledger to line "
            f"{done.manifest.ledger_size}",
        )
    )
    if not done.keys:
        console.err.print(
            t(
                "Thiếu khóa lưu trữ: đặt vào chỗ `storage.key_file` trước khi khởi động.",
                "The storage keys are missing: put them where `storage.key_file` says before the start.",
            )
        )


def _passphrase(file: Path | None) -> str | None:
    return None if file is None else _existing(file).read_text("utf-8").rstrip("\r\n")


def _identities(file: Path | None) -> tuple[str, ...]:
    """An SSH key's file is one identity; an age file has one a line."""
    if file is None:
        return ()
    text = _existing(file).read_text("utf-8")
    if text.startswith("-----BEGIN"):
        return (text,)
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise console.usage(t(f"không đọc được tệp {file}", f"the file {file} cannot be read"))
    return file
