"""A PDF/A document stays one: the rules that a signature could break, checked by hand.

veraPDF 1.26.1 agrees (parts 1 to 3, invisible, visible, signed twice); it is not part of the tests as it comes by Maven.
"""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest

from signer.model import Stamp
from tests import documents
from tests.unit.documents.test_kinds import PLACE, agree
from tests.unit.signer.conftest import Hand

pytestmark = pytest.mark.pades


@pytest.mark.parametrize("visible", [False, True], ids=["invisible", "visible"])
@pytest.mark.parametrize("part", [1, 2, 3])
def test_stays_an_archive(part: int, visible: bool, hand: Hand, tmp_path: Path) -> None:
    """ISO 19005: printable annotations with an appearance, embedded fonts with their CIDSet, no transparency, the
    metadata untouched, nothing compressed into object streams in part 1."""
    source, out = documents.pdfa(tmp_path / "a.pdf", part=part), tmp_path / "out.pdf"
    shown = {"place": PLACE, "stamp": Stamp(lines=("Nguyễn Văn An",)), "reason": "Đồng ý"} if visible else {}
    hand.sign(source, out, **shown)
    agree(out)
    with pikepdf.open(source) as before, pikepdf.open(out) as after:
        assert after.Root.Metadata.read_bytes() == before.Root.Metadata.read_bytes()
        assert after.pdf_version == before.pdf_version
        assert "/NeedAppearances" not in after.Root.AcroForm
        widget = after.Root.AcroForm.Fields[0]
        assert int(widget.F) & 4
        assert not int(widget.F) & (1 | 2 | 32)
        assert list(widget.AP.keys()) == ["/N"]
        for one in after.objects:
            if not isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
                continue
            assert "/SMask" not in one
            assert "/Group" not in one
            assert one.get("/Type") != pikepdf.Name.ExtGState
            assert part > 1 or one.get("/Type") != pikepdf.Name.ObjStm
            if one.get("/Type") == pikepdf.Name.FontDescriptor:
                assert {"/FontFile2", "/CIDSet"} <= set(one.keys())
