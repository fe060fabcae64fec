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
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args

import typer
from asn1crypto import x509

from api import settings as kyso_settings
from api.cli import console
from api.cli.console import Form, Lang, t
from api.trust_json import trust_json
from api.workflows.trusting import TrustStore
from verify import trust as trusts
from verify import trust_rules
from verify.errors import TrustUnusable
from verify.trust_rules import AnchorRule, Purpose

app = typer.Typer(no_args_is_help=True, help=t("chứng thư tin cậy", "trust anchors"))
CONFIRMED_BY = 8
"""How many characters of the published SHA-256 a person types."""


def register(root: typer.Typer) -> None:
    from api.cli import bundles  # noqa: PLC0415 - it adds its commands to this group

    bundles.register(app)
    root.add_typer(app, name="trust")


def store(settings: kyso_settings.Settings) -> TrustStore:
    return TrustStore(settings.trust)


def told(error: TrustUnusable) -> console.CommandFailed:
    """What is wrong, in the language of this run: why one is refused must be understood by whoever carries the file."""
    vi = {
        "pin": "nội dung tệp không phải chứng thư có SHA-256 đã ghim trong trust.toml",
        "name-taken": "tên này đã có; chọn tên khác bằng --name",
        "anchor-name": "trust.toml nói về một tệp không có, hoặc tên không hợp lệ",
        "anchor-twice": "chứng thư này đã có trong danh sách tin cậy",
        "no-such-anchor": "không có chứng thư tin cậy tên này; xem kyso trust list",
        "in-bundle": "chứng thư này thuộc gói tin cậy; dùng kyso trust distrust",
        "several": "tệp chứa nhiều chứng thư; tách mỗi chứng thư một tệp",
        "expired": "gói tin cậy đã hết hạn; xin gói mới",
        "older": "gói tin cậy cũ hơn gói đã cài; không được quay lui",
        "signer": "gói do một chứng thư chưa được ghim ký",
        "signature": "chữ ký của gói tin cậy không đúng",
        "digest": "một tệp trong gói không khớp với bản kê đã ký",
        "files": "gói và bản kê đã ký không cùng danh sách tệp",
        "zip": "đây không phải gói tin cậy, hoặc gói đã bị sửa",
        "no-manifest": "đây không phải gói tin cậy",
        "no-anchors": "gói không có chứng thư tin cậy nào",
        "policy": "một chính sách trong gói không dùng được",
        "neither-certificate-nor-crl": "tệp không phải chứng thư hay danh sách thu hồi",
    }.get(str(error.facts.get("reason", "")), "không đọc được")
    return console.CommandFailed(error.code, t(f"{vi} ({error})", str(error)), status=console.REFUSED)


