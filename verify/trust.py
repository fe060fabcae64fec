"""What the verifier believes without proof: trust anchors, and what helps to reach them.

Files only; where they lie is for the caller. An empty `Trust` is valid and trusts nobody.

    trust = load([Path("var/trust")])
    judge(file, trust=trust, …)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import crl, pem, x509

from verify.errors import TrustUnusable

SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der", ".crl"})
INTERMEDIATES = "intermediates"
"""Folder whose certificates help to build paths and are not trusted themselves."""

MAX_FILE = 64 << 20
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Trust:
    """DER of anchors, intermediates, CRLs and OCSP responses. Only anchors are trusted."""

    anchors: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


def load(paths: Iterable[Path]) -> Trust:
    """Anchors and CRLs from PEM or DER files, and from folders of them. Raises TrustUnusable.

    A folder is read with its subfolders; certificates below one named `intermediates` are intermediates.
    """
    anchors: list[bytes] = []
    intermediates: list[bytes] = []
    crls: list[bytes] = []
    for path in paths:
        for file, helper in _files(path):
            certificates, lists = read_file(file)
            (intermediates if helper else anchors).extend(certificates)
            crls.extend(lists)
    return Trust(tuple(dict.fromkeys(anchors)), tuple(dict.fromkeys(intermediates)), tuple(dict.fromkeys(crls)))


def read_file(path: Path) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(certificates, CRLs) of one PEM or DER file. Raises TrustUnusable when it holds neither."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise TrustUnusable(file=path.name, reason="too-large")
        data = path.read_bytes()
    except OSError as error:
        raise TrustUnusable(file=path.name, reason="cannot-be-read") from error
    certificates: list[bytes] = []
    lists: list[bytes] = []
    for der in unarmour(data):
        if is_certificate(der):
            certificates.append(der)
        elif is_crl(der):
            lists.append(der)
        else:
            raise TrustUnusable(file=path.name, reason="neither-certificate-nor-crl")
    if not certificates and not lists:
        raise TrustUnusable(file=path.name, reason="empty")
    return tuple(certificates), tuple(lists)


def unarmour(data: bytes) -> tuple[bytes, ...]:
    """The DER structures in PEM or DER bytes; CRLs served as PEM are met in the field."""
    if not pem.detect(data):
        return (data,) if data else ()
    try:
        return tuple(der for _, _, der in pem.unarmor(data, multiple=True))
    except _UNREADABLE as error:
        raise TrustUnusable(reason="pem") from error


def is_certificate(der: bytes) -> bool:
    try:
        certificate = x509.Certificate.load(der, strict=True)
        return bool(certificate.subject.dump() and certificate.public_key.dump() and certificate.not_valid_after)
    except (*_UNREADABLE, AttributeError):
        return False


def is_crl(der: bytes) -> bool:
    try:
        tbs = crl.CertificateList.load(der, strict=True)["tbs_cert_list"]
        return bool(tbs["issuer"].dump() and tbs["this_update"].native)
    except (*_UNREADABLE, AttributeError):
        return False


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    if not path.is_dir():
        yield path, path.parent.name == INTERMEDIATES
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES:
            yield file, INTERMEDIATES in file.relative_to(path).parts[:-1] or path.name == INTERMEDIATES
