"""What a judgement rested on, each object once: for reports to machines and for evidence that is carried away.

Collects; judges nothing. Octets beyond a limit are left out of the report and named by their digest only.

    inventory = Inventory(certificates.proofs)
    material = inventory.of(subject=("signature", value), path=path, evidence=evidence)
    report = Report(…, objects=inventory.objects())
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from verify.asn1 import raw
from verify.chain import Path
from verify.found import Evidence, identify
from verify.poe import Proofs
from verify.report import Material, ObjectKind, ProofOfExistence, ValidationObject

LARGEST = 32 * 1024 * 1024
"""Octets that the objects of one report may have together."""


@dataclass
class Inventory:
    """All objects of one report, by id."""

    proofs: Proofs
    _known: dict[str, tuple[ObjectKind, bytes]] = field(default_factory=dict)
    _size: int = 0

    def add(self, kind: ObjectKind, data: bytes) -> str:
        identity = identify(data)
        if identity not in self._known:
            kept = data if self._size + len(data) <= LARGEST else b""
            self._size += len(kept)
            self._known[identity] = (kind, kept)
        return identity

    def of(
        self,
        *,
        subject: tuple[ObjectKind, bytes],
        signer: bytes | None,
        path: Path | None,
        evidence: Evidence,
        poe: ProofOfExistence | None = None,
        covers: frozenset[str] = frozenset(),
        control_time: datetime | None = None,
        tbs: tuple[str, str] | None = None,
    ) -> Material:
        """The material of one signature or timestamp; `subject` is its value or token."""
        ders = [raw(one) for one in reversed(path.certificates)] if path is not None else [signer] if signer else []
        steps = tuple(self.add("certificate", der) for der in ders)
        others = tuple(self.add("certificate", der) for der in evidence.certificates if der not in ders)
        said = (
            *(self.add("ocsp", der) for der in evidence.ocsps),
            *(self.add("crl", der) for der in evidence.crls),
        )
        own = self.add(*subject)
        return Material(own, steps, others, said, tuple(sorted(covers)), poe, control_time, tbs)

    def objects(self) -> tuple[ValidationObject, ...]:
        return tuple(
            ValidationObject(identity, kind, data, self.proofs.of(identity))
            for identity, (kind, data) in self._known.items()
        )
