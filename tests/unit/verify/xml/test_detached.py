"""Files beside the document: read piece by piece, and counted for what they cost."""

from __future__ import annotations

import base64
import io
import tracemalloc

import pytest

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.making import BASE64, reference, xades
from verify.document import CHUNK, Limits
from verify.found import FoundSignature
from verify.xml import find
from verify.xml.nodes import Decoded, Detached, NotOctets

pytestmark = pytest.mark.xades

FILE = bytes(range(256)) * 40_000


def _found(uri: str, octets: bytes, file: bytes, *, limits: Limits, transforms: tuple[str, ...] = ()) -> FoundSignature:
    made = xades([reference(uri, octets, transforms=transforms, id_="s-ref")], by=people.signer()).text
    (found,) = find(io.BytesIO(made.encode()), limits=limits, detached={uri: io.BytesIO(file)}).signatures
    return found


def test_a_file_costs_less_than_what_is_canonicalised():
    """A large file with several archive timestamps is digested for each of them; the limit is one of time."""
    found = _found("a.bin", FILE, FILE, limits=Limits(digested=len(FILE) // 4))
    assert found.integrity.intact
    assert "FULL" == found.scope


def test_base64_of_a_file_is_decoded_while_it_is_read():
    """Wherever the pieces end, and without holding the file."""
    text = base64.encodebytes(FILE)
    assert len(text) > 3 * CHUNK
    assert _found("a.b64", FILE, text, limits=Limits(), transforms=(BASE64,)).integrity.intact
    file = io.BytesIO(text)
    tracemalloc.start()
    try:
        Decoded(Detached("a.b64", file)).write(_Nowhere())
        assert tracemalloc.get_traced_memory()[1] < len(text) // 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text", [b"QUJD=", b"QUI=QUJD", b"QUJ", b"QU*D", b"QUJD" * (CHUNK // 4) + b"QUI=" + b"QUJD" * CHUNK]
)
def test_what_is_no_base64_is_refused(text: bytes):
    """Also where what ends it stands in another piece than what follows."""
    with pytest.raises(NotOctets):
        Decoded(Detached("a.b64", io.BytesIO(text))).write(_Nowhere())


class _Nowhere:
    def write(self, data: bytes) -> None:
        pass