@app.command("list", help=t("đang tin cậy những ai", "who is trusted"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    try:
        present = trust_json(store(settings).current())
    except TrustUnusable as error:
        raise told(error) from None
    if form == "json":
        print(json.dumps(present, ensure_ascii=False, indent=2))
        return
    for one in present["anchors"]:
        console.out.print(f"[bold]{one['name']}[/]" + (f"  {one['title']}" if one["title"] else ""))
        _line(t("chứng thư", "certificate"), one["subject"])
        _line(t("hiệu lực", "in force"), f"{one['not_before'][:10]} – {one['not_after'][:10]}")
        _line(t("dùng để", "for"), ", ".join(map(purpose_word, one["purposes"])))
        if one["since"] or one["until"]:
            _line(t("tin cậy", "believed"), f"{(one['since'] or '…')[:10]} – {(one['until'] or '…')[:10]}")
        _line("SHA-256", grouped(one["sha256"]))
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
        rule = AnchorRule(None, purposes(purpose), day(since, "--from"), day(until, "--until"), title)
        rule = replace(rule, sha256=confirm(certificates[0], sha256))  # asked last: a slip in the options comes first
        chosen = name or re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip(".-")
        store(settings).add(certificates[0], name=chosen, rule=rule)
    except TrustUnusable as error:
        raise told(error) from None
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
            purposes=purposes(purpose) if purpose else rule.purposes,
            since=day(since, "--from") or rule.since,
            until=day(until, "--until") or rule.until,
            title=rule.title if title is None else title,
        )

    try:
        store(kyso_settings.load()).change(name, changed)
    except TrustUnusable as error:
        raise told(error) from None
    _done(t(f"đã ghi cho {name}", f"written for {name}"))


@app.command("remove", help=t("thôi tin cậy", "trust no longer"))
def remove(name: str, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    try:
        store(kyso_settings.load()).remove(name)
    except TrustUnusable as error:
        raise told(error) from None
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
        store(kyso_settings.load()).distrust(hexadecimal(sha256, "SHA256"), why=why)
    except TrustUnusable as error:
        raise told(error) from None
    _done(t("đã cấm chứng thư này", "no path may contain it any more"))


def confirm(certificate: bytes, given: str | None) -> str:
    """The certificate's SHA-256, once the caller has shown to know it; raises CommandFailed."""
    parsed = x509.Certificate.load(certificate)
    actual = trusts.Anchor(certificate).sha256
    if given is not None:
        if hexadecimal(given, "--sha256") != actual:
            raise console.usage(
                t(
                    f"tệp này có SHA-256 khác: {actual}; không thêm",
                    f"the file's SHA-256 is another: {actual}; not added",
                )
            )
        return actual
    console.err.print(parsed.subject.human_friendly, markup=False)
    console.err.print(f"{parsed.not_valid_before:%Y-%m-%d} – {parsed.not_valid_after:%Y-%m-%d}")
    console.err.print(f"SHA-256 {grouped(actual)}")
    if not parsed.ca:
        console.err.print(
            t("Lưu ý: đây không phải chứng thư của tổ chức chứng thực.", "Mind: this is no CA certificate.")
        )
    asked = t(
        f"Đối chiếu với SHA-256 do tổ chức chứng thực công bố (không lấy từ tệp này) và gõ {CONFIRMED_BY} ký tự đầu",
        f"Compare it with the SHA-256 that the authority published, not with this file, and type its first {CONFIRMED_BY}",
    )
    try:
        typed = typer.prompt(asked, err=True)
    except typer.Abort:
        raise console.usage(
            t(
                "chưa xác nhận; dùng --sha256 khi không có người trả lời",
                "not confirmed; give --sha256 where nobody answers",
            )
        ) from None
    if re.sub(r"[^0-9a-f]", "", typed.lower()) != actual[:CONFIRMED_BY]:
        raise console.usage(t("không khớp: không thêm", "that does not match: not added"))
    return actual


def hexadecimal(text: str, option: str) -> str:
    """A SHA-256 as people copy it, with colons and spaces; raises CommandFailed."""
    found = re.sub(r"[\s:]", "", text.lower())
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise console.usage(t(f"{option}: cần đủ 64 chữ số thập lục phân", f"{option}: 64 hexadecimal digits"))
    return found


def day(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return trust_rules.moment(text, end=option != "--from")
    except ValueError:
        raise console.usage(t(f"{option}: ngày dạng 2030-12-31", f"{option}: a day such as 2030-12-31")) from None


def purposes(given: list[str] | None) -> tuple[Purpose, ...]:
    known = get_args(Purpose)
    if not set(given or ()) <= set(known):
        raise console.usage(t("--purpose: signing hoặc timestamping", "--purpose: signing or timestamping"))
    return tuple(one for one in known if not given or one in given)


def grouped(digits: str) -> str:
    """In fours, to be compared by eye."""
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def purpose_word(purpose: str) -> str:
    return {"signing": t("chữ ký số", "signing"), "timestamping": t("dấu thời gian", "timestamping")}[purpose]


def _line(label: str, value: str) -> None:
    console.out.print(f"    {label + ':':<14} {value}", markup=False)


def _done(sentence: str) -> None:
    console.out.print(sentence, markup=False)
