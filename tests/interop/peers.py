"""What each reader that needs no Java says of a signed document; none of them is ours.

A reader answers `Said`: it found everything right, it found fault, or it had nothing to look at. `Desk` is what readers
are given besides the document: the anchor, the CAs below it, and evidence for documents that carry none.

>>> pdfsig(Path("a.pdf"), desk)                                                   # doctest: +SKIP
Said(verdict='good', words='')
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from asn1crypto import cms, crl, ocsp, pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from tests import readers
from verify.asn1 import raw

Verdict = Literal["good", "bad", "nothing"]


@dataclass(frozen=True)
class Said:
    """One cell of the table: what is wrong, or in a word what was found. `remarks` do no harm."""

    verdict: Verdict
    words: str = ""
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, faults: Sequence[str], *, words: str = "", remarks: Sequence[str] = ()) -> Said:
        return cls("bad" if faults else "good", words, tuple(faults), tuple(remarks))


@dataclass(frozen=True)
class Desk:
    """A folder with `root.pem` (the anchor), `issuers.pem` (the CAs below), and `evidence` (*.ocsp and *.crl, DER)."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    @property
    def issuers(self) -> Path:
        return self.folder / "issuers.pem"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @property
    def anchor(self) -> x509.Certificate:
        return x509.Certificate.load(pem.unarmor(self.root.read_bytes())[2])


Reader = Callable[[Path, Desk], Said]


def pdfsig(path: Path, desk: Desk) -> Said:
    """Poppler: every signature valid. It knows no document timestamps, and has no anchor to trust."""
    with path.open("rb") as file:
        count = len(PdfFileReader(file, strict=False).embedded_regular_signatures)
    valid = sum(is_valid for is_valid, _ in readers.poppler(path))
    return Said.of([] if 0 < valid == count else [f"{valid} of {count} signatures valid"], words=f"{valid} valid")


def mutool(path: Path, desk: Desk) -> Said:
    """MuPDF: no digest error. It knows no document timestamps, and of trust only the system's."""
    told = readers.mupdf(path)
    faults = [line.strip() for line in told if "Digest error" in line or "error: cannot" in line]
    found = [line for line in told if "document is unchanged" in line or "signature is valid" in line]
    return Said.of(faults if found or faults else ["no signature found valid"], words=f"{len(found)} valid")


def qpdf(path: Path, desk: Desk) -> Said:
    """qpdf: the file is sound."""
    complaint = readers.qpdf(path)
    return Said.of([complaint.splitlines()[0]] if complaint else [])


def openssl_cms(path: Path, desk: Desk) -> Said:
    """`openssl cms -verify -cades` for each signature: value, digest, signing-certificate attribute, path to the root."""
    count, faults = 0, []
    with path.open("rb") as file:
        for one in PdfFileReader(file, strict=False).embedded_regular_signatures:
            count += 1
            command = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", _contents(one)]
            command += ["-content", _covered(path, one), "-CAfile", desk.root, "-purpose", "any", "-out", "/dev/null"]
            faults += _openssl(*command)
    return Said.of(faults, words=f"{count} verified")


def openssl_ts(path: Path, desk: Desk) -> Said:
    """`openssl ts -verify` over each signature timestamp and each document timestamp."""
    count, faults = 0, []
    with path.open("rb") as file:
        reader = PdfFileReader(file, strict=False)
        stamped = [pair for one in reader.embedded_regular_signatures for pair in _signature_timestamps(one)]
        stamped += [(_contents(one), _covered(path, one)) for one in reader.embedded_timestamp_signatures]
        for token, data in stamped:
            count += 1
            command = ["ts", "-verify", "-token_in", "-in", token, "-data", data, "-CAfile", desk.root]
            faults += _openssl(*command, "-untrusted", desk.issuers)
    return Said.of(faults, words=f"{count} verified") if count else Said("nothing", "no timestamp")


