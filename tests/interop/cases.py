"""What is signed: level × algorithm × path. A case is a name, an order, and the hand that holds the key.

>>> len(CASES), CASES[0].name
(40, 'B-B-rsa2048-server')
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from signer.model import LEVELS, Level

Path_ = Literal["server", "two-phase"]
PATHS: tuple[Path_, ...] = ("server", "two-phase")
"""`server`: the key is in SoftHSM behind a keeper. `two-phase`: prepared for a certificate, the value brought later."""


@dataclass(frozen=True)
class Algorithm:
    """A kind of key with one way to sign."""

    kind: str
    mechanism: str
    label: str


ALGORITHMS = (
    Algorithm("rsa2048", "rsassa_pkcs1v15_sha256", "RSA-2048 v1.5"),
    Algorithm("rsa3072", "rsassa_pss_sha256", "RSA-3072 PSS"),
    Algorithm("p256", "ecdsa_sha256", "P-256"),
    Algorithm("p384", "ecdsa_sha384", "P-384"),
    Algorithm("ed25519", "ed25519", "Ed25519"),
)


@dataclass(frozen=True)
class Case:
    """One signature to be made."""

    level: Level
    algorithm: Algorithm
    path: Path_

    @property
    def name(self) -> str:
        return f"{self.level}-{self.algorithm.kind}-{self.path}"


CASES = tuple(Case(*one) for one in itertools.product(LEVELS, ALGORITHMS, PATHS))
