"""The one door of the signer: prepare → sign → complete. Every signature takes these three steps.

1. `prepare` lays out the output file with a gap for the signature and returns what is to be signed;
2. somebody who holds the key signs `Prepared.tbs` — not this package's business;
3. `complete` puts the value in, obtains timestamp and evidence as the level asks, and checks its own output.

`extend` lifts what is signed already, by whomever, to a higher level; no key is needed.

`restore` lays the output out again from the original, on another node or after a restart. The output file is the
caller's: it becomes a document only when `complete` returns; after any exception it is to be thrown away.

>>> with open("a.pdf", "rb") as source, open("out.tmp", "w+b") as out:            # doctest: +SKIP
...     prepared = prepare(source, order, out=out, original_sha256=digest, nonce=secrets.randbits(64))
...     value = SignatureValue(key.sign(prepared.tbs), order.mechanism)
...     signed = complete(prepared, value, out=out, fetcher=fetcher)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import BinaryIO

from signer import admission, extending, pades, selfcheck
from signer import timestamp as timestamps
from signer.cms import SignedDataTemplate
from signer.copying import copy
from signer.errors import NoTimestampAuthority, OrderInvalid, PreparedMismatch, ValueRefused
from signer.extending import DEGRADED, Authorities, Grounds, Target
from signer.lifting import Output
from signer.model import Extended, Level, Prepared, SignatureValue, Signed, SignOrder
from signer.selfcheck import Prefixes
from signer.xades import extending as lasting
from signer.xades import making
from signer.xades.admitting import require_pdf
from verify import pdf
from verify.document import sniff
from verify.fetcher import Fetcher
from verify.policy import Policy
from verify.trust import Trust

TIMESTAMP_ROOM = 16 * 1024
"""Bytes reserved for a timestamp token at B-T; tokens in the field measure 2 to 8 kB with their chain."""

_WITH_EVIDENCE = ("B-LT", "B-LTA")
_NOTHING_BESIDE: Mapping[str, BinaryIO] = MappingProxyType({})

_laid_out: dict[tuple[int, int, bytes], Prefixes] = {}
"""Digests of the last output laid out by this process, by file and digest, so that `complete` in the same process need
not read a large file twice. It holds one entry; any other process reads the file."""


def prepare(
    source: BinaryIO,
    order: SignOrder,
    *,
    out: BinaryIO,
    original_sha256: str,
    nonce: int,
    detached: Mapping[str, BinaryIO] = _NOTHING_BESIDE,
) -> Prepared:
    """Lay out `out` (an empty file open for reading and writing) as the document with a gap, and say what to sign.

    `source` is an open file, read in constant memory; `original_sha256` (hex) is what the caller believes it to be.
    `nonce` (64 random bits) goes into the timestamp request. `detached`: further files that an XML signature is over, by
    the names in the order. Raises SignerError or VerifyError.
    """
    if order.format == "XAdES":
        return making.prepare(source, order, out=out, original_sha256=original_sha256, nonce=nonce, detached=detached)
    require_pdf(order, detached=detached)
    if order.signing_time.tzinfo is None:
        raise OrderInvalid("the signing time has no time zone", reason="signing-time")
    if order.level != "B-B" and not order.timestamp_authorities:
        raise NoTimestampAuthority
    template = SignedDataTemplate.of(order.certificate, chain=order.chain, mechanism=order.mechanism)
    room = template.size(timestamp_room=TIMESTAMP_ROOM if order.level != "B-B" else 0)
    admitted = admission.admit(source, order, out=out, sha256=original_sha256)
    source, size, original_sha256 = admitted.source, admitted.size, admitted.sha256
    with pdf.refusing():
        revision = pades.append_signature(admitted.reader, order, size=size, contents_size=room, digest=template.digest)

    _lay_out(source, revision.appended, size=size, out=out)
    prefixes = Prefixes.read(
        out,
        original_size=size,
        original_sha256=original_sha256,
        gap_start=revision.gap_start,
        algorithm=template.digest,
    )
    digest = prefixes.byte_range_digest(out, gap_end=revision.gap_end, size=size + len(revision.appended))
    _remember(out, digest, prefixes)
    if order.look is not None:  # drawn by now, and large
        order = replace(order, look=replace(order.look, signature=None, seal=None))
    return Prepared(
        order=order,
        tbs=template.signed_attrs(digest),
        appended=revision.appended,
        original_size=size,
        original_sha256=original_sha256,
        gap_start=revision.gap_start,
        gap_end=revision.gap_end,
        document_digest=digest,
        digest_algorithm=template.digest,
        field=revision.field,
        nonce=nonce,
        warnings=admitted.warnings,
    )


def restore(source: BinaryIO, prepared: Prepared, *, out: BinaryIO) -> None:
    """Lay out `out` as `prepare` did. Raises PreparedMismatch if `source` is another document."""
    if prepared.order.format == "XAdES":
        making.restore(source, prepared, out=out)
        return
    source = admission.again(source, out=out, warnings=prepared.warnings)
    size = source.seek(0, os.SEEK_END)
    if size != prepared.original_size:
        raise PreparedMismatch
    _lay_out(source, prepared.appended, size=size, out=out)
    prefixes = Prefixes.read(
        out,
        original_size=size,
        original_sha256=prepared.original_sha256,
        gap_start=prepared.gap_start,
        algorithm=prepared.digest_algorithm,
    )
    _remember(out, prepared.document_digest, prefixes)


def complete(
    prepared: Prepared,
    value: SignatureValue,
    *,
    out: BinaryIO,
    fetcher: Fetcher,
    grounds: Grounds | None = None,
    detached: Mapping[str, BinaryIO] = _NOTHING_BESIDE,
) -> Signed:
    """Put the value into `out` as `prepare` or `restore` left it, lift to the level ordered, check, and let go.

    `grounds` are needed from B-LT on: what evidence is checked against; and `detached`, whatever an XML signature is over
    that is not in it. Repeatable with the same arguments until it
    returns. Raises ValueRefused if the value is not the certificate's signature over `prepared.tbs`,
    TimestampUnavailable, EvidenceUnavailable, EvidenceAgainst, SelfCheckFailed. With `allow_degraded` an authority or
    responder that is away does not raise: the result says which level was reached, and LEVEL_DEGRADED.
    """
    order = prepared.order
    if order.format == "XAdES":
        return making.complete(prepared, value, out=out, fetcher=fetcher, grounds=grounds, detached=detached)
    template = SignedDataTemplate.of(order.certificate, chain=order.chain, mechanism=order.mechanism)
    if value.mechanism != order.mechanism:
        raise ValueRefused("the value was made by another mechanism", mechanism=value.mechanism)
    template.verify(prepared.tbs, value=value.bytes_)
    if order.level in _WITH_EVIDENCE and grounds is None:
        raise OrderInvalid("this level needs trust anchors and a policy", reason="no-grounds")
    stamp = None
    if order.level != "B-B":
        stamp = timestamps.over_value(value.bytes_, prepared, fetcher=fetcher)
    signed_data = template.signed_data(prepared.tbs, value=value.bytes_, timestamp=stamp.der if stamp else None)
    contents = _fill_gap(out, prepared, signed_data)
    key = _identity(out, prepared.document_digest)
    whole = selfcheck.examine(out, prepared, prefixes=_laid_out.pop(key, None), stamped=stamp is not None)
    signed = Signed(
        level="B-B" if stamp is None else "B-T",
        sha256=whole.hexdigest(),
        size=prepared.original_size + len(prepared.appended),
        field=prepared.field,
        signing_time=order.signing_time,
        timestamp=stamp.time if stamp else None,
        warnings=prepared.warnings if stamp or order.level == "B-B" else (*prepared.warnings, DEGRADED),
    )
    if stamp is None or grounds is None or order.level not in _WITH_EVIDENCE:
        return signed
    lifting = extending.start(
        Output(out, size=signed.size, whole=whole),
        grounds=grounds,
        authorities=Authorities(order.timestamp_authorities, order.timestamp_policy, prepared.nonce, fetcher),
        level="B-T",
        password=order.password,
    )
    target = Target(contents, order.certificate, order.chain, (stamp,), stamp.time)
    extending.lift(lifting, target, to=order.level, allow_degraded=order.allow_degraded)
    return replace(
        signed,
        level=lifting.level,
        sha256=lifting.output.sha256,
        size=lifting.output.size,
        warnings=(*signed.warnings, *lifting.warnings),
        archive_until=lifting.until,
    )


def extend(
    source: BinaryIO,
    level: Level,
    *,
    trust: Trust,
    policy: Policy,
    out: BinaryIO,
    fetcher: Fetcher,
    authorities: tuple[str, ...],
    nonce: int,
    at: datetime,
    timestamp_policy: str | None = None,
    allow_degraded: bool = False,
    only_new: bool = False,
    password: str | None = None,
    detached: Mapping[str, BinaryIO] = _NOTHING_BESIDE,
) -> Extended:
    """Lift the signatures of any signed PDF or XML to `level` into `out`; of a document at B-LTA already, renew it (with
    `only_new`: only if there is newer evidence). `detached`: files that were signed beside an XML document.

    What was signed stays byte for byte. Repeatable with the same arguments until it returns. Raises NothingToExtend,
    SignatureBroken, LevelNotHigher, and what `complete` raises; then `out` is to be thrown away.
    """
    if level in ("B-T", "B-LTA") and not authorities:
        raise NoTimestampAuthority
    if sniff(source) == "XML":
        return lasting.extend(
            source,
            level,
            out=out,
            grounds=Grounds(trust, policy, at),
            authorities=Authorities(authorities, timestamp_policy, nonce, fetcher),
            detached=detached,
            allow_degraded=allow_degraded,
            only_new=only_new,
        )
    _lay_out(source, b"", size=source.seek(0, os.SEEK_END), out=out)
    return extending.extend(
        Output.read(out),
        level,
        grounds=Grounds(trust, policy, at),
        authorities=Authorities(authorities, timestamp_policy, nonce, fetcher),
        allow_degraded=allow_degraded,
        only_new=only_new,
        password=password,
    )


def _fill_gap(out: BinaryIO, prepared: Prepared, signed_data: bytes) -> bytes:
    """Write the value, drop what an interrupted completion appended; returns the value as a reader finds it."""
    out.truncate(prepared.original_size + len(prepared.appended))
    room = prepared.gap_end - prepared.gap_start - 2
    contents = signed_data.hex().encode("ascii")
    if len(contents) > room:
        raise OrderInvalid(
            "the signature does not fit its gap", reason="gap-too-small", needed=len(contents), room=room
        )
    out.seek(prepared.gap_start + 1)
    out.write(contents.ljust(room, b"0"))
    out.flush()
    return signed_data.ljust(room // 2, b"\0")


def _lay_out(source: BinaryIO, appended: bytes, *, size: int, out: BinaryIO) -> None:
    """Original, then the revision."""
    if source is not out:  # a mended document stands in `out` already
        out.truncate(0)
        out.seek(0)
        copy(source, out, start=0, length=size)
    out.truncate(size)
    out.seek(size)
    out.write(appended)
    out.flush()


def _identity(out: BinaryIO, digest: bytes) -> tuple[int, int, bytes]:
    status = os.fstat(out.fileno())
    return status.st_dev, status.st_ino, digest


def _remember(out: BinaryIO, digest: bytes, prefixes: Prefixes) -> None:
    _laid_out.clear()
    _laid_out[_identity(out, digest)] = prefixes
