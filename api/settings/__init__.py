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

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from api.settings.identity import Identity, Issuer
from api.settings.keys import Keepers, Key, Module, Shape
from api.settings.records import Audit, Changes, Checkpoints
from api.settings.section import GIB, KIB, MIB
from api.settings.server import Fetch, Limits, Server
from api.settings.signing import Authority, Signing, Timestamping, Verification
from api.settings.storage import Backup, Retention, Storage
from api.settings.watching import Alarms, Tracing
from api.settings.whole import Settings, SettingsUnusable

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "Alarms",
    "Audit",
    "Authority",
    "Backup",
    "Changes",
    "Checkpoints",
    "Fetch",
    "Identity",
    "Issuer",
    "Keepers",
    "Key",
    "Limits",
    "Module",
    "Retention",
    "Server",
    "Settings",
    "SettingsUnusable",
    "Shape",
    "Signing",
    "Storage",
    "Timestamping",
    "Tracing",
    "Verification",
    "load",
]


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
