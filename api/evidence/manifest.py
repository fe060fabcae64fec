"""`manifest.json`: what is in a ZIP of evidence, where it came from, and the SHA-256 of every other file.

Read strictly, since it may come from anybody. It is not signed: that it is the one which was made is for whoever hands it
over to see to; what it can prove, it proves by the signatures inside.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from verify.report import Verdict
from verify.trust_rules import Purpose

FORMAT: Final = "kyso-evidence/1"
MANIFEST, SUMS, POLICY, LEDGER = "manifest.json", "SHA256SUMS", "policy.toml", "ledger.json"
CHECKPOINT, CHECKPOINT_KEY = "ledger.checkpoint", "ledger.pem"
HOWTO = {"vi": "HUONG-DAN.md", "en": "HOW-TO-CHECK.md"}
REPORTS = ("report.json", "report.xml", "report.vi.html", "report.en.html")
DOCUMENT = {"PDF": "document.pdf", "XML": "document.xml"}
DETACHED = "detached/{number}"

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(max_length=300)]
File = Annotated[str, msgspec.Meta(max_length=120)]
Address = Annotated[str, msgspec.Meta(max_length=4000)]


class DocumentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    file: File
    name: Text
    sha256: Sha256


class DetachedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a signature in XML refers to by `name` and the document does not hold."""

    file: File
    name: Annotated[str, msgspec.Meta(max_length=1000)]


class SignaturePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`id` as in the report. `byte_range` is what the CMS covers; a counter-signature has none of its own."""

    id: Text
    value: File | None = None
    cms: File | None = None
    byte_range: tuple[int, int, int, int] | None = None


class ObjectPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`id` is the SHA-256 of the DER, as in `report.xml`; that of the file differs where the file is PEM."""

    id: Sha256
    kind: Literal["certificate", "crl", "ocsp", "timestamp"]
    file: File


class AnchorPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`used`: a path that was judged ends at it."""

    file: File
    used: bool
    name: Text = ""
    title: Text = ""
    purposes: tuple[Purpose, ...] = ("signing", "timestamping")
    since: Moment | None = None
    until: Moment | None = None


class TrustPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was believed when the report was made."""

    anchors: tuple[AnchorPart, ...]
    distrusted: tuple[Sha256, ...] = ()


class FetchedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an address answered; `body` is the SHA-256 of what it was asked."""

    kind: Literal["ocsp", "crl", "certificate"]
    url: Address
    file: File
    body: Sha256 | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    format: Literal["kyso-evidence/1"]
    validated_at: Moment
    policy: Text
    verdict: Verdict
    document: DocumentPart
    signatures: tuple[SignaturePart, ...]
    objects: tuple[ObjectPart, ...]
    trust: TrustPart
    fetched: tuple[FetchedPart, ...]
    files: dict[File, Sha256]
    detached: tuple[DetachedPart, ...] = ()

    def encoded(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """The manifest in these bytes; raises msgspec.MsgspecError, RecursionError."""
    return msgspec.json.decode(data, type=Manifest)


def sums(files: dict[str, str]) -> bytes:
    """`SHA256SUMS`, as `sha256sum --check` reads it."""
    return "".join(f"{digest}  {name}\n" for name, digest in files.items()).encode()


_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n")


def pem(der: bytes) -> bytes:
    """A certificate as openssl reads it."""
    lines = base64.b64encode(der)
    wrapped = b"".join(lines[at : at + 64] + b"\n" for at in range(0, len(lines), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + wrapped + b"-----END CERTIFICATE-----\n"


def der(text: bytes) -> bytes:
    """The certificate of such a file; raises ValueError for anything that `pem` would not have written."""
    found = _PEM.fullmatch(text)
    if found is None:
        raise ValueError("not one certificate")
    try:
        octets = base64.b64decode(found[1].replace(b"\n", b""), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if pem(octets) != text:
        raise ValueError("not in the one form")
    return octets
