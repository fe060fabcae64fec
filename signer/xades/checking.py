"""Reads a finished XML file and makes sure that it holds what was signed, before anybody gets it.

Like `signer.selfcheck`, for XML: it takes the output file alone, and is no validation (no path, no policy). In order:

1. the file is what was prepared, with value and timestamp in their places, no byte more; what stands outside the
   signature is what the digests were taken from, and the original where the signature was put into it;
2. the signature, read from the file: its canonical SignedInfo is what was signed;
3. its digests: of the signed properties, and where more was signed than the whole document, of everything that the
   references of a file below FULL_BELOW name, as `verify.xml` follows them;
4. its value is the one that was verified with the certificate's key, and the certificate is there;
5. the level is what was promised: a timestamp over the value from B-T on.

The document itself is mostly not parsed again: its digest was taken from an output with these very octets outside the
signature (their SHA-256 is known), and the signature is left out of that digest.

Nor is the signature, where it is over the whole document and the process that prepared it completes it at B-B. That
process has read the file with zeros for digests and value. What it signs is the canonical form of the words that stand
there; so if this text, less the namespace that it brings, stands before the value in the file now, and the certificate
behind it, a reader finds what steps 2 to 4 ask for.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from lxml import etree

from signer.errors import SelfCheckFailed, SignerError
from signer.model import Prepared
from signer.selfcheck import absorb, require
from signer.xades.buffers import octets
from signer.xades.markup import METHODS, NAMESPACE, Ids
from signer.xades.placing import body_size
from signer.xades.plan import DEFAULT, XmlLayout, XmlPlan
from verify import timestamp as tokens
from verify.document import Limits
from verify.errors import VerifyError
from verify.xml import canonical, names
from verify.xml.document import XmlDocument
from verify.xml.references import References
from verify.xml.timestamps import Subject, signature_timestamp

if TYPE_CHECKING:
    from hashlib import _Hash

FULL_BELOW = 256 * 1024
"""Files smaller than this are parsed and digested again as a whole, unless nothing but the document was signed."""

_ELSEWHERE = {"detached-missing"}
"""Files beside the document: they were digested when it was prepared."""
_DIGEST_VALUE = names.tag("ds", "DigestValue")
_PARTS = [
    *(names.tag("ds", name) for name in ("SignedInfo", "SignatureValue", "KeyInfo", "Object")),
    *(names.tag("xades", name) for name in ("QualifyingProperties", "SignedProperties")),
]
_STAMPS = "/".join(
    names.tag("xades", name)
    for name in ("UnsignedProperties", "UnsignedSignatureProperties", "SignatureTimeStamp", "EncapsulatedTimeStamp")
)
_LIMITS: Final = Limits()


class Expected(NamedTuple):
    """What stands in the output: `lead`, then the body, then `inserted`, then the rest; with the value in base64."""

    lead: bytes
    inserted: bytes
    value: str

    @staticmethod
    def of(prepared: Prepared, *, value: str, unsigned: str) -> Expected:
        """With the value (base64) and the UnsignedProperties (markup) in their places."""
        layout = layout_of(prepared)
        encoded, properties = value.encode(layout.encoding), unsigned.encode(layout.encoding)
        lead, body = layout.lead, body_size(layout)
        start = len(lead) + body
        appended, shift = prepared.appended, layout.unsigned_at - start
        if prepared.gap_start < len(lead):
            lead = lead[: prepared.gap_start] + encoded + lead[prepared.gap_end :]
        else:
            gap = slice(prepared.gap_start - start, prepared.gap_end - start)
            appended = appended[: gap.start] + encoded + appended[gap.stop :]
        if len(lead) != len(layout.lead) or len(appended) != len(prepared.appended):
            raise SelfCheckFailed("the value does not fit its gap")
        inserted = appended[:shift] + properties + appended[shift:] if properties else appended
        return Expected(lead, inserted, value)


def layout_of(prepared: Prepared) -> XmlLayout:
    if prepared.xml is None:
        raise SelfCheckFailed("the preparation is of no XML signature")
    return prepared.xml


def read(out: BinaryIO, layout: XmlLayout, *, inserted: int, data: bytes | None = None) -> Read:
    """Read the file once; `inserted` bytes stand behind the body. `data` is what was written, where that is at hand."""
    lead, body = len(layout.lead), body_size(layout)
    behind = lead + body + inserted
    end = behind + layout.end - layout.resume
    file = _File.of(out, size=end) if data is None else _File(out, data)
    return _digested(file, layout, lead=lead, start=lead + body, behind=behind, end=end)


class _File(NamedTuple):
    """A file as it is on disk; a small one is read once."""

    file: BinaryIO
    data: bytes | None

    @staticmethod
    def of(file: BinaryIO, *, size: int) -> _File:
        return _File(file, octets(file, start=0, end=size) if size < FULL_BELOW else None)

    def read(self, start: int, end: int) -> bytes:
        return octets(self.file, start=start, end=end) if self.data is None else self.data[start:end]

    def absorb(self, state: _Hash, start: int, end: int) -> _Hash:
        if self.data is None:
            return absorb(state, self.file, start=start, end=end)
        state.update(self.data[start:end])
        return state


class Read(NamedTuple):
    """One reading of an output: SHA-256 of what stands outside the signature, of the original as far as it can be told
    from it, and of the whole file."""

    outside: str
    original: str | None
    size: int
    file: _File
    known: tuple[int, _Hash]
    """So many bytes from the beginning on are in this digest."""

    def sha256(self) -> str:
        """Of the whole; reads what was not digested yet."""
        begun, state = self.known
        return self.file.absorb(state.copy(), begun, self.size).hexdigest()


def _digested(file: _File, layout: XmlLayout, *, lead: int, start: int, behind: int, end: int) -> Read:
    """`lead`, `start`, `behind` and `end` are where the body, what was inserted, the rest and nothing begins."""
    body = file.absorb(hashlib.sha256(), lead, start)
    known = (0, hashlib.sha256()) if lead else (start, body.copy())
    restored = body.copy() if layout.removed else body
    restored.update(layout.removed)
    file.absorb(restored, behind, end)
    if restored is not body:
        file.absorb(body, behind, end)
    is_original = layout.body == "copied" and not lead
    return Read(body.hexdigest(), restored.hexdigest() if is_original else None, end, file, known)


def examine(out: BinaryIO, prepared: Prepared, expected: Expected, *, stamped: bool, seen: bool) -> Read:
    """Raise SelfCheckFailed unless `out` is the finished form of `prepared`.

    The value that is expected was verified over `prepared.tbs`. `seen`: this process made `prepared`."""
    try:
        return _examine(out, prepared, expected, stamped=stamped, seen=seen)
    except SelfCheckFailed:
        raise
    except (SignerError, VerifyError, etree.LxmlError, ValueError, TypeError, LookupError, OSError) as error:
        raise SelfCheckFailed(f"{type(error).__name__}: {error}") from error


def _examine(out: BinaryIO, prepared: Prepared, expected: Expected, *, stamped: bool, seen: bool) -> Read:
    layout, order = layout_of(prepared), prepared.order
    plan = order.xml or DEFAULT
    # 1. nothing but what was prepared
    start = len(expected.lead) + body_size(layout)
    behind = start + len(expected.inserted)
    size = os.fstat(out.fileno()).st_size
    require(size == behind + layout.end - layout.resume, step=1)
    file = _File.of(out, size=size)
    lead, inserted = file.read(0, len(expected.lead)), file.read(start, behind)
    require(lead == expected.lead and inserted == expected.inserted, step=1)
    found = _digested(file, layout, lead=len(lead), start=start, behind=behind, end=size)
    require(found.outside == layout.outside_sha256, step=1)
    require(found.original in (None, prepared.original_sha256), step=1)

    reads_all = _reads_all(plan, size=size)
    if seen and not stamped and not reads_all and _stands(prepared, expected, in_=lead + inserted):
        return found

    # 2. the signature as a reader finds it
    document = XmlDocument.read(out, limits=_LIMITS) if reads_all else None
    signature = _alone(lead + inserted, layout) if document is None else _named(document, prepared.field)
    method = canonical.METHODS[METHODS[plan.canonicalization]]
    signed_info, value, key_info, *objects = signature
    qualifying = objects[-1][0]
    parts = (signed_info, value, key_info, objects[-1], qualifying, qualifying[0])
    require([one.tag for one in parts] == _PARTS, step=2)
    require(canonical.canonical(signed_info, method=method) == prepared.tbs, step=2)

    # 3. digests
    properties = canonical.canonical(qualifying[0], method=method)
    stated = [b64decode(one.text or "") for one in signed_info.iter(_DIGEST_VALUE)]
    require(stated[-1] == hashlib.new(prepared.digest_algorithm, properties).digest(), step=3)
    require(stated[0] == prepared.document_digest, step=3)
    if document is not None:
        found_references = References(document).of(signed_info, signature=signature)
        require(all(one.matched or one.reason in _ELSEWHERE for one in found_references), step=3)

    # 4. the value
    require(value.text == expected.value, step=4)
    require(b64decode(key_info[0][0].text or "") == order.certificate, step=4)

    # 5. the level
    stamps = qualifying.findall(_STAMPS)
    require(len(stamps) == stamped, step=5)
    if stamped:
        stamped_octets = BytesIO()
        signature_timestamp(Subject(signature), method=canonical.METHODS[names.C14N_EXCLUSIVE], sink=stamped_octets)
        token = tokens.read(b64decode(stamps[0].text or ""))
        tokens.check(token)
        require(tokens.matches(token, lambda name: hashlib.new(name, stamped_octets.getvalue()).digest()), step=5)
    return found


def _reads_all(plan: XmlPlan, *, size: int) -> bool:
    is_plain = plan.packaging == "enveloped" and not (plan.elements or plan.detached or plan.countersign)
    return plan.canonicalization != "exclusive" or (size < FULL_BELOW and not is_plain)


def _stands(prepared: Prepared, expected: Expected, *, in_: bytes) -> bool:
    """Whether the canonical ds:SignedInfo stands there as it was signed, with the value and the certificate behind it.
    Not so where its form is another one than ours: an inclusive one, one with characters escaped, or UTF-16."""
    signed = prepared.tbs.replace(NAMESPACE, b"", 1)
    head = b'%b<ds:SignatureValue Id="%b">' % (signed, Ids(prepared.field).value.encode())
    held = b64encode(prepared.order.certificate)
    key_info = b"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>%b</ds:X509Certificate>" % held
    is_leading = prepared.gap_start < len(expected.lead)
    gap = prepared.gap_start - (0 if is_leading else body_size(layout_of(prepared)))
    whole = b"%b%b</ds:SignatureValue>%b" % (head, expected.value.encode(), key_info)
    return gap >= len(head) and in_.startswith(whole, gap - len(head))


def _named(document: XmlDocument, name: str) -> etree._Element:
    (found,) = (one for one in document.signatures() if one.get("Id") == name)
    return found


def _alone(markup: bytes, layout: XmlLayout) -> etree._Element:
    """The signature without what it was put into, or without what it holds: octets that we wrote."""
    text = markup.decode("latin-1" if layout.encoding == "ascii" else layout.encoding)
    start, end = text.index("<ds:Signature "), text.rindex("</ds:Signature>")
    return etree.fromstring((text[start:end] + "</ds:Signature>").encode(), etree.XMLParser(resolve_entities=False))
