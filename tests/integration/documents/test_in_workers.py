"""Odd documents in real workers: mending, passwords and looking at content need no file, import or thread there."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.sandbox import start
from api.sandbox.errors import WorkerRefusal
from api.sandbox.pool import SandboxLimits
from signer.model import FieldPlan, Place
from tests import documents
from tests.documents import pdf
from tests.integration.sandbox.test_operations import judge, sign
from tests.pki import Authority, Signer
from tests.unit.documents.test_content import SUSPECT
from tests.unit.documents.test_integrity_codes import coded
from tests.unit.documents.test_repair import DAMAGES
from verify.fetcher import Offline

pytestmark = pytest.mark.pades


@pytest.fixture(scope="module")
def sandbox():
    with start.private(sandbox=SandboxLimits(workers=2)) as private:
        yield private


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root("Sandbox Root")


@pytest.fixture(scope="module")
def signer(root: Authority) -> Signer:
    return root.authority("Sandbox CA").signer("Người ký thử", key="p256")


@pytest.mark.parametrize("damage", DAMAGES)
def test_mended(damage, sandbox, root, signer, tmp_path: Path) -> None:
    """qpdf works on descriptors alone."""
    broken = damage(tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf"))
    signed = sign(sandbox, broken, tmp_path / "out.pdf", signer, fetcher=Offline(), repair=True)
    assert "REPAIRED" in signed.warnings
    assert [one.intact for one in judge(sandbox, tmp_path / "out.pdf", root).signatures] == [True]


def test_not_mended_unasked(sandbox, signer, tmp_path: Path) -> None:
    """The refusal comes back with its code and says what was not asked for."""
    broken = DAMAGES[0](tmp_path / "broken.pdf", pdf(tmp_path / "plain.pdf"))
    with pytest.raises(WorkerRefusal) as refused:
        sign(sandbox, broken, tmp_path / "out.pdf", signer, fetcher=Offline())
    assert (refused.value.code, refused.value.facts["repair"]) == ("document-broken", "not-asked")


@pytest.mark.parametrize("options", [{"bits": 40, "aes": False}, {"bits": 128}, {"bits": 256}], ids=str)
def test_encrypted(options, sandbox, root, signer, tmp_path: Path) -> None:
    """Every cipher is at hand behind the lock-down; the verifier opens what needs no password."""
    source = documents.encrypted(tmp_path / "in.pdf", pdf(tmp_path / "plain.pdf"), owner="owner", **options)
    sign(sandbox, source, tmp_path / "out.pdf", signer, fetcher=Offline())
    assert [one.intact for one in judge(sandbox, tmp_path / "out.pdf", root).signatures] == [True]
    locked = documents.encrypted(tmp_path / "locked.pdf", pdf(tmp_path / "p.pdf"), user="u", owner="o", **options)
    sign(sandbox, locked, tmp_path / "out2.pdf", signer, fetcher=Offline(), password="o")
    with pytest.raises(WorkerRefusal) as refused:
        sign(sandbox, locked, tmp_path / "out3.pdf", signer, fetcher=Offline(), password="x")
    assert refused.value.code == "document-encrypted"


@pytest.mark.parametrize("kind", SUSPECT)
def test_content(kind: str, sandbox, root, signer, tmp_path: Path) -> None:
    """What would deceive is reported by workers, at signing and at judging."""
    change, (code, _) = SUSPECT[kind]
    source = documents.changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), change)
    assert code in sign(sandbox, source, tmp_path / "out.pdf", signer, fetcher=Offline()).warnings
    assert code in {one.code for one in judge(sandbox, tmp_path / "out.pdf", root).warnings}


def test_archives_and_integrity_codes(sandbox, root, signer, tmp_path: Path) -> None:
    """The font for an archive's fields is at hand there, and so is what checks an integrity code."""
    boxes = (FieldPlan("so", kind="text", place=Place(1, (50, 700, 150, 720))),)
    archive, out = documents.pdfa(tmp_path / "a.pdf", part=2), tmp_path / "out.pdf"
    sign(sandbox, archive, out, signer, fetcher=Offline(), fields=boxes)
    assert b"/KysoSerif" in out.read_bytes()
    assert [one.intact for one in judge(sandbox, out, root).signatures] == [True]
    with pytest.raises(WorkerRefusal) as refused:
        sign(sandbox, coded(tmp_path / "coded.pdf"), out, signer, fetcher=Offline(), password="user")
    assert refused.value.code == "document-mac"
