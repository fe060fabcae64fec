"""The documents made from source: tagged, archivable, with fields to fill."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pikepdf
import pytest

from signer.errors import FormFieldNotFound
from signer.procedure_errors import TemplateUnknown
from signer.procedures.templates import TEMPLATES, build
from signer.procedures.templates.__main__ import main
from tests.documents import qpdf_check
from tests.unit.signer.test_filling import shown, value

pytestmark = pytest.mark.web


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_tagged_archive_with_fields(tmp_path: Path, name: str):
    """PDF/A-2a by its own word, all fonts embedded, each field labelled, an element of the structure and empty."""
    path = tmp_path / "a.pdf"
    path.write_bytes(build(name))
    assert qpdf_check(path) == ""
    with pikepdf.open(path) as document:
        metadata = bytes(document.Root.Metadata.read_bytes())
        assert all(word in metadata for word in (b"pdfaid:part>2<", b"pdfaid:conformance>A<"))
        assert document.Root.MarkInfo.Marked
        assert "vi" == str(document.Root.Lang)
        fields = list(document.Root.AcroForm.Fields)
        numbers = list(document.Root.StructTreeRoot.ParentTree.Nums)
        parents = {int(key): parent for key, parent in zip(numbers[::2], numbers[1::2], strict=True)}
        for field in fields:
            parent = parents[int(field.StructParent)]
            assert (str(field.T), pikepdf.Name.Form) == (str(parent.K.Obj.T), parent.S)
            assert str(field.TU)
            assert "/V" not in field
        assert fields
    rows = subprocess.run(["pdffonts", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert rows
    assert all(row.split()[-5] == "yes" for row in rows)


def test_what_is_told_is_filled_and_stays_a_field(tmp_path: Path):
    """Vietnamese letters, on the page and as a value; a letter of the temporary kind has its period."""
    path = tmp_path / "a.pdf"
    path.write_bytes(
        build("giay-gioi-thieu-tam-thoi", values={"ho_ten": "Trần Thị Ví Dụ (demo)", "thoi_han": "sáu tháng"})
    )
    assert "Trần Thị Ví Dụ (demo)" == str(value(path, "ho_ten"))
    assert "sáu tháng" in shown(path)


def test_what_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """No such template, no such field; the command says so in a line and writes nothing."""
    with pytest.raises(TemplateUnknown):
        build("../common")
    with pytest.raises(FormFieldNotFound):
        build("bien-lai", values={"thoi_han": "x"})
    out = tmp_path / "b.pdf"
    assert (64, 64, 64) == (main(["khac", str(out)]), main([]), main(["bien-lai", str(out), "khac=1"]))
    assert "template-unknown" in capsys.readouterr().err
    assert not out.exists()
    assert main(["bien-lai", str(out), "so_tien=100000"]) == 0
    assert "100000" in shown(out)
