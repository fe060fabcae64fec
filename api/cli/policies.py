"""`kyso policy`: by what signatures are judged.

kyso policy list
kyso policy show vietnam              # the whole policy, what it extends included
kyso policy check ours.toml           # before it is put into KYSO_HOME/policies
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api import settings as kyso_settings
from api.cli import console
from api.cli.console import Form, Lang, t
from api.policies import Policies, reserved
from api.trust_json import policy_json
from verify.errors import PolicyUnusable
from verify.policy import Policy

Chosen = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help=t(
            "chính sách kiểm tra: tên (kyso policy list) hoặc tệp .toml",
            "validation policy: a name (kyso policy list) or a .toml file",
        ),
        show_default=False,
    ),
]

app = typer.Typer(no_args_is_help=True, help=t("chính sách kiểm tra", "validation policies"))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="policy")


def chosen(settings: kyso_settings.Settings, given: str | None) -> Policy:
    """The policy that `--policy` names, by name or file; the appliance's where it is not given. Raises PolicyUnusable."""
    policies = Policies(settings.policies, settings.trust)
    name = given or settings.verification.policy
    if name.endswith(".toml") or "/" in name:
        return policies.from_file(Path(name))
    return policies.load(name)


@app.command("list", help=t("các chính sách", "the policies there are"))
def list_(form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    settings = kyso_settings.load()
    found = [policy_json(one) for one in Policies(settings.policies, settings.trust).all()]
    if form == "json":
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    shown = console.table(t("tên", "name"), t("nội dung", "what it asks"), "SHA-256")
    for one in found:
        said = one["title"][console.language] if one["usable"] else f"✗ {one['error']}"
        said += "" if one.get("documents", True) else t(" (chỉ cho chứng thư)", " (certificates only)")
        mark = " *" if one["name"] == settings.verification.policy else ""
        shown.add_row(f"{one['name']}{mark}", said, one.get("sha256", "")[:16])
    console.out.print(shown)
    console.out.print(
        t(
            f"* dùng khi không chọn. Thêm tệp vào {settings.policies}",
            f"* where none is chosen. Own files: {settings.policies}",
        ),
        markup=False,
    )
    for name in reserved(settings.policies):
        console.err.print(
            t(
                f"{name}: trùng tên chính sách có sẵn, không được đọc",
                f"{name}: the name is the program's own; not read",
            )
        )


@app.command("show", help=t("toàn văn một chính sách", "a whole policy"))
def show(
    policy: Annotated[str, typer.Argument(help=t("tên, hoặc tệp .toml", "name, or .toml file"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    found = chosen(kyso_settings.load(), policy)
    print(f"# {found.title[console.language]}\n# SHA-256 {found.sha256}\n{found.text}", end="")


@app.command("check", help=t("kiểm tra một tệp chính sách", "read a policy file as the verifier would"))
def check(
    file: Annotated[Path, typer.Argument(help=t("tệp .toml", ".toml file"))],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if not file.is_file():
        raise console.usage(t(f"không có tệp {file}", f"there is no file {file}"))
    settings = kyso_settings.load()
    try:
        found = Policies(settings.policies, settings.trust).from_file(file)
    except PolicyUnusable as error:
        raise console.CommandFailed(error.code, str(error), status=console.REFUSED) from None
    console.out.print(
        t(f"dùng được: {found.name}, SHA-256 {found.sha256}", f"usable: {found.name}, SHA-256 {found.sha256}"),
        markup=False,
    )
