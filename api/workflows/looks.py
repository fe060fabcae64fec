"""The look that an order asks for, with what lies on this machine: an office's own profiles, the pictures of its keys.

    KYSO_HOME/profiles/NAME.toml                   a profile under a name that none of ours has
    KYSO_HOME/pictures/KEY/signature.png           shown where the order brings no picture
    KYSO_HOME/pictures/KEY/seal.png

Files are handed on as they are: a worker reads them, behind its lock-down. A key's pictures are used with that key
alone, so nobody signs under another's hand; who may use the key is decided before (`access`).

    plan = look_of(services.settings.home, order)        # None for an order without `profile`
    facts(plan)                                          # what the ledger says of it
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path

import signer
from api.schema_looks import LARGEST_IMAGE, ImagesOrder
from api.schemas import OrderRequest
from signer.errors import ProfileInvalid
from signer.model import LookPlan

_PROFILE_BYTES = 64 * 1024
_SHIPPED = Path(signer.__file__).parent / "stamp" / "profiles"
_FOLDER = re.compile(r"[\w@-][\w.@-]{0,127}")


def look_of(home: Path, order: OrderRequest) -> LookPlan | None:
    """What the signer is told. Raises ProfileInvalid for a profile of the office's that is no text."""
    if order.profile is None:
        return None
    profile, _, look = order.profile.partition("/")
    images = order.images or ImagesOrder()
    pictures = {"signature": images.signature, "seal": images.seal}
    for name, given in pictures.items():
        if given is None and order.key is not None and _FOLDER.fullmatch(order.key):
            pictures[name] = _read(home / "pictures" / order.key / f"{name}.png", most=LARGEST_IMAGE)
    asked = order.look
    return LookPlan(
        profile=_text(home, profile) or profile,
        look=look,
        signature=pictures["signature"],
        seal=pictures["seal"],
        seal_mm=None if asked is None else asked.seal_mm,
        over=None if asked is None else asked.over,
        values=() if asked is None else asked.values(),
        link=None if asked is None else asked.link,
    )


def facts(plan: LookPlan | None) -> dict[str, str]:
    """The profile in force and its SHA-256, which is that of its file: an office's own may be another tomorrow."""
    if plan is None:
        return {}
    name, digest = _own(plan.profile) if "\n" in plan.profile else (plan.profile, _shipped(plan.profile))
    return {"profile": f"{name}/{plan.look}", "profile_sha256": digest}


@cache
def _shipped(name: str) -> str:
    return hashlib.sha256((_SHIPPED / f"{name}.toml").read_bytes()).hexdigest()


@lru_cache(maxsize=16)
def _own(text: str) -> tuple[str, str]:
    """Of a profile that a worker has read before: it is TOML, and says its name."""
    return tomllib.loads(text)["name"], hashlib.sha256(text.encode("utf-8")).hexdigest()


def _text(home: Path, name: str) -> str | None:
    """The text of an office's profile; None where there is none, or where the name is one of ours."""
    if (_SHIPPED / f"{name}.toml").exists():
        return None
    octets = _read(home / "profiles" / f"{name}.toml", most=_PROFILE_BYTES)
    if octets is None:
        return None
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProfileInvalid("the profile is no text", where=name) from error
    return text if "\n" in text else f"{text}\n"  # a name has no line end: so the signer tells them apart


def _read(path: Path, *, most: int) -> bytes | None:
    """A file, one byte beyond what is allowed at most, so that what is too large is refused where all is; or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most + 1)
