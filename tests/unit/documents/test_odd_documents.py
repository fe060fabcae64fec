"""What the programs of the world write is signed: byte by byte from a table, and by the tools at hand.

Where pyHanko signs one of these, so do we (compared by hand, 0.38); it fails on ten of the table that are signed here.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from signer.model import Place
from tests import odd_documents, readers
from tests.documents import qpdf_check
from tests.unit.documents.test_kinds import intact, values_hold
from tests.unit.signer.conftest import Hand
from verify.errors import DocumentBroken, DocumentEncrypted

pytestmark = pytest.mark.pades

PLACE = Place(1, (60, 60, 160, 110))
NOT_SEEN_BY_POPPLER = "field-with-widget"
"""Poppler 22.12 finds no value of a signature field whose widget is an object of its own, whoever signed it."""


@pytest.mark.parametrize("case", odd_documents.CASES)
def test_what_is_odd_is_signed(case: str, hand: Hand, tmp_path: Path) -> None:
    """In a new field at a place; in the field that is there, or an invisible one. The result is sound to ourselves, to
    Poppler and to qpdf."""
    source, out = tmp_path / "in.pdf", tmp_path / "out.pdf"
    source.write_bytes(odd_documents.CASES[case]())
    for order in ({"field": "Mới", "place": PLACE}, {}):
        hand.sign(source, out, **order)
        assert out.read_bytes().startswith(source.read_bytes())
        assert intact(out) == [True]
        if case != NOT_SEEN_BY_POPPLER or order:
            assert (True, True) in readers.poppler(out)
    before, after = (len(qpdf_check(path).splitlines()) for path in (source, out))
    assert after <= before + 1  # where it complains of the document, the line of its verdict is one more


@pytest.mark.parametrize("case", odd_documents.BROKEN)
def test_what_is_broken_is_mended_when_asked(case: str, hand: Hand, tmp_path: Path) -> None:
    """Refused as it is; with `repair` signed, and the caller is told."""
    source, out = tmp_path / "in.pdf", tmp_path / "out.pdf"
    source.write_bytes(odd_documents.BROKEN[case]())
    with pytest.raises(DocumentBroken):
        hand.sign(source, out, field="Mới", place=PLACE)
    signed = hand.sign(source, out, field="Mới", place=PLACE, repair=True)
    assert "REPAIRED" in signed.warnings
    assert intact(out) == [True]


def test_a_tiny_number_stays_a_number(hand: Hand, tmp_path: Path) -> None:
    """What is written anew has numbers as ISO 32000-1 §7.3.3 has them: no exponents, nothing rounded."""
    source, out = tmp_path / "in.pdf", tmp_path / "out.pdf"
    source.write_bytes(odd_documents.file(odd_documents.objects(catalog=b"/X[0.0000001 -.00000025 595.276 2.50]")))
    hand.sign(source, out)
    added = out.read_bytes()[source.stat().st_size :]
    assert b"[ 0.0000001 -0.00000025 595.276 2.50 ]" in added


TOOLS = {
    **{
        f"mutool{''.join(options)}": ("mutool", "clean", *options, "{source}", "{out}")
        for options in ((), ("-gggg",), ("-d",), ("-z",), ("-l",))
    },
    "qpdf-qdf": ("qpdf", "--qdf", "{source}", "{out}"),
    "qpdf-compressed": ("qpdf", "--object-streams=generate", "--linearize", "{source}", "{out}"),
    "qpdf-old": ("qpdf", "--object-streams=disable", "--force-version=1.3", "{source}", "{out}"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_tools_write_is_signed(tool: str, hand: Hand, tmp_path: Path) -> None:
    """MuPDF (its tables begin with a generation that no other has) and qpdf, of a form and of a page tree."""
    program, *arguments = TOOLS[tool]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    source, made, out = tmp_path / "source.pdf", tmp_path / "in.pdf", tmp_path / "out.pdf"
    for case in ("form-direct", "page-tree-of-three-levels"):
        source.write_bytes(odd_documents.CASES[case]())
        filled = [part.format(source=source, out=made) for part in arguments]
        subprocess.run([program, *filled], check=True, capture_output=True)
        hand.sign(made, out, field="Mới", place=PLACE)
        assert ([True], [(True, True)]) == (intact(out), [one for one in readers.poppler(out) if one[0]])


ENCRYPTIONS = {
    "rc4-40": ("40",),
    "rc4-128": ("128", "--use-aes=n"),
    "rc4-128-v4": ("128", "--use-aes=n", "--force-V4"),
    "aes-128": ("128", "--use-aes=y"),
    "aes-128-clear-metadata": ("128", "--use-aes=y", "--cleartext-metadata"),
    "aes-256": ("256",),
    "aes-256-clear-metadata": ("256", "--cleartext-metadata"),
}


@pytest.mark.parametrize("kind", ENCRYPTIONS)
def test_what_qpdf_encrypts_is_signed(kind: str, hand: Hand, tmp_path: Path) -> None:
    """With object streams and linearised; by the user's password, by the owner's, and where there is none to give."""
    out = tmp_path / "out.pdf"
    for user in ("", "u"):
        locked = _locked(tmp_path, user, *ENCRYPTIONS[kind])
        for password in {user or None, "o"}:
            hand.sign(locked, out, field="Mới", place=PLACE, password=password)
            assert [True] == values_hold(out, password or "")


def test_a_retired_encryption_is_named(hand: Hand, tmp_path: Path) -> None:
    """Revision 5, of Acrobat 9 alone: it is not the password that is wrong."""
    with pytest.raises(DocumentEncrypted) as caught:
        hand.sign(_locked(tmp_path, "u", "256", "--force-R5"), tmp_path / "out.pdf", password="u")
    assert "encryption-not-supported" == caught.value.facts["reason"]


def _locked(folder: Path, user: str, *how: str) -> Path:
    source, locked = folder / "source.pdf", folder / "locked.pdf"
    source.write_bytes(odd_documents.file(odd_documents.objects()))
    command = ["qpdf", "--allow-weak-crypto", "--object-streams=generate", "--linearize"]
    subprocess.run([*command, "--encrypt", user, "o", *how, "--", source, locked], check=True, capture_output=True)
    return locked
