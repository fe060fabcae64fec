"""Keepers that run on their own (`kyso keepers`), and the commands of an administrator on a person's key."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from api.cli import appliance
from api.composition import compose
from api.settings import Settings
from tests.authenticator import Passkey, text
from tests.cli_support import ROOT, Ran, kyso
from tests.hsm_support import PIN, SO_PIN, SOFTHSM, eventually, need_softhsm, signed_attributes

pytestmark = pytest.mark.appliance

ORIGIN = "http://localhost:8080"
SETTINGS = """
[modules.desk]
library = "{library}"
token = "box"
pin_file = "secrets/pin"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}

[keys.person]
holder = "person"
[keys.person.activation]
rp_id = "localhost"
origins = ["{origin}"]

[keys.seal]
total = 1

[keepers]
peers = [64102]
"""


@dataclass(frozen=True)
class Apart:
    """The keepers' home with `kyso keepers` running, and a home for a service that uses them."""

    keepers: Path
    service: Path

    def kyso(self, *arguments: str | Path) -> Ran:
        """As the keepers' administrator."""
        return kyso(*arguments, home=self.keepers)


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    need_softhsm()
    with tempfile.TemporaryDirectory(prefix="kk-") as folder:
        keepers, service = Path(folder) / "k", Path(folder) / "s"
        for made in (keepers, service, keepers / "secrets", keepers / "tokens"):
            made.mkdir(mode=0o700)
        (keepers / "kyso.toml").write_text(SETTINGS.format(library=SOFTHSM, origin=ORIGIN))
        (keepers / "softhsm2.conf").write_text(f"directories.tokendir = {keepers}/tokens\nobjectstore.backend = file\n")
        (keepers / "secrets" / "pin").write_text(PIN)
        (keepers / "secrets" / "pin").chmod(0o600)
        (service / "kyso.toml").write_text(
            f'[modules.desk]\nlibrary = "{SOFTHSM}"\ntoken = "box"\n[keepers]\napart = "{keepers}"\n'
        )
        environment = os.environ | {"SOFTHSM2_CONF": str(keepers / "softhsm2.conf")}
        command = ["softhsm2-util", "--init-token", "--free", "--label", "box", "--so-pin", SO_PIN, "--pin", PIN]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        running = subprocess.Popen(
            [sys.executable, "-c", "from api.cli import main; main()", "keepers"],
            env=os.environ | {"KYSO_HOME": str(keepers)},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually((keepers / "run" / "keeper-desk.sock").exists, within=30)
            yield Apart(keepers, service)
        finally:
            running.send_signal(signal.SIGTERM)
            assert 0 == running.wait(30)


def told(ran: Ran) -> dict:
    assert 0 == ran.status, ran
    return json.loads(ran.out)


def test_an_administrator_enrols_lists_and_revokes(apart: Apart, tmp_path: Path) -> None:
    """A code, the passkey's answer as a page saves it, a fingerprint; and back again."""
    assert 0 == apart.kyso("key", "create", "person", "--algorithm", "p256").status
    invited = told(apart.kyso("key", "activation", "enrol", "person", "--format", "json"))
    options = invited["options"]
    assert ("localhost", "required") == (options["rp"]["id"], options["authenticatorSelection"]["userVerification"])
    passkey = Passkey("localhost")
    challenge = base64.urlsafe_b64decode(options["challenge"] + "=")
    made = passkey.create(challenge, origin=ORIGIN)
    answer = tmp_path / "answer.json"
    response = {"clientDataJSON": text(made.client_data), "attestationObject": text(made.attestation)}
    answer.write_text(json.dumps({"id": text(passkey.id), "type": "public-key", "response": response}))
    enrol = ("key", "activation", "enrol", "person", "--code", invited["code"], "--answer", answer)
    assert "fingerprint" in apart.kyso(*enrol).out
    again = apart.kyso(*enrol)
    assert 0 != again.status
    assert "enrolment-refused" in again.err[0]
    (listed,) = told(apart.kyso("key", "activation", "list", "person", "--format", "json"))["credentials"]
    assert (text(passkey.id), 0, False) == (listed["id"], listed["activations"], listed["copied"])
    assert (
        [] == told(apart.kyso("key", "activation", "revoke", "person", listed["id"], "--format", "json"))["credentials"]
    )


def test_a_service_uses_keepers_that_it_did_not_start(apart: Apart) -> None:
    """It finds sockets and permit secret in their home; their limits are theirs, and are shown with the uses. Their log is
    not its to read: an audit asks them, and says so."""
    assert 0 == apart.kyso("key", "create", "seal", "--algorithm", "p256").status
    services = compose(Settings(home=apart.service))
    key = services.keys.find("seal")
    facts = {"caller": "cal_demo"}
    assert services.key_user.once(key, mechanism="ecdsa_sha256", tbs=signed_attributes(b"1"), facts=facts)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - by its code
        services.key_user.once(key, mechanism="ecdsa_sha256", tbs=signed_attributes(b"2"), facts=facts)
    assert "key-limit-reached" == refused.value.code
    services.database.close()
    (shown,) = [one for one in json.loads(apart.kyso("key", "list", "--format", "json").out) if one["ref"] == "seal"]
    assert (1, 1) == (shown["uses"]["total"], shown["limits"]["total"])
    audit = kyso("audit", "verify", "--format", "json", home=apart.service)
    told = json.loads(audit.out)
    assert ([], True) == (told["findings"], told["uses"] > 0)
    assert "USES_AS_TOLD" in told["notes"]


def test_a_backup_of_the_keepers_home_has_their_log_to_its_last_line(apart: Apart, tmp_path: Path) -> None:
    """There is no ledger beside it that it would have to end with; names and passkeys are in it as well."""
    identity = pyrage.x25519.Identity.generate()
    ran = apart.kyso("backup", tmp_path / "k.age", "--recipient", str(identity.to_public()))
    assert 0 == ran.status, ran
    held = io.BytesIO(pyrage.decrypt((tmp_path / "k.age").read_bytes(), [identity]))
    with tarfile.open(fileobj=held) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar}
    log = (apart.keepers / "log" / "keeper-desk.uses").read_bytes()
    assert log.count(b'"done"') > 0
    assert log == files["log/keeper-desk.uses"]
    assert {"log/keeper-desk.credentials", "log/keeper-desk.names", "kyso.toml"} <= set(files)


