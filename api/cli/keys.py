"""`kyso key`: list keys, make one, ask for its certificate, bring the certificate back.

    kyso key create seal --algorithm rsa3072
    kyso key csr seal --subject "CN=Đảng ủy cơ sở Mẫu,O=Đảng bộ xã Mẫu,C=VN" -o seal.csr
    kyso key import-cert seal seal.pem --chain issuing.pem

The private key is made on the token and never leaves it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from cryptography import x509
from cryptography.x509.oid import NameOID
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import activation, appliance, console
from api.cli.certificate_files import read_certificates
from api.cli.console import Form, Lang, t
from api.cli.output import atomic
from api.settings import Key as KeySettings
from api.settings import Settings
from api.workflows.keys import as_json, certificate_of
from hsm.counting import KeyCount
from hsm.keys import KeyInfo

app = typer.Typer(no_args_is_help=True, help=t("khóa trên thiết bị", "keys on tokens"))

Ref = Annotated[str, typer.Argument(help=t("tên khóa", "name of the key"))]
ModuleName = Annotated[
    str | None,
    typer.Option("--module", help=t("mô-đun trong kyso.toml", "module, as in kyso.toml; the only one if one")),
]
NewAlgorithm = Literal["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "ed25519"]


def register(root: typer.Typer) -> None:
    activation.register(app)
    root.add_typer(app, name="key")


@app.command("list", help=t("liệt kê khóa và chứng thư", "list keys and certificates"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    keys: list[tuple[KeyInfo, KeyCount]] = []
    for module in settings.modules:
        with appliance.admin(settings, module) as admin:
            uses = {count.key: count for count in admin.status().uses}
            found = admin.keys()
        keys.extend((key, uses.get(key.ref, KeyCount(key.ref, 0, 0, 0))) for key in found)
    keys.sort(key=lambda one: one[0].ref)
    if form == "json":
        print(json.dumps([as_json(key) | _uses(settings, count) for key, count in keys], ensure_ascii=False))
        return
    shown = console.table(
        t("khóa", "key"),
        t("mô-đun", "module"),
        t("loại", "kind"),
        t("chủ thể", "subject"),
        t("hết hạn", "not after"),
        t("lần dùng", "uses"),
    )
    for key, count in keys:
        told = as_json(key)
        certificate = certificate_of(key)
        kind = f"{key.algorithm} {key.key_size}" if key.key_size else key.algorithm
        not_after = (told["not_after"] or "–")[:10]
        name = escape(_name(certificate) if certificate else "–")
        limit = settings.keys.get(key.ref, KeySettings()).total
        used = str(count.total) if limit is None else f"{count.total}/{limit}"
        shown.add_row(escape(key.ref), key.module, kind, name, not_after, used)
    console.out.print(shown)


def _uses(settings: Settings, count: KeyCount) -> dict[str, Any]:
    """How often the keeper says that the key was used, and how often it may be."""
    chosen = settings.keys.get(count.key, KeySettings())
    limits = {"per_minute": chosen.per_minute, "per_day": chosen.per_day, "total": chosen.total}
    used = {"total": count.total, "last_minute": count.last_minute, "last_day": count.last_day}
    return {"holder": chosen.holder, "uses": used, "limits": limits}


def _name(certificate: x509.Certificate) -> str:
    """Common name and organisation: enough to know whose it is."""
    wanted = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    parts = [str(one.value) for oid in wanted for one in certificate.subject.get_attributes_for_oid(oid)]
    return ", ".join(parts) or certificate.subject.rfc4514_string()


@app.command("create", help=t("tạo cặp khóa trên thiết bị", "make a key pair on the token"))
def create(
    ref: Ref,
    algorithm: Annotated[NewAlgorithm, typer.Option("--algorithm", help=t("loại khóa", "kind of key"))] = "rsa3072",
    module: ModuleName = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    with appliance.admin(settings, appliance.module_of(settings, module)) as admin:
        key = admin.create_key(ref, algorithm)
    console.out.print(t(f"đã tạo khóa {key.ref}", f"made key {key.ref}"), markup=False)


@app.command("csr", help=t("yêu cầu cấp chứng thư (PKCS#10)", "certificate request (PKCS#10)"))
def csr(
    ref: Ref,
    subject: Annotated[str, typer.Option("--subject", help=t("tên chủ thể (RFC 4514)", "subject name (RFC 4514)"))],
    output: Annotated[Path | None, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))] = None,
    module: ModuleName = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    with appliance.admin_of_key(settings, ref, module=module) as admin:
        request = admin.csr(ref, subject)
    if output is None:
        print(request.decode("ascii"), end="")
        return
    with atomic(output) as file:
        file.write(request)


@app.command("import-cert", help=t("nhập chứng thư của khóa", "import the key's certificate"))
def import_certificate(
    ref: Ref,
    certificate: Annotated[Path, typer.Argument(help=t("tệp chứng thư, PEM hoặc DER", "certificate, PEM or DER"))],
    chain: Annotated[
        list[Path] | None, typer.Option("--chain", help=t("chứng thư cấp trên", "certificates above it"))
    ] = None,
    module: ModuleName = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    leaf, *rest = read_certificates(certificate)
    for path in chain or ():
        rest.extend(read_certificates(path))
    settings = kyso_settings.load()
    with appliance.admin_of_key(settings, ref, module=module) as admin:
        key = admin.import_certificate(ref, leaf, tuple(rest))
    console.out.print(t(f"khóa {key.ref} đã có chứng thư", f"key {key.ref} has its certificate"), markup=False)
