"""`kyso cert verify`: judge one certificate: path, period, revocation.

    kyso cert verify person.pem --trust var/demo/ca.pem --chain issuing.pem

Statuses as of `verify`: 0 passed, 1 failed, 2 indeterminate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import appliance, console, policies
from api.cli.certificate_files import read_certificates
from api.cli.console import Form, Lang, t
from verify.trust import read_file

app = typer.Typer(no_args_is_help=True, help=t("chứng thư chữ ký số", "certificates"))
STATUS = {"TOTAL_PASSED": 0, "TOTAL_FAILED": 1, "INDETERMINATE": 2}


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="cert")


@app.callback()
def _group() -> None:
    """A group stays a group, however few commands it has."""


@app.command("verify", help=t("kiểm tra một chứng thư", "judge one certificate"))
def verify(
    certificate: Annotated[Path, typer.Argument(help=t("tệp chứng thư", "certificate file"), show_default=False)],
    *,
    trust: Annotated[list[Path], typer.Option("--trust", help=t("chứng thư tin cậy", "trust anchors"))],
    chain: Annotated[
        list[Path] | None, typer.Option("--chain", help=t("chứng thư cấp trên", "certificates above it"))
    ] = None,
    crl: Annotated[
        list[Path] | None, typer.Option("--crl", help=t("danh sách chứng thư thu hồi", "revocation lists"))
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help=t("thời điểm xét (ISO 8601)", "time to judge at"))] = None,
    purpose: Annotated[
        Literal["signing", "timestamping"], typer.Option("--purpose", help=t("mục đích", "purpose"))
    ] = "signing",
    policy: policies.Chosen = None,
    offline: Annotated[bool, typer.Option("--offline", help=t("không truy cập mạng", "ask nobody"))] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    leaf, *rest = read_certificates(certificate)
    for path in chain or ():
        rest.extend(read_certificates(path))
    believed = appliance.trust(settings, trust)
    lists = tuple(one for path in crl or () for one in read_file(path)[1])
    with appliance.documents(settings) as documents, documents.open("cli") as worker:
        verdict = worker.judge_certificate(
            leaf,
            chain=tuple(rest),
            trust=replace(believed, crls=(*believed.crls, *lists)),
            policy=policies.chosen(settings, policy).shipped,
            at=appliance.time_of(at, zone=settings.zone),
            fetcher=appliance.fetcher(settings, offline=offline),
            purpose=purpose,
        )
    if form == "json":
        print(json.dumps({**asdict(verdict), "path": list(verdict.path)}, ensure_ascii=False, indent=2))
    else:
        conclusion = verdict.indication + (f" / {verdict.sub_indication}" if verdict.sub_indication else "")
        console.out.print(f"[bold]{escape(conclusion)}[/]")
        for depth, subject in enumerate(verdict.path):
            console.out.print(f"{'  ' * depth}{subject}", markup=False)
        for check in verdict.checks:
            if check.outcome != "PASSED":
                console.out.print(f"{check.outcome:8} {check.code} ({check.clause})", markup=False)
    raise typer.Exit(STATUS[verdict.indication])