def test_others_pass_through_the_folder_and_read_nothing_in_it_but_the_secret(apart: Apart) -> None:
    """The group is the service's: it reaches the socket and the permit secret, not the log, the PIN or the list."""

    def mode(path: str) -> str:
        return oct(stat.S_IMODE((apart.keepers / path).stat().st_mode))

    assert ("0o710", "0o640", "0o666", "0o600") == (
        mode("run"),
        mode("run/permit.secret"),
        mode("run/keeper-desk.sock"),
        mode("run/keeper-desk.admin.sock"),
    )
    assert {"0o600"} == {mode(one) for one in ("log/keeper-desk.uses", "log/keeper-desk.credentials")}
    assert ("0o700", "0o700") == (mode("log"), mode("secrets"))


def test_a_command_beside_keepers_that_are_away_starts_none(tmp_path: Path) -> None:
    """A service's home without its keepers: nothing is started in their place, and no secret is made up."""
    (tmp_path / "kyso.toml").write_text(
        f'[modules.desk]\nlibrary = "{SOFTHSM}"\ntoken = "box"\n[keepers]\napart = "{tmp_path}/nobody"\n'
    )
    settings = Settings(home=tmp_path)
    with appliance._processes(settings, modules=("desk",), workers=False) as secret:
        assert secret is None
        assert not settings.keeper_socket("desk").exists()
