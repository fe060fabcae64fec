"""The PDF: tagged, with a title and a language, its fonts inside; hostile names are text there too."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import pytest

from api.reports import content, pdf
from signer.font import FontMissing
from tests.unit.reports.samples import HOSTILE, changed, hostile, portrait, report, signature, undetermined
from verify import pdfium

pytestmark = pytest.mark.judging


def typeset(*signatures, language="vi", **other) -> bytes:
    return pdf.typeset(content.told(report(*signatures, **other), language=language, portrait=portrait()))


def text_of(made: bytes) -> str:
    with pdfium.opened(io.BytesIO(made)) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_pdf_can_be_read_aloud(language):
    """PDF/UA-1: tagged, language and title set, every picture with a text; every font embedded."""
    with pikepdf.open(io.BytesIO(typeset(signature(), changed(), undetermined(), language=language))) as document:
        root = document.Root
        assert root.MarkInfo.Marked
        assert language == str(root.Lang)
        assert root.ViewerPreferences.DisplayDocTitle
        assert b"pdfuaid:part" in root.Metadata.read_bytes()
        fonts = [one for one in document.objects if _is(one, "/FontDescriptor")]
        assert fonts
        assert all("/FontFile2" in one or "/FontFile3" in one for one in fonts)
        figures = [
            one for one in document.objects if isinstance(one, pikepdf.Dictionary) and one.get("/S") == "/Figure"
        ]
        assert figures
        assert all(str(one.Alt) for one in figures)
        assert {"/H1", "/H2", "/H3"} <= {str(one.S) for one in document.objects if _is(one, "/StructElem")}


def _is(one: object, kind: str) -> bool:
    return isinstance(one, pikepdf.Dictionary) and one.get("/Type") == kind


def test_it_tells_the_same_as_the_page():
    """Verdict, sentence, the lines of each signature and the clauses, in Vietnamese letters that can be copied."""
    told = content.told(report(signature()), language="vi")
    flat = " ".join(text_of(pdf.typeset(told)).split())
    for part in (told.verdict, told.sentence, told.signatures[0].meaning, "Ban Cơ yếu Mẫu", "EN 319 102-1 §5.2.7"):
        assert part in flat


def test_names_are_text_and_never_typesetting():
    """Functions, formulas and paths in a name are letters; characters without a glyph are named; nothing turns round."""
    flat = "".join(text_of(typeset(hostile(), name=HOSTILE)).split())
    assert '#import"/etc/passwd"{{7*7}}$x$' in flat
    assert "[U+738B]" in flat
    assert "[U+202E]" in flat
    assert "root:" not in flat


def test_it_has_no_script_and_no_link():
    """Nothing in it acts."""
    with pikepdf.open(io.BytesIO(typeset(hostile(), name="https://example.org/x.pdf"))) as document:
        names = {str(name) for one in document.objects if isinstance(one, pikepdf.Dictionary) for name in one}
    assert set() == names & {"/JS", "/JavaScript", "/URI", "/Launch", "/OpenAction", "/AA", "/EmbeddedFile"}


def test_without_its_font_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An operator is told which font to install; nothing is set in letters that lack their accents."""
    monkeypatch.setattr(pdf, "FOLDERS", (tmp_path,))
    pdf._typesetter.cache_clear()
    try:
        with pytest.raises(FontMissing):
            typeset(signature())
    finally:
        pdf._typesetter.cache_clear()
