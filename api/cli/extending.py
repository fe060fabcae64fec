"""`kyso extend`: lift the signatures of a document to a higher level, whoever made them; no key is used.

    kyso extend signed.pdf -o archived.pdf --level B-LTA
    kyso extend signed.xml -o archived.xml --level B-LTA --detached a.pdf=a.pdf

The output appears whole, or not at all. No record is made; but where this KYSO_HOME has records and knows the document,
it is lifted only if no later signature was built on it, and what comes of it is another form of the same head.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import appliance, console, passwords, policies, xml
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.sandbox import calls
from api.settings import Settings
from api.store import heads
from api.store.database import Database, open_database


def register(app: typer.Typer) -> None:
    app.command("extend", help=t("nâng mức chữ ký của tài liệu", "lift the signatures of a document"))(extend)


def extend(
    file: Annotated[Path, typer.Argument(help=t("tài liệu đã ký", "signed document"), show_default=False)],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))],
    level: Annotated[Literal["B-T", "B-LT", "B-LTA"], typer.Option("--level", help=t("mức cần đạt", "level to reach"))],
    trust: Annotated[
        list[Path] | None,
        typer.Option("--trust", help=t("chứng thư tin cậy, tệp hoặc thư mục", "trust anchors, file or folder")),
    ] = None,
    allow_degraded: Annotated[
        bool,
        typer.Option(
            "--allow-degraded", help=t("nhận mức thấp hơn khi mất dịch vụ", "take a lower level in an outage")
        ),
    ] = False,
    detached: xml.DetachedFiles = None,
    password: passwords.Ask = False,
    password_file: passwords.File = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if not file.is_file():
        raise console.usage(t(f"không có tệp {file}", f"there is no file {file}"))
    named = xml.named(detached)
    settings = kyso_settings.load()
    order = calls.Extend(
        level=level,
        trust=appliance.trust(settings, trust or []),
        policy=policies.chosen(settings, settings.signing.evidence_policy).shipped,
        at=datetime.now(settings.zone),
        authorities=settings.timestamping.authorities,
        nonce=1 << 63 | secrets.randbits(63),
        timestamp_policy=settings.timestamping.policy,
        allow_degraded=allow_degraded,
        password=passwords.given(ask=password, file=password_file),
    )
    with atomic(output) as out, file.open("rb") as source, _records(settings) as records:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        ours = () if records is None else records.read(heads.require, sha256)
        with (
            xml.opened(named) as contents,
            appliance.documents(settings) as documents,
            documents.open("cli") as worker,
        ):
            fetcher = appliance.fetcher(settings, offline=False)
            done = worker.extend(source, out, order=order, fetcher=fetcher, detached=contents)
        if records is not None:
            for signature in ours:
                records.write(heads.lifted, done.sha256, signature=signature)
    console.warn(done.warnings)
    console.err.print(f"[green]✓[/] {t('đã nâng mức', 'extended')} {escape(str(output))}: {done.level}")


@contextmanager
def _records(settings: Settings) -> Iterator[Database | None]:
    """The appliance's records; None where there never was one: the command works on any machine."""
    if not settings.database and not (settings.home / "kyso.db").exists():
        yield None
        return
    with closing(open_database(settings.database_url)) as database:
        yield database
