"""What `kyso setup` asks a person: few questions, each with a sensible answer to take by pressing Enter.

PINs are asked for when they are needed, new ones twice, and never with an echo.
"""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from api.cli import console, pins
from api.cli.console import t
from api.setting_up import answers as answering
from api.setting_up import checks
from api.setting_up.answers import AnchorAnswer, Answers, NewKeyAnswer
from verify import trust as trusts
from verify.errors import TrustUnusable

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
"""Offered where they are there."""
LEAST_PIN = 6
"""Characters of a new PIN; tokens have limits of their own."""
_TRIES = 3


@dataclass(frozen=True)
class Pins:
    """PINs from files where these were named, else typed."""

    user_file: Path | None
    officer_file: Path | None
    token: str

    def user(self, *, new: bool) -> bytearray:
        asked = t(f"Mã PIN của {self.token}", f"PIN of {self.token}")
        return _given(self.user_file, "--pin-file") or _typed(asked, twice=new)

    def officer(self) -> bytearray:
        asked = t(
            f"Mã SO-PIN của {self.token} (cất riêng, dùng khi PIN bị khóa)", f"SO PIN of {self.token} (keep it apart)"
        )
        return _given(self.officer_file, "--so-pin-file") or _typed(asked, twice=True)


def ask(part: dict[str, Any]) -> Answers:
    """All questions that `part` (which part is set up) does not answer; raises CommandFailed where nobody can answer."""
    if not sys.stdin.isatty():
        raise console.usage(t("không có bàn phím: dùng --answers TỆP", "nobody to ask here: use --answers FILE"))
    console.out.print(t("Nhấn Enter để lấy giá trị trong ngoặc.", "Press Enter to take what stands in brackets."))
    at_token = {} if "keepers" in part else _at_token()
    in_service = {} if "peers" in part else _in_service()
    return answering.of({**at_token, **in_service, **part})


def _at_token() -> dict[str, Any]:
    """What the keepers have to know."""
    module = _question(t("Tên ngắn cho thiết bị", "A short name for the module"), "hsm")
    library, environment = _library()
    known = [one.label for one in checks.library(library, environment=environment)[1].tokens if one.initialised]
    if known:
        console.out.print(t(f"Thiết bị có sẵn: {', '.join(known)}", f"Tokens there: {', '.join(known)}"), markup=False)
    token = _question(t("Nhãn thiết bị lưu khóa", "Label of the token"), known[0] if known else "kyso")
    organisation = _question(t("Tên cơ quan ghi trong chứng thư", "Organisation, as certificates name it"), "")
    pin = _choice(
        t(
            "Mã PIN để ở đâu: file (tệp riêng), credential (systemd, TPM), typed (gõ mỗi lần khởi động)",
            "Where is the PIN later: file, credential (systemd, TPM), typed (at each start)",
        ),
        ("file", "credential", "typed"),
    )
    subject = f"O={_escaped(organisation)},C=VN" if organisation else ""
    return {
        "module": module,
        "library": library,
        "token": token,
        "new_token": token not in known,
        "environment": environment,
        "pin": pin,
        "keys": [
            NewKeyAnswer(
                ref="seal", purpose="seal", subject=f"CN={_escaped(organisation)},{subject}" if subject else ""
            ),
            NewKeyAnswer(ref="tsa", purpose="timestamps", subject=f"CN=TSA,{subject}" if subject else ""),
            NewKeyAnswer(ref="ledger", purpose="checkpoints", algorithm="ed25519"),
        ],
    }


def _in_service() -> dict[str, Any]:
    """And what the service has."""
    return {
        "storage_kept_by": _question(
            t(
                "Ai cất bản sao khóa mã hóa tài liệu (chức danh, không phải người giữ bản sao lưu)",
                "Who keeps the copy of the storage key (a post, not the one with the backups)",
            ),
            "",
        ),
        "anchors": _anchors(),
        "timestamp_authorities": _list(
            t("Địa chỉ máy chủ dấu thời gian (để trống nếu chưa có)", "Timestamp authority (URL; empty for none)")
        ),
        "administrator": _question(
            t("Gọi người quản trị đầu tiên là", "What to call the first administrator"), "administrator"
        ),
        "origin": _question(
            t("Địa chỉ công bố (https://…, để trống nếu chưa có)", "Public address (https://…; empty for none)"), ""
        ),
        **_tls(),
        "port": _question(t("Cổng", "Port"), "8080"),
    }


