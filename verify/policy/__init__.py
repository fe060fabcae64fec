"""Validation policies: what is believed, as data in TOML files beside this module.

    policy = load("default")
    policy.digest_until("sha256")                          # None: no end; a datetime: the end; Unlisted when refused
    policy.signature_until("rsassa_pss", bits=3072)
    policy.outcomes["time_not_proven"]                     # "IGNORED"

A policy is one value that holds its whole text, so that it can be shipped to a process that opens no file, and kept as
evidence: `parse(policy.text) == policy`. What each line means to an auditor stands in this folder's README.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import cache
from importlib import resources
from typing import Any, Literal

from verify import path_inputs
from verify.errors import PolicyUnusable
from verify.path_inputs import PathInputs
from verify.policy import reading
from verify.policy.reading import REFUSED, Faulty, Table

Mode = Literal["require", "check", "skip"]
Effect = Literal["TOTAL_FAILED", "INDETERMINATE", "WARNING", "IGNORED"]

LARGEST = 64 * 1024
"""Characters of a policy file."""
_DEEPEST = 8


class Unlisted(Exception):
    """The policy does not name the algorithm."""


@dataclass(frozen=True)
class Policy:
    """One policy, read and checked. Times end at the last moment of the day named."""

    name: str
    digests: Mapping[str, datetime | None]
    signatures: Mapping[str, tuple[tuple[int, datetime | None], ...]]
    """For each scheme, by growing size: from so many bits on, believed until then."""
    ca_may_sign: bool
    signer_key_usage: tuple[str, ...]
    signing_certificate_formats: tuple[str, ...]
    revocation: Mapping[str, Mode]
    max_age_hours: int
    fallback_age_hours: int
    clock_skew_seconds: int
    fresh_evidence: tuple[str, ...]
    """Roles (as in `revocation`) whose evidence, when it is collected, must be issued after the signature's timestamp."""
    outcomes: Mapping[str, Effect]
    """What a finding makes of a signature that is otherwise good; the findings are the keys of `reading.OUTCOMES`."""
    paths: PathInputs = field(default_factory=PathInputs)
    waived: tuple[str, ...] = ()
    """Rules for certificates beyond RFC 5280 §6.1 that are not applied, by code (`verify.certificate_rules`)."""
    signer_extended_key_usage: tuple[str, ...] = ()
    """One of these, where a signer's certificate has the extension; none named: any."""
    fields: tuple[str, ...] = ()
    """What a signer's certificate must state: `subject.common_name`, `issuer.organization_name`, …"""
    discouraged: tuple[str, ...] = ()
    """Schemes and digests that are accepted and pointed out."""
    signature_policies: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Signature policies (EPES) whose documents are known: by identifier, (name of a digest, digest in hexadecimal)."""
    title: Mapping[str, str] = field(default_factory=dict)
    """By language."""
    for_documents: bool = True
    """False: for test suites of certificates; no document is judged by it."""
    text: str = ""
    """The whole policy as TOML, what it extends included."""

    @property
    def sha256(self) -> str:
        """Of the text: two policies with the same one ask the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def shipped(self) -> str:
        """What a process needs to be told that has the program's own policies: the name of one, or the text."""
        return self.name if self.name in names() and self == load(self.name) else self.text

    def asking(self, further: PathInputs) -> Policy:
        """This policy with stricter inputs of path validation, as whoever asks about one certificate may want them."""
        paths = self.paths.asked_further(further)
        if paths == self.paths:
            return self
        return parse(reading.write(tomllib.loads(self.text) | {"paths": path_inputs.table(paths)}))

    @property
    def suspicious(self) -> str:
        """`effect_of_changes` of what could not be fully compared; "TOTAL_PASSED" when that is only a warning."""
        effect = self.effect_of_changes("suspicious")
        return "TOTAL_PASSED" if effect == "WARNING" else effect

    def effect_of_changes(self, kind: str) -> Effect:
        """What changes of this kind (`verify.report.ChangeKind`) make of the signature that they came after."""
        return self.outcomes[f"changes_{kind}"] if kind in {"forbidden", "suspicious"} else "IGNORED"

    def digest_until(self, name: str) -> datetime | None:
        """The last moment a digest is believed, None for no end. Raises Unlisted."""
        if name not in self.digests:
            raise Unlisted(name)
        return self.digests[name]

    def signature_until(self, name: str, *, bits: int) -> datetime | None:
        """The same for a signature scheme with a key of `bits`. Raises Unlisted, also for a key too short."""
        steps = [until for least, until in self.signatures.get(name, ()) if least <= bits]
        if not steps:
            raise Unlisted(f"{name} {bits}")
        return steps[-1]


