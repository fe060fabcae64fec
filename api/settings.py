"""Settings: what the operator decides, read once at start from `kyso.toml` and the environment.

Not here: anything that changes while the appliance runs (callers, keys, documents) and any secret; a PIN is named by
the file or credential that holds it, and read by the keeper alone. A key that this file does not know is refused, so
that a slip of the pen never leaves a limit unset; every key has a default that is safe, so that new code starts with an
old file. `KYSO_PORT` and `KYSO_<SECTION>__<KEY>` in the environment come before the file.

>>> import tempfile
>>> settings = load(Path(tempfile.mkdtemp()))
>>> settings.server.port, settings.signing.chain_check
(8080, 'required')
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from api.errors import ApiError
from hsm.checkpoint import ORIGIN

SOCKET_PATH_LIMIT = 107
"""Bytes in a Unix socket's path (sun_path of Linux, without the closing NUL)."""
LONGEST_SOCKET_NAME = 48
"""Room kept for `/keeper-NAME.admin.sock` behind the run directory."""

KIB, MIB, GIB = 1024, 1024**2, 1024**3
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]
Shape = Literal["signed-attributes", "signed-info", "tst-attributes", "bare-digest", "checkpoint"]


class SettingsUnusable(ApiError):
    """The settings cannot be read; the message names the file, the key and what is wrong with it."""

    code = "settings-unusable"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Server(_Section):
    """`[server]`: where and how HTTP is answered."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback wants TLS: `tls_certificate`, or a proxy in front."""
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port; `KYSO_PORT` comes first. 0 takes a free one (tests)."""
    workers: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=64)
    """Number of api processes that share the listening socket: one computes on one core at a time."""
    threads: int = Field(default=32, ge=2, le=512)
    """Requests that one api process works on at the same time; more of them wait."""
    language: Literal["vi", "en"] = "vi"
    """Language of sentences for callers whose Accept-Language names neither."""
    zone: str = Field(default="+07:00", pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$")
    """Offset from UTC in which times are told to people and in reports; Việt Nam keeps one all year."""
    origin: str = Field(default="", max_length=200)
    """Address under which callers reach the service (`https://ky.example.gov.vn`), as the envelope of a prepared
    signature names it; empty takes host and port."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which callers may address the service (Host header): `host`, or `.suffix` for all below it. localhost,
    addresses in numbers and the name in `origin` always pass; any other name is refused."""
    tls_certificate: Path | None = None
    """PEM file with the server's certificate and those above it, absolute or relative to KYSO_HOME. With it the port
    speaks TLS 1.2 or newer alone; a renewed certificate counts within seconds, without a restart."""
    tls_key: Path | None = None
    """PEM file with its private key, without a password."""
    log: Literal["json", "text"] = "json"
    """Form of the log lines on standard error."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Server:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class Module(_Section):
    """`[modules.NAME]`: one PKCS#11 module and the token in it; each has a keeper of its own."""

    library: Path
    """Path of the module's shared library. Only this file names it, never a call or the environment."""
    token: str = Field(min_length=1, max_length=32)
    """Label of the token (CK_TOKEN_INFO.label)."""
    pin_file: Path | None = None
    """File that holds the PIN, absolute or relative to KYSO_HOME; only the keeper reads it."""
    pin_credential: str | None = None
    """Name of a systemd credential that holds the PIN, instead of `pin_file`."""
    sessions: int = Field(default=0, ge=0, le=256)
    """PKCS#11 sessions to keep open; 0 takes as many as the keeper finds sensible."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables for the keeper's process alone; `{home}` stands for KYSO_HOME."""
    call_limit: float = Field(default=30.0, gt=0, le=600)
    """Seconds that one call into the module may take before the keeper is killed and started anew."""