def _library() -> tuple[Path, dict[str, str]]:
    default = next((path for path in LIBRARIES if Path(path).exists()), "")
    for _ in range(_TRIES):
        path = Path(_question(t("Thư viện PKCS#11 của thiết bị", "The token's PKCS#11 library"), default))
        environment = (
            {"SOFTHSM2_CONF": _question("SOFTHSM2_CONF", "{home}/softhsm2.conf")} if "softhsm" in path.name else {}
        )
        found = checks.library(path, environment=environment)[0]
        if found.is_well or environment:  # SoftHSM's own file may not be there yet: the checks look again
            return path, environment
        console.out.print(
            t(f"không dùng được: {found.facts['reason']}", f"cannot be used: {found.facts['reason']}"), markup=False
        )
    raise console.usage(t("không tìm được thư viện dùng được", "no library that can be used"))


def _anchors() -> list[AnchorAnswer]:
    found = []
    while path := _question(
        t("Tệp chứng thư gốc tin cậy (để trống nếu không thêm)", "A certificate to trust (file; empty for no more)"), ""
    ):
        try:
            certificates, _ = trusts.read_file(Path(path))
            if len(certificates) != 1:
                raise console.usage(t("cần đúng một chứng thư", "exactly one certificate"))
            found.append(AnchorAnswer(file=Path(path).absolute(), sha256=pins.confirm(certificates[0], None)))
        except (OSError, TrustUnusable, console.CommandFailed) as error:
            console.out.print(str(error), markup=False)
    return found


def _tls() -> dict[str, Path]:
    """Certificate and key of the server, where it speaks TLS itself."""
    certificate = _question(
        t("Tệp chứng thư TLS (PEM; để trống nếu có proxy phía trước)", "TLS certificate (PEM; empty behind a proxy)"),
        "",
    )
    if not certificate:
        return {}
    key = _question(t("Tệp khóa TLS (PEM)", "TLS key (PEM)"), "")
    return {"tls_certificate": Path(certificate).absolute(), "tls_key": Path(key).absolute()}


def _list(asked: str) -> list[str]:
    return [part for part in _question(asked, "").replace(",", " ").split() if part]


def _choice(asked: str, offered: tuple[str, ...]) -> str:
    for _ in range(_TRIES):
        if (given := _question(asked, offered[0])) in offered:
            return given
    raise console.usage(f"{asked}: {', '.join(offered)}")


def _question(asked: str, default: str) -> str:
    return str(typer.prompt(asked, default=default, show_default=bool(default))).strip()


def _escaped(text: str) -> str:
    """A value in an RFC 4514 name."""
    return "".join(f"\\{sign}" if sign in ',+"\\<>;=#' else sign for sign in text)


def _given(file: Path | None, option: str) -> bytearray | None:
    if file is None:
        return None
    try:
        line = file.read_bytes().split(b"\n", 1)[0].removesuffix(b"\r")
    except OSError as error:
        raise console.usage(f"{option}: {file}: {error.strerror}") from None
    if not line:
        raise console.usage(t(f"{option}: tệp trống", f"{option}: the file is empty"))
    return bytearray(line)


def _typed(asked: str, *, twice: bool) -> bytearray:
    if not sys.stdin.isatty():
        raise console.usage(
            t(
                "không có bàn phím để hỏi mã PIN: dùng --pin-file và --so-pin-file",
                "nobody to ask here: --pin-file, --so-pin-file",
            )
        )
    for _ in range(_TRIES):
        first = getpass.getpass(f"{asked}: ", stream=sys.stderr)
        if twice and len(first) < LEAST_PIN:
            console.err.print(t(f"cần ít nhất {LEAST_PIN} ký tự", f"at least {LEAST_PIN} characters"))
            continue
        if not twice or first == getpass.getpass(t(f"{asked}, gõ lại: ", f"{asked}, again: "), stream=sys.stderr):
            return bytearray(first.encode())
        console.err.print(t("hai lần không giống nhau", "the two differ"))
    raise console.usage(t("chưa có mã PIN", "no PIN was given"))
