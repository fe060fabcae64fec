"""`kyso diagnose`: one ZIP for whoever helps, without a secret and without a document.

    kyso diagnose -o kyso-diagnosis.zip
    kyso diagnose -o kyso-diagnosis.zip --log /var/log/kyso.log

| File | Holds |
|---|---|
| `versions.json` | Kyso, Python, kernel, packages |
| `settings.json` | `kyso.toml` as it counts, with every secret, and every name of one, masked |
| `state.json` | what `kyso status` shows, alarms among it |
| `files.json` | the files of KYSO_HOME's first two levels: mode, size, age; no content |
| `log.jsonl` | the last lines of the service's log: from the file given, else from systemd's journal |

Lines and values that look like an API key, a token or a PIN's name are masked once more on the way in; still, read it
before you send it.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from api import settings as kyso_settings
from api.cli import appliance, console
from api.cli.console import Lang, t
from api.cli.output import atomic
from api.settings import Settings

MASK = "[removed]"
LINES = 2000
LONGEST = 4000
_SECRET_NAME = re.compile(
    r"pin|secret|password|credential|token(?!s)|authorization|cookie|api_key|webhook", re.IGNORECASE
)
_HARMLESS = frozenset({"token"})
"""A token's label in `[modules.NAME]` is no secret, and who helps needs it."""
_SECRET = re.compile(
    r"kyso_[0-9A-Za-z_]{16,}|whsec_[A-Za-z0-9+/=]+|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+|(?i:bearer|basic)\s+[^\s\"]+"
)
_USERINFO = re.compile(r"(?<=://)[^/\s\"]+@")
_PARAMETER = re.compile(r"(?i)(?<=[?&;\s])([a-z_]*(?:password|secret|token))=[^&\s\"]+")
"""A password among an address's parameters, or in a connection string."""


def register(app: typer.Typer) -> None:
    app.command("diagnose", help=t("gói thông tin hỗ trợ, không có bí mật", "a file for support, without secrets"))(
        diagnose
    )


def diagnose(
    output: Annotated[Path, typer.Option("-o", "--output", help=t("tệp ZIP", "the ZIP file"))],
    log: Annotated[Path | None, typer.Option("--log", help=t("tệp nhật ký", "file with the service's log"))] = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    parts: dict[str, object] = {"versions.json": versions()}
    try:
        settings = kyso_settings.load()
    except kyso_settings.SettingsUnusable as error:
        parts["settings.json"] = {"unusable": masked(str(error))}
    else:
        parts["settings.json"] = masked(settings.model_dump(mode="json"))
        parts["state.json"] = _state(settings)
        parts["files.json"] = list(_files(settings.home))
    with atomic(output) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(content, ensure_ascii=False, indent=1, default=str))
        archive.writestr("log.jsonl", "\n".join(_log(log)))
    console.err.print(t("Hãy đọc qua tệp trước khi gửi.", "Read the file before you send it."))


def versions() -> dict[str, Any]:
    """What runs here."""
    packages = {one.name: one.version for one in metadata.distributions()}
    system = {"python": platform.python_version(), "kernel": platform.release(), "machine": platform.machine()}
    return {"kyso": packages.get("kyso", ""), **system, "packages": dict(sorted(packages.items()))}


def masked(value: Any, *, name: str = "") -> Any:
    """The same without secrets: by the name of a field, and by what a value looks like."""
    if isinstance(value, Mapping):
        # A module's environment may hold anything: a vendor's password among it.
        if name == "environment":
            return dict.fromkeys(value, MASK)
        return {key: masked(one, name=str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked(one, name=name) for one in value]
    if isinstance(value, str):
        if name and name not in _HARMLESS and _SECRET_NAME.search(name) and not name.endswith(("_file", "_credential")):
            return MASK
        return _PARAMETER.sub(rf"\1={MASK}", _USERINFO.sub(f"{MASK}@", _SECRET.sub(MASK, value)))
    return value


def _state(settings: Settings) -> object:
    from api.workflows.overview import overview  # noqa: PLC0415 - composes everything

    try:
        with appliance.services(settings) as services:
            return masked(overview(services, running=_is_running(settings)))
    except Exception as error:  # noqa: BLE001 - whatever is wrong is why somebody asks for this
        return {"unusable": getattr(error, "code", type(error).__name__)}


def _is_running(settings: Settings) -> bool:
    return settings.permit_secret_file.exists()


def _files(home: Path) -> Iterator[dict[str, Any]]:
    now = time.time()
    for path in sorted((*home.glob("*"), *home.glob("[!b]*/*")))[:LINES]:
        try:
            facts = path.lstat()
        except OSError:
            continue
        name = path.relative_to(home).as_posix()
        yield {
            "file": name,
            "mode": oct(facts.st_mode & 0o7777),
            "size": facts.st_size,
            "age": int(now - facts.st_mtime),
        }


def _log(file: Path | None) -> Iterator[str]:
    """The last lines, each masked. Lines of a form that is not ours are left out: nobody knows what they hold."""
    for line in _lines(file)[-LINES:]:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield json.dumps(masked(event), ensure_ascii=False)[:LONGEST]


def _lines(file: Path | None) -> list[str]:
    if file is not None:
        try:
            return file.read_text("utf-8", "replace").splitlines()
        except OSError as error:
            raise console.usage(f"--log: {file}: {error.strerror}") from None
    if shutil.which("journalctl") is None:
        return []
    command = ["journalctl", "--unit", "kyso", "--lines", str(LINES), "--output", "cat", "--quiet"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.splitlines()
    except subprocess.TimeoutExpired:
        return []
