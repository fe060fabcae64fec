"""`production = true` on real tokens: SoftHSM does not start, another token with a sound configuration does not hinder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.settings import Settings
from api.store import callers
from api.store.database import open_database
from tests.cli_support import kyso
from tests.hsm_support import SOFTHSM, need_softhsm
from tests.integration.hsm import worlds

pytestmark = pytest.mark.appliance

EX_CONFIG = 78


def test_serve_tells_every_reason_and_ends_with_78(tmp_path: Path):
    """A demo's configuration is refused before anything listens, with all reasons, each with what to do."""
    need_softhsm()
    (tmp_path / "kyso.toml").write_text(
        f"""
        production = true
        [server]
        host = "0.0.0.0"
        [modules.demo]
        library = "{SOFTHSM}"
        token = "kyso-demo"
        [modules.demo.environment]
        SOFTHSM2_CONF = "/dev/null"
        [fetch]
        private = ["127.0.0.1:8081"]
        """
    )
    tmp_path.chmod(0o755)
    ran = kyso("serve", home=tmp_path, KYSO_SERVER__LANGUAGE="en")
    told = "\n".join(ran.err)
    assert EX_CONFIG == ran.status, told
    codes = ("softhsm", "no-checkpoints", "plain-http", "debug-surface", "private-fetch", "home-readable")
    for code in (*codes, "keepers-together"):
        assert f"production-{code}" in told, told
    assert '"event": "ready"' not in told
    assert "module demo: no token to be seen, not checked" in told


def test_check_config_says_the_same_without_production(tmp_path: Path):
    """Whoever prepares a configuration asks beforehand; without `production` nothing is refused."""
    tmp_path.chmod(0o700)
    (tmp_path / "kyso.toml").write_text('[signing]\nchain_check = "warn"\n')
    assert 0 == kyso("check-config", home=tmp_path).status
    ran = kyso("check-config", "--production", "--format", "json", home=tmp_path)
    found = {one["code"]: one for one in json.loads(ran.out)["refused"]}
    assert EX_CONFIG == ran.status
    assert "signing.chain_check" == found["production-chain-check"]["setting"]
    assert found["production-chain-check"]["do"]


def test_a_configuration_that_cannot_be_read_is_78_too(tmp_path: Path):
    """The same status for a slip of the pen, so that a unit need not restart in vain."""
    (tmp_path / "kyso.toml").write_text("[server]\nprot = 1\n")
    assert EX_CONFIG == kyso("check-config", home=tmp_path).status


def test_a_token_that_is_no_softhsm_and_a_sound_configuration_pass(tmp_path: Path):
    """A TPM, checkpoints, storage key, ending API keys: nothing is refused, and the token was looked at."""
    with worlds.tpm("p256") as world:
        box = world.box
        box.stop()
        environment = "\n".join(f'{name} = "{value}"' for name, value in box.environment.items())
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        (home / "kyso.toml").write_text(
            f"""
            production = true
            [server]
            documentation = "callers"
            [modules.tpm]
            library = "{box.library}"
            token = "box"
            pin_file = "{box.path / "pin"}"
            [modules.tpm.environment]
            {environment}
            [keys.p256]
            shapes = ["checkpoint"]
            [checkpoints]
            key = "p256"
            origin = "ky.example.vn/ledger"
            [keepers]
            together = "One user for a test of a single machine, decided by its author."
            """
            + ('[storage]\nkey_file = "secrets/storage.key"\n' if "storage" in Settings.model_fields else "")
        )
        ran = kyso("check-config", "--format", "json", home=home)
        assert {"refused": [], "not_seen": []} == json.loads(ran.out), ran.err
        assert 0 == ran.status

        database = open_database(f"sqlite:///{home}/kyso.db")
        database.write(callers.create, name="endless", role="client", keys=())
        database.close()
        ran = kyso("check-config", "--format", "json", home=home)
        assert ["production-endless-api-key"] == [one["code"] for one in json.loads(ran.out)["refused"]]
