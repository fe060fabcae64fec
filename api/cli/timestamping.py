"""`kyso timestamp`: a timestamp (RFC 3161 TimeStampToken) over any file, from the configured authorities.

kyso timestamp minutes.pdf -o minutes.tsr
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.reports.text import moment
from api.sandbox import calls


def register(app: typer.Typer) -> None:
    app.command("timestamp", help=t("cấp dấu thời gian cho một tệp", "timestamp a file"))(timestamp)


def timestamp(
    file: Annotated[Path, typer.Argument(help=t("tệp", "file"), show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help=t("tệp kết quả (.tsr)", "file to write (.tsr)"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    try:
        with file.open("rb") as source:
            imprint = hashlib.file_digest(source, "sha256").digest()
    except OSError as error:
        raise console.usage(f"{file}: {error.strerror}") from None
    question = calls.Timestamp(
        imprint=imprint,
        digest="sha256",
        authorities=settings.timestamping.authorities,
        nonce=secrets.randbits(63),
        policy=settings.timestamping.policy,
    )
    with (
        atomic(output) as out,
        appliance.documents(settings) as documents,
        documents.sandbox.worker("cli") as worker,
    ):
        answer = worker.call(
            "timestamp",
            question,
            files=(),
            fetcher=appliance.fetcher(settings, offline=False),
            result=calls.Timestamped,
        )
        out.write(answer.der)
    console.err.print(
        f"[green]✓[/] {t('dấu thời gian', 'timestamp')} {moment(answer.time.astimezone(settings.zone))}"
        f" ({escape(answer.tsa or '–')}): {escape(str(output))}"
    )
