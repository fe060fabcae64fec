"""`kyso sign`: sign a document with a key of the appliance, on the record like every use of a key.

    kyso sign in.pdf -o out.pdf --key demo-official --level B-T --page 1 --box 60,60,260,130
    kyso sign in.xml -o out.xml --key demo-official --level B-LTA --role "Thủ quỹ"

The output appears whole, or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api import uploads
from api.cli import appliance, console, looks, passwords, whoever, xml
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.schemas import OrderRequest, parse_order
from api.services import Services
from api.workflows import signing
from hsm.keys import Mechanism
from signer.model import Level


def register(app: typer.Typer) -> None:
    app.command("sign", help=t("ký số tài liệu", "sign a document"))(sign)


def sign(
    file: Annotated[Path, typer.Argument(help=t("tài liệu cần ký", "document to sign"), show_default=False)],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))],
    key: Annotated[str, typer.Option("--key", help=t("tên khóa", "name of the key"))],
    level: Annotated[Level, typer.Option("--level", help=t("mức chữ ký", "level"))] = "B-B",
    field: Annotated[str | None, typer.Option("--field", help=t("ô chữ ký", "signature field"))] = None,
    page: Annotated[int | None, typer.Option("--page", help=t("trang của ô mới, từ 1", "page of a new field"))] = None,
    box: Annotated[
        str | None,
        typer.Option("--box", help=t("khung của ô mới: trái,dưới,phải,trên (điểm)", "left,bottom,right,top in points")),
    ] = None,
    visible: Annotated[
        bool, typer.Option("--visible/--invisible", help=t("hiện mẫu chữ ký trong ô", "show a stamp in the field"))
    ] = True,
    line: Annotated[
        list[str] | None, typer.Option("--line", help=t("dòng chữ của mẫu chữ ký", "a line of the stamp"))
    ] = None,
    mechanism: Annotated[Mechanism | None, typer.Option("--mechanism", help=t("thuật toán", "algorithm"))] = None,
    name: Annotated[str | None, typer.Option("--name", help=t("tên người ký", "name of the signer"))] = None,
    reason: Annotated[str | None, typer.Option("--reason", help=t("lý do ký", "reason"))] = None,
    location: Annotated[str | None, typer.Option("--location", help=t("nơi ký", "location"))] = None,
    contact: Annotated[str | None, typer.Option("--contact", help=t("liên hệ", "contact"))] = None,
    head: Annotated[
        str | None, typer.Option("--head", help=t("SHA-256 mà tài liệu phải có", "SHA-256 that the document must have"))
    ] = None,
    allow_degraded: Annotated[
        bool,
        typer.Option(
            "--allow-degraded", help=t("nhận mức thấp hơn khi mất dịch vụ", "take a lower level in an outage")
        ),
    ] = False,
    certify: Annotated[
        int | None, typer.Option("--certify", min=1, max=3, help=t("chứng nhận, mức DocMDP", "certify, DocMDP level"))
    ] = None,
    fields: Annotated[
        Path | None, typer.Option("--fields", help=t("tệp JSON: các ô tạo sẵn", "JSON file: fields to create"))
    ] = None,
    fill: Annotated[
        list[str] | None, typer.Option("--fill", help=t("điền biểu mẫu: TÊN=GIÁ TRỊ", "form value: NAME=VALUE"))
    ] = None,
    anchor: Annotated[
        str | None, typer.Option("--anchor", help=t("chữ làm mốc của ô mới (JSON)", "words to place a field at, JSON"))
    ] = None,
    profile: looks.ProfileChoice = None,
    signature_image: looks.SignatureImage = None,
    seal_image: looks.SealImage = None,
    look: looks.LookValues = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help=t("sửa tài liệu hỏng chưa ai ký", "mend a damaged document nobody has signed")),
    ] = False,
    format: xml.FormatChoice = None,  # noqa: A002 - the option's name
    packaging: xml.PackagingChoice = None,
    element: xml.Elements = None,
    detached: xml.DetachedFiles = None,
    role: xml.Roles = None,
    city: xml.City = None,
    province: xml.Province = None,
    country: xml.Country = None,
    commitment: xml.Commitment = None,
    mime: xml.Mime = None,
    signature_policy: xml.PolicyFile = None,
    canonicalization: xml.CanonicalizationChoice = None,
    leaves_out: xml.LeavesOut = None,
    countersign: xml.Countersign = None,
    password: passwords.Ask = False,
    password_file: passwords.File = None,
    lang: Lang = "vi",
) -> None:
    if (page is None) != (box is None):
        raise console.usage(t("--page và --box đi cùng nhau", "--page and --box go together"))
    wanted = {
        "key": key,
        "level": level,
        "field": field,
        "place": None if page is None or box is None else {"page": page, "box": _box(box)},
        "stamp": {"lines": line or [], "language": lang}
        if visible and (line or (profile is None and (field or page or anchor)))
        else None,
        **looks.parts(profile=profile, signature=signature_image, seal=seal_image, values=look),
        "mechanism": mechanism,
        "name": name,
        "reason": reason,
        "location": location,
        "contact": contact,
        "head": head,
        "certify": certify,
        "fields": None if fields is None else _json(_text(fields), option="--fields"),
        "fill": _pairs(fill or []) or None,
        "anchor": None if anchor is None else _json(anchor, option="--anchor"),
        "allow_degraded": allow_degraded,
        "password": passwords.given(ask=password, file=password_file),
        "repair": repair,
        "format": format,
        "xml": xml.part(
            packaging=packaging,
            elements=element,
            canonicalization=canonicalization,
            roles=role,
            place={"city": city, "province": province, "country": country},
            commitment=commitment,
            mime=mime,
            policy=signature_policy,
            countersign=countersign,
            leaves_out=leaves_out,
        ),
    }
    named = xml.named(detached)
    order = parse_order(json.dumps({part: value for part, value in wanted.items() if value is not None}).encode())
    if not file.is_file():
        raise console.usage(t(f"không có tệp {file}", f"there is no file {file}"))
    settings = kyso_settings.load()
    notices = console.collect_notices()
    with atomic(output) as out, appliance.services(settings) as services:
        made = _sign(services, file, order, out, detached=named)
    for notice in notices:
        console.err.print(f"[yellow]![/] {escape(notice)}")
    console.warn(made["warnings"])
    console.err.print(f"[green]✓[/] {t('đã ký', 'signed')} {escape(str(output))}: {escape(key)}, {made['level']}")


def _sign(
    services: Services, file: Path, order: OrderRequest, out: BinaryIO, *, detached: Sequence[tuple[str, Path]]
) -> dict[str, Any]:
    """Sign as the service does, on record under this machine's user; what was made, as the service tells it."""
    caller = whoever.user()
    settings = services.settings
    with (
        file.open("rb") as source,
        xml.opened(detached) as contents,
        uploads.of_file(
            source,
            name=file.name,
            folder=services.work,
            limit=settings.limits.upload_bytes,
            detached=contents,
        ) as document,
    ):
        record = signing.sign(services, caller, order, document).record
    assert record.signed_blob is not None
    assert record.result is not None
    with services.blobs.open(record.signed_blob) as signed:
        shutil.copyfileobj(signed, out, 1 << 20)
    made: dict[str, Any] = json.loads(record.result)
    return made


def _box(text: str) -> list[float]:
    """Four numbers; how large they may be is the order's own check."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise console.usage(
            t(
                f"--box cần bốn số: trái,dưới,phải,trên; không phải {text}",
                f"--box wants left,bottom,right,top, not {text}",
            )
        )
    return numbers


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        raise console.usage(t(f"không đọc được tệp {path}", f"the file {path} cannot be read")) from None


def _json(text: str, *, option: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise console.usage(t(f"{option}: không phải JSON", f"{option}: not JSON")) from None


def _pairs(texts: list[str]) -> dict[str, str]:
    """NAME=VALUE; the value may hold further equals signs."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, sign, _) in zip(texts, pairs, strict=True) if not sign]:
        raise console.usage(t(f"--fill cần TÊN=GIÁ TRỊ: {wrong[0]}", f"--fill wants NAME=VALUE: {wrong[0]}"))
    return {name: value for name, _, value in pairs}
