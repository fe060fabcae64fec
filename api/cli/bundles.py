"""`kyso trust export-bundle | import-bundle`: a trust folder's worth in one signed file, for closed networks.

    kyso trust export-bundle to-the-province.bundle --key appliance --days 90
    kyso trust export-bundle … --key-file signer.key --certificate signer.pem    # on a machine without a token
    kyso trust import-bundle to-the-province.bundle --signer 5c1f…               # the pin, the first time

The pin is the SHA-256 of the signer's certificate, which comes another way than the file. Later bundles of the same
signer need none. One that is older than what was installed, changed, or expired is refused, and nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api import settings as kyso_settings
from api.cli import appliance, console, pins, trust
from api.cli.certificate_files import read_certificates
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.policies import Policies
from api.refusals import KeyWithoutCertificate
from api.settings import Settings
from api.workflows import bundle_signing
from verify import bundle, policy
from verify.errors import PolicyUnusable, TrustUnusable
from verify.policy import Policy

DAYS = 90


def register(group: typer.Typer) -> None:
    group.command("export-bundle", help=t("gói tin cậy cho mạng khép kín", "a bundle for a closed network"))(export)
    group.command("import-bundle", help=t("cài gói tin cậy", "install a bundle"))(install)


def export(
    output: Annotated[Path, typer.Argument(help=t("tệp kết quả", "file to write"))],
    *,
    key: Annotated[str | None, typer.Option("--key", help=t("khóa trên thiết bị", "a key of the appliance"))] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help=t("khóa PEM", "a PEM key instead"))] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help=t("chứng thư của khóa PEM", "the PEM key's certificate"))
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3660, help=t("dùng được bao lâu", "good for so long"))
    ] = DAYS,
    number: Annotated[
        int | None, typer.Option("--number", min=1, help=t("số; mặc định theo giờ UTC", "number; the time in UTC"))
    ] = None,
    title: Annotated[str, typer.Option("--title", help=t("tên gọi", "title"))] = "",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    if (key is None) == (key_file is None) or (key_file is None) != (certificate is None):
        raise console.usage(
            t("cần --key, hoặc --key-file cùng --certificate", "give --key, or --key-file with --certificate")
        )
    settings = kyso_settings.load()
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        files = trust.store(settings).contents(_policies(settings))
        with ExitStack() as held:
            if key is not None:
                signer, sign = _with_key(settings, key, held)
            else:
                assert key_file is not None
                assert certificate is not None
                signer, sign = _with_file(key_file, certificate)
            data = bundle.write(
                files,
                number=number or int(now.strftime("%Y%m%d%H%M")),
                issued=now,
                expires=now + timedelta(days=days),
                title=title,
                sign=sign,
            )
    except TrustUnusable as error:
        raise pins.told(error) from None
    with atomic(output) as file:
        file.write(data)
    pin = hashlib.sha256(signer).hexdigest()
    console.out.print(t(f"đã ghi {output}", f"wrote {output}"), markup=False)
    console.out.print(
        t(
            f"Gửi SHA-256 của chứng thư ký theo đường khác: {pin}",
            f"Send the signer's SHA-256 another way than the file: {pin}",
        ),
        markup=False,
    )


def install(
    file: Annotated[Path, typer.Argument(help=t("gói tin cậy", "the bundle"))],
    *,
    signer: Annotated[
        str | None,
        typer.Option("--signer", help=t("SHA-256 của chứng thư ký gói", "SHA-256 of the signer's certificate")),
    ] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings = kyso_settings.load()
    store = trust.store(settings)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise console.usage(f"{file}: {error.strerror}") from None
    pin = pins.hexadecimal(signer, "--signer") if signer else None
    if pin is not None and pin not in store.rules().bundle_signers:
        store = trust.changing(settings)  # a new signer is a change of trust; a further bundle of a known one is not
    try:
        found = bundle.signer_of(data, name=file.name)
        if pin is None and found not in store.rules().bundle_signers:
            raise console.usage(
                t(
                    f"gói do chứng thư có SHA-256 {found} ký; nếu đúng như đã được báo, chạy lại với --signer {found}",
                    f"signed by the certificate with SHA-256 {found}; if that is what you were told another way, "
                    f"run again with --signer {found}",
                )
            )
        opened = store.install(data, signer=pin, now=datetime.now(UTC), name=file.name)
    except TrustUnusable as error:
        raise pins.told(error) from None
    manifest = opened.manifest
    console.out.print(
        t(
            f"đã cài gói số {manifest.number}, dùng đến {manifest.expires:%d.%m.%Y}, {len(manifest.files)} tệp",
            f"installed bundle {manifest.number}, good until {manifest.expires:%Y-%m-%d}, {len(manifest.files)} files",
        ),
        markup=False,
    )


def _policies(settings: Settings) -> dict[str, str]:
    """The operator's own, each with all that it extends: the other side may run another version."""
    found = {}
    for one in Policies(settings.policies, settings.trust).all():
        if isinstance(one, PolicyUnusable):
            raise one
        if isinstance(one, Policy) and one.name not in policy.names():
            found[one.name] = one.text
    return found


def _with_key(settings: Settings, ref: str, held: ExitStack) -> tuple[bytes, Callable[[bytes], bytes]]:
    """A key of the appliance, its use on record like any other."""
    services = held.enter_context(appliance.services(settings))
    key = services.keys.find(ref)
    if key.certificate is None:
        raise KeyWithoutCertificate(key=ref)
    certificate, mechanism = key.certificate, services.keys.mechanism(key)

    def sign(manifest: bytes) -> bytes:
        return bundle_signing.sign_detached(
            manifest,
            certificate=certificate,
            mechanism=mechanism,
            sign=lambda tbs: bundle_signing.use_key(services, key, tbs, mechanism=mechanism, about=manifest),
        )

    return certificate, sign


def _with_file(key_file: Path, certificate: Path) -> tuple[bytes, Callable[[bytes], bytes]]:
    """A PEM key without a password, for a machine that does nothing else."""
    (der, *_) = read_certificates(certificate)
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise console.usage(
            t(f"{key_file}: không đọc được khóa (PEM, không mật khẩu)", f"{key_file}: no PEM key without a password")
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise console.usage(t(f"{key_file}: cần khóa RSA hoặc EC", f"{key_file}: an RSA or EC key is needed"))
    mechanism = "rsassa_pkcs1v15_sha256" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa_sha256"

    def value(tbs: bytes) -> bytes:
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(tbs, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    return der, lambda manifest: bundle_signing.sign_detached(
        manifest, certificate=der, mechanism=mechanism, sign=value
    )
