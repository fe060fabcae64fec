"""The offline bundle: one tar with all that installs Kyso on a Debian 12 without internet.

    python docker/bundle/make.py [--without-debian] [--output FOLDER]       → var/bundle/kyso-VERSION-cp311-x86_64.tar

1. wheels of every package of `requirements.lock`, each checked against its hash as it comes, and Kyso's own
2. the Debian packages of the image with all that they need, as a small repository for apt
3. unit, notices, the bill of materials, install.sh, and SHA256SUMS over everything

The wheels are those for this interpreter and machine, so make it on the kind of machine that it is for.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEYOND_IMAGE = ("python3-venv",)
"""Debian packages that an installation takes and the image does not."""
COPIED = {
    "requirements.lock": "requirements.lock",
    "THIRD-PARTY.md": "THIRD-PARTY.md",
    "SECURITY.md": "SECURITY.md",
    "docker/bundle/install.sh": "install.sh",
    "docker/systemd/kyso.service": "systemd/kyso.service",
    "docker/systemd/kyso-keepers.service": "systemd/kyso-keepers.service",
    "docker/systemd/kyso.sysusers": "systemd/kyso.sysusers",
}


def name() -> str:
    """What the bundle is called: version, Python, machine."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return f"kyso-{version}-cp{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}"


def wheels(folder: Path) -> None:
    """1. Every wheel; pip refuses one whose hash is not in the lock."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--dest", folder]
    _run(*pip, "download", *options, "--requirement", ROOT / "requirements.lock")
    _run(sys.executable, ROOT / "docker/web.py")
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)


def debian(folder: Path) -> None:
    """2. Packages with all that they need, as if nothing were installed, and an index that apt reads."""
    lines = (ROOT / "docker/image/packages.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")] + list(BEYOND_IMAGE)
    (folder / "partial").mkdir(parents=True)
    with tempfile.NamedTemporaryFile(suffix=".status") as nothing_installed:
        options = {
            "Dir::State::status": nothing_installed.name,
            "Dir::Cache::archives": folder,
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": "root",
        }
        settings = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        _run("apt-get", "-q", "-y", *settings, "--no-install-recommends", "--download-only", "install", *wanted)
    shutil.rmtree(folder / "partial")
    (folder / "lock").unlink(missing_ok=True)
    index = "\n".join(_entry(package) for package in sorted(folder.glob("*.deb")))
    (folder / "Packages").write_text(index, "utf-8")
    (folder / "wanted").write_text(" ".join(wanted) + "\n")


def _entry(package: Path) -> str:
    """A package's paragraph in the index (deb822 of a repository)."""
    control = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
    content = package.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control.strip()}\nFilename: ./{package.name}\nSize: {len(content)}\nSHA256: {digest}\n"


def papers(folder: Path) -> None:
    """3. Everything else but the sums."""
    for source, target in COPIED.items():
        (folder / target).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, folder / target)
    with tempfile.TemporaryDirectory(prefix="kyso-bill-") as place:
        environment, tool = Path(place) / "venv", Path(place) / "tool"
        uv = (Path(sys.executable).with_name("uv"), "--quiet", "--no-progress")
        for where in (environment, tool):
            _run(*uv, "venv", "--python", sys.executable, where)
        into = [*uv, "pip", "install", "--no-deps", "--no-build", "--python"]
        _run(*into, tool / "bin/python", "--require-hashes", "--requirement", ROOT / "requirements-build.lock")
        # From the lock, as install.sh does it: a file that is named would be on record with its path, not as a package.
        local = ["--offline", "--no-index", "--find-links", folder / "wheels"]
        _run(
            *into, environment / "bin/python", *local, "--require-hashes", "--requirement", folder / "requirements.lock"
        )
        _run(*into, environment / "bin/python", *local, "kyso")
        script = ROOT / "docker/image/sbom.py"
        listed = ["--python", environment / "bin/python", "--debs", folder / "debian"]
        _run(
            tool / "bin/python",
            script,
            *listed,
            "--pyproject",
            ROOT / "pyproject.toml",
            "--output",
            folder / "sbom.cdx.json",
        )


def sums(folder: Path) -> None:
    """The last file: a sum for each of the others, for `sha256sum --check`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def make(output: Path, *, with_debian: bool) -> Path:
    """Write the tar into `output`; its path."""
    output.mkdir(parents=True, exist_ok=True)
    tar = output / f"{name()}.tar"
    with tempfile.TemporaryDirectory(prefix="kyso-bundle-", dir=output) as place:
        folder = Path(place) / name()
        (folder / "wheels").mkdir(parents=True)
        (folder / "debian").mkdir()
        wheels(folder / "wheels")
        if with_debian:
            shutil.rmtree(folder / "debian")
            debian(folder / "debian")
        papers(folder)
        sums(folder)
        part = Path(place) / "bundle.tar"
        with tarfile.open(part, "w") as written:
            written.add(folder, folder.name, filter=_plain)
        part.rename(tar)
    return tar


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's in particular."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"kyso: bundle: {' '.join(map(str, command[:4]))} …: {(done.stderr or done.stdout).strip()[-1500:]}"
        )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--without-debian", action="store_true", help="wheels alone, for machines that have the packages"
    )
    parser.add_argument("--output", type=Path, default=Path(os.environ.get("KYSO_HOME") or "var") / "bundle")
    chosen = parser.parse_args()
    tar = make(chosen.output.absolute(), with_debian=not chosen.without_debian)
    print(f"{tar}, {tar.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
