"""Makes a demo appliance in KYSO_HOME: tokens, keys, certificates, trust, API keys, the sample.

Run again it does only what is missing, so that data and keys stay. Certificates are issued anew (over the same keys)
when the port, the PKI's definition or the season has changed, because addresses and dates stand in them. Keys are made
and certificates imported through the keeper's management socket, as `kyso key` does it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import home as demo_home
import pictures
import pki
import sample
from identities import AUTHORITY, IDENTITIES, Identity

from api import settings as kyso_settings
from api.cli import appliance
from api.directory import importing
from api.directory.reading import Source
from api.store import callers
from api.store.database import open_database
from api.store.encryption import keys as storage_keys
from hsm.lifecycle import PinSource
from hsm.token import TokenAdmin

SIGNING = ("client", "administrator", "clerk")
"""Roles whose demo API key may use the keys of the demo."""


def set_up(home: Path, *, port: int) -> None:
    """Bring `home` to a demo that can be served on `port`."""
    demo = home / "demo"
    demo.mkdir(mode=0o700, parents=True, exist_ok=True)
    former = demo_home.state(home).get("port")
    demo_home.write(home, port=port, former_port=former if isinstance(former, int) else None)
    _pins(home)
    settings = kyso_settings.load(home)
    settings.make_folders()
    _storage_key(settings)

    everyone = (*IDENTITIES, AUTHORITY)
    public_keys: dict[str, bytes] = {}
    for module in ("demo", "locked"):
        with _admin(settings, module) as admin:
            public_keys.update(_keys(admin, [identity for identity in everyone if identity.module == module]))
            if module == "demo" and all(key.ref != demo_home.LEDGER_KEY for key in admin.keys()):  # noqa: SIM118
                admin.create_key(demo_home.LEDGER_KEY, "ed25519")
    now = datetime.now(UTC)
    pki.prepare(demo / "pki", url=f"http://127.0.0.1:{port + 1}", now=now, public_keys=public_keys)
    arch = pki.architecture(demo / "pki")
    for module in ("demo", "locked"):
        with _admin(settings, module) as admin:
            for identity in everyone:
                if identity.module == module:
                    chain = ("stranger",) if identity.code == "certificate-untrusted" else ("issuing",)
                    admin.import_certificate(
                        identity.ref,
                        pki.certificate(arch, identity.ref),
                        tuple(pki.certificate(arch, name) for name in chain),
                    )
    (demo / "certificates").mkdir(exist_ok=True)
    for identity in everyone:
        (demo / "certificates" / f"{identity.ref}.pem").write_bytes(pki.pem_of(arch, identity.ref))
    _trust(settings, root=pki.pem_of(arch, "root"), issuing=pki.pem_of(arch, "issuing"))
    _directory(settings)
    _api_keys(settings)
    pictures.write(home / "pictures")
    sample.write(demo / "giay-gioi-thieu.pdf", issued=now.astimezone().date())
    demo_home.note_state(home, port=port)


def _storage_key(settings: kyso_settings.Settings) -> None:
    """Made once: what is encrypted with it is lost without it."""
    if settings.storage.key_file is not None:
        with suppress(FileExistsError):
            storage_keys.make(settings.home / settings.storage.key_file)


def _pins(home: Path) -> None:
    """PINs, made once: the right ones, the security officers', and the wrong one of the locked token.

    They live as long as the tokens do, beside the service's own: who deletes the demo's folder keeps them.
    """
    (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name in ("demo.pin", "demo-so.pin", "locked-right.pin", "locked-so.pin", "locked.pin"):
        path, former = home / "secrets" / name, home / "demo" / name
        if former.exists():
            former.rename(path)
        if not path.exists():
            pki.write_private(path, f"{secrets.randbelow(10**8):08d}".encode())


@contextmanager
def _admin(settings: kyso_settings.Settings, module: str) -> Iterator[TokenAdmin]:
    """The management socket of a keeper that runs for the set-up alone; the token is initialised if it is new."""
    secret = settings.home / "secrets"
    right = secret / ("demo.pin" if module == "demo" else "locked-right.pin")
    with_right_pin = settings.modules[module].model_copy(update={"pin_file": right})
    changed = settings.model_copy(update={"modules": {module: with_right_pin}})
    with appliance.admin(changed, module) as admin:
        if admin.status().state == "unprovisioned":
            admin.initialise(
                settings.modules[module].token,
                so_pin=PinSource(file=str(secret / f"{module}-so.pin")),
                pin=PinSource(file=str(right)),
            )
        yield admin


def _keys(admin: TokenAdmin, identities: list[Identity]) -> dict[str, bytes]:
    """The public keys (DER SubjectPublicKeyInfo) by ref; keys that are missing are made."""
    present = {key.ref: key for key in admin.keys()}  # noqa: SIM118 - no mapping, a question to the keeper
    return {
        identity.ref: (present.get(identity.ref) or admin.create_key(identity.ref, identity.algorithm)).public_key
        for identity in identities
    }


def _trust(settings: kyso_settings.Settings, *, root: bytes, issuing: bytes) -> None:
    (settings.trust / "demo-root.pem").write_bytes(root)
    (settings.intermediates / "demo-issuing.pem").write_bytes(issuing)
    (settings.home / "demo" / "ca.pem").write_bytes(root)


def _directory(settings: kyso_settings.Settings) -> None:
    """Who is who: imported anew each time, which changes nothing but certificates that were issued anew."""
    database = open_database(settings.database_url)
    certificates = settings.home / "demo" / "certificates"
    sources = [replace(Source.of_path(path), folder=certificates) for path in demo_home.directory_files()]
    clock = partial(datetime.now, settings.zone)
    try:
        importing.run(database, sources, as_of=clock(), zone=settings.zone, caller="demo", clock=clock)
    finally:
        database.close()


def _api_keys(settings: kyso_settings.Settings) -> None:
    """An API key for each role, made anew where its file is missing."""
    database = open_database(settings.database_url)
    try:
        for role in callers.ROLES:
            path = settings.home / "demo" / f"{role}.key"
            if not path.exists():
                keys = ("demo-*",) if role in SIGNING else ()
                secret = database.write(callers.create, name=f"demo {role}", role=role, keys=keys)
                pki.write_private(path, secret.encode() + b"\n")
    finally:
        database.close()
