"""What the command line says, and with which status it ends."""

from __future__ import annotations

import pytest

from api.cli import console
from api.errors import CertificateExpired, CertificateRevoked, LedgerUnavailable, NotPermitted, StaleDocument
from hsm.errors import KeyNotFound, TokenLocked
from verify.errors import DocumentBroken, PolicyUnusable, TrustUnusable

pytestmark = pytest.mark.spine


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DocumentBroken(), console.REFUSED),
        (StaleDocument(), console.REFUSED),
        (KeyNotFound(key="k"), console.REFUSED),
        (CertificateRevoked(key="k"), console.REFUSED),
        (CertificateExpired(key="k"), console.REFUSED),
        (PolicyUnusable(), console.USAGE),
        (TrustUnusable(), console.USAGE),
        (TokenLocked(), console.NOT_AVAILABLE),
        (LedgerUnavailable(), console.NOT_AVAILABLE),
        (NotPermitted(), console.NOT_PERMITTED),
        (RuntimeError("a bug"), console.NOT_AVAILABLE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_ends_with_the_status_of_the_interface(error, status, capsys):
    """65 says that document, order or key is refused, 69 that something is not available, 77 that it is forbidden."""
    assert console.failed(error) == status
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["verify", "a.pdf"], None, "vi"),
        (["verify", "--lang", "en", "a.pdf"], None, "en"),
        (["verify", "--lang=en", "a.pdf"], None, "en"),
        (["verify", "a.pdf"], "en", "en"),
        (["verify", "--lang", "vi", "a.pdf"], "en", "vi"),
        (["verify", "--lang"], None, "vi"),
    ],
)
def test_the_language_is_vietnamese_unless_english_is_asked_for(arguments, variable, expected, monkeypatch):
    """`--lang` comes before KYSO_LANG, and without either the command line speaks Vietnamese."""
    monkeypatch.delenv("KYSO_LANG", raising=False)
    if variable:
        monkeypatch.setenv("KYSO_LANG", variable)
    assert console.wanted_language(arguments) == expected


def test_an_error_names_its_code_and_what_to_do_in_the_language_of_the_run(monkeypatch, capsys):
    """A person gets the sentence in their language, a script the same code in both."""
    said = {}
    for language in ("vi", "en"):
        monkeypatch.setattr(console, "language", language)
        console.failed(DocumentBroken())
        said[language] = capsys.readouterr().err
    assert all("document-broken" in text for text in said.values())
    assert said["vi"] != said["en"]


def test_markup_in_an_error_is_shown_and_not_obeyed(capsys):
    """A file name with square brackets neither disappears nor breaks the line."""
    console.complain("usage", "no such file: [bold]x[/]\n.pdf")
    assert "no such file: [bold]x[/] .pdf" in capsys.readouterr().err
