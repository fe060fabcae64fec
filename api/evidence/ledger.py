"""The ledger's part of a ZIP of evidence: the lines about a signature, their proofs, and the checkpoint to which these lead.

`ledger.json` holds all of it for programs; `ledger.checkpoint` is the same checkpoint as the tools of transparency logs
take it (C2SP tlog-checkpoint), and `ledger.pem` the public key for openssl. The key proves nothing by coming along: who
audits names the one that the operator published (`kyso verify --ledger-key`).

    files(part)                            # what goes into the ZIP
    read(octets, files=manifest.files)     # what came out of one, checked; raises EvidenceUnusable
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.evidence.manifest import CHECKPOINT, CHECKPOINT_KEY, LEDGER
from api.ledger import Line
from api.ledger.inclusion import root_from
from api.ledger.line import decode
from api.ledger.merkle import leaf_hash
from api.ledger.note import Note, NoteRefused, VerifierKey, state_of
from api.ledger.note import read as read_note
from api.refusals import EvidenceUnusable


class ProvenLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the ledger as it was hashed, and the hashes beside it (hexadecimal)."""

    line: str
    proof: tuple[str, ...]


class LedgerPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`root` is that of the checkpoint over `size` lines, where there is one: a signed note, and the key's own text."""

    size: int
    root: str
    lines: tuple[ProvenLine, ...]
    checkpoint: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class ProvenLedger:
    """Lines that lead to one root, and the checkpoint over it with the key that came along."""

    size: int
    lines: tuple[Line, ...]
    checkpoint: tuple[Note, VerifierKey] | None = None

    def is_about(self, sha256: str) -> bool:
        """Whether a line names the document, as it was before or after the signature."""
        names = ("sha256", "document_sha256")
        return any(line.facts.get(name) == sha256 for line in self.lines for name in names)


def files(part: LedgerPart) -> dict[str, bytes]:
    """Content by name."""
    found = {LEDGER: msgspec.json.format(msgspec.json.encode(part), indent=2) + b"\n"}
    if part.checkpoint is not None and part.key is not None:
        found[CHECKPOINT] = part.checkpoint.encode()
        found[CHECKPOINT_KEY] = _pem(VerifierKey.parse(part.key))
    return found


def commands(part: LedgerPart | None) -> tuple[str, ...]:
    """How openssl checks the checkpoint's signature: the text is its first three lines, the value stands in the fifth
    behind four octets that name the key."""
    if part is None or part.key is None:
        return ()
    is_ed25519 = VerifierKey.parse(part.key).mechanism == "ed25519"
    verify = (
        f"openssl pkeyutl -verify -pubin -inkey {CHECKPOINT_KEY} -rawin -in work/checkpoint.txt -sigfile work/checkpoint.sig"
        if is_ed25519
        else f"openssl dgst -sha256 -verify {CHECKPOINT_KEY} -signature work/checkpoint.sig work/checkpoint.txt"
    )
    return (
        "mkdir -p work",
        f"head -n 3 {CHECKPOINT} > work/checkpoint.txt",
        f"sed -n 5p {CHECKPOINT} | cut -d ' ' -f 3 | base64 -d | tail -c +5 > work/checkpoint.sig",
        verify,
    )


def read(octets: bytes, *, digests: Mapping[str, str]) -> ProvenLedger:
    """1 every line leads to the root; 2 the checkpoint is over that root and signed by the key beside it; 3 the two
    files beside say the same. `digests` are those of the ZIP's files. Raises EvidenceUnusable."""
    try:
        said = msgspec.json.decode(octets, type=LedgerPart)
        lines, roots = [], set()
        for one in said.lines:  # 1
            line = decode(one.line)
            path = [bytes.fromhex(step) for step in one.proof]
            roots.add(root_from(path, leaf_hash(one.line.encode()), index=line.number - 1, size=said.size).hex())
            lines.append(line)
        if roots - {said.root}:
            raise ValueError("a line does not lead to the root")  # noqa: TRY301 - answered below like any other
        checkpoint = _checkpoint(said)  # 2
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceUnusable(f"{LEDGER}: {str(error)[:100]}", reason="ledger", file=LEDGER) from error
    beside = {name: hashlib.sha256(data).hexdigest() for name, data in files(said).items() if name != LEDGER}
    for name in (CHECKPOINT, CHECKPOINT_KEY):  # 3
        if digests.get(name) != beside.get(name):
            raise EvidenceUnusable(f"{name} is not what {LEDGER} says", reason="ledger", file=name)
    return ProvenLedger(said.size, tuple(lines), checkpoint)


def _checkpoint(said: LedgerPart) -> tuple[Note, VerifierKey] | None:
    if said.checkpoint is None and said.key is None:
        return None
    note, key = read_note(said.checkpoint or ""), VerifierKey.parse(said.key or "")
    state = state_of(note.verified((key,)))
    if (state.size, state.root) != (said.size, said.root):
        raise NoteRefused("the checkpoint is over another root", reason="signature")
    return note, key


def _pem(key: VerifierKey) -> bytes:
    return key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
