"""The ledger's lines in a ZIP of evidence: proved by a checkpoint, believed with a key that the auditor has himself."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.evidence import ledger as ledgers
from api.evidence.ledger import LedgerPart, ProvenLine
from api.evidence.reading import open_
from api.ledger import Ledger
from api.ledger.note import VerifierKey, write
from api.refusals import EvidenceUnusable
from api.store.database import open_database
from api.workflows.evidence import Terms, judge
from hsm.checkpoint import Checkpoint
from tests.evidence_support import HereWorker, carry, commands, run
from tests.longterm_support import World

pytestmark = pytest.mark.appliance

ORIGIN = "kyso.test/ledger"


def key_of(private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> VerifierKey:
    return VerifierKey.of(ORIGIN, private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def part(folder: Path, document: bytes, private=None, *, sha256: str | None = None) -> LedgerPart:
    """The lines about a document in a ledger of ten, with a checkpoint where there is a key."""
    ledger = Ledger(open_database(f"sqlite:///{folder / 'kyso.db'}"))
    facts = {"signature": "sig_1", "sha256": sha256 or hashlib.sha256(document).hexdigest()}
    for number in range(10):
        ledger.append("COMPLETED", facts if number in (3, 7) else {})
    state = ledger.state()
    lines = tuple(
        ProvenLine(line.text, tuple(step.hex() for step in ledger.tree.path(line.number - 1, state.size)))
        for line in ledger.read(signature="sig_1")
    )
    if private is None:
        return LedgerPart(state.size, state.root, lines)
    checkpoint, key = Checkpoint(ORIGIN, state.size, bytes.fromhex(state.root)), key_of(private)
    value = (
        private.sign(checkpoint.text)
        if isinstance(private, ed25519.Ed25519PrivateKey)
        else private.sign(checkpoint.text, ec.ECDSA(SHA256()))
    )
    return LedgerPart(state.size, state.root, lines, write(checkpoint, key=key, value=value), key.text)


def judged(zipped: bytes, *keys: VerifierKey) -> set[str]:
    """The notes about the ledger."""
    with open_(io.BytesIO(zipped)) as opened:
        report = judge(HereWorker(), opened, terms=Terms(ledger_keys=keys))
    return {one.code for one in report.warnings if one.code.startswith("LEDGER")}


@pytest.mark.parametrize("private", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())])
def test_lines_are_proved_to_whoever_has_the_ledgers_key(
    world: World, archived: bytes, tmp_path: Path, private
) -> None:
    """With the key there is nothing left to say; without, the report says whose word it is; openssl agrees."""
    carried = carry(archived, trust=world.trust(), at=world.at, ledger=part(tmp_path, archived, private))
    assert {"ledger.json", "ledger.checkpoint", "ledger.pem"} <= carried.files.keys()
    assert set() == judged(carried.zip, key_of(private))
    assert {"LEDGER_KEY_FROM_EVIDENCE"} == judged(carried.zip)
    with pytest.raises(EvidenceUnusable, match="nobody"):
        judged(carried.zip, key_of(ed25519.Ed25519PrivateKey.generate()))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    carried.unpacked(folder)
    for page in ("HOW-TO-CHECK.md", "HUONG-DAN.md"):
        told = [one for one in commands((folder / page).read_text()) if "checkpoint" in one or one == "mkdir -p work"]
        assert any("ledger.pem" in one for one in told)
        assert [] == [one for one in told if run(one, folder)]


def test_what_the_lines_do_not_prove_is_said(world: World, archived: bytes, tmp_path: Path) -> None:
    """Lines without a checkpoint, and lines about something else."""
    (tmp_path / "a").mkdir()
    carried = carry(archived, trust=world.trust(), at=world.at, ledger=part(tmp_path / "a", archived))
    assert {"LEDGER_WITHOUT_CHECKPOINT"} == judged(carried.zip)
    other = part(tmp_path, archived, ed25519.Ed25519PrivateKey.generate(), sha256="00" * 32)
    carried = carry(archived, trust=world.trust(), at=world.at, ledger=other)
    assert {"LEDGER_OF_ANOTHER_DOCUMENT", "LEDGER_KEY_FROM_EVIDENCE"} == judged(carried.zip)


def test_a_part_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """A checkpoint over another root, by another key, without its key, or a file beside that says something else."""
    private, document = ed25519.Ed25519PrivateKey.generate(), b"document"
    good = part(tmp_path, document, private)
    (tmp_path / "other").mkdir()
    other = part(tmp_path / "other", document + b"x", private)
    stranger = key_of(ed25519.Ed25519PrivateKey.generate()).text
    for bad in (
        msgspec.structs.replace(good, checkpoint=other.checkpoint),
        msgspec.structs.replace(good, key=stranger),
        msgspec.structs.replace(good, key=None),
        msgspec.structs.replace(good, checkpoint=None),
        msgspec.structs.replace(good, root=other.root),
    ):
        with pytest.raises(EvidenceUnusable):
            read_back(bad, good)
    assert 10 == read_back(good, good).size
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in ledgers.files(good).items()}
    for change in ({"ledger.checkpoint": "00" * 32}, {"ledger.pem": "00" * 32}):
        with pytest.raises(EvidenceUnusable, match="is not what"):
            ledgers.read(ledgers.files(good)["ledger.json"], digests=digests | change)


def read_back(said: LedgerPart, beside: LedgerPart):
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in ledgers.files(beside).items()}
    return ledgers.read(msgspec.json.encode(said), digests=digests)
