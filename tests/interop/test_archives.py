"""PDF/A at B-LTA, by the rule that a document timestamp could break; veraPDF judges the rest (`tests.interop.pdfa`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from tests.interop import pdfa
from tests.longterm_support import World

pytestmark = pytest.mark.pades


@pytest.mark.parametrize("kind", pdfa.KINDS)
def test_every_field_has_an_appearance(tmp_path: Path, kind: str):
    """ISO 19005-1 §6.9: also the invisible fields of the signature and of the document timestamp."""
    World().hand().sign(pdfa.made(tmp_path / "a.pdf", kind), tmp_path / "b.pdf", level="B-LTA")
    with (tmp_path / "b.pdf").open("rb") as file:
        fields = [field.get_object() for _, _, field in enumerate_sig_fields(PdfFileReader(file))]
        assert 2 == len(fields)
        assert all("/N" in field["/AP"] for field in fields)
