"""The password of an encrypted document on the command line: asked for, or read from a file; never an argument, since
argument lists stand in process tables and shell histories.

    kyso sign locked.pdf -o out.pdf --key seal --password            # asks
    kyso verify locked.pdf --password-file secret.txt
    pass show locked | kyso extend locked.pdf -o out.pdf --level B-LTA --password-file -
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli import console
from api.cli.console import t

LONGEST = 1024
"""Bytes of a password's file that are read."""

Ask = Annotated[
    bool, typer.Option("--password", help=t("hỏi mật khẩu của tài liệu", "ask for the document's password"))
]
File = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help=t(
            "tệp có mật khẩu ở dòng đầu; - là đầu vào chuẩn", "file with the password in its first line; - for stdin"
        ),
    ),
]


def given(*, ask: bool, file: Path | None) -> str | None:
    """The password by the two options; None when neither was used."""
    if ask and file is not None:
        raise console.usage(t("chọn --password hoặc --password-file", "choose --password or --password-file, not both"))
    if file is not None:
        return _first_line(file)
    return _asked() if ask else None


def _asked() -> str:
    if not sys.stdin.isatty():
        raise console.usage(
            t("không có bàn phím để hỏi mật khẩu: dùng --password-file", "nobody to ask here: use --password-file")
        )
    return _required(getpass.getpass(t("Mật khẩu của tài liệu: ", "Password of the document: "), stream=sys.stderr))


def _first_line(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LONGEST)
        else:
            with file.open("rb") as opened:
                data = opened.read(LONGEST)
        line = data.decode("utf-8-sig").split("\n", 1)[0].removesuffix("\r")
    except (OSError, ValueError):
        raise console.usage(t(f"không đọc được mật khẩu từ {file}", f"no password can be read from {file}")) from None
    return _required(line)


def _required(password: str) -> str:
    if not password:
        raise console.usage(t("mật khẩu trống", "the password is empty"))
    return password