@cache
def load(name: str) -> Policy:
    """The policy of that name beside this module, read once. Raises PolicyUnusable when there is none."""
    return parse(packaged(name), name=name)


@cache
def names() -> tuple[str, ...]:
    """The policies there are beside this module."""
    return tuple(sorted(file.name[:-5] for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")))


def packaged(name: str) -> str:
    """The text of a policy beside this module. Raises PolicyUnusable."""
    if name not in names():
        raise PolicyUnusable(f"no policy is called {name[:40]}; there are: {', '.join(names())}", policy=name[:40])
    return resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")


def parse(text: str, *, name: str | None = None, unnamed: str = "", find: Callable[[str], str] = packaged) -> Policy:
    """A policy from the text of its file. Raises PolicyUnusable, with a message that names the key.

    `name`: what the file is called; a file that says another name is refused, one that says none gets this one.
    `unnamed`: its name if it says none, whatever it says otherwise. `find`: the text of a policy that it extends.
    """
    try:
        whole = _table(text, name=name, unnamed=unnamed, find=find, depth=0)
        reading.complete(whole)
        return _policy(whole)
    except Faulty as error:
        raise PolicyUnusable(str(error), policy=name or "") from error


def _table(text: str, *, name: str | None, unnamed: str = "", find: Callable[[str], str], depth: int) -> Table:
    if depth > _DEEPEST:
        raise Faulty("extends: policies extend each other in a circle")
    if len(text) > LARGEST:
        raise Faulty("the file is too long for a policy")
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Faulty(f"this is no TOML: {error}") from error
    given.setdefault("name", name or unnamed)
    if name is not None and given["name"] != name:
        raise Faulty(f"name: the file is called {name} and says {given['name']!r}")
    return reading.table(given, base=lambda other: _table(find(other), name=other, find=find, depth=depth + 1))


def _policy(whole: Table) -> Policy:
    certificates, revocation = whole["certificates"], whole["revocation"]
    return Policy(
        name=whole["name"],
        title=whole["title"],
        for_documents=whole["documents"],
        text=reading.write(whole),
        digests={name: _end(until) for name, until in whole["digests"].items() if until != REFUSED},
        signatures={name: _steps(sizes) for name, sizes in whole["signatures"].items() if sizes != REFUSED},
        discouraged=tuple(whole["algorithms"]["discouraged"]),
        ca_may_sign=certificates["ca_may_sign"],
        signer_key_usage=tuple(certificates["signer_key_usage"]),
        signer_extended_key_usage=tuple(certificates["signer_extended_key_usage"]),
        signing_certificate_formats=tuple(certificates["require_signing_certificate_attribute"]),
        fields=tuple(certificates["fields"]),
        waived=tuple(certificates["waived"]),
        paths=path_inputs.read(whole["paths"]),
        revocation={role: revocation[role] for role in reading.ROLES},
        max_age_hours=revocation["max_age_hours"],
        fallback_age_hours=revocation["fallback_age_hours"],
        clock_skew_seconds=revocation["clock_skew_seconds"],
        fresh_evidence=tuple(revocation["fresh_evidence"]),
        signature_policies=_documents(whole["signature_policies"]["known"]),
        outcomes=whole["outcomes"],
    )


def _steps(sizes: dict[str, Any]) -> tuple[tuple[int, datetime | None], ...]:
    return tuple((int(bits), _end(until)) for bits, until in sizes.items())


def _documents(known: list[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for entry in known:
        identifier, digest = entry.split(" ")
        name, value = digest.split(":")
        found[identifier] = (*found.get(identifier, ()), (name, value))
    return found


def _end(day: str) -> datetime | None:
    if not day:
        return None
    return datetime.combine(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC), time.max, tzinfo=UTC)
