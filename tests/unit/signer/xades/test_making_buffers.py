"""Reading and writing an open file past Python's buffer."""

from __future__ import annotations

import tempfile

import pytest

from signer.errors import SelfCheckFailed
from signer.xades.buffers import octets, put

pytestmark = pytest.mark.xades


def test_what_was_put_is_read_whatever_was_buffered():
    """Neither what Python read before nor what it has yet to write hides what the file holds."""
    with tempfile.TemporaryFile() as file:
        file.write(b"<a>and more</a>")
        file.seek(0)
        assert b"<a>" == file.read(3)
        put(file, b"</a>", at=3)
        assert b"<a></a>" == octets(file, start=0, end=7)
        file.seek(0)
        assert b"<a></a>" == file.read()


def test_a_file_that_is_too_short_is_noticed():
    """Octets that are not there are no octets."""
    with tempfile.TemporaryFile() as file:
        put(file, b"<a/>", at=0)
        assert b"" == octets(file, start=4, end=4)
        with pytest.raises(SelfCheckFailed):
            octets(file, start=0, end=5)