class Key(_Section):
    """`[keys.REF]`: what differs from the defaults for one key."""

    shapes: tuple[Shape, ...] = ("signed-attributes", "signed-info")
    """What the keeper signs with this key. A timestamp authority's key lists `tst-attributes` alone, that of the ledger's
    checkpoints `checkpoint` alone."""
    timestamp_authorities: tuple[str, ...] | None = None
    """URLs of timestamp authorities for this key's signatures, in order; None takes those of `[timestamping]`."""
    twin: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,23}/[^/]+$")
    """`MODULE/REF` of a key on another module that signs in this one's place while this one's module does not."""


class Timestamping(_Section):
    """`[timestamping]`: whom to ask for timestamps."""

    authorities: tuple[str, ...] = ()
    """URLs (RFC 3161 over HTTP), tried in order. Without one, B-T is refused."""
    policy: str | None = None
    """Policy OID to ask for; None takes the authority's own."""
    timeout: float = Field(default=120.0, gt=0, le=600)
    """Seconds to wait for one authority's answer."""


class Authority(_Section):
    """`[authority]`: the RFC 3161 authority behind `POST /tsa`."""

    key: str
    """Ref of the key that signs timestamps."""
    policy: str = Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")
    """OID of the policy that tokens are issued under."""
    require_synchronised_clock: bool = False
    """True refuses to issue while the kernel says that its clock is not synchronised."""
    accuracy_ms: int = Field(default=1000, ge=1, le=1000)
    """Accuracy stated in tokens, in milliseconds."""


class Checkpoints(_Section):
    """`[checkpoints]`: what the ledger says of itself, signed and kept where the database is not."""

    key: str
    """Ref of the key that signs checkpoints: Ed25519, or ECDSA where the token has no better; `shapes = ["checkpoint"]`."""
    origin: str = Field(pattern=rf"^{ORIGIN}$")
    """Name of this ledger, like an address without a scheme (`ky.example.gov.vn/ledger`); never changed."""
    every: float = Field(default=300.0, ge=1, le=86_400)
    """Seconds after which new lines get a checkpoint; at start and stop they get one anyway."""
    lines: int = Field(default=1000, ge=1)
    """Number of new lines that get one sooner."""
    folder: Path = Path("checkpoints")
    """Where they are kept, absolute or relative to KYSO_HOME. Worth most on another mount, or one that only grows."""
    witnesses: tuple[str, ...] = ()
    """URLs of witnesses (C2SP tlog-witness, the submission prefix): each gets every checkpoint and signs it too."""


class Audit(_Section):
    """`[audit]`: what the appliance looks at by itself."""

    reconcile: float = Field(default=300.0, ge=1, le=86_400)
    """Seconds between two comparisons of the ledger with the keepers' logs of uses."""


class Signing(_Section):
    """`[signing]`: what is checked before a key is used."""

    chain_check: Literal["required", "warn"] = "required"
    """`required` refuses a certificate without a path to a trust anchor; `warn` signs and logs."""
    revocation_unknown: Literal["warn", "refuse"] = "warn"
    """What to do when no revocation answer can be had. A certificate known as revoked is always refused."""
    certificate_cache: float = Field(default=300.0, ge=0, le=3600)
    """Seconds that a certificate found good is not checked again; 0 checks it for every signature."""
    preparation: float = Field(default=900.0, ge=1, le=86_400)
    """Seconds for which a document that was prepared for a certificate waits for its signature value."""
    completion_retry: float = Field(default=86_400.0, ge=60)
    """Seconds for which a signature that still lacks its timestamp is retried."""
    evidence_policy: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Validation policy by which evidence is gathered for B-LT and B-LTA. `fresh` wants revocation data issued after the
    signature's timestamp: until there is some, the level is pending and a job goes on."""
    renew_before: float = Field(default=90 * 86_400.0, ge=3600)
    """Seconds before the end of an archive timestamp's certificate at which a document kept here gets a further one."""


