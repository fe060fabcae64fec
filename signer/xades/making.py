"""Prepare, restore and complete a XAdES signature: `signer.pipeline` comes here with orders of that format.

What is digested is the output itself: it is laid out with zeros for what is not known yet, read, and filled in. So there
is no second model of the document that could differ from the file. What is signed of our own words, SignedInfo and
SignedProperties, is canonicalised there too, or once for all signatures that are worded alike (`wording`).

1. The order fits XML, and the document is not too large (`admitting`).
2. The output is written with zeros and parsed; the signature must stand where it was put (`drafting`).
3. Whoever signed before is not harmed (`earlier`).
4. Digests of the contents and of the signed properties; the canonical SignedInfo is what is to be signed.
5. `complete` fills in the value, has it timestamped, reads the file again (`checking`) and lets go.

    prepared = prepare(source, order, out=out, original_sha256=digest, nonce=nonce, detached={})
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from signer import timestamp as timestamps
from signer.errors import OrderInvalid, PreparedMismatch, ValueRefused
from signer.extending import DEGRADED, Authorities, Grounds
from signer.model import Prepared, SignatureValue, Signed, SignOrder
from signer.xades import checking, countersigning, drafting, earlier, extending, placing
from signer.xades.admitting import admit
from signer.xades.buffers import octets, put, write
from signer.xades.checking import Expected
from signer.xades.contents import LARGE, Item, countersigned, digests, holding
from signer.xades.drafting import Draft
from signer.xades.markup import Ids, signature_value
from signer.xades.placing import Placed
from signer.xades.plan import DEFAULT, XmlLayout, XmlPlan
from signer.xades.signed import SignerText
from signer.xades.unsigned import Tag, render, timestamp
from signer.xades.wording import worded, wording
from verify.document import Limits, sha256_of
from verify.fetcher import Fetcher
from verify.timestamp import TimestampToken
from verify.xml import names
from verify.xml.document import XmlDocument

_WITH_EVIDENCE = ("B-LT", "B-LTA")

_last: deque[Prepared] = deque(maxlen=1)
"""What this process prepared last: its own reading of that file need not be repeated by `complete`."""


def prepare(
    source: BinaryIO,
    order: SignOrder,
    *,
    out: BinaryIO,
    original_sha256: str,
    nonce: int,
    detached: Mapping[str, BinaryIO],
) -> Prepared:
    """Lay out `out` as the document with a gap for the value, and say what to sign. Raises SignerError or VerifyError.

    `detached` are the further files that `order.xml` names. The signature's Id follows from `nonce` and the document.
    """
    # 1
    source = drafting.at_hand(source)
    admitted = admit(source, order, detached=detached)
    plan = order.xml or DEFAULT
    text = SignerText.of(order.certificate, chain=order.chain, mechanism=order.mechanism)
    ids = Ids(f"signature-{nonce:016x}{original_sha256[:8]}")
    time = order.signing_time.isoformat(timespec="seconds")

    def drafted(around: frozenset[str] = frozenset()) -> Draft:
        if plan.countersign is None:
            place, words = None, wording(
                plan, order.certificate, chain=order.chain, mechanism=order.mechanism,
                kind=admitted.kind, is_large=admitted.size > LARGE, around=around,
            )  # fmt: skip
        else:
            place, item = _counter_place(source, plan, signature=plan.countersign)
            words = worded(plan, text, (item,))
        blank, known = words.signature(ids, time=time), words.canonical_forms(ids, time=time)
        return Draft(plan, ids, admitted.kind, admitted.size, words.items, blank, known, place)

    # 2
    draft = drafted()
    output = drafting.write(draft, source, out=out)
    if around := holding(plan.elements, document=output.document, signature=output.signature):
        draft = drafted(around)
        output = drafting.write(draft, source, out=out)
    # 3
    earlier.require_unharmed(output, source=source, detached=detached)
    # 4
    algorithm = text.cms.digest
    found = digests(draft.items, output=output, plan=plan, algorithm=algorithm, source=source, detached=detached)
    properties = output.signed_properties()
    written = [b64encode(one).decode("ascii") for one in (*found, hashlib.new(algorithm, properties).digest())]
    tbs = output.signed_info(written)
    laid, octets = drafting.fill_in(draft, output, digests=written, source=source, out=out)
    read = checking.read(out, laid.layout, inserted=len(laid.appended), data=octets)
    if (read.original or sha256_of(source, size=admitted.size)) != original_sha256:
        raise PreparedMismatch
    prepared = Prepared(
        order=order,
        tbs=tbs,
        appended=laid.appended,
        original_size=admitted.size,
        original_sha256=original_sha256,
        gap_start=laid.gap[0],
        gap_end=laid.gap[1],
        document_digest=found[0],
        digest_algorithm=algorithm,
        field=ids.signature,
        nonce=nonce,
        xml=laid.layout.known(unsigned_at=laid.unsigned_at, outside_sha256=read.outside),
    )
    _last.append(prepared)
    return prepared


def restore(source: BinaryIO, prepared: Prepared, *, out: BinaryIO) -> None:
    """Lay out `out` as `prepare` did. Raises PreparedMismatch if `source` is another document."""
    layout = checking.layout_of(prepared)
    size = source.seek(0, os.SEEK_END)
    if size != prepared.original_size or sha256_of(source, size=size) != prepared.original_sha256:
        raise PreparedMismatch
    placing.lay_out(source, layout, appended=prepared.appended, out=out)
    if checking.read(out, layout, inserted=len(prepared.appended)).outside != layout.outside_sha256:
        raise PreparedMismatch


def complete(
    prepared: Prepared,
    value: SignatureValue,
    *,
    out: BinaryIO,
    fetcher: Fetcher,
    grounds: Grounds | None,
    detached: Mapping[str, BinaryIO],
) -> Signed:
    """Put the value into `out` as `prepare` or `restore` left it, lift to the level ordered, check, and let go.

    Repeatable with the same arguments until it returns. Raises ValueRefused, TimestampUnavailable, SelfCheckFailed, and
    from B-LT on what `signer.xades.extending.lift` raises; that needs `grounds`, and `detached` all files that were signed.
    """
    order = prepared.order
    if order.level in _WITH_EVIDENCE and grounds is None:
        raise OrderInvalid("this level needs trust anchors and a policy", reason="no-grounds")
    text = SignerText.of(order.certificate, chain=order.chain, mechanism=order.mechanism)
    if value.mechanism != order.mechanism:
        raise ValueRefused("the value was made by another mechanism", mechanism=value.mechanism)
    text.cms.verify(prepared.tbs, value=value.bytes_)
    written = b64encode(text.in_xml(value.bytes_)).decode("ascii")
    ids = Ids(prepared.field)
    stamp = None
    if order.level != "B-B":
        stamp = timestamps.over_value(signature_value(ids, written), prepared, fetcher=fetcher)
    unsigned = _unsigned(stamp, ids) if stamp else ""
    expected = Expected.of(prepared, value=written, unsigned=unsigned)
    _embed(out, prepared, expected)
    file = checking.examine(out, prepared, expected, stamped=stamp is not None, seen=prepared in _last)
    finished = Signed(
        level="B-B" if stamp is None else "B-T",
        sha256=file.sha256(),
        size=file.size,
        field=prepared.field,
        signing_time=order.signing_time,
        timestamp=stamp.time if stamp else None,
        warnings=prepared.warnings if stamp or order.level == "B-B" else (*prepared.warnings, DEGRADED),
    )
    if stamp is None or grounds is None or order.level not in _WITH_EVIDENCE:
        return finished
    lifted = extending.lift(
        out,
        id_=prepared.field,
        to=order.level,
        grounds=grounds,
        authorities=Authorities(order.timestamp_authorities, order.timestamp_policy, prepared.nonce, fetcher),
        detached=detached,
        allow_degraded=order.allow_degraded,
    )
    return replace(
        finished,
        level=lifted.level,
        sha256=lifted.sha256,
        size=lifted.size,
        warnings=(*finished.warnings, *lifted.warnings),
        archive_until=lifted.archive_until,
    )


def _counter_place(source: BinaryIO, plan: XmlPlan, *, signature: str) -> tuple[Placed, Item]:
    """Where in the unsigned properties of another signature, and what of it is signed."""
    document = XmlDocument.read(source, limits=Limits())
    source.seek(0)
    data = source.read()
    found = countersigning.find(document, data, id_=signature)
    layout = XmlLayout(
        "copied", 0, found.at, found.resume, len(data), 0, placing.encoding_of(data[:1024]).codec,
        removed=data[found.at : found.resume],
    )  # fmt: skip
    return Placed(layout, found.before, found.after), countersigned(found, plan)


def _unsigned(stamp: TimestampToken, ids: Ids) -> str:
    """UnsignedProperties with the timestamp, as markup."""
    held: Tag = timestamp("SignatureTimeStamp", stamp.der, id_=ids.timestamp)
    for name in ("UnsignedSignatureProperties", "UnsignedProperties"):
        held = Tag(names.XADES_132, name, content=(held,))
    return render(held, scope={"ds": names.DS, "xades": names.XADES_132})


def _embed(out: BinaryIO, prepared: Prepared, expected: Expected) -> None:
    """Write value and UnsignedProperties, drop what an interrupted completion put there."""
    layout = checking.layout_of(prepared)
    at, rest = len(expected.lead) + placing.body_size(layout), layout.end - layout.resume
    size = os.fstat(out.fileno()).st_size
    if expected.lead:
        out.seek(0)
        out.write(expected.lead)
    if size == at + len(expected.inserted) + rest:
        write(out, expected.inserted, at=at)
    else:
        put(out, expected.inserted + octets(out, start=size - rest, end=size), at=at)
