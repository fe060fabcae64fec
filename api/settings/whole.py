"""The whole of `kyso.toml` as one value, and every place of KYSO_HOME."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from api.errors import ApiError
from api.settings.access import Callers
from api.settings.identity import Identity
from api.settings.keys import Keepers, Key, Module
from api.settings.records import Audit, Changes, Checkpoints
from api.settings.server import Fetch, Limits, Server
from api.settings.sessions import SigningSessions
from api.settings.signing import Authority, Signing, Timestamping, Verification
from api.settings.storage import Backup, Retention, Storage
from api.settings.uploads import Uploads
from api.settings.watching import Alarms, Tracing

SOCKET_PATH_LIMIT = 107
"""Bytes in a Unix socket's path (sun_path of Linux, without the closing NUL)."""
LONGEST_SOCKET_NAME = 48
"""Room kept for `/keeper-NAME.admin.sock` behind the run directory."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]


class SettingsUnusable(ApiError):
    """The settings cannot be read; the message names the file, the key and what is wrong with it."""

    code = "settings-unusable"


class Settings(BaseSettings):
    """The whole of `kyso.toml`, and the places that follow from `home`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="KYSO_", env_nested_delimiter="__")

    home: Path
    """KYSO_HOME: the folder that holds all state."""
    production: bool = False
    """True refuses to start with anything that is for trying out, or left open (`api.production`)."""
    server: Server = Server()
    modules: dict[Name, Module] = Field(default_factory=dict)
    keys: dict[str, Key] = Field(default_factory=dict)
    keepers: Keepers = Keepers()
    timestamping: Timestamping = Timestamping()
    authority: Authority | None = None
    checkpoints: Checkpoints | None = None
    audit: Audit = Audit()
    changes: Changes = Changes()
    signing: Signing = Signing()
    verification: Verification = Verification()
    fetch: Fetch = Fetch()
    limits: Limits = Limits()
    callers: Callers = Callers()
    storage: Storage = Storage()
    retention: Retention = Retention()
    backup: Backup = Backup()
    identity: Identity = Identity()
    alarms: Alarms = Alarms()
    tracing: Tracing = Tracing()
    sessions: SigningSessions = SigningSessions()
    uploads: Uploads = Uploads()
    database: str = ""
    """URL of the database; empty is SQLite in `KYSO_HOME/kyso.db`."""

    @model_validator(mode="after")
    def _twins_are_elsewhere(self) -> Settings:
        """A slip of the pen in `twin` would show only on the day it is needed."""
        for ref, key in self.keys.items():
            if key.twin is not None and key.twin.partition("/")[0] not in self.modules:
                raise ValueError(f"keys.{ref}: twin: no module is called {key.twin.partition('/')[0]}")
        return self

    @model_validator(mode="after")
    def _checkpoints_have_a_key_of_their_own(self) -> Settings:
        for ref, key in self.keys.items():
            if "checkpoint" in key.shapes and len(key.shapes) > 1:
                raise ValueError(f"keys.{ref}: shapes: a key that signs checkpoints signs nothing else")
        if self.checkpoints is not None:
            named = self.keys.get(self.checkpoints.key)
            if named is None or named.shapes != ("checkpoint",):
                raise ValueError(f'checkpoints: keys.{self.checkpoints.key} wants shapes = ["checkpoint"]')
        return self

    @model_validator(mode="after")
    def _ways_in_are_whole(self) -> Settings:
        """A way in that could never be taken is a slip of the pen."""
        on_pages = [name for name, one in self.identity.issuers.items() if one.login is not None]
        if on_pages and urlsplit(self.server.origin).scheme not in ("http", "https"):
            raise ValueError(f"identity.issuers.{on_pages[0]}.login: the provider sends browsers back to server.origin")
        if self.identity.certificate_header and not self.server.trusted_proxies:
            raise ValueError("identity.certificate_header wants server.trusted_proxies")
        if self.identity.certificates and self.server.tls_client == "off" and not self.identity.certificate_header:
            raise ValueError("identity.certificates wants server.tls_client, or identity.certificate_header")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the program says comes before the environment, the environment before the file."""
        assert isinstance(init_settings, InitSettingsSource)
        file = Path(init_settings.init_kwargs["home"]) / "kyso.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    # Places. Whoever writes there makes the folder; `make_folders` makes them all.

    @property
    def zone(self) -> tzinfo:
        """The one zone in which times are told."""
        return datetime.strptime(self.server.zone, "%z").tzinfo or UTC

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """Certificate and key of the server; None while it speaks plain HTTP."""
        chosen = self.server
        if chosen.tls_certificate is None or chosen.tls_key is None:
            return None
        return self.home / chosen.tls_certificate, self.home / chosen.tls_key

    @property
    def served_hosts(self) -> tuple[str, ...]:
        """Names that a Host header may have, beside those that always may."""
        return (*self.server.allowed_hosts, self.server.host, urlsplit(self.server.origin).hostname or "")

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'kyso.db'}"

    @property
    def blobs(self) -> Path:
        return self.home / "blobs"

    @property
    def tmp(self) -> Path:
        """Uploads and unfinished outputs; on the same file system as `blobs`, so that a rename finishes them."""
        return self.home / "tmp"

    @property
    def trust(self) -> Path:
        """Trust anchors, one or more certificates a file."""
        return self.home / "trust"

    @property
    def intermediates(self) -> Path:
        return self.trust / "intermediates"

    @property
    def policies(self) -> Path:
        """The operator's own validation policies, one a file."""
        return self.home / "policies"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def checkpoint_folder(self) -> Path:
        """Where signed checkpoints are kept."""
        return self.home / (self.checkpoints.folder if self.checkpoints is not None else "checkpoints")

    @property
    def run_dir(self) -> Path:
        """The private folder of sockets: below KYSO_HOME, or a short path in /tmp where that would be too long."""
        here = self.home / "run"
        if len(os.fsencode(here)) + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT:
            return here
        mark = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(f"/tmp/kyso-{os.getuid()}-{mark}")  # noqa: S108 - 0700 and checked by make_folders

    @property
    def counters(self) -> Path:
        """The folder in which the api workers add up their metrics; made anew at every start."""
        return self.run_dir / "counters"

    @property
    def workers_socket(self) -> Path:
        return self.run_dir / "workers.sock"

    @property
    def permit_secret_file(self) -> Path:
        """Where the supervisor leaves the secret of permits (32 bytes) for the api; made anew at every start."""
        return self._keepers_run_dir / "permit.secret"

    @property
    def _keepers_run_dir(self) -> Path:
        return self.run_dir if self.keepers.apart is None else self.keepers.apart / "run"

    def keeper_socket(self, module: str) -> Path:
        return self._keepers_run_dir / f"keeper-{module}.sock"

    def keeper_admin_socket(self, module: str) -> Path:
        return self._keepers_run_dir / f"keeper-{module}.admin.sock"

    def use_log(self, module: str) -> Path:
        return (self.log if self.keepers.apart is None else self.keepers.apart / "log") / f"keeper-{module}.uses"

    def module_environment(self, module: str) -> dict[str, str]:
        """The keeper's variables with `{home}` filled in."""
        return {
            name: value.replace("{home}", str(self.home)) for name, value in self.modules[module].environment.items()
        }

    def pin_source(self, module: str) -> dict[str, str] | None:
        """Where the keeper finds the PIN: {"file": path}, {"credential": name} or nothing."""
        chosen = self.modules[module]
        if chosen.pin_credential is not None:
            return {"credential": chosen.pin_credential}
        return None if chosen.pin_file is None else {"file": str(self.home / chosen.pin_file)}

    def authorities_for(self, key: str) -> tuple[str, ...]:
        """URLs of the timestamp authorities that serve this key's signatures."""
        special = self.keys.get(key)
        if special is not None and special.timestamp_authorities is not None:
            return special.timestamp_authorities
        return self.timestamping.authorities

    def make_folders(self) -> None:
        """Make every folder of the state, private to this user; refuse a run directory that is somebody else's."""
        trusted = (self.trust, self.intermediates, self.policies)
        for folder in (self.home, self.blobs, self.tmp, *trusted, self.secrets, self.log):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run_dir.mkdir(mode=0o700, exist_ok=True)
        facts = self.run_dir.lstat()
        if not self.run_dir.is_dir() or self.run_dir.is_symlink() or facts.st_uid != os.getuid():
            raise SettingsUnusable(f"{self.run_dir} is not a folder of this user")
        wanted = 0o710 if self.keepers.peers else 0o700  # peers are in the folder's group, and pass through it
        if stat.S_IMODE(facts.st_mode) != wanted:
            self.run_dir.chmod(wanted)
