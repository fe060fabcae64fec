"""kyso.toml: safe defaults, nothing unknown, environment first, paths that fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import settings
from api.settings import SettingsUnusable, whole

pytestmark = pytest.mark.spine


def load(folder: Path, text: str = "") -> settings.Settings:
    (folder / "kyso.toml").write_text(text)
    return settings.load(folder)


def test_an_empty_file_is_a_service_on_loopback_that_fetches_nothing(tmp_path: Path):
    """The defaults listen on loopback, allow no fetch and require a trust path."""
    found = load(tmp_path)
    assert ("127.0.0.1", 8080) == (found.server.host, found.server.port)
    assert ((), ()) == (found.fetch.allowed, found.fetch.private)
    assert "required" == found.signing.chain_check


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[server]\nprot = 1", "server.prot"),
        ("[nonsense]\na = 1", "nonsense"),
        ("[modules.Demo]\nlibrary = '/x'\ntoken = 't'", "modules.Demo"),
        ("[modules.demo]\ntoken = 't'", "modules.demo.library"),
        ("[signing]\nchain_check = 'no'", "signing.chain_check"),
        ("[server]\nport = 70000", "server.port"),
        ("[server", "kyso.toml: Expected"),
    ],
)
def test_a_slip_of_the_pen_is_named(tmp_path: Path, text: str, where: str):
    """A key that is not known, missing or out of range stops the start, and the message says which."""
    with pytest.raises(SettingsUnusable, match=where.replace(".", r"\.")):
        load(tmp_path, text)


def test_a_message_never_holds_the_value(tmp_path: Path):
    """What stands in a wrong place could be a PIN."""
    with pytest.raises(SettingsUnusable) as caught:
        load(tmp_path, "[modules.demo]\nlibrary = '/x'\ntoken = 't'\npin = '493817'")
    assert "493817" not in str(caught.value)


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """KYSO_PORT and KYSO_SECTION__KEY override the file; KYSO_HOME does not override an explicit home."""
    monkeypatch.setenv("KYSO_PORT", "9001")
    monkeypatch.setenv("KYSO_LIMITS__UPLOAD_BYTES", "4096")
    monkeypatch.setenv("KYSO_HOME", "/nowhere")
    found = load(tmp_path, "[server]\nport = 9000\n[limits]\nupload_bytes = 8192")
    assert (9001, 4096, tmp_path) == (found.server.port, found.limits.upload_bytes, found.home)


def test_home_is_filled_in_and_keys_have_their_own_authorities(tmp_path: Path):
    """`{home}` in a keeper's environment is KYSO_HOME; a key may have other timestamp authorities than the rest."""
    found = load(
        tmp_path,
        """
        [modules.demo]
        library = "/x"
        token = "t"
        pin_file = "secrets/demo.pin"
        environment = { SOFTHSM2_CONF = "{home}/softhsm2.conf" }
        [keys.special]
        timestamp_authorities = ["http://a/"]
        [timestamping]
        authorities = ["http://b/"]
        """,
    )
    assert {"SOFTHSM2_CONF": f"{tmp_path}/softhsm2.conf"} == found.module_environment("demo")
    assert {"file": f"{tmp_path}/secrets/demo.pin"} == found.pin_source("demo")
    assert (("http://a/",), ("http://b/",)) == (found.authorities_for("special"), found.authorities_for("seal"))


def test_sockets_fit_their_limit(tmp_path: Path):
    """A deep KYSO_HOME moves the sockets to a short private folder, and each path fits sun_path."""
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    found = settings.load(deep)
    found.make_folders()
    assert len(str(found.keeper_admin_socket("a" * 24))) <= whole.SOCKET_PATH_LIMIT
    assert 0o700 == found.run_dir.stat().st_mode & 0o777
    found.run_dir.rmdir()
