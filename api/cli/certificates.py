"""`kyso cert verify`: judge one certificate: path, period, revocation.

    kyso cert verify person.pem --trust var/demo/ca.pem --chain issuing.pem
    kyso cert verify ee.crt --chain ca.crt --crl ca.crl --trust root.crt --policy pkits --initial-policy 2.16.840.1.101.3.2.1.48.1

Statuses as of `verify`: 0 passed, 1 failed, 2 indeterminate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from api import settings as kyso_settings
from api.cli import appliance, console, policies
from api.cli.certificate_files import read_certificates
from api.cli.certificate_report import lines
from api.cli.console import Form, Lang, t
from verify.errors import TrustUnusable
from verify.path_inputs import PathInputs
from verify.trust import unarmour

app = typer.Typer(no_args_is_help=True, help=t("chứng thư chữ ký số", "certificates"))
LARGEST_LISTS = 48 << 20
"""Bytes of all revocation lists together: they travel to the worker in one frame."""
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
    initial_policy: Annotated[
        list[str] | None,
        typer.Option(
            "--initial-policy",
            help=t("chính sách chứng thư được chấp nhận (OID)", "certificate policy that is accepted (OID)"),
            show_default=False,
        ),
    ] = None,
    explicit_policy: Annotated[
        bool, typer.Option("--explicit-policy", help=t("phải có chính sách chứng thư", "there must be a policy"))
    ] = False,
    inhibit_mapping: Annotated[
        bool, typer.Option("--inhibit-mapping", help=t("không ánh xạ chính sách", "policies are not mapped"))
    ] = False,
    inhibit_any: Annotated[
        bool, typer.Option("--inhibit-any", help=t("không nhận anyPolicy", "anyPolicy does not count"))
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help=t("không truy cập mạng", "ask nobody"))] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    leaf, *rest = read_certificates(certificate)
    for path in chain or ():
        rest.extend(read_certificates(path))
    believed = appliance.trust(settings, trust)
    moment = appliance.time_of(at, zone=settings.zone)
    asked = _asked(initial_policy or [], explicit=explicit_policy, no_mapping=inhibit_mapping, no_any=inhibit_any)
    chosen = policies.chosen(settings, policy).asking(asked)
    with appliance.documents(settings) as documents, documents.open("cli") as worker:
        verdict = worker.judge_certificate(
            leaf,
            chain=tuple(rest),
            trust=replace(believed, crls=(*believed.crls, *_lists(crl or ()))),
            policy=chosen.shipped,
            at=moment,
            fetcher=appliance.fetcher(settings, offline=offline),
            purpose=purpose,
        )
    if form == "json":
        print(json.dumps(asdict(verdict), ensure_ascii=False, indent=2))
    else:
        for line in lines(verdict, at=moment, policy=chosen.name, language=console.language, zone=settings.zone):
            console.out.print(*(Text(piece.text, piece.style) for piece in line), sep="")
    raise typer.Exit(STATUS[verdict.indication])


def _asked(oids: list[str], *, explicit: bool, no_mapping: bool, no_any: bool) -> PathInputs:
    try:
        return PathInputs(tuple(oids), explicit_policy=explicit, inhibit_mapping=no_mapping, inhibit_any=no_any)
    except ValueError:
        raise console.usage(
            t("--initial-policy: một OID như 1.2.3", "--initial-policy: an object identifier such as 1.2.3")
        ) from None


def _lists(paths: Iterable[Path]) -> Iterator[bytes]:
    """The lists of files, as they are: the worker reads them. Raises CommandFailed."""
    left = LARGEST_LISTS
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(left + 1)
        except OSError as error:
            raise console.usage(f"{path}: {error.strerror}") from None
        left -= len(content)
        if left < 0:
            raise console.usage(
                t(f"{path}: danh sách thu hồi quá lớn", f"{path}: the revocation lists are too large")
                + f" (> {LARGEST_LISTS >> 20} MiB)"
            )
        try:
            yield from unarmour(content)
        except TrustUnusable:
            raise console.usage(
                t(f"{path}: không đọc được danh sách thu hồi", f"{path}: no revocation list can be read there")
            ) from None
