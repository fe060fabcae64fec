"""`kyso ceremony`: keys made before witnesses, with a record to print and to sign by hand.

    kyso ceremony start seal-2026.toml                       present, token, keys, certification requests
    kyso ceremony certify 20261122-0af1c3 seal seal.pem --chain issuing.pem      days later; signs a test, verifies it
    kyso ceremony show 20261122-0af1c3

Each step asks before it is done and is noted once it was. Cut off at any point, the same command goes on.
"""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.certificate_files import read_certificates
from api.cli.console import Lang, t
from api.ledger import Ledger
from api.settings import Settings
from api.store.database import open_database
from api.workflows.ceremony import RECORD, Ceremony, CeremonyUnusable, read_script
from hsm import canary
from hsm.errors import KeyExists, TokenLocked, TokenNotAvailable
from hsm.keys import KeyInfo
from hsm.token import TokenAdmin
from signer.cms import verify_value

app = typer.Typer(no_args_is_help=True, help=t("lễ tạo khóa có người chứng kiến", "a key ceremony before witnesses"))
CALLER = "ceremony"

Yes = Annotated[
    bool, typer.Option("--yes", help=t("không hỏi; ghi là không có người xác nhận", "ask nothing; noted as such"))
]
Number = Annotated[str, typer.Argument(help=t("số của lễ", "number of the ceremony"))]


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="ceremony")


