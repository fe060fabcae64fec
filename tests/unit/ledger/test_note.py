"""Checkpoints as signed notes: written, kept, read, and believed only with a key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.ledger.kept import Kept, pieces
from api.ledger.note import NoteRefused, VerifierKey, read, with_cosignatures, write
from hsm.checkpoint import Checkpoint

pytestmark = pytest.mark.appliance

ORIGIN = "kyso.example/ledger"
CHECKPOINT = Checkpoint(ORIGIN, 7, hashlib.sha256(b"root").digest())
ED = ed25519.Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())


def spki(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(checkpoint: Checkpoint = CHECKPOINT, name: str = ORIGIN) -> tuple[str, VerifierKey]:
    key = VerifierKey.of(name, spki(ED))
    return write(checkpoint, key=key, value=ED.sign(checkpoint.text)), key


def test_a_verifier_key_is_what_other_tools_take() -> None:
    """The key of Go's documentation of notes is read and written as it stands."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert text == VerifierKey.parse(text).text


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa"])
def test_a_note_is_believed_with_its_key_alone(algorithm: str) -> None:
    """Written, read, verified; another key of the same name verifies nothing."""
    mine, other = (ED, ed25519.Ed25519PrivateKey.generate())
    key, stranger = (VerifierKey.of(ORIGIN, spki(one)) for one in (mine, other))
    value = ED.sign(CHECKPOINT.text)
    if algorithm == "ecdsa":
        key, value = VerifierKey.of(ORIGIN, spki(EC)), EC.sign(CHECKPOINT.text, ec.ECDSA(SHA256()))
    note = write(CHECKPOINT, key=VerifierKey.parse(key.text), value=value)
    assert note.startswith(CHECKPOINT.text.decode() + f"\n— {ORIGIN} ")
    assert CHECKPOINT == read(note).verified((stranger, key))
    with pytest.raises(NoteRefused, match="nobody"):
        read(note).verified((stranger,))
    with pytest.raises(NoteRefused, match="nobody"):
        read(note).verified(())


def test_an_ecdsa_keys_id_is_of_the_key_alone() -> None:
    """As the witnesses of transparency-dev compute it, whatever the name."""
    first, second = (VerifierKey.of(name, spki(EC)) for name in ("a", "b"))
    assert hashlib.sha256(spki(EC)).digest()[:4] == first.identity == second.identity


def test_a_changed_checkpoint_is_refused() -> None:
    """Size, root and origin are signed; a key speaks for the origin that bears its name."""
    note, key = signed()
    for before, after in (("\n7\n", "\n8\n"), (ORIGIN, "kyso.example/another")):
        with pytest.raises(NoteRefused):
            read(note.replace(before, after, 1)).verified((key,))
    with pytest.raises(NoteRefused, match="nobody"):
        signed(name="kyso.example/another")


@pytest.mark.parametrize(
    "text",
    ["", "x", CHECKPOINT.text.decode(), CHECKPOINT.text.decode() + "\n", signed()[0][:-1], signed()[0] + "\n",
     signed()[0].replace("— ", "- "), signed()[0] + signed()[0].splitlines(keepends=True)[-1] * 16],
)  # fmt: skip
def test_a_note_has_one_form(text: str) -> None:
    """Without signature, cut short, with a hyphen for the dash, with too many signatures: not a note."""
    with pytest.raises(NoteRefused):
        read(text)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AQ==", "a+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    """Too short, of a wrong length, with another key's id."""
    with pytest.raises(ValueError, match="verifier key"):
        VerifierKey.parse(text)


def test_an_rsa_key_signs_no_notes() -> None:
    """The format knows no RSA."""
    with pytest.raises(ValueError, match="Ed25519 or ECDSA"):
        VerifierKey.of(ORIGIN, spki(rsa.generate_private_key(65537, 2048)))


def test_a_witness_adds_signature_lines_and_nothing_else() -> None:
    """Its lines stand behind the log's own; anything else that it answers is dropped."""
    note, key = signed()
    line = "— witness.example/w1 " + signed()[0].splitlines()[-1].rsplit(" ", 1)[1] + "\n"
    both = with_cosignatures(note, f"<html>\n{line}evil\n".encode())
    assert note + line == both
    assert CHECKPOINT == read(both).verified((key,))
    assert note == with_cosignatures(note, b"\xff" * 100)


def test_notes_are_kept_in_a_file_that_grows(tmp_path: Path) -> None:
    """In order, with the key beside them; the newest is found; one process at a time."""
    kept = Kept(tmp_path / "other-mount")
    assert ((), None) == (kept.notes(), kept.newest())
    written = [signed(Checkpoint(ORIGIN, size, bytes(32))) for size in (1, 2, 3)]
    with kept.alone() as alone:
        assert alone
        for note, key in written:
            kept.append(note, key=key)
        with kept.alone() as second:
            assert not second
    assert [note for note, _ in written] == [one.text for one in kept.notes()]
    newest = kept.newest()
    assert newest is not None
    assert 3 == newest.unverified.size
    assert VerifierKey.parse((kept.folder / "ledger.vkey").read_text()) == written[0][1]


@pytest.mark.parametrize("left", [1, 30, 70, 100, -1])
def test_a_torn_note_is_cut_off_by_the_next(tmp_path: Path, left: int) -> None:
    """What a crash of the machine left of the last note never spoils the following one."""
    kept = Kept(tmp_path)
    (first, key), (second, _), (third, _) = (signed(Checkpoint(ORIGIN, size, bytes(32))) for size in (1, 2, 3))
    for note in (first, second):
        with kept.alone():
            kept.append(note, key=key)
    whole = len((first + "\n").encode())
    data = kept.file.read_bytes()
    kept.file.write_bytes(data[: whole + left] if left > 0 else data[:left])
    kept.append(third, key=key)
    assert [one.note.text for one in pieces(kept.file) if one.note] in ([first, third], [first, second, third])
    assert all(one.note is not None for one in pieces(kept.file))


def test_what_cannot_be_read_is_told_by_its_place(tmp_path: Path) -> None:
    """Garbage between two notes spoils itself alone."""
    note, _ = signed()
    (tmp_path / "notes").write_text(f"{note}\ngarbage\n\n— x y\n\n{note}\n")
    found = pieces(tmp_path / "notes")
    assert [(1, True), (2, False), (3, True)] == [(one.place, one.note is not None) for one in found]
