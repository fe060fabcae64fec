"""Every kind of PDF is signed so that Poppler, pyHanko, qpdf and our own verifier agree."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from signer.admission import DocumentUsesXfa, PermissionDenied
from signer.errors import SigningForbidden
from signer.model import Place, Stamp
from tests import documents, readers
from tests.documents import pdf
from tests.unit.signer.conftest import Hand
from verify import engine, policy
from verify.document import Limits
from verify.errors import DocumentEncrypted
from verify.fetcher import Offline
from verify.trust import Trust

pytestmark = pytest.mark.pades

PLACE = Place(1, (50, 50, 250, 120))
DEFAULT = policy.load("default")


def intact(path: Path) -> list[bool]:
    with path.open("rb") as file:
        report = engine.judge(
            file,
            name=path.name,
            trust=Trust(),
            policy=DEFAULT,
            at=datetime.now(UTC),
            fetcher=Offline(),
            limits=Limits(),
        )
    return [one.intact and not one.changes.modified for one in report.signatures]


def agree(path: Path, *, signatures: int = 1) -> None:
    """All four say the same of an unencrypted document."""
    assert readers.poppler(path) == [(True, number == signatures - 1) for number in range(signatures)]
    assert readers.pyhanko(path) == [(True, True)] * signatures
    assert documents.qpdf_check(path) == ""
    assert intact(path) == [True] * signatures


def boxes(document: pikepdf.Pdf, **values: object) -> None:
    for key, value in values.items():
        document.pages[0].obj[f"/{key}"] = value


KINDS: dict[str, Callable[[Path, Path], Path]] = {
    "object-streams": lambda out, _: pdf(out, object_streams=True),
    "linearised": documents.linearised,
    "hybrid": lambda out, _: documents.hybrid(out),
    "tagged": documents.tagged,
    "rotated": lambda out, _: pdf(out, rotate=90),
    "cropped": lambda out, source: documents.changed(
        out, source, lambda one: boxes(one, CropBox=pikepdf.Array([40, 40, 300, 300]))
    ),
    "huge": lambda out, source: documents.changed(
        out, source, lambda one: boxes(one, MediaBox=pikepdf.Array([0, 0, 200_000, 200_000]))
    ),
    "negative": lambda out, source: documents.changed(
        out, source, lambda one: boxes(one, MediaBox=pikepdf.Array([-300, -400, 300, 400]))
    ),
    "upside-down-box": lambda out, source: documents.changed(
        out, source, lambda one: boxes(one, MediaBox=pikepdf.Array([595, 842, 0, 0]))
    ),
    "user-unit": lambda out, source: documents.changed(out, source, lambda one: boxes(one, UserUnit=10)),
    "shared-resources-on-tree": lambda out, source: documents.changed(
        out, source, lambda one: one.Root.Pages.__setitem__("/Rotate", 180)
    ),
}


@pytest.mark.parametrize("visible", [False, True], ids=["invisible", "visible"])
@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind: str, visible: bool, hand: Hand, tmp_path: Path) -> None:
    """A document of each kind is signed, and every reader says that the whole of it is."""
    source, out = KINDS[kind](tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf")), tmp_path / "out.pdf"
    shown = {"place": PLACE, "stamp": Stamp(lines=("Nguyễn Văn An",))} if visible else {}
    signed = hand.sign(source, out, **shown)
    assert signed.warnings == ()
    agree(out)


ENCRYPTIONS = {
    "rc4-40": {"bits": 40, "aes": False},
    "rc4-128": {"bits": 128, "aes": False},
    "aes-128": {"bits": 128},
    "aes-256": {"bits": 256},
}


def values_hold(path: Path, password: str) -> list[bool]:
    """pyHanko's word on each signature of an encrypted document."""
    with path.open("rb") as file:
        reader = PdfFileReader(file)
        reader.decrypt(password)
        return [
            all(
                validate_sig_integrity(
                    one.signer_info, one.signer_cert, expected_content_type="data", actual_digest=one.compute_digest()
                )
            )
            for one in reader.embedded_signatures
        ]


