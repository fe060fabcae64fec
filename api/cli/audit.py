"""`kyso audit`: prove that the ledger is whole, and write it out for somebody who has no database.

kyso audit export -o ledger.jsonl
kyso audit verify ledger.jsonl          # the file against its own last line
kyso audit verify --known 812:9f86…     # the database, which must begin with a state noted earlier
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.cli import console
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.ledger import Ledger, LedgerState, verify_export
from api.store.database import open_database

app = typer.Typer(no_args_is_help=True, help=t("nhật ký ký số", "the ledger"))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="audit")


@app.command("verify", help=t("chứng minh nhật ký còn nguyên vẹn", "prove that the ledger is whole"))
def verify(
    file: Annotated[
        Path | None, typer.Argument(help=t("tệp đã xuất; mặc định: kho dữ liệu", "an exported file"))
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option("--known", help=t("trạng thái đã ghi lại, SỐ:GỐC", "a state noted earlier, SIZE:ROOT")),
    ] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    states = tuple(_known(text) for text in known or ())
    if file is not None:
        try:
            with file.open("rb") as exported:
                state = verify_export(exported, known=states)
        except OSError as error:
            raise console.usage(f"{file}: {error.strerror}") from None
    else:
        state = _ledger().verify(known=states)
    console.out.print(
        t(f"nhật ký nguyên vẹn: {state.size} dòng", f"the ledger is whole: {state.size} lines"),
        f"{state.size}:{state.root}",
    )


@app.command("export", help=t("xuất nhật ký, mỗi dòng một bản ghi", "write the ledger out, a line each"))
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if output is None:
        _ledger().export(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with atomic(output) as file:
        _ledger().export(file)


def _ledger() -> Ledger:
    return Ledger(open_database(kyso_settings.load().database_url))


def _known(text: str) -> LedgerState:
    size, _, root = text.partition(":")
    if not size.isdigit() or len(root) != 64:
        raise console.usage(
            t(f"--known phải có dạng SỐ:GỐC, không phải {text}", f"--known wants SIZE:ROOT, not {text}")
        )
    return LedgerState(int(size), root)
