"""`kyso unlock` and `kyso lock`: whether the keys of a running service can be used.

    kyso unlock                          every token that waits for a PIN or was locked here; asks for each PIN
    kyso unlock hsm --pin-stdin          one token; the PIN is the first line of standard input
    kyso unlock --api-key-file a.key     where two administrators are needed: proposes it, or completes another's
    kyso lock                            nothing can be signed any more, whatever restarts, until somebody unlocks

A typed PIN goes over the keeper's own socket into the keeper's memory: never an argument, a file or an environment, and a
restart knows nothing of it. One call is one attempt at most, and none with a PIN that the token refused last.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.cli import appliance, console, home, whoever
from api.cli.console import Lang, t
from api.ledger import Ledger
from api.settings import Settings
from api.store.database import open_database
from hsm.errors import KeeperNotAvailable
from hsm.lifecycle import TokenStatus
from hsm.token import TokenAdmin

CALLER = "command-line"
WAITS = 3.0
"""Seconds to wait for the keeper of a running service."""
LONGEST = 257
"""Bytes that are read of a PIN; the keeper takes 256."""
_FOR_A_PIN = frozenset({"pin-missing", "pin-unreadable", "locked-by-operator"})

ModuleName = Annotated[
    str | None, typer.Argument(metavar=t("[MÔ-ĐUN]", "[MODULE]"), help=t("mô-đun trong kyso.toml", "as in kyso.toml"))
]


def register(app: typer.Typer) -> None:
    app.command("unlock", help=t("mở khóa thiết bị để ký được", "unlock tokens, so that they sign"))(unlock)
    app.command("lock", help=t("khóa thiết bị: không ký được nữa", "lock tokens: nothing is signed any more"))(lock)


def unlock(
    module: ModuleName = None,
    *,
    ask: Annotated[
        bool, typer.Option("--ask", help=t("hỏi mã PIN dù đã cấu hình", "ask for the PIN although one is configured"))
    ] = False,
    pin_stdin: Annotated[
        bool, typer.Option("--pin-stdin", help=t("đọc mã PIN từ đầu vào chuẩn", "read the PIN from standard input"))
    ] = False,
    pin_fd: Annotated[
        int | None,
        typer.Option("--pin-fd", min=3, help=t("đọc mã PIN từ descriptor này", "read it from this descriptor")),
    ] = None,
    key_file: whoever.KeyFile = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    given = pin_stdin or pin_fd is not None
    chosen = [appliance.module_of(settings, module)] if module or given else _waiting(settings)
    if not chosen:
        console.out.print(t("không có thiết bị nào chờ mở khóa", "no token waits to be unlocked"))
        return
    still = []
    for name in chosen:
        with _admin(settings, name) as admin:
            before = admin.status()
            if before.state == "operational":
                console.out.print(t(f"{name}: đang mở sẵn", f"{name}: is open already"), markup=False)
                continue
            change = None
            if "unlock" in settings.changes.two_administrators:
                change = _of_two(settings, key_file, name)
                if change is None:
                    still.append(name)
                    continue
            pin = None
            if given:
                pin = _read(0 if pin_stdin else pin_fd or 0)
            elif ask or settings.pin_source(name) is None or before.reason == "pin-unreadable":
                pin = _asked(before.token)
            by = {} if change is None else {"change": change}
            _note(settings, {"what": "unlock-asked", "module": name, **by})
            after = admin.unlock(pin)
            what = "unlocked" if after.state == "operational" else "unlock-refused"
            _note(settings, {"what": what, "module": name, **by})
        if after.state == "operational":
            console.out.print(t(f"{name}: đã mở khóa", f"{name}: unlocked"), markup=False)
        else:
            still.append(name)
            console.complain(after.reason or after.state, f"{name}: {told(after)}")
    if still:
        raise typer.Exit(console.NOT_AVAILABLE)


def _of_two(settings: Settings, key_file: Path | None, module: str) -> str | None:
    """The change under which this may be done; None where another administrator is to complete it, which is said."""
    from api.changes.kinds import WITHIN  # noqa: PLC0415 - help and `lock` are there without them
    from api.workflows import unlocking  # noqa: PLC0415 - the same

    with home.services(settings) as services:
        found = unlocking.allowed(services, whoever.named(services.database, key_file), module)
    if found is not None:
        return found.id
    minutes = int(WITHIN // 60)
    console.err.print(
        t(
            f"{module}: đã đề nghị mở khóa; trong {minutes} phút, một quản trị viên khác chạy kyso unlock để hoàn tất",
            f"{module}: unlocking is proposed; another administrator completes it by kyso unlock within {minutes} minutes",
        ),
        markup=False,
    )
    return None


def lock(module: ModuleName = None, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    chosen = [appliance.module_of(settings, module)] if module else list(settings.modules)
    for name in chosen:
        with _admin(settings, name) as admin:
            admin.lock()
        # Afterwards: what is locked already may be noted late, what is open may not wait for a database.
        _note(settings, {"what": "locked", "module": name})
        console.out.print(t(f"{name}: đã khóa", f"{name}: locked"), markup=False)


def told(status: TokenStatus) -> str:
    """Why a token is not open, and what to do."""
    sentences = {
        "pin-missing": t("chưa có mã PIN; chạy kyso unlock", "there is no PIN yet; run kyso unlock"),
        "pin-unreadable": t("không đọc được mã PIN đã cấu hình", "the configured PIN cannot be read"),
        "pin-refused": t(
            "thiết bị không nhận mã PIN này; đã tính một lần thử, mã này sẽ không được thử lại",
            "the token refused this PIN; one try is spent, and this PIN is not tried again",
        ),
        "pin-locked": t("thiết bị đã khóa PIN; cần mã SO-PIN", "the token has locked its PIN; it takes the SO PIN"),
        "pin-final-try": t(
            "thiết bị chỉ còn một lần thử; hãy đăng nhập bằng công cụ của nhà sản xuất",
            "one try is left; log in with the vendor's own tool first",
        ),
        "pin-count-low": t("đã có mã PIN sai; kiểm tra rồi mở khóa", "a wrong PIN was given; check it, then unlock"),
        "pin-outcome-unknown": t(
            "lần thử trước bị dở dang; kiểm tra mã PIN", "the last try was cut short; check the PIN"
        ),
        "locked-by-operator": t(
            "do người quản trị khóa; chạy kyso unlock", "an administrator locked it; run kyso unlock"
        ),
        "token-absent": t("không thấy thiết bị", "the token is not there"),
    }
    return sentences.get(status.reason or "", f"{status.state} ({status.reason})")


def _waiting(settings: Settings) -> list[str]:
    found = []
    for name in settings.modules:
        with _admin(settings, name) as admin:
            status = admin.status()
        nothing_kept = settings.pin_source(name) is None
        if status.state == "locked" and (nothing_kept or status.reason in _FOR_A_PIN):
            found.append(name)
    return found


def _admin(settings: Settings, module: str) -> TokenAdmin:
    """The keeper of the running service; one of our own would forget with this command."""
    found = TokenAdmin(settings.keeper_admin_socket(module), patience=WAITS)
    try:
        found.status()
    except KeeperNotAvailable:
        found.close()
        raise console.CommandFailed(
            KeeperNotAvailable.code,
            t("dịch vụ chưa chạy; hãy khởi động trước", "the service does not run; start it first"),
            status=console.NOT_AVAILABLE,
        ) from None
    return found


def _asked(token: str) -> bytearray:
    if not sys.stdin.isatty():
        raise console.usage(
            t(
                "không có bàn phím để hỏi mã PIN: dùng --pin-stdin hoặc --pin-fd",
                "nobody to ask here: --pin-stdin or --pin-fd",
            )
        )
    return bytearray(getpass.getpass(t(f"Mã PIN của {token}: ", f"PIN of {token}: "), stream=sys.stderr).encode())


def _read(descriptor: int) -> bytearray:
    value = bytearray()
    try:
        while len(value) < LONGEST and b"\n" not in value and (more := os.read(descriptor, LONGEST - len(value))):
            value += more
    except OSError as error:
        raise console.usage(
            t(f"không đọc được mã PIN: {error.strerror}", f"no PIN can be read: {error.strerror}")
        ) from None
    line = value.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise console.usage(t("mã PIN trống", "the PIN is empty"))
    return bytearray(line)


def _note(settings: Settings, facts: dict[str, str]) -> None:
    database = open_database(settings.database_url)
    try:
        Ledger(database).append("CHANGED", {"caller": CALLER, **facts})
    finally:
        database.close()
