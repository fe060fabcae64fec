"""An appliance with one key of each kind, made for this: SoftHSM behind a keeper, its own TSA, a PKI that answers.

Everything goes through the public HTTP API, as a workflow backend would do it; the second hand, which signs what was
prepared for a certificate, holds its keys in this process.

>>> with open_house(folder) as house:                                             # doctest: +SKIP
...     house.sign(case, document, out)
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization

from api import settings as kyso_settings
from api.cli import appliance
from api.store import callers
from api.store.database import open_database
from hsm.lifecycle import PinSource
from tests.appliance import ENDS_WITHIN, ROOT, STARTS_WITHIN, free_port
from tests.hsm_support import PIN, SO_PIN, SOFTHSM
from tests.interop.cases import ALGORITHMS, Algorithm, Case
from tests.interop.pki import Pki, pem, serving
from tests.pki import Signer, private_key
from tests.unit.verify.world import Entity

TSA = "tsa"
_TOML = f"""
[modules.house]
library = "{SOFTHSM}"
token = "house"
pin_file = "secrets/pin"
environment = {{{{ SOFTHSM2_CONF = "{{{{home}}}}/softhsm2.conf" }}}}

[keys.{TSA}]
shapes = ["tst-attributes"]

[timestamping]
authorities = ["http://127.0.0.1:{{port}}/tsa"]

[authority]
key = "{TSA}"
policy = "1.3.6.1.4.1.99999.1"

[fetch]
allowed = ["127.0.0.1:{{pki_port}}"]
private = ["127.0.0.1:{{port}}", "127.0.0.1:{{pki_port}}"]
"""


class Refused(Exception):
    """The appliance did not sign; `code` is its reason."""

    def __init__(self, answer: httpx.Response) -> None:
        problem = answer.json()
        self.code: str = problem["code"]
        reason = problem.get("reason") or problem.get("facts", {}).get("reason")
        super().__init__(f"{self.code} ({reason})" if reason else self.code)


@dataclass
class House:
    """A running appliance, its PKI, and the keys of the second hand."""

    client: httpx.Client
    pki: Pki
    desk: dict[str, tuple[Signer, Entity]] = field(default_factory=dict)

    def sign(
        self, case: Case, document: Path, out: Path, *, beside: Mapping[str, Path] | None = None, **more: object
    ) -> dict[str, Any]:
        """Sign `document` as the case says, with detached contents `beside` it by name; what the service told. Raises
        Refused."""
        order: dict[str, object] = {"level": case.level, "mechanism": case.algorithm.mechanism, **more}
        if case.path == "server":
            answer = self._post(document, {"key": case.algorithm.kind, **order}, beside)
        else:
            answer = self._in_two_phases(document, case.algorithm, order, beside)
        out.write_bytes(self.client.get(answer["document"]).raise_for_status().content)
        return answer

    def extend(self, document: Path, out: Path, level: str) -> None:
        """Lift a document. Raises Refused."""
        with document.open("rb") as file:
            answer = self.client.post("/v1/extensions", files={"document": file}, data={"level": level})
        if answer.status_code >= 400:
            raise Refused(answer)
        out.write_bytes(answer.content)

    def verify(self, document: Path, *, beside: Mapping[str, Path] | None = None) -> dict[str, object]:
        """The report by which Kyso judges a file itself, given detached contents by name."""
        with ExitStack() as held:
            files = _parts(held, document, beside)
            return self.client.post("/v1/verifications", files=files).raise_for_status().json()

    def _in_two_phases(
        self, document: Path, algorithm: Algorithm, order: dict[str, object], beside: Mapping[str, Path] | None
    ) -> dict[str, Any]:
        hand, certificate = self.desk[algorithm.kind]
        whose = {"certificate": pem(certificate), "chain": [pem(self.pki.issuing)]}
        prepared = self._post(document, {**whose, **order}, beside)
        value = hand.sign(base64.b64decode(prepared["tbs"]), algorithm.mechanism)
        body = {"value": base64.b64encode(value).decode(), "algorithm": prepared["algorithm"]}
        answer = self.client.put(f"/v1/signatures/{prepared['id']}/value", json=body)
        if answer.status_code >= 400:
            raise Refused(answer)
        return answer.json()

    def _post(self, document: Path, order: dict[str, object], beside: Mapping[str, Path] | None) -> dict[str, Any]:
        with ExitStack() as held:
            files = _parts(held, document, beside)
            answer = self.client.post(
                "/v1/signatures", files=files, data={"order": json.dumps({"fork": True, **order})}
            )
        if answer.status_code >= 400:
            raise Refused(answer)
        return answer.json()


def _parts(held: ExitStack, document: Path, beside: Mapping[str, Path] | None) -> list[tuple[str, object]]:
    """The files of a multipart request, open until `held` closes."""
    parts = [("document", (document.name, held.enter_context(document.open("rb"))))]
    parts += [("detached", (name, held.enter_context(path.open("rb")))) for name, path in (beside or {}).items()]
    return parts


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """An appliance in `folder` with a key of each kind, until the block ends."""
    home, port = folder / "house", free_port()
    with serving(port + 1) as pki:
        secret, desk = _furnish(home, pki, port=port)
        with _served(home, port=port):
            headers = {"Authorization": f"Bearer {secret}", "Accept-Language": "en"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=150) as client:
                yield House(client, pki, desk)


def _furnish(home: Path, pki: Pki, *, port: int) -> tuple[str, dict[str, tuple[Signer, Entity]]]:
    """Settings, token, keys, certificates, trust and a caller."""
    (home / "secrets").mkdir(parents=True)
    (home / "tokens").mkdir()
    (home / "kyso.toml").write_text(_TOML.format(port=port, pki_port=port + 1))
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\n")
    for name, pin in (("pin", PIN), ("so", SO_PIN)):
        (home / "secrets" / name).write_text(pin)
        (home / "secrets" / name).chmod(0o600)
    settings = kyso_settings.load(home)
    settings.make_folders()
    with appliance.admin(settings, "house") as admin:
        admin.initialise(
            "house", so_pin=PinSource(file=str(home / "secrets" / "so")), pin=PinSource(file=str(home / "secrets/pin"))
        )
        for ref, kind in [(one.kind, one.kind) for one in ALGORITHMS] + [(TSA, "rsa2048")]:
            public_key = serialization.load_der_public_key(admin.create_key(ref, kind).public_key)
            made = pki.issue(f"{kind} in the token", public_key, timestamping=ref == TSA)
            above = pki.tsa_issuing if ref == TSA else pki.issuing
            admin.import_certificate(ref, made.der, (above.der,))
    desk = {}
    for one in ALGORITHMS:
        key = private_key(one.kind, "interop desk")
        made = pki.issue(f"{one.kind} on the desk", key.public_key())
        desk[one.kind] = (Signer(made.certificate, key, (pki.issuing.der,)), made)
    (settings.trust / "root.pem").write_text(pem(pki.root))
    database = open_database(settings.database_url)
    try:
        secret = database.write(callers.create, name="interop", role="client", keys=("*",))
    finally:
        database.close()
    return secret, desk


@contextmanager
def _served(home: Path, *, port: int) -> Iterator[None]:
    with (home / "log" / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from api.cli import main; main()", "serve"],
            cwd=ROOT,
            env={**os.environ, "KYSO_HOME": str(home), "KYSO_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/health/ready", home / "log" / "service.log")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the appliance did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")
        time.sleep(0.1)
