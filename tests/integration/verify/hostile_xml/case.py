"""A case: how its file is made, and what the report on it must say.

@case(passes())
def enveloped_whole() -> str:
    "An honest signature over its whole document."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Bytes = str | bytes
Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`group` is the module it stands in. A large file is made when it is wanted, and not kept."""

    name: str
    group: str
    proves: str
    make: Callable[[], Bytes]
    expected: Json
    detached: Mapping[str, bytes] = field(default_factory=dict)
    large: bool = False

    @cached_property
    def content(self) -> bytes:
        made = self.make()
        return made.encode() if isinstance(made, str) else made

    @property
    def file(self) -> str:
        return f"{self.group}-{self.name}.xml"


CASES: list[Case] = []
"""In the order in which modules are imported."""


def case(
    *signatures: Json,
    refused: str | None = None,
    verdict: str | None = None,
    detached: Mapping[str, bytes] | None = None,
    large: bool = False,
) -> Callable[[Callable[[], Bytes]], Callable[[], Bytes]]:
    """Adds the function as a case: what each signature is expected to be, in the order of the document; or the code of
    the refusal."""
    expected: Json = {"refused": refused} if refused else {"verdict": verdict or _verdict(signatures)}
    if not refused:
        expected["signatures"] = list(signatures)

    def add(make: Callable[[], Bytes]) -> Callable[[], Bytes]:
        proves = " ".join((make.__doc__ or "").split())
        name = make.__name__.replace("_", "-")
        CASES.append(Case(name, make.__module__.rsplit(".", 1)[1], proves, make, expected, detached or {}, large))
        return make

    return add


def passes(*, scope: str = "FULL", level: str = "XAdES-BASELINE-B", parent: bool = False) -> Json:
    return {
        "indication": "TOTAL_PASSED",
        "sub_indication": None,
        "intact": True,
        "scope": scope,
        "level": level,
        "is_counter_signature": parent,
    }


def broken(sub_indication: str, *, scope: str | None = None, parent: bool = False, reason: str | None = None) -> Json:
    """Value or digest is not as it should be, or cannot be checked."""
    failed = sub_indication in {"FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE"}
    said: Json = {
        "indication": "TOTAL_FAILED" if failed else "INDETERMINATE",
        "sub_indication": sub_indication,
        "intact": False,
        "is_counter_signature": parent,
    }
    return said | ({"scope": scope} if scope else {}) | ({"reason": reason} if reason else {})


def unsettled(sub_indication: str, *, scope: str = "FULL", parent: bool = False) -> Json:
    """Intact, and yet nothing to rely on."""
    failed = sub_indication in {"FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE"}
    return {
        "indication": "TOTAL_FAILED" if failed else "INDETERMINATE",
        "sub_indication": sub_indication,
        "intact": True,
        "scope": scope,
        "is_counter_signature": parent,
    }


def _verdict(signatures: tuple[Json, ...]) -> str:
    if not signatures:
        return "NO_SIGNATURE"
    said = {one["indication"] for one in signatures}
    return next(one for one in ("TOTAL_FAILED", "INDETERMINATE", "TOTAL_PASSED") if one in said)
