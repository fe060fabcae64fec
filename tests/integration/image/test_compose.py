"""The compose files say what the image and the settings understand, and take no right back that the image gave up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from api import settings, supervisor
from tests.appliance import ROOT

pytestmark = pytest.mark.appliance

DOCKER = ROOT / "docker"


def service(name: str, which: str = "kyso") -> dict:
    """A service of a file."""
    return yaml.safe_load((DOCKER / name).read_text())["services"][which]


def values(environment: dict[str, str]) -> dict[str, str]:
    """The variables with the defaults that the file gives them."""
    return {name: re.sub(r"\$\{[A-Z_]+:-(.*)\}", r"\1", str(value)) for name, value in environment.items()}


@pytest.mark.parametrize("which", ["kyso", "keepers"])
def test_neither_container_has_rights(which: str):
    """The promises of `make image`, asked of any engine."""
    told = service("compose.yml", which)
    assert told["read_only"] is True
    assert ["ALL"] == told["cap_drop"]
    assert ["no-new-privileges:true"] == told["security_opt"]
    assert 0 == told["ulimits"]["core"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(told)
    assert told.get("network_mode", "none") == "none"
    assert all("noexec" in mount and "nosuid" in mount for mount in told["tmpfs"])


def test_keepers_and_service_share_the_sockets_alone():
    """Two users of one group; the keepers' volume is in no other container, the service reads the sockets' one, which is in
    memory and the keepers' own; and the keepers are reached by no network."""
    keepers, asking = service("compose.yml", "keepers"), service("compose.yml")
    (user, group), (other, same) = keepers["user"].split(":"), asking["user"].split(":")
    assert (group, True) == (same, user != other)
    shared = {mount.split(":")[0] for mount in keepers["volumes"]} & {
        mount.split(":")[0] for mount in asking["volumes"]
    }
    assert {"sockets"} == shared
    assert "sockets:/var/lib/kyso-keepers/run" in keepers["volumes"]
    assert "sockets:/var/lib/kyso-keepers/run:ro" in asking["volumes"]
    assert (["keepers"], "none") == (keepers["command"], keepers["network_mode"])
    volume = yaml.safe_load((DOCKER / "compose.yml").read_text())["volumes"]["sockets"]["driver_opts"]
    assert "tmpfs" == volume["type"]
    assert {f"uid={user}", f"gid={group}", "mode=0710"} <= set(volume["o"].split(","))
    image = (DOCKER / "Containerfile").read_text()
    assert f"kyso-keeper:x:{user}:{group}:" in image
    assert f"install -d -o {user} -g {group} -m 0710 {keepers['environment']['KYSO_HOME']} " in image


def test_user_port_and_volume_are_the_images():
    """One and the same in compose file and Containerfile."""
    told, image = service("compose.yml"), (DOCKER / "Containerfile").read_text()
    assert f"USER {told['user']}\n" in image
    assert f"EXPOSE {told['ports'][0].rpartition(':')[2]}\n" in image
    assert f"VOLUME {told['volumes'][0].partition(':')[2]}\n" in image
    assert told["ports"][0].startswith("127.0.0.1:")


def test_grace_is_longer_than_an_orderly_end_takes():
    """The engine does not kill what is still finishing requests."""
    wanted = supervisor.API_PATIENCE + supervisor.OTHERS_PATIENCE
    assert int(service("compose.yml")["stop_grace_period"].rstrip("s")) > wanted
    unit = (DOCKER / "systemd" / "kyso.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]) > wanted


def test_every_variable_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What both files and the image set is what the settings then hold."""
    given = {}
    for name in ("compose.yml", "compose.scale.yml"):
        given |= values(service(name)["environment"])
    image = (DOCKER / "Containerfile").read_text()
    given |= dict(re.findall(r"(KYSO_(?!HOME)[A-Z_]+)=(\S+)", image))
    for name, value in given.items():
        if name.startswith("KYSO_"):
            monkeypatch.setenv(name, value)
    read = settings.load(tmp_path)
    assert "0.0.0.0" == read.server.host
    assert tuple(json.loads(given["KYSO_SERVER__ALLOWED_HOSTS"])) == read.server.allowed_hosts
    assert int(given["KYSO_SERVER__WORKERS"]) == read.server.workers
    assert read.database_url.startswith("postgresql+psycopg://")
    assert read.verification.public is False


def test_passwords_come_as_files():
    """No file of ours holds or passes on a password but by the name of its file."""
    told = yaml.safe_load((DOCKER / "compose.scale.yml").read_text())
    for part in told["services"].values():
        for name in part.get("environment", {}):
            assert "PASSWORD" not in name or name.endswith("_FILE")
    assert all("file" in secret for secret in told["secrets"].values())
    assert told["networks"]["back"]["internal"] is True
