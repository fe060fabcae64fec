"""What whoever asks may demand of a certificate path: the inputs of RFC 5280 §6.1.1, as values.

Only values. `verify.rfc5280` works with them; a policy file holds their defaults and a caller may ask for more.

>>> strict = PathInputs(initial_policies=("1.2.3",), explicit_policy=True)
>>> PathInputs(inhibit_any=True).asked_further(strict)
PathInputs(initial_policies=('1.2.3',), explicit_policy=True, inhibit_mapping=False, inhibit_any=True, intermediates=8)
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,32}")
MOST_INTERMEDIATES = 8


@dataclass(frozen=True)
class PathInputs:
    """`initial_policies` are dotted object identifiers; none means that any policy will do (anyPolicy)."""

    initial_policies: tuple[str, ...] = ()
    explicit_policy: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    intermediates: int = MOST_INTERMEDIATES
    """How many CAs may stand between anchor and certificate; those that only certify themselves anew do not count."""

    def __post_init__(self) -> None:
        if any(not _OID.fullmatch(oid) for oid in self.initial_policies):
            raise ValueError("a policy is named by an object identifier, such as 1.2.3")
        if not 0 <= self.intermediates <= MOST_INTERMEDIATES:
            raise ValueError(f"a path has at most {MOST_INTERMEDIATES} intermediates")

    def asked_further(self, other: PathInputs) -> PathInputs:
        """These, made stricter by what a caller asks; the policies that the caller names take the place of these."""
        return PathInputs(
            initial_policies=other.initial_policies or self.initial_policies,
            explicit_policy=self.explicit_policy or other.explicit_policy,
            inhibit_mapping=self.inhibit_mapping or other.inhibit_mapping,
            inhibit_any=self.inhibit_any or other.inhibit_any,
            intermediates=min(self.intermediates, other.intermediates),
        )


def read(table: dict[str, Any]) -> PathInputs:
    """From the table `[paths]` of a policy file; what it does not name is not asked. Raises ValueError, TypeError."""
    strangers = set(table) - {"initial_policies", "explicit_policy", "inhibit_mapping", "inhibit_any", "intermediates"}
    if strangers:
        raise ValueError(f"unknown in [paths]: {', '.join(sorted(strangers))}")
    return PathInputs(
        initial_policies=tuple(map(str, table.get("initial_policies", ()))),
        explicit_policy=bool(table.get("explicit_policy", False)),
        inhibit_mapping=bool(table.get("inhibit_mapping", False)),
        inhibit_any=bool(table.get("inhibit_any", False)),
        intermediates=int(table.get("intermediates", MOST_INTERMEDIATES)),
    )


def table(inputs: PathInputs) -> dict[str, Any]:
    """The table `[paths]` that `read` reads."""
    return {**asdict(inputs), "initial_policies": list(inputs.initial_policies)}