@app.command("start", help=t("tạo khóa và yêu cầu cấp chứng thư", "make the keys and their certification requests"))
def start(
    script: Annotated[Path, typer.Argument(help=t("kịch bản (TOML)", "the script (TOML)"))],
    yes: Yes = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    wanted = read_script(script)
    module = appliance.module_of(settings, wanted.module)
    ceremony = Ceremony.begin(settings.home / "ceremonies", wanted, now=_now())
    console.out.print(f"{wanted.title}  ({ceremony.id})", markup=False)
    if not ceremony.has("present"):
        ceremony.add("present", _present(ceremony, yes=yes), now=_now())
    with appliance.admin(settings, module) as admin:
        _token(ceremony, admin, yes=yes)
        for key in wanted.keys:
            _key(settings, ceremony, admin, key.ref, algorithm=key.algorithm, yes=yes)
            if key.subject and not ceremony.has("request", key.ref):
                request = admin.csr(key.ref, key.subject)
                file = ceremony.folder / f"{_plain(key.ref)}.csr"
                file.write_bytes(request)
                ceremony.add("request", {"sha256": _digest(request), "subject": key.subject}, key=key.ref, now=_now())
    _end(settings, ceremony)


@app.command("certify", help=t("nhập chứng thư, ký thử và kiểm tra", "bring the certificate, sign a test, verify it"))
def certify(
    ceremony: Number,
    ref: Annotated[str, typer.Argument(help=t("tên khóa", "name of the key"))],
    certificate: Annotated[Path, typer.Argument(help=t("tệp chứng thư, PEM hoặc DER", "certificate, PEM or DER"))],
    chain: Annotated[
        list[Path] | None, typer.Option("--chain", help=t("chứng thư cấp trên", "certificates above it"))
    ] = None,
    *,
    yes: Yes = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    found = Ceremony.find(settings.home / "ceremonies", ceremony)
    if not found.has("key", ref):
        raise CeremonyUnusable(f"{ref}: this ceremony has made no such key", where=ref)
    leaf, *rest = read_certificates(certificate)
    for path in chain or ():
        rest.extend(read_certificates(path))
    if not found.has("certificate", ref):
        subject = x509.load_der_x509_certificate(leaf).subject.rfc4514_string()
        facts = {"subject": subject, "sha256": hashlib.sha256(leaf).hexdigest()}
        _confirm(
            t(f"Nhập chứng thư {subject} cho khóa {ref}", f"Store the certificate {subject} for key {ref}"), yes=yes
        )
        with appliance.admin_of_key(settings, ref, module=found.script.module) as admin:
            admin.import_certificate(ref, leaf, tuple(rest))
        found.add("certificate", facts, key=ref, now=_now())
    purpose = next(key.purpose for key in found.script.keys if key.ref == ref)
    if purpose in ("seal", "documents") and not found.has("test", ref):
        value = _test(settings, ref, leaf)
        facts = {"bytes_sha256": _digest(canary.TBS), "value_sha256": _digest(value)}
        found.add("test", facts, key=ref, now=_now())
    if not found.missing() and not found.closed:
        found.add("closed", now=_now())
    _end(settings, found)


@app.command("show", help=t("in biên bản", "print the record"))
def show(ceremony: Number, lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    found = Ceremony.find(kyso_settings.load().home / "ceremonies", ceremony)
    print(found.write_paper(_words()).read_text("utf-8"), end="")


# --- the steps --------------------------------------------------------------------------------------------------------


def _present(ceremony: Ceremony, *, yes: bool) -> dict[str, str]:
    """The names by role."""
    names = {}
    for one in ceremony.script.present:
        name = one.name
        if not name and not yes:
            name = str(typer.prompt(one.role, err=True)).strip()
        if not name:
            raise CeremonyUnusable(f"present: nobody is named as {one.role}", where=one.role)
        names[one.role] = name
    _confirm(t("Đủ người có mặt", "All of them are present"), yes=yes)
    return names | {"confirmed": t("không hỏi (--yes)", "not asked (--yes)") if yes else t("tại chỗ", "on the spot")}


def _token(ceremony: Ceremony, admin: TokenAdmin, *, yes: bool) -> None:
    status = admin.status()
    if status.state == "locked":
        raise TokenLocked(f"the token is locked: {status.reason}", reason=status.reason or "locked")
    if status.state != "operational":
        raise TokenNotAvailable(f"the token cannot be used: {status.reason}", reason=status.reason or status.state)
    if not ceremony.has("token"):
        told = f"{status.token}, {status.model}, {status.serial}"
        _confirm(t(f"Đúng thiết bị này: {told}", f"This is the token: {told}"), yes=yes)
        facts = {"label": status.token, "model": status.model, "serial": status.serial}
        ceremony.add("token", facts, now=_now())


def _key(settings: Settings, ceremony: Ceremony, admin: TokenAdmin, ref: str, *, algorithm: str, yes: bool) -> None:
    if ceremony.has("key", ref):
        return
    there = {key.ref: key for key in admin.keys()}  # noqa: SIM118 - no mapping, a question to the keeper
    if ref in there and not ceremony.was_begun("key", ref):
        raise KeyExists(key=ref)  # made by somebody else, before
    key: KeyInfo | None = there.get(ref)
    if key is None:
        _confirm(t(f"Tạo khóa {ref} ({algorithm})", f"Make key {ref} ({algorithm})"), yes=yes)
        ceremony.add("key", {"algorithm": algorithm}, key=ref, begun=True, now=_now())
        key = admin.create_key(ref, algorithm)  # type: ignore[arg-type]  # read strictly from the script
    digest = _digest(key.public_key)
    ceremony.add("key", {"algorithm": algorithm, "public_key_sha256": digest}, key=ref, now=_now())
    _note(settings, {"what": "key-created", "key": ref, "public_key_sha256": digest})
    console.out.print(t(f"đã tạo khóa {ref}: {digest}", f"made key {ref}: {digest}"), markup=False)


def _test(settings: Settings, ref: str, certificate: bytes) -> bytes:
    """The value of a test signature that verifies with the certificate; on record like every use of a key."""
    with appliance.services(settings) as services:
        key = services.keys.find(ref)
        if not key.mechanisms:
            raise TokenLocked(key=ref, reason="locked")
        facts = {"caller": CALLER, "purpose": "test-signature", "level": "canary"}
        value = services.key_user.once(key, mechanism=key.mechanisms[0], tbs=canary.TBS, facts=facts)
        public_key = x509.load_der_x509_certificate(certificate).public_key()
        verify_value(public_key, value, tbs=canary.TBS, mechanism=key.mechanisms[0])
    console.out.print(t(f"chữ ký thử của {ref} đúng", f"the test signature of {ref} verifies"), markup=False)
    return value


def _end(settings: Settings, ceremony: Ceremony) -> None:
    """The paper, and the record's digest in the ledger."""
    paper = ceremony.write_paper(_words())
    _note(settings, {"what": "ceremony", "ceremony": ceremony.id, "record_sha256": ceremony.sha256})
    console.out.print(t(f"Biên bản để in và ký tay: {paper}", f"The record, to print and sign: {paper}"), markup=False)
    console.out.print(f"SHA-256 {RECORD}: {ceremony.sha256}", markup=False)
    for ref in ceremony.missing():
        told = t(
            f"còn thiếu: gửi {_plain(ref)}.csr cho bên cấp; rồi kyso ceremony certify {ceremony.id} {ref} CHỨNG-THƯ",
            f"still missing: send {_plain(ref)}.csr to the authority; then kyso ceremony certify {ceremony.id} {ref} CERTIFICATE",
        )
        console.out.print(told, markup=False)
    if ceremony.closed:
        console.out.print(t("Lễ đã kết thúc.", "The ceremony is closed."))


def _confirm(asked: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise console.usage(t("không có người xác nhận: dùng --yes", "nobody to confirm: give --yes"))
    if not typer.confirm(asked, err=True):
        raise console.CommandFailed(
            "ceremony-stopped", t("chưa xác nhận; dừng tại đây", "not confirmed; it stops here"), status=console.REFUSED
        )


def _note(settings: Settings, facts: dict[str, str]) -> None:
    database = open_database(settings.database_url)
    try:
        Ledger(database).append("CHANGED", {"caller": CALLER, **facts})
    finally:
        database.close()


def _words() -> dict[str, str]:
    return {
        "number": t("Số", "Number"),
        "digest": t("SHA-256 của record.json", "SHA-256 of record.json"),
        "state": t("Tình trạng", "State"),
        "open": t("chưa kết thúc", "not closed"),
        "closed": t("Kết thúc", "closed"),
        "unfinished": t("chưa xong", "not finished"),
        "present": t("Có mặt", "Present"),
        "confirmed": t("xác nhận", "confirmed"),
        "token": t("Thiết bị", "Token"),
        "key": t("Tạo khóa", "Key made"),
        "request": t("Yêu cầu cấp chứng thư", "Certification request"),
        "certificate": t("Nhập chứng thư", "Certificate stored"),
        "test": t("Ký thử và kiểm tra đúng", "Test signature, verified"),
        "label": t("nhãn", "label"),
        "model": t("kiểu", "model"),
        "serial": t("số hiệu", "serial number"),
        "algorithm": t("loại khóa", "kind of key"),
        "subject": t("chủ thể", "subject"),
        "sha256": "SHA-256",
        "public_key_sha256": t("SHA-256 của khóa công khai", "SHA-256 of the public key"),
        "bytes_sha256": t("SHA-256 của dữ liệu ký thử", "SHA-256 of what was signed"),
        "value_sha256": t("SHA-256 của chữ ký thử", "SHA-256 of the signature"),
        "signatures": t("Chữ ký của những người có mặt", "Signatures of those present"),
        "role": t("Vai trò", "Role"),
        "name": t("Họ tên", "Name"),
        "signature": t("Chữ ký", "Signature"),
    }


def _plain(ref: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in ref)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)
