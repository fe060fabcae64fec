"""The web components as built: which file serves what. Their sources are TypeScript (`src`), made into `dist` by
`docker/web.py`; without Node there is no `dist`, and pages say and do what they can without a script.

    entry("verify").script      # "verify-Bd3xK9aQ.js", or None

Not here: the routes (`api.routes.web`) and the pages that load a component (`api.pages`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".md": "text/plain; charset=utf-8"}
HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z]+$")


@dataclass(frozen=True)
class Entry:
    """What a page loads of one component: its module or sheet, and what that imports, to be asked for at the same time."""

    script: str | None
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """One file as it is served."""

    content: bytes
    compressed: bytes | None
    media_type: str
    is_immutable: bool


SOURCES = {
    "verify": "src/verify/kyso-verify.ts",
    "sign": "src/sign/kyso-sign.ts",
    "ahead": "src/sign/ahead.ts",
    "page": "src/page.css",
    "inbox": "src/inbox/kyso-inbox.ts",
}


@cache
def entry(component: str, /) -> Entry:
    """The files of a component, by its name in `SOURCES`."""
    try:
        manifest = json.loads((_dist() / "manifest.json").read_text("utf-8"))
    except FileNotFoundError:
        return Entry(None)
    found: list[str] = []

    def follow(name: str) -> None:
        for other in manifest[name].get("imports", ()):
            if (file := manifest[other]["file"]) not in found:
                found.append(file)
                follow(other)

    follow(SOURCES[component])
    return Entry(manifest[SOURCES[component]]["file"], tuple(found))


@cache
def names() -> frozenset[str]:
    """The files that are served."""
    dist = _dist()
    return frozenset(one.name for one in dist.iterdir() if _type(one.name)) if dist.is_dir() else frozenset()


@cache
def file(name: str, /) -> File:
    """One of `names()`."""
    packed = _dist() / f"{name}.gz"
    return File(
        content=(_dist() / name).read_bytes(),
        compressed=packed.read_bytes() if packed.is_file() else None,
        media_type=_type(name),
        is_immutable=HASHED.search(name) is not None,
    )


def _type(name: str) -> str:
    return TYPES.get(name[name.rfind(".") :], "")


def _dist() -> Traversable:
    return files(__package__) / "dist"