def pyhanko(path: Path, desk: Desk) -> Said:
    """pyHanko with our anchor and revocation data required: from /DSS where there is one, else from the desk; never
    from a network. Differences between revisions count; at B-LTA its AdES validation has to pass as well (it knows none
    whose time is proven by a document timestamp alone, which EN 319 142-1 §6.3 allows)."""
    with path.open("rb") as file:
        reader = PdfFileReader(file, strict=False)
        context = _context(reader, desk)
        faults = []
        for one in reader.embedded_regular_signatures:
            status = asyncio.run(async_validate_pdf_signature(one, context, context))
            if not status.bottom_line or status.docmdp_ok is False:
                faults.append(f"{one.field_name}: {status.summary()}")
        for one in reader.embedded_timestamp_signatures:
            status = asyncio.run(async_validate_pdf_timestamp(one, context))
            if not (status.intact and status.valid and status.trusted):
                faults.append(f"{one.field_name}: {status.summary()}")
        is_archived = (
            bool(reader.embedded_timestamp_signatures) and "/DSS" in reader.root and _has_own_timestamp(reader)
        )
    return Said.of(faults or (_archive_faults(path, desk) if is_archived else []), words="LTA" if is_archived else "")


def _archive_faults(path: Path, desk: Desk) -> list[str]:
    spec = PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=SimpleTrustManager.build([desk.anchor]),
                revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
            ),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
            ),
            local_knowledge=LocalKnowledge(known_certs=[desk.anchor]),
        )
    )
    with path.open("rb") as file:
        signature = PdfFileReader(file, strict=False).embedded_regular_signatures[-1]
        result = asyncio.run(ades_lta_validation(signature, spec))
    return [] if result.ades_subindic is AdESPassed.OK else [f"AdES: {result.ades_subindic} {result.failure_msg}"]


def _context(reader: PdfFileReader, desk: Desk) -> ValidationContext:
    settings = {"trust_roots": [desk.anchor], "allow_fetching": False, "revocation_mode": "require"}
    try:
        return DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
    except NoDSSFoundError:
        return ValidationContext(
            **settings,
            ocsps=[ocsp.OCSPResponse.load(one.read_bytes()) for one in sorted(desk.evidence.glob("*.ocsp"))],
            crls=[crl.CertificateList.load(one.read_bytes()) for one in sorted(desk.evidence.glob("*.crl"))],
        )


def _has_own_timestamp(reader: PdfFileReader) -> bool:
    return any(True for one in reader.embedded_regular_signatures[-1:] for _ in _signature_timestamps(one))


def _signature_timestamps(signature: EmbeddedPdfSignature) -> Iterator[tuple[Path, Path]]:
    info = signature.signer_info
    for attribute in info["unsigned_attrs"] or ():
        if attribute["type"].native == "signature_time_stamp_token":
            for token in attribute["values"]:
                yield _kept(raw(token)), _kept(info["signature"].native)


def _contents(signature: EmbeddedPdfSignature) -> Path:
    """The CMS without the zeros behind it."""
    padded = signature.pkcs7_content
    return _kept(raw(cms.ContentInfo.load(padded)))


def _covered(path: Path, signature: EmbeddedPdfSignature) -> Path:
    first, size, second, rest = signature.byte_range
    data = path.read_bytes()
    return _kept(data[first : first + size] + data[second : second + rest])


_scratch = tempfile.TemporaryDirectory(prefix="kyso-interop-")


def _kept(data: bytes) -> Path:
    """A file with these bytes, gone when the process ends."""
    with tempfile.NamedTemporaryFile(dir=_scratch.name, delete=False) as file:
        file.write(data)
    return Path(file.name)


def _openssl(*arguments: object) -> list[str]:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    lines = [line.split(":", 5)[-1] for line in done.stderr.splitlines() if "error:" in line]
    return lines[:1] or done.stderr.splitlines()[-1:] or ["no reason given"]


READERS: dict[str, Reader] = {
    "pdfsig": pdfsig,
    "pyHanko": pyhanko,
    "openssl cms": openssl_cms,
    "openssl ts": openssl_ts,
    "mutool": mutool,
    "qpdf": qpdf,
}