class Verification(_Section):
    """`[verification]`: how signatures and certificates are judged where nobody says otherwise."""

    policy: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Name of the validation policy: one of the program's own (`default`, `fresh`, `vietnam`), or a file's in
    `KYSO_HOME/policies`."""
    public: bool = False
    """True lets visitors verify documents without an API key, within the limits below. Never for anything else."""
    public_bytes: int = Field(default=20 * MIB, ge=KIB)
    """Largest document of a visitor, in bytes."""
    public_per_minute: int = Field(default=20, ge=0)
    """Verifications that one address may ask for in a minute, counted per api process; 0 is no limit."""
    public_at_a_time: int = Field(default=2, ge=0)
    """Verifications of all visitors together that one api process works on at the same time; 0 is no limit."""


class Fetch(_Section):
    """`[fetch]`: what may be asked of the outside."""

    allowed: tuple[str, ...] = ()
    """Hosts for OCSP, CRL and certificates: `host`, `host:port`, or `.suffix` for all below it. Timestamp authorities
    are allowed by being configured."""
    private: tuple[str, ...] = ()
    """`host:port` entries that may resolve to a loopback or private address."""
    seconds: float = Field(default=5.0, gt=0, le=60)
    """Time limit of one fetch; timestamps have their own (`timestamping.timeout`)."""
    bytes_: int = Field(default=10 * MIB, alias="bytes", ge=KIB, le=100 * MIB)
    """Largest answer that is read."""


class Limits(_Section):
    """`[limits]`: what one call may cost."""

    upload_bytes: int = Field(default=GIB, ge=KIB)
    """Largest document, in bytes."""
    document_seconds: float = Field(default=60.0, gt=0, le=3600)
    """Wall time that a worker may spend on one step of one document."""
    document_memory: int = Field(default=GIB, ge=128 * MIB)
    """Address space of a document worker, in bytes."""
    workers: int = Field(default_factory=lambda: max(2, os.cpu_count() or 1), ge=1, le=256)
    """Document workers that one api process uses at the same time. They compute all the time, so more than one a core
    only wear out the caches; one that waits for a timestamp is given back meanwhile."""
    documents_per_worker: int = Field(default=1000, ge=1)
    """Calls of one and the same caller that a worker serves before it is replaced; sooner where its memory has grown."""


class Settings(BaseSettings):
    """The whole of `kyso.toml`, and the places that follow from `home`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="KYSO_", env_nested_delimiter="__", use_attribute_docstrings=True
    )

    home: Path
    """KYSO_HOME: the folder that holds all state."""
    server: Server = Server()
    modules: dict[Name, Module] = Field(default_factory=dict)
    keys: dict[str, Key] = Field(default_factory=dict)
    timestamping: Timestamping = Timestamping()
    authority: Authority | None = None
    checkpoints: Checkpoints | None = None
    audit: Audit = Audit()
    signing: Signing = Signing()
    verification: Verification = Verification()
    fetch: Fetch = Fetch()
    limits: Limits = Limits()
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
        return self.run_dir / "permit.secret"

    def keeper_socket(self, module: str) -> Path:
        return self.run_dir / f"keeper-{module}.sock"

    def keeper_admin_socket(self, module: str) -> Path:
        return self.run_dir / f"keeper-{module}.admin.sock"

    def use_log(self, module: str) -> Path:
        return self.log / f"keeper-{module}.uses"

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
        if facts.st_mode & 0o077:
            self.run_dir.chmod(0o700)


def load(home: Path | None = None) -> Settings:
    """The settings of `home` (default: KYSO_HOME, then ./var); raises SettingsUnusable with a line for each fault."""
    root = (home or Path(os.environ.get("KYSO_HOME") or "var")).absolute()
    given: dict[str, Any] = {"home": root}
    if port := os.environ.get("KYSO_PORT"):
        given["server"] = {"port": port}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise SettingsUnusable(f"{root / 'kyso.toml'}: {error}") from None
    except ValidationError as error:
        raise SettingsUnusable("\n".join(_faults(root / "kyso.toml", error))) from None
    except OSError as error:
        raise SettingsUnusable(f"{root / 'kyso.toml'}: {error.strerror}") from None


def _faults(file: Path, error: ValidationError) -> list[str]:
    """One line a fault: where it stands and what is wrong, without the value, which could be a secret."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"])
        what = "this key is not known" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(f"{file}: {where}: {what}")
    return lines
