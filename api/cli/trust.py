"""`kyso trust`: whom the appliance believes without proof.

    kyso trust list
    kyso trust add root-g2.cer --name root-g2 --purpose signing       # shows the SHA-256 and asks for it
    kyso trust add root-g1.cer --until 2025-12-31 --sha256 f7bc89…    # as published; nothing is asked
    kyso trust add issuing.cer --intermediate
    kyso trust distrust 91ab… --why "key compromised"
    kyso trust set root-g1 --until 2025-12-31                         # retired: believed for what is older
    kyso trust remove root-g1

A certificate becomes trusted only against a SHA-256 that came another way than the file did. Bundles for closed networks:
`api.cli.bundles`. The running service notices every change within seconds.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.changes.errors import ChangesByTwo
from api.cli import console, pins
from api.cli.console import Form, Lang, t
from api.trust_json import trust_json
from api.workflows.trusting import TrustStore
from verify import trust as trusts
from verify.errors import TrustUnusable
from verify.trust_rules import AnchorRule

app = typer.Typer(no_args_is_help=True, help=t("chứng thư tin cậy", "trust anchors"))


def register(root: typer.Typer) -> None:
    from api.cli import bundles  # noqa: PLC0415 - it adds its commands to this group

    bundles.register(app)
    root.add_typer(app, name="trust")


def changing(settings: kyso_settings.Settings) -> TrustStore:
    """The store, for who changes it alone. Raises ChangesByTwo where that takes two."""
    if "trust" in settings.changes.two_administrators:
        raise ChangesByTwo(subject="trust")
    return store(settings)


def store(settings: kyso_settings.Settings) -> TrustStore:
    return TrustStore(settings.trust)


@app.command("list", help=t("đang tin cậy những ai", "who is trusted"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    try:
        present = trust_json(store(settings).current())
    except TrustUnusable as error:
        raise pins.told(error) from None
    if form == "json":
        print(json.dumps(present, ensure_ascii=False, indent=2))
        return
    for one in present["anchors"]:
        console.out.print(f"[bold]{one['name']}[/]" + (f"  {one['title']}" if one["title"] else ""))
        _line(t("chứng thư", "certificate"), one["subject"])
        _line(t("hiệu lực", "in force"), f"{one['not_before'][:10]} – {one['not_after'][:10]}")
        _line(t("dùng để", "for"), ", ".join(map(pins.purpose_word, one["purposes"])))
        if one["since"] or one["until"]:
            _line(t("tin cậy", "believed"), f"{(one['since'] or '…')[:10]} – {(one['until'] or '…')[:10]}")
        _line("SHA-256", pins.grouped(one["sha256"]))
        if one["source"] == "bundle":
            _line(t("nguồn", "from"), t("gói tin cậy", "the bundle"))
    for one in present["bundles"]:
        state = t("số", "number"), one["number"], t("dùng đến", "good until"), one["expires"][:10]
        _line(t("gói tin cậy", "bundle"), " ".join(map(str, state)))
    for one in present["distrusted"]:
        _line(t("không tin", "distrusted"), one)
    count = len(present["anchors"]), len(present["intermediates"]), len(present["crls"])
    if not present["anchors"]:
        console.err.print(
            t(
                "chưa có chứng thư tin cậy: không chữ ký nào được coi là hợp lệ; xem kyso trust add --help",
                "no trust anchor: no signature will be found valid; see kyso trust add --help",
            )
        )
        return
    _line(
        t("tất cả", "in all"),
        t(
            f"{count[0]} chứng thư tin cậy, {count[1]} chứng thư trung gian, {count[2]} danh sách thu hồi",
            f"{count[0]} anchors, {count[1]} intermediates, {count[2]} revocation lists",
        ),
    )


@app.command("add", help=t("thêm chứng thư tin cậy", "trust a certificate"))
def add(
    file: Annotated[Path, typer.Argument(help=t("chứng thư, PEM hoặc DER", "certificate, PEM or DER"))],
    *,
    name: Annotated[
        str | None, typer.Option("--name", help=t("tên gọi; mặc định: tên tệp", "name; the file's"))
    ] = None,
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            "--purpose",
            help=t("signing hoặc timestamping; mặc định: cả hai", "signing or timestamping; both if not given"),
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help=t("tin cậy từ ngày (2018-01-01)", "believed from (2018-01-01)"))
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help=t("tin cậy đến hết ngày (2035-12-31)", "retired after that day"))
    ] = None,
    title: Annotated[str, typer.Option("--title", help=t("của ai, hệ thống nào", "whose, which hierarchy"))] = "",
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help=t("SHA-256 đã công bố; khỏi hỏi lại", "as published; nothing is asked")),
    ] = None,
    intermediate: Annotated[
        bool, typer.Option("--intermediate", help=t("chứng thư trung gian, không tin cậy", "helps, is not trusted"))
    ] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    if not file.is_file():
        raise console.usage(t(f"không có tệp {file}", f"there is no file {file}"))
    try:
        certificates, lists = trusts.read_file(file)
        if lists and not certificates:
            store(settings).add_crls(lists)
            _done(t("đã thêm danh sách thu hồi", "revocation list added"))
            return
        if intermediate:
            store(settings).add_intermediates(certificates)
            _done(t("đã thêm chứng thư trung gian", "intermediate added"))
            return
        if len(certificates) != 1:
            raise console.usage(
                t(f"{file}: phải có đúng một chứng thư", f"{file}: exactly one certificate is trusted at a time")
            )
        rule = AnchorRule(None, pins.purposes(purpose), pins.day(since, "--from"), pins.day(until, "--until"), title)
        rule = replace(
            rule, sha256=pins.confirm(certificates[0], sha256)
        )  # asked last: a slip in the options comes first
        chosen = name or re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip(".-")
        changing(settings).add(certificates[0], name=chosen, rule=rule)
    except TrustUnusable as error:
        raise pins.told(error) from None
    _done(t(f"đã tin cậy {chosen}", f"{chosen} is trusted"))


@app.command("set", help=t("đổi mục đích, thời hạn tin cậy, tên gọi", "another purpose, window or title"))
def set_(
    name: str,
    *,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="signing, timestamping")] = None,
    since: Annotated[str | None, typer.Option("--from", help=t("tin cậy từ ngày", "believed from"))] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help=t("cho nghỉ sau ngày này, vẫn tin chữ ký cũ", "retired after that day")),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help=t("của ai, hệ thống nào", "whose"))] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    def changed(rule: AnchorRule) -> AnchorRule:
        return AnchorRule(
            sha256=rule.sha256,
            purposes=pins.purposes(purpose) if purpose else rule.purposes,
            since=pins.day(since, "--from") or rule.since,
            until=pins.day(until, "--until") or rule.until,
            title=rule.title if title is None else title,
        )

    try:
        changing(kyso_settings.load()).change(name, changed)
    except TrustUnusable as error:
        raise pins.told(error) from None
    _done(t(f"đã ghi cho {name}", f"written for {name}"))


@app.command("remove", help=t("thôi tin cậy", "trust no longer"))
def remove(name: str, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    try:
        changing(kyso_settings.load()).remove(name)
    except TrustUnusable as error:
        raise pins.told(error) from None
    _done(
        t(
            f"đã bỏ {name}: chữ ký cũ của hệ thống này cũng không còn được tin (cho nghỉ: kyso trust set --until)",
            f"{name} is gone, and what is older is not believed either (to retire one: kyso trust set --until)",
        )
    )


@app.command("distrust", help=t("cấm một chứng thư trong mọi đường dẫn", "ban a certificate from every path"))
def distrust(
    sha256: Annotated[str, typer.Argument(help="SHA-256")],
    why: Annotated[str, typer.Option("--why", help=t("lý do", "the reason"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    try:
        changing(kyso_settings.load()).distrust(pins.hexadecimal(sha256, "SHA256"), why=why)
    except TrustUnusable as error:
        raise pins.told(error) from None
    _done(t("đã cấm chứng thư này", "no path may contain it any more"))


def _line(label: str, value: str) -> None:
    console.out.print(f"    {label + ':':<14} {value}", markup=False)


def _done(sentence: str) -> None:
    console.out.print(sentence, markup=False)
