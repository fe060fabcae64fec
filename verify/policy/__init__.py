"""Validation policies: what is believed, as data in TOML files beside this module.

policy = load("default")
policy.digest_until("sha256")        # None: no end; a datetime: the end; Unlisted when refused
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import cache
from importlib import resources
from typing import Any, Literal

from verify import path_inputs
from verify.errors import PolicyUnusable
from verify.path_inputs import PathInputs

Mode = Literal["require", "check", "skip"]
_MODES = ("require", "check", "skip")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


class Unlisted(Exception):
    """The policy does not name the algorithm."""


@dataclass(frozen=True)
class Policy:
    """One policy file, read and checked. Times end at the last moment of the day named."""

    name: str
    digests: dict[str, datetime | None]
    signatures: dict[str, tuple[int, datetime | None]]
    ca_may_sign: bool
    signer_key_usage: tuple[str, ...]
    signing_certificate_formats: tuple[str, ...]
    revocation: dict[str, Mode]
    max_age_hours: int
    fallback_age_hours: int
    clock_skew_seconds: int
    fresh_evidence: tuple[str, ...]
    """Roles (as in `revocation`) whose evidence, when it is collected, must be issued after the signature's timestamp."""
    suspicious: str
    paths: PathInputs = field(default_factory=PathInputs)
    waived: tuple[str, ...] = ()
    """Rules for certificates beyond RFC 5280 §6.1 that are not applied, by code (`verify.certificate_rules`)."""

    def digest_until(self, name: str) -> datetime | None:
        """The last moment a digest is believed, None for no end. Raises Unlisted."""
        if name not in self.digests:
            raise Unlisted(name)
        return self.digests[name]

    def signature_until(self, name: str, *, bits: int) -> datetime | None:
        """The same for a signature mechanism with a key of `bits`. Raises Unlisted, also for a key too short."""
        minimum, until = self.signatures.get(name, (0, None))
        if name not in self.signatures or bits < minimum:
            raise Unlisted(f"{name} {bits}")
        return until


@cache
def load(name: str) -> Policy:
    """The policy in NAME.toml, read once: a sandboxed worker opens no file and uses what its parent read. Raises PolicyUnusable when it is unknown, broken, or allows nothing at all."""
    if not _NAME.fullmatch(name):
        raise PolicyUnusable(policy=name[:40])
    try:
        text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyUnusable(policy=name) from error
    return parse(text, name=name)


def names() -> tuple[str, ...]:
    """The policies there are."""
    return tuple(sorted(file.name[:-5] for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")))


def parse(text: str, *, name: str) -> Policy:
    """A policy from the text of its file. Raises PolicyUnusable."""
    try:
        policy = _policy(tomllib.loads(text), name=name)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise PolicyUnusable(f"the policy cannot be read: {error}", policy=name) from error
    if not policy.digests or not policy.signatures:
        raise PolicyUnusable("a policy without algorithms passes nothing", policy=name)
    return policy


def _policy(data: dict[str, Any], *, name: str) -> Policy:
    certificates, revocation = data["certificates"], data["revocation"]
    modes = {role: revocation[role] for role in ("signer", "ca", "timestamp")}
    if any(mode not in _MODES for mode in modes.values()):
        raise ValueError("revocation mode")
    return Policy(
        name=data.get("name", name),
        digests={digest: _end(until) for digest, until in data["digests"].items()},
        signatures={key: (int(rule["bits"]), _end(rule["until"])) for key, rule in data["signatures"].items()},
        ca_may_sign=bool(certificates["ca_may_sign"]),
        signer_key_usage=tuple(certificates["signer_key_usage"]),
        signing_certificate_formats=tuple(certificates["require_signing_certificate_attribute"]),
        revocation=modes,
        max_age_hours=int(revocation["max_age_hours"]),
        fallback_age_hours=int(revocation["fallback_age_hours"]),
        clock_skew_seconds=int(revocation["clock_skew_seconds"]),
        fresh_evidence=_roles(revocation.get("fresh_evidence", [])),
        suspicious=str(data["changes"]["suspicious"]),
        paths=path_inputs.read(data.get("paths", {})),
        waived=tuple(map(str, certificates.get("waived", []))),
    )


def _roles(names: list[str]) -> tuple[str, ...]:
    if not isinstance(names, list) or not set(names) <= {"signer", "ca", "timestamp"}:
        raise ValueError("fresh_evidence")
    return tuple(names)


def _end(day: str) -> datetime | None:
    if not day:
        return None
    return datetime.combine(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC), time.max, tzinfo=UTC)
