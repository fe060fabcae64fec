"""Reads a finished file and makes sure it holds what was signed, before anybody gets it.

Independent of the writer: it takes the output file alone, finds the signature dictionary by its bytes, parses the CMS
with a reader of its own (`der_reading`) and computes digests by reading. It is not a validation (no path, no policy), which costs ten times the
signing.

What is checked, in order:

1. the file is the original followed by the revision, no byte more;
2. the byte range leaves out nothing but the value of /Contents;
3. /Contents is one CMS SignedData and zeros;
4. its message digest is that of the byte range, computed from the file;
5. its value verifies with the certificate's key over its signed attributes;
6. the level is what was promised: a timestamp over the value from B-T on.

What is appended later to lift the level is read back in the same way, each revision by itself (`signer.lifting`).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from cryptography import x509

from signer import der_reading
from signer.cms import verify_value
from signer.errors import PreparedMismatch, SelfCheckFailed, SignerError
from signer.model import Prepared
from verify import timestamp as tokens
from verify.errors import VerifyError

if TYPE_CHECKING:
    from hashlib import _Hash

FULL_BELOW = 8 * 1024 * 1024
"""Files smaller than this are hashed again in full; above it the digest of the prefix, taken from the same file when
it was laid out, is used again, and only what was appended is read anew."""

_CHUNK = 1024 * 1024
_SEQUENCE, _SET, _OCTET_STRING, _CONTEXT_0, _CONTEXT_1 = 0x30, 0x31, 0x04, 0xA0, 0xA1
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # 1.2.840.113549.1.7.2
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")  # 1.2.840.113549.1.9.4
_SIGNATURE_TIMESTAMP = bytes.fromhex("060b2a864886f70d010910020e")  # 1.2.840.113549.1.9.16.2.14
BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+) (\d+) (\d+) (\d+)\s*\]")


@dataclass(frozen=True)
class Prefixes:
    """Running digests over [0, gap_start) of an output: one for the byte range, one for the file as a whole."""

    byte_range: _Hash
    whole: _Hash

    @staticmethod
    def read(out: BinaryIO, *, original_size: int, original_sha256: str, gap_start: int, algorithm: str) -> Prefixes:
        """One pass over the file, two where `algorithm` is not SHA-256.

        Raises PreparedMismatch if the file does not begin with the original.
        """
        whole = absorb(hashlib.sha256(), out, start=0, end=original_size)
        if whole.copy().hexdigest() != original_sha256:
            raise PreparedMismatch
        absorb(whole, out, start=original_size, end=gap_start)
        if algorithm == "sha256":
            return Prefixes(byte_range=whole, whole=whole)
        return Prefixes(byte_range=absorb(hashlib.new(algorithm), out, start=0, end=gap_start), whole=whole)

    def byte_range_digest(self, out: BinaryIO, *, gap_end: int, size: int) -> bytes:
        """The digest that the signature covers: everything but the gap."""
        return absorb(self.byte_range.copy(), out, start=gap_end, end=size).digest()

    def file_state(self, out: BinaryIO, *, gap_start: int, size: int) -> _Hash:
        """Running SHA-256 of the whole file, the value in the gap included."""
        return absorb(self.whole.copy(), out, start=gap_start, end=size)


def check(out: BinaryIO, prepared: Prepared, *, prefixes: Prefixes | None, stamped: bool | None = None) -> str:
    """Raise SelfCheckFailed unless `out` is the finished form of `prepared`; returns the file's SHA-256 in hex."""
    return examine(out, prepared, prefixes=prefixes, stamped=stamped).hexdigest()


def examine(out: BinaryIO, prepared: Prepared, *, prefixes: Prefixes | None, stamped: bool | None = None) -> _Hash:
    """As `check`; returns the running SHA-256 of the whole file.

    `prefixes` are those computed from this very file when it was laid out; None reads everything. `stamped` says
    whether there must be a timestamp; None goes by the level ordered.
    """
    try:
        return _check(
            out, prepared, prefixes=prefixes, stamped=prepared.order.level != "B-B" if stamped is None else stamped
        )
    except SelfCheckFailed:
        raise
    except (SignerError, VerifyError, ValueError, TypeError, KeyError, IndexError, OSError) as error:
        raise SelfCheckFailed(f"{type(error).__name__}: {error}") from error


