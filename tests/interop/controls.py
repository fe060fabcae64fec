"""The same algorithms signed by pyHanko itself: what a reader refuses here too is the reader's limit, not Kyso's fault.

A red cell is excused only if the reader says the same of the control *and* `LIMITS` says why. So a reader that breaks
down for a reason of its own does not hide a fault, and a limit that a newer reader no longer has is found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asn1crypto import keys, x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.interop.cases import ALGORITHMS, Algorithm
from tests.interop.house import House
from tests.interop.peers import Said


@dataclass(frozen=True)
class Limit:
    """What a reader says of an algorithm that it does not know (a part of every fault), and why it is so."""

    says: str
    why: str


_MUPDF = "MuPDF verifies by OpenSSL's PKCS #7 functions, which know neither PSS nor Ed25519"
LIMITS = {
    ("pdfsig", "ed25519"): Limit("0 of 1 signatures valid", "NSS, by which Poppler verifies, knows no Ed25519 in CMS"),
    ("openssl cms", "ed25519"): Limit("invalid digest", "OpenSSL 3.0 verifies no Ed25519 over signed attributes"),
    ("mutool", "ed25519"): Limit("Digest error", _MUPDF),
    ("mutool", "rsa3072"): Limit("Digest error", _MUPDF),
    ("DSS", "ed25519"): Limit(
        "EdDSA with SHA512 is not authorised",
        "the default policy of DSS does not list EdDSA; the value itself verifies (nothing else is said against it)",
    ),
}
"""By reader and kind of key."""


def is_limit(reader: str, kind: str, *, said: Said, control: Said) -> bool:
    """Whether nothing but the reader's own limit is at fault: it says that, only that, and the same of the control."""
    limit = LIMITS.get((reader, kind))
    return limit is not None and all(
        bool(one.faults) and all(limit.says in fault for fault in one.faults) for one in (said, control)
    )


def make(house: House, document: Path, folder: Path) -> dict[str, Path]:
    """One B-B signature a kind of key by pyHanko, with the keys and certificates of the desk."""
    made = {}
    for one in ALGORITHMS:
        made[one.kind] = folder / f"control-{one.kind}.pdf"
        _sign(house, one, document, made[one.kind])
    return made


def signer_of(house: House, algorithm: Algorithm) -> SimpleSigner:
    """pyHanko's signer with the key and certificate of the desk."""
    hand, certificate = house.desk[algorithm.kind]
    der = hand.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    chain = [x509.Certificate.load(one.der) for one in (house.pki.issuing, house.pki.root)]
    return SimpleSigner(
        x509.Certificate.load(certificate.der),
        keys.PrivateKeyInfo.load(der),
        SimpleCertificateStore.from_certs(chain),
        prefer_pss="pss" in algorithm.mechanism,
    )


def _sign(house: House, algorithm: Algorithm, document: Path, out: Path) -> None:
    digest = "sha512" if algorithm.kind == "ed25519" else algorithm.mechanism.rsplit("_", 1)[1]
    meta = PdfSignatureMetadata(field_name="Signature1", subfilter=SigSeedSubFilter.PADES, md_algorithm=digest)
    with document.open("rb") as file, out.open("w+b") as target:
        PdfSigner(meta, signer=signer_of(house, algorithm)).sign_pdf(IncrementalPdfFileWriter(file), output=target)
