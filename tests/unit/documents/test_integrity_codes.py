"""Encrypted documents with an integrity code over all of them (ISO/TS 32004, /AuthCode)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from signer.revision import DocumentHasMac
from tests import documents
from tests.unit.signer.conftest import Hand
from verify import pdf
from verify.document import Limits
from verify.errors import DocumentBroken

pytestmark = pytest.mark.pades


def coded(path: Path) -> Path:
    """A document with such a code, under the passwords `owner` and `user`."""
    with documents.pdf(path.with_suffix(".plain.pdf")).open("rb") as source, path.open("w+b") as target:
        writer = copy_into_new_writer(PdfFileReader(source))
        writer.encrypt(owner_pass="owner", user_pass="user", pdf_mac=True)
        writer.write(target)
    return path


def test_it_is_refused_before_anything_is_signed(hand: Hand, tmp_path: Path) -> None:
    """A signature would make the code wrong: `document-mac`, whosever password it is."""
    source = coded(tmp_path / "coded.pdf")
    for password in ("owner", "user"):
        with pytest.raises(DocumentHasMac):
            hand.prepare(source, tmp_path / "out.pdf", password=password)


def test_it_is_read(tmp_path: Path) -> None:
    """Reading one is no trouble; one that was altered without its password is broken, not locked."""
    source = coded(tmp_path / "coded.pdf")
    with source.open("rb") as file:
        assert pdf.has_mac(pdf.open_reader(file, limits=Limits(), password="user"))
    data = source.read_bytes()
    source.write_bytes(data.replace(b"/MediaBox", b"/MediaBoy", 1))
    with source.open("rb") as file, pytest.raises(DocumentBroken) as caught:
        pdf.open_reader(file, limits=Limits(), password="user")
    assert "mac" == caught.value.facts["reason"]