def _check(out: BinaryIO, prepared: Prepared, *, prefixes: Prefixes | None, stamped: bool) -> _Hash:
    size = out.seek(0, 2)
    # 1. nothing behind the revision, and the revision is the one prepared, but for the value
    require(size == prepared.original_size + len(prepared.appended), step=1)
    revision = b"".join(chunks(out, start=prepared.original_size, end=size))
    gap = slice(prepared.gap_start - prepared.original_size, prepared.gap_end - prepared.original_size)
    require(revision[: gap.start] == prepared.appended[: gap.start], step=1)
    require(revision[gap.stop :] == prepared.appended[gap.stop :], step=1)

    # 2. the byte range as a reader finds it
    ranges = [tuple(map(int, found.groups())) for found in BYTE_RANGE.finditer(revision)]
    require(ranges == [(0, prepared.gap_start, prepared.gap_end, size - prepared.gap_end)], step=2)
    contents = revision[gap]
    require(contents[:1] == b"<" and contents[-1:] == b">", step=2)

    # 3. one DER element, then zeros
    padded = bytes.fromhex(contents[1:-1].decode("ascii"))
    content_info = der_reading.first(padded)
    require(not padded[len(content_info) :].strip(b"\0"), step=3)
    kind, explicit = der_reading.parts(content_info, tag=_SEQUENCE)
    require(kind == _SIGNED_DATA, step=3)
    (signed_data,) = der_reading.parts(explicit, tag=_CONTEXT_0)
    *_, certificates, signer_infos = der_reading.parts(signed_data, tag=_SEQUENCE)
    (signer_info,) = der_reading.parts(signer_infos, tag=_SET)
    _, _, _, signed, _, signature, *unsigned = der_reading.parts(signer_info, tag=_SEQUENCE)
    attributes = _attributes(signed, tag=_CONTEXT_0)

    # 4. digests of the file
    if prefixes is None or size < FULL_BELOW:
        prefixes = Prefixes.read(
            out,
            original_size=prepared.original_size,
            original_sha256=prepared.original_sha256,
            gap_start=prepared.gap_start,
            algorithm=prepared.digest_algorithm,
        )
    digest = prefixes.byte_range_digest(out, gap_end=prepared.gap_end, size=size)
    stated = der_reading.content(attributes[_MESSAGE_DIGEST], tag=_OCTET_STRING)
    require(stated == digest == prepared.document_digest, step=4)

    # 5. the signature value
    tbs = b"\x31" + signed[1:]
    order = prepared.order
    require(tbs == prepared.tbs, step=5)
    require(order.certificate in der_reading.parts(certificates, tag=_CONTEXT_0), step=5)
    value = der_reading.content(signature, tag=_OCTET_STRING)
    public_key = x509.load_der_x509_certificate(order.certificate).public_key()
    verify_value(public_key, value, tbs=tbs, mechanism=order.mechanism)

    # 6. the level
    if stamped:
        (attached,) = unsigned
        token = tokens.read(_attributes(attached, tag=_CONTEXT_1)[_SIGNATURE_TIMESTAMP])
        tokens.check(token)
        require(tokens.matches(token, lambda name: hashlib.new(name, value).digest()), step=6)

    return prefixes.file_state(out, gap_start=prepared.gap_start, size=size)


def _attributes(element: bytes, *, tag: int) -> dict[bytes, bytes]:
    """Type → value of attributes with one value each (RFC 5652 §5.3). Raises ValueError."""
    found = {}
    for attribute in der_reading.parts(element, tag=tag):
        kind, values = der_reading.parts(attribute, tag=_SEQUENCE)
        (value,) = der_reading.parts(values, tag=_SET)
        if kind in found:
            raise ValueError("an attribute stands there twice")
        found[kind] = value
    return found


def require(holds: bool, *, step: int) -> None:
    if not holds:
        raise SelfCheckFailed(f"step {step} of the self-check failed", step=step)


def absorb(state: _Hash, file: BinaryIO, *, start: int, end: int) -> _Hash:
    for chunk in chunks(file, start=start, end=end):
        state.update(chunk)
    return state


def chunks(file: BinaryIO, *, start: int, end: int) -> Iterator[memoryview]:
    """The bytes [start, end), past Python's buffer: what is checked is what the file holds."""
    buffer = memoryview(bytearray(min(_CHUNK, max(end - start, 1))))
    file.flush()
    raw = io.FileIO(file.fileno(), closefd=False)
    raw.seek(start)
    left = end - start
    while left:
        count = raw.readinto(buffer[:left])
        if not count:
            raise SelfCheckFailed("the file is shorter than it should be")
        yield buffer[:count]
        left -= count