@pytest.mark.parametrize("password", ["người dùng", "chủ", ""], ids=["user", "owner", "none-needed"])
@pytest.mark.parametrize("kind", ENCRYPTIONS)
def test_encrypted(kind: str, password: str, hand: Hand, tmp_path: Path) -> None:
    """An encrypted document stays encrypted, its new strings with it, and the signature holds."""
    options = ENCRYPTIONS[kind]
    user, owner = ("người dùng" if password else ""), "chủ"
    if options["bits"] < 256:  # older handlers take no Unicode
        user, owner = user and "user", "owner"
        password = {"người dùng": "user", "chủ": "owner", "": ""}[password]
    source = documents.encrypted(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"), user=user, owner=owner, **options)
    out = tmp_path / "out.pdf"
    hand.sign(source, out, password=password or None, place=PLACE, stamp=Stamp(lines=("Ký",)), reason="Đồng ý duyệt")
    assert values_hold(out, password) == [True]
    assert documents.qpdf_check(out, password=password) == ""
    with pikepdf.open(out, password=password) as document:
        assert document.is_encrypted
        value = document.Root.AcroForm.Fields[0].V
        assert str(value.Reason) == "Đồng ý duyệt"
        assert bytes(value.Contents)[:2] == b"\x30\x82"
    assert "Đồng ý duyệt".encode("utf-16-be") not in out.read_bytes()
    said = subprocess.run(
        ["pdfsig", "-nocert", *(["-upw", password, "-opw", password] if password else []), out],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    ).stdout
    assert "Signature is Valid" in said


def test_encrypted_opens_without_asking(hand: Hand, tmp_path: Path) -> None:
    """The empty user password is tried by itself, by signer and verifier."""
    source = documents.encrypted(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"))
    hand.sign(source, tmp_path / "out.pdf")
    assert intact(tmp_path / "out.pdf") == [True]


@pytest.mark.parametrize(("password", "reason"), [(None, "password-missing"), ("falsch", "password-wrong")])
def test_wrong_password(password: str | None, reason: str, hand: Hand, tmp_path: Path) -> None:
    """Without the password there is no signature, and the code says which it was."""
    source = documents.encrypted(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"), user="u")
    with pytest.raises(DocumentEncrypted) as refused:
        hand.sign(source, tmp_path / "out.pdf", password=password)
    assert refused.value.facts["reason"] == reason


def test_permissions_bind_the_user_password(hand: Hand, tmp_path: Path) -> None:
    """Who may not modify may not sign; the owner password may."""
    allow = pikepdf.Permissions(modify_annotation=False, modify_form=False, modify_other=False, modify_assembly=False)
    source = documents.encrypted(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"), user="u", owner="o", allow=allow)
    with pytest.raises(PermissionDenied):
        hand.sign(source, tmp_path / "out.pdf", password="u")
    hand.sign(source, tmp_path / "out.pdf", password="o")
    assert values_hold(tmp_path / "out.pdf", "o") == [True]


def test_form_filling_allows_an_existing_field(hand: Hand, tmp_path: Path) -> None:
    """The right to fill forms is enough for a box that stands there, not for a new one."""
    allow = pikepdf.Permissions(modify_annotation=False, modify_form=True, modify_other=False, modify_assembly=False)
    plain = pdf(tmp_path / "plain.pdf", fields=(SigFieldSpec("Box"),))
    source = documents.encrypted(tmp_path / "in.pdf", plain, user="u", owner="o", allow=allow)
    hand.sign(source, tmp_path / "out.pdf", password="u", field="Box")
    with pytest.raises(PermissionDenied):
        hand.sign(source, tmp_path / "no.pdf", password="u", field="New", place=PLACE)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_xfa_is_refused(dynamic: bool, hand: Hand, tmp_path: Path) -> None:
    """An XFA form is refused with its reason, before anything is written."""
    source = documents.xfa(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"), dynamic=dynamic)
    with pytest.raises((DocumentUsesXfa, SigningForbidden)) as refused:
        hand.sign(source, tmp_path / "out.pdf")
    assert refused.value.facts["reason"] == ("dynamic" if dynamic else "static")
    assert (tmp_path / "out.pdf").stat().st_size == 0


def test_tagged_stays_whole(hand: Hand, tmp_path: Path) -> None:
    """The structure tree is as it was, and the new widget does not claim a place in it that it does not have."""
    source = documents.tagged(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"))
    hand.sign(source, tmp_path / "out.pdf", place=PLACE, stamp=Stamp())
    with pikepdf.open(source) as before, pikepdf.open(tmp_path / "out.pdf") as after:
        keys = sorted(map(str, after.Root.StructTreeRoot.ParentTree.Nums[::2]))
        widget = after.Root.AcroForm.Fields[0]
        assert "/StructParent" not in widget or str(widget.StructParent) in keys
        assert after.Root.MarkInfo.Marked == before.Root.MarkInfo.Marked
        assert after.pages[0].obj.Tabs == before.pages[0].obj.Tabs


def test_ten_revisions(hand: Hand, tmp_path: Path) -> None:
    """Ten signers in turn: all ten signatures hold in every reader."""
    current = pdf(tmp_path / "0.pdf")
    for number in range(1, 11):
        current, before = tmp_path / f"{number}.pdf", current
        hand.sign(before, current, field=f"Signer{number}")
    agree(current, signatures=10)
