"""What lies in a demo's KYSO_HOME: `kyso.toml`, SoftHSM's configuration, and the note that the set-up is done.

Light to import: the runner looks at the note at every start. `kyso.toml` is written anew when the port or the demo
changes, but only while it still is what this module wrote: an edited one is the operator's and stays.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

PKI_DEFINITION = Path(__file__).with_name("pki.yml")
DRAWN = tuple(Path(__file__).with_name(f"{name}.py") for name in ("pictures", "sample"))
"""What draws the sample and how signatures look on it: they fit each other."""
DIRECTORY = Path(__file__).with_name("directory")
"""Who is who in the demo, as files that `kyso directory import` takes."""
LEDGER_KEY = "demo-ledger"
"""Signs the ledger's checkpoints; it needs no certificate."""
REISSUE_AFTER = 180 * 86_400.0
"""Seconds after which certificates are issued anew, long before any of them changes its meaning."""
LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)

_KYSO_TOML = """\
# Written by the demo set-up. Edit it freely: an edited file is never overwritten; delete it to have it written anew.

[server]
port = {port}

[modules.demo]
library = "{library}"
token = "kyso-demo"
pin_file = "secrets/demo.pin"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}

# A token whose PIN file is wrong, to show what a locked token looks like. The right PIN is in secrets/locked-right.pin.
[modules.locked]
library = "{library}"
token = "kyso-locked"
pin_file = "secrets/locked.pin"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}

[keys.demo-tsa]
shapes = ["tst-attributes"]

[keys.demo-ledger]
shapes = ["checkpoint"]

# An authority that does not answer: nothing listens on port 9.
[keys.demo-tsa-down]
timestamp_authorities = ["http://127.0.0.1:9/tsa"]

[timestamping]
authorities = ["http://127.0.0.1:{port}/tsa"]

[authority]
key = "demo-tsa"
policy = "1.3.6.1.4.1.99999.1"

# What the ledger says of itself, signed; best kept on another mount than the database.
[checkpoints]
key = "demo-ledger"
origin = "kyso.demo/ledger"
every = 60

# Documents, drafts and passwords lie encrypted on the disk. The key belongs somewhere else than its backup.
[storage]
key_file = "secrets/storage.key"

# The demo's tokens lie below KYSO_HOME, so that a backup can hold them; an HSM's keys never leave it.
[backup]
include = ["softhsm"]

[signing]
chain_check = "required"
revocation_unknown = "warn"

# `/sign/demo` opens a practice session in the name of the demo's system. Never in production.
[sessions]
unsafe_practice = "demo client"
practice_person = "DEMO-01"
practice_field = "o1_chi_uy"
practice_look = "dang/nguoi-ky"

# Whoever opens the page may verify documents there, without an API key and within limits.
[verification]
public = true

[fetch]
allowed = ["127.0.0.1:{pki_port}"]
private = ["127.0.0.1:{port}", "127.0.0.1:{pki_port}", "127.0.0.1:9"]
"""

_SOFTHSM2_CONF = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


def state(home: Path) -> dict[str, object]:
    """What the last complete set-up noted; empty if there was none."""
    try:
        found = json.loads((home / "demo" / "setup.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note_state(home: Path, *, port: int) -> None:
    """Note that the set-up is complete."""
    noted = {
        "fingerprint": _fingerprint(port),
        "home": str(home),
        "port": port,
        "at": time.time(),
        "toml": _mark(kyso_toml(port=port)),
    }
    (home / "demo" / "setup.json").write_text(json.dumps(noted) + "\n", "utf-8")


def is_set_up(home: Path, *, port: int) -> bool:
    """True when nothing is left to do."""
    noted = state(home)
    at = noted.get("at")
    return (
        noted.get("fingerprint") == _fingerprint(port)
        and noted.get("home") == str(home)
        and isinstance(at, float)
        and time.time() - at < REISSUE_AFTER
    )


def _fingerprint(port: int) -> str:
    """Changes when certificates have to be issued anew, which carry the port's address and what the definition says,
    when a key has to be made, or when the directory's files or the sample are others."""
    files = b"".join(path.read_bytes() for path in (PKI_DEFINITION, *DRAWN, *directory_files()))
    return hashlib.sha256(f"{port}\n{LEDGER_KEY}\n".encode() + files).hexdigest()


def directory_files() -> list[Path]:
    """The directory's files, in a fixed order."""
    return sorted(DIRECTORY.glob("*.csv"))


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def library() -> str:
    """Where this machine keeps SoftHSM."""
    for path in LIBRARIES:
        if Path(path).exists():
            return path
    raise SystemExit("kyso: libsofthsm2.so is not here; run docker/setup.sh run")


def kyso_toml(*, port: int) -> str:
    """The settings of a demo on `port`, its PKI one port further."""
    return _KYSO_TOML.format(port=port, pki_port=port + 1, library=library())


def softhsm2_conf(home: Path) -> str:
    """SoftHSM's own settings: the tokens live below `home`."""
    return _SOFTHSM2_CONF.format(tokens=home / "softhsm")


def write(home: Path, *, port: int, former_port: int | None) -> None:
    """Write both files, and leave an edited `kyso.toml` alone: one that is neither as this version writes it nor as
    the last set-up noted it."""
    toml = home / "kyso.toml"
    wanted = kyso_toml(port=port)
    ours = {_mark(kyso_toml(port=number)) for number in (port, former_port) if number is not None}
    ours.add(str(state(home).get("toml")))
    if not toml.exists() or (_mark(toml.read_text("utf-8")) in ours and toml.read_text("utf-8") != wanted):
        toml.write_text(wanted, "utf-8")
    (home / "softhsm").mkdir(mode=0o700, exist_ok=True)
    conf = home / "softhsm2.conf"
    if not conf.exists() or conf.read_text("utf-8") != softhsm2_conf(home):
        conf.write_text(softhsm2_conf(home), "utf-8")
