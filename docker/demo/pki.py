"""The demo PKI: CA keys as files, certificates for the token's keys, OCSP and CRL live on loopback.

For demonstrations only: the CA's private keys lie unencrypted in KYSO_HOME/demo/pki, made at set-up, never committed.
What it issues stands in `pki.yml`; certomancer issues it. All issuing keys are RSA, whose signatures are the same each
time, so that the server's certificates equal those in the token.

    python docker/demo/pki.py FOLDER PORT      serves OCSP and CRL of FOLDER on 127.0.0.1:PORT
"""

from __future__ import annotations

import logging
import os
import signal
import string
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import pem
from certomancer.integrations.animator import Animator, AnimatorArchStore
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig, PKIArchitecture
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from home import PKI_DEFINITION
from werkzeug.serving import make_server
from werkzeug.wrappers import Request

AUTHORITIES = ("root", "issuing", "ocsp", "stranger")
DAYS = {"ca_from": -3650, "ca_to": 3650, "past": -365, "lately": -10, "soon": 30, "future": 1460}
"""Days from the set-up to each date of `pki.yml`."""


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def prepare(folder: Path, *, url: str, now: datetime, public_keys: dict[str, bytes]) -> None:
    """Lay out the PKI in `folder`: CA keys if missing, the public keys (DER) by ref, the definition with its dates."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in AUTHORITIES:
        path = keys / f"{name}.key.pem"
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048 if name == "ocsp" else 3072)
            encoded = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, encoded)
    for ref, public_key in public_keys.items():
        (keys / f"{ref}.pub.pem").write_bytes(pem.armor("PUBLIC KEY", public_key))
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    dates = {name: (midnight + timedelta(days=days)).isoformat() for name, days in DAYS.items()}
    filled = string.Template(PKI_DEFINITION.read_text("utf-8").replace("$url", url)).substitute(dates)
    (folder / "pki.yml").write_text(filled, "utf-8")


def architecture(folder: Path) -> PKIArchitecture:
    """The PKI of `folder`, ready to issue."""
    config = CertomancerConfig.from_file(str(folder / "pki.yml"), str(folder))
    return config.get_pki_arch(ArchLabel("demo"))


def certificate(arch: PKIArchitecture, name: str) -> bytes:
    """One certificate, DER."""
    return arch.get_cert(CertLabel(name)).dump()


def pem_of(arch: PKIArchitecture, name: str) -> bytes:
    """One certificate, PEM."""
    return pem.armor("CERTIFICATE", certificate(arch, name))


class Responder(Animator):
    """certomancer's server with times in whole seconds, as RFC 5280 §4.1.2.5.2 wants them (RFC 6960 takes it over)."""

    def at_time(self, request: Request) -> datetime:
        return super().at_time(request).replace(microsecond=0)


def serve(folder: Path, port: int) -> None:
    """Answer OCSP and CRL until SIGTERM; loopback only."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = AnimatorArchStore({ArchLabel("demo"): architecture(folder)})
    server = make_server(
        "127.0.0.1", port, Animator(store, with_web_ui=False, allow_time_override=False), threaded=True
    )
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who started this one ends it
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
