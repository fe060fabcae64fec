"""How a command comes by a document's password."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from api.cli import passwords
from api.cli.console import USAGE, CommandFailed

pytestmark = pytest.mark.pades


def test_without_either_option_there_is_none() -> None:
    """Nobody is asked."""
    assert passwords.given(ask=False, file=None) is None


@pytest.mark.parametrize("written", ["mật khẩu\n", "mật khẩu", "mật khẩu\r\nmore\n", "\ufeffmật khẩu\n"])
def test_the_first_line_of_a_file(tmp_path: Path, written: str) -> None:
    """With or without the end of the line, from whatever editor."""
    file = tmp_path / "secret"
    file.write_bytes(written.encode())
    assert "mật khẩu" == passwords.given(ask=False, file=file)


def test_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads what is piped in."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"geheim\n")))
    assert "geheim" == passwords.given(ask=False, file=Path("-"))


@pytest.mark.parametrize(
    ("ask", "content"), [(True, b"x"), (True, None), (False, b"\nsecond line\n"), (False, b"\xff\xfe"), (False, b"")]
)
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: bool, content: bytes | None) -> None:
    """Both options, nobody to ask, no password in the file: status 64, and nothing of the password is said."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandFailed) as caught:
        passwords.given(ask=ask, file=file if content is not None else None)
    assert USAGE == caught.value.status
    assert "second" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    """A file that is not there is a mistake in the call."""
    with pytest.raises(CommandFailed, match="no"):
        passwords.given(ask=False, file=tmp_path / "no")
