"""Builds the image here: a Debian base made by mmdebstrap, then docker/Containerfile by buildah. No registry, no engine.

    python docker/image/build.py            localhost/kyso:VERSION, and localhost/kyso:softhsm for trying it out

1. the base, once a week: Debian's minimal system with the packages of `packages.txt`
2. the stages of the Containerfile, unless nothing that goes into them has changed

Exit status 69 when this machine cannot do it, with the reason; 1 when the build failed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from podman import NotPossibleHere, Store, need_tools, run

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
BASE = f"localhost/debian:{SUITE}"
BASE_AGE = 7 * 86_400.0
"""Seconds for which a base is used; then it is made anew, with Debian's corrections since."""
BASE_WITHIN, BUILD_WITHIN = 600.0, 600.0
FILES = ("docker/Containerfile", "docker/Containerfile.softhsm")
LABEL = "kyso.inputs"
"""Label that tells what an image was made of, so that it is not made again."""
WITHOUT = ("man", "doc", "info", "locale", "lintian")
"""Folders of /usr/share that stay out of the base; copyright files stay in."""


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def packages() -> list[str]:
    """The Debian packages of the image."""
    lines = (ROOT / "docker/image/packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def make_base(store: Store) -> bool:
    """1. Make the base image unless a young one is there; True if it was made."""
    tar, listed = store.folder / "base.tar", store.folder / "base.txt"
    wanted = "\n".join(packages())
    young = tar.exists() and time.time() - tar.stat().st_mtime < BASE_AGE
    if young and listed.exists() and listed.read_text() == wanted and _exists(store, BASE):
        return False
    options = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in WITHOUT]
    options.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
    part = tar.with_suffix(".part.tar")
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages())}", *options, SUITE, part]
    try:
        run(command, seconds=BASE_WITHIN, log=store.folder / "base.log")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NotPossibleHere(f"Debian's base could not be made: {_end(error)}") from None
    part.rename(tar)
    try:
        run(store.podman("import", str(tar), BASE), seconds=BUILD_WITHIN)
    except subprocess.CalledProcessError as error:
        raise NotPossibleHere(f"containers cannot be stored here: {_end(error)}") from None
    listed.write_text(wanted)
    return True


def build(store: Store) -> tuple[str, str]:
    """2. Build; the names of the image and of the one with SoftHSM."""
    name, trial = f"localhost/kyso:{version()}", "localhost/kyso:softhsm"
    base = run(store.podman("image", "inspect", "--format", "{{.Id}}", BASE), seconds=60).strip()
    inputs = _digest(base)
    if _label(store, trial) == inputs and _label(store, name) == inputs:
        return name, trial
    # What lets pip through on this machine (a mirror, its certification authority) is lent to the build, not kept.
    lent = [path for path in ("/etc/ssl/certs", "/etc/pip.conf", "/etc/resolv.conf") if Path(path).exists()]
    # A step is not a layer here, for writing each costs more than doing all again.
    options = ["--isolation", "chroot", "--network", "host", "--pull-never", "--layers=false", "--format", "docker"]
    options += [part for path in lent for part in ("--volume", f"{path}:{path}:ro")]
    options += ["--label", f"{LABEL}={inputs}"]
    for file, argument, tag in (
        ("Containerfile", f"BASE={BASE}", name),
        ("Containerfile.softhsm", f"IMAGE={name}", trial),
    ):
        command = store.buildah("bud", *options, "--build-arg", argument, "--file", f"docker/{file}", "--tag", tag, ".")
        run(command, seconds=BUILD_WITHIN, log=store.folder / f"{file}.log", cwd=ROOT)
    run(store.buildah("rmi", "--prune"), seconds=60)
    return name, trial


def _digest(base: str) -> str:
    """Of everything that the image is made of: the base, and the files that .dockerignore lets through."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    made = hashlib.sha256(base.encode())
    for path in sorted(path for name in (*allowed, *FILES) for path in _files(ROOT / name)):
        made.update(b"%s\0%s" % (str(path.relative_to(ROOT)).encode(), hashlib.sha256(path.read_bytes()).digest()))
    return made.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [
        file for file in path.rglob("*") if file.is_file() and not {"__pycache__", "node_modules"} & set(file.parts)
    ]


def _label(store: Store, name: str) -> str:
    command = store.podman("image", "inspect", "--format", f'{{{{index .Labels "{LABEL}"}}}}', name)
    try:
        return run(command, seconds=60).strip()
    except subprocess.CalledProcessError:
        return ""


def _exists(store: Store, name: str) -> bool:
    try:
        run(store.podman("image", "exists", name), seconds=60)
    except subprocess.CalledProcessError:
        return False
    return True


def _end(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:.0f} seconds"
    return error.output.strip()[-600:]


def main() -> int:
    store = Store.default()
    started = time.monotonic()
    try:
        need_tools(ROOT / "docker/setup.sh")
        with store.alone():
            is_new = make_base(store)
            print(f"base      {'made' if is_new else 'kept'}, {time.monotonic() - started:.0f} s", flush=True)
            for name in build(store):
                size = run(store.podman("image", "inspect", "--format", "{{.Size}}", name), seconds=60)
                print(f"image     {name}, {int(size) / 1e6:.0f} MB", flush=True)
    except NotPossibleHere as error:
        print(f"kyso: image: {error}", file=sys.stderr)
        return 69
    except subprocess.CalledProcessError as error:
        print(f"kyso: image: {' '.join(error.cmd[:3])} …: {error.output.strip()}", file=sys.stderr)
        return 1
    print(f"built     in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
