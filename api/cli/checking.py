"""`kyso check-config`: whether this configuration could start, without starting it.

    kyso check-config                     # 0, or 78 (EX_CONFIG) and every reason at once

`kyso serve` asks the same when `production = true` (`refusal`), in a process of its own: the supervisor stays small, and
the keepers that are asked about their tokens end before it starts its own. Reading needs no keeper: `kyso.toml` is read
as at start, and trust, certificates of TLS and callers are looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api import hardening, locale, production
from api import settings as kyso_settings
from api import tls as server_tls
from api.cli import appliance, console
from api.cli.console import Form, Lang, t
from api.production import EX_CONFIG, Look, Reason, TokenFacts
from api.settings import Settings
from hsm.errors import HsmError
from hsm.token import Token, TokenAdmin
from signer.clock import kernel_is_synchronised
from verify import trust
from verify.errors import TrustUnusable


def register(app: typer.Typer) -> None:
    app.command("check-config", help=t("kiểm tra cấu hình, không khởi động", "check the configuration, start nothing"))(
        check
    )


def check(
    as_production: Annotated[
        bool,
        typer.Option(
            "--production",
            help=t("xét như khi production = true", "judge as with production = true"),
        ),
    ] = False,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    try:
        settings = kyso_settings.load()
        server_tls.of(settings)
    except kyso_settings.SettingsUnusable as error:
        raise console.CommandFailed(error.code, str(error), status=EX_CONFIG) from None
    except OSError as error:
        raise console.CommandFailed("settings-unusable", f"server.tls_certificate: {error}", status=EX_CONFIG) from None
    found: tuple[Reason, ...] = ()
    unseen: tuple[str, ...] = ()
    together = ""
    if settings.production or as_production:
        seen = look(settings)
        found = production.reasons(seen)
        unseen = tuple(name for name in settings.modules if name not in seen.tokens)
        together = settings.keepers.together if settings.keepers.apart is None else ""
    if form == "json":
        told = [{**asdict(one), **sentence(one)} for one in found]
        print(json.dumps({"refused": told, "not_seen": unseen}, ensure_ascii=False))
    else:
        _tell(found, unseen, together=together)
    raise typer.Exit(EX_CONFIG if found else console.DONE)


def _tell(found: tuple[Reason, ...], unseen: tuple[str, ...], *, together: str) -> None:
    for one in found:
        words = sentence(one)
        line = f"{one.code}: {one.setting}: {words['what']} {words['do']}"
        console.err.print("[bold red]✗[/] ", end="")
        console.err.print(line, markup=False)
    if together:
        reason = t(f"bộ giữ khóa chạy chung người dùng: {together}", f"keepers share the service's user: {together}")
        console.err.print(reason, markup=False)
    for name in unseen:
        console.err.print(
            t(f"mô-đun {name}: không thấy thiết bị, chưa kiểm tra", f"module {name}: no token to be seen, not checked")
        )
    if not found:
        console.out.print(t("Cấu hình dùng được.", "The configuration can be used."))


def sentence(reason: Reason) -> dict[str, str]:
    """What is wrong and what to do, in the language of this run."""
    entry = locale.words(console.language)["production"][reason.code]
    return {name: locale.fill(entry[name], reason.facts) for name in ("what", "do")}


def look(settings: Settings) -> Look:
    """Gather what production is judged by. Keepers run only while they are asked."""
    settings.make_folders()
    hardening.harden()
    return Look(
        settings=settings,
        tokens=dict(_tokens(settings)),
        anchors=_anchors(settings),
        endless=endless_callers(settings.database_url),
        process=hardening.state(),
        clock_synchronised=kernel_is_synchronised(),
        demo_keys=frozenset(_demo_keys(settings.home / "demo")),
    )


def _tokens(settings: Settings) -> Iterator[tuple[str, TokenFacts]]:
    for name in settings.modules:
        try:
            with _asked(settings, name) as keeper:
                status = keeper.status()
                yield name, TokenFacts(status.manufacturer, status.model, keeper.keys())
        except HsmError:
            continue


def _asked(settings: Settings, module: str) -> AbstractContextManager[Token | TokenAdmin]:
    """Keepers apart run already, and answer the service on their first socket alone."""
    if settings.keepers.apart is not None:
        return Token(settings.keeper_socket(module))
    return appliance.admin(settings, module)


def _anchors(settings: Settings) -> tuple[bytes, ...]:
    try:
        return trust.load([settings.trust]).anchors
    except TrustUnusable as error:
        raise console.CommandFailed(error.code, str(error), status=EX_CONFIG) from None


def endless_callers(url: str) -> tuple[str, ...]:
    """Ids of callers whose API keys never expire; by a plain read, for checking must not migrate a database."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return ()
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("caller"):
                return ()
            known = {column["name"] for column in sa.inspect(connection).get_columns("caller")}
            endless = "AND expires_at IS NULL" if "expires_at" in known else ""
            rows = connection.execute(sa.text(f"SELECT id FROM caller WHERE revoked_at IS NULL {endless} ORDER BY id"))  # noqa: S608 - our own words
            return tuple(row.id for row in rows)
    except sa.exc.SQLAlchemyError as error:
        reason = type(error).__name__
        raise console.CommandFailed("database-unavailable", f"database: {reason}", status=EX_CONFIG) from None
    finally:
        engine.dispose()


def _demo_keys(folder: Path) -> Iterator[str]:
    """SHA-256 of the public keys in the certificates that a demo left in this KYSO_HOME."""
    for file in (*folder.glob("*.pem"), *folder.glob("certificates/*.pem")):
        try:
            read = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError):
            continue
        spki = read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        yield hashlib.sha256(spki).hexdigest()
