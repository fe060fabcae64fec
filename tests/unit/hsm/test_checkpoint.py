"""The text of a ledger's checkpoint, and that a key that signs it signs nothing else."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.checkpoint import Checkpoint, NotCheckpoint, check
from hsm.errors import ShapeRefused
from hsm.shape import recognise
from tests.hsm_support import signed_attributes

pytestmark = pytest.mark.appliance

ROOT = base64.b64encode(hashlib.sha256(b"root").digest())
GOOD = b"kyso.example/ledger\n812\n" + ROOT + b"\n"


def test_a_checkpoint_is_three_lines() -> None:
    """Origin, size and root come out as they went in."""
    found = check(GOOD)
    assert ("kyso.example/ledger", 812, hashlib.sha256(b"root").digest()) == (found.origin, found.size, found.root)
    assert GOOD == found.text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD + b"extension\n",
        GOOD.replace(b"812", b"0812"),
        GOOD.replace(b"812", b"-1"),
        GOOD.replace(b"812", b"9007199254740992"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"kyso", b"KYSO"),
        GOOD.replace(b"kyso", b"ky so"),
        GOOD.replace(b"kyso", b"ky+so"),
        GOOD.replace(b"kyso", b"k\xc3\xbd"),
        GOOD.replace(ROOT, ROOT[:-4]),
        GOOD.replace(ROOT, base64.b64encode(bytes(64))),
        b"a\n1\n" + b"A" * 42 + b"B=\n",  # the same root in a second spelling
    ],
)
def test_any_other_text_is_none(text: bytes) -> None:
    """No second spelling, no extension, nothing before or behind."""
    with pytest.raises(NotCheckpoint):
        check(text)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9./-]{0,20}", fullmatch=True),
    st.integers(0, 2**53 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_every_checkpoint_is_read_back(origin: str, size: int, root: bytes) -> None:
    """What is written is read, whatever the values."""
    checkpoint = Checkpoint(origin, size, root)
    assert checkpoint == check(checkpoint.text)


def test_only_a_key_with_the_right_signs_checkpoints() -> None:
    """It is a right of its own; without it a checkpoint is refused."""
    assert "checkpoint" == recognise(GOOD, shapes=("checkpoint",), mechanism="ed25519")
    for shape in ("signed-attributes", "signed-info", "tst-attributes", "bare-digest"):
        with pytest.raises(ShapeRefused):
            recognise(GOOD, shapes=(shape,), mechanism="ecdsa_sha256")


@pytest.mark.parametrize("tbs", [signed_attributes(b"x"), bytes(32), b"", b"hello", GOOD + GOOD])
def test_a_ledgers_key_signs_nothing_else(tbs: bytes) -> None:
    """Also where somebody listed further shapes beside it."""
    for shapes in (("checkpoint",), ("checkpoint", "signed-attributes", "bare-digest")):
        with pytest.raises(ShapeRefused, match="checkpoint"):
            recognise(tbs, shapes=shapes, mechanism="ecdsa_sha256")  # type: ignore[arg-type]  # a tuple of shapes
