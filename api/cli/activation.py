"""`kyso key activation`: who may activate a person's key, as an administrator decides on the machine itself.

    kyso key activation enrol chu-tich                                a one-time code for the person
    kyso key activation enrol chu-tich --code … --answer answer.json  what the person's passkey answered to it
    kyso key activation list chu-tich
    kyso key activation revoke chu-tich 6FcPk9…
    kyso key activation lift chu-tich                                 after too many failed attempts

All of it goes through the keeper's management socket, which the service does not use. The code is for the person and
for nobody else: whoever has it *and* this socket enrols. The page on which the passkey answers is the service's, so that
a service that lies at that very moment, to a person who types the code there, can have another passkey answer; compare
the fingerprint on both screens, and enrol on a machine of your own where that matters.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.console import Form, Lang, t
from hsm.activation import Credential, Credentials, Enrolment, Registration

app = typer.Typer(no_args_is_help=True, help=t("khóa bảo mật mở khóa của cá nhân", "passkeys of a person's key"))

Ref = Annotated[str, typer.Argument(help=t("khóa của cá nhân", "the person's key"))]
_LONGEST = 64 * 1024


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="activation")


@app.command("enrol", help=t("đăng ký khóa bảo mật, bằng mã dùng một lần", "enrol a passkey, by a one-time code"))
def enrol(
    ref: Ref,
    code: Annotated[str | None, typer.Option("--code", help=t("mã đã giao", "the code given out"))] = None,
    answer: Annotated[
        Path | None,
        typer.Option("--answer", help=t("tệp phản hồi của khóa bảo mật", "file with the passkey's answer (JSON)")),
    ] = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if (code is None) != (answer is None):
        raise console.usage(t("--code và --answer đi cùng nhau", "--code and --answer go together"))
    settings = kyso_settings.load()
    registration = _registration(answer) if answer is not None else None
    with appliance.admin_of_key(settings, ref, module=None) as admin:
        if registration is None or code is None:
            _tell_code(admin.begin_enrolment(ref), form)
            return
        found = admin.enrol(ref, code=code, registration=registration)
    console.out.print(
        t(f"đã đăng ký {_text(found.id)}\nvân tay: ", f"enrolled {_text(found.id)}\nfingerprint: ")
        + _fingerprint(found),
        markup=False,
    )


@app.command("list", help=t("liệt kê khóa bảo mật", "list passkeys"))
def list_(ref: Ref, form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001
    with appliance.admin_of_key(kyso_settings.load(), ref, module=None) as admin:
        _tell(admin.credentials(ref), form)


@app.command("revoke", help=t("thu hồi một khóa bảo mật", "revoke a passkey"))
def revoke(
    ref: Ref,
    credential: Annotated[str, typer.Argument(help=t("mã khóa bảo mật", "id of the passkey, as listed"))],
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001
) -> None:
    with appliance.admin_of_key(kyso_settings.load(), ref, module=None) as admin:
        _tell(admin.revoke_credential(ref, _octets(credential, where="CREDENTIAL")), form)


@app.command("lift", help=t("mở lại sau nhiều lần xác nhận sai", "lift the lock after failed attempts"))
def lift(ref: Ref, form: Form = "text", lang: Lang = "vi") -> None:  # noqa: ARG001
    with appliance.admin_of_key(kyso_settings.load(), ref, module=None) as admin:
        _tell(admin.lift_lock(ref), form)


def options(invited: Enrolment) -> dict[str, Any]:
    """For navigator.credentials.create() (PublicKeyCredentialCreationOptionsJSON, WebAuthn Level 3 §5.1.8)."""
    handle = hashlib.sha256(f"kyso {invited.key}".encode()).digest()
    return {
        "challenge": _text(invited.challenge),
        "rp": {"id": invited.rp_id, "name": "Kyso"},
        "user": {"id": _text(handle), "name": invited.key, "displayName": invited.key},
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in (-7, -8, -257)],
        "authenticatorSelection": {"userVerification": "required", "residentKey": "preferred"},
        "attestation": "none",
    }


def _tell_code(invited: Enrolment, form: Form) -> None:
    until = _moment(invited.expires_at)
    if form == "json":
        told = {"key": invited.key, "code": invited.code, "expires_at": until, "options": options(invited)}
        print(json.dumps(told, ensure_ascii=False))
        return
    console.out.print(
        t(
            f"Mã đăng ký cho {invited.key} (đến {until}), chỉ giao cho chính người giữ khóa:\n\n    {invited.code}\n",
            f"Enrolment code for {invited.key} (until {until}), for the person whose key it is:\n\n    {invited.code}\n",
        ),
        markup=False,
    )


def _tell(found: Credentials, form: Form) -> None:
    if form == "json":
        lock = None
        if found.lock is not None:
            lock = {"failures": found.lock.failures, "until": _moment(found.lock.until), "caller": found.lock.asker}
        rows = [
            {
                "id": _text(one.id),
                "fingerprint": _fingerprint(one),
                "model": one.model,
                "enrolled_at": _moment(one.enrolled_at),
                "activations": one.activations,
                "sign_count": one.sign_count,
                "backed_up": one.backed_up,
                "copied": one.copied,
            }
            for one in found.credentials
        ]
        invited = None if found.invited_until is None else _moment(found.invited_until)
        print(json.dumps({"credentials": rows, "lock": lock, "invited_until": invited}, ensure_ascii=False))
        return
    shown = console.table(
        t("khóa bảo mật", "passkey"), t("vân tay", "fingerprint"), t("đăng ký", "enrolled"), t("lần", "used"), "!"
    )
    for one in found.credentials:
        warning = t("có thể bị sao chép", "may be copied") if one.copied else ""
        row = (_text(one.id), _fingerprint(one), _moment(one.enrolled_at)[:10], str(one.activations), warning)
        shown.add_row(*map(escape, row))
    console.out.print(shown)
    if found.lock is not None:
        failures, until, asker = found.lock.failures, _moment(found.lock.until), found.lock.asker
        console.out.print(
            t(
                f"tạm khóa đến {until}: {failures} lần sai từ {asker or 'mọi bên gọi'}",
                f"locked until {until}: {failures} failures of {asker or 'all callers'}",
            ),
            markup=False,
        )


def _registration(path: Path) -> Registration:
    """What the page saved: `PublicKeyCredential.toJSON()` of navigator.credentials.create()."""
    try:
        with path.open("rb") as file:
            response = json.loads(file.read(_LONGEST))["response"]
        return Registration(
            _octets(response["clientDataJSON"], where="clientDataJSON"),
            _octets(response["attestationObject"], where="attestationObject"),
        )
    except OSError as error:
        raise console.usage(f"--answer: {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise console.usage(
            t(f"--answer: {path} không phải phản hồi của khóa bảo mật", f"--answer: {path} is no answer of a passkey")
        ) from None


def _octets(text: object, *, where: str) -> bytes:
    try:
        given = str(text).rstrip("=")
        return base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise console.usage(f"{where}: {t('không phải base64url', 'not base64url')}") from None


def _fingerprint(credential: Credential) -> str:
    """Of the passkey's public key: short enough to read out, long enough for that."""
    digest = hashlib.sha256(credential.public_key).hexdigest()[:16]
    return " ".join(digest[start : start + 4] for start in range(0, 16, 4))


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
