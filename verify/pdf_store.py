"""The document security store of a PDF (/DSS, EN 319 142-1 §5.4.2): certificates, CRLs, OCSP responses.

Only read here; what the evidence is worth is found out by `verify.evidence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import crl, ocsp, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verify.asn1 import raw
from verify.found import Evidence
from verify.pdf import UNEXPECTED, get
from verify.revisions import Layout

MAX_ITEMS = 1_000


@dataclass(frozen=True)
class Store:
    """Evidence and what it is about; `since` is the end of the revision that brought the store."""

    evidence: Evidence
    since: int | None
    list_issuers: frozenset[bytes]
    serials: frozenset[int]

    def speaks_of(self, certificate: bytes | None) -> bool:
        """Whether some CRL or OCSP response here seems to be about the certificate, by names and numbers alone."""
        if certificate is None or self.since is None:
            return False
        try:
            parsed = x509.Certificate.load(certificate)
            return parsed.serial_number in self.serials or raw(parsed.issuer) in self.list_issuers
        except UNEXPECTED:
            return False


def read(reader: PdfFileReader, *, layout: Layout) -> Store:
    """The store of the newest revision; an empty one when there is none."""
    store = get(reader.root, "/DSS")
    if not isinstance(store, generic.DictionaryObject):
        return Store(Evidence(), None, frozenset(), frozenset())
    certificates, crls, ocsps = (tuple(_streams(store, key)) for key in ("/Certs", "/CRLs", "/OCSPs"))
    return Store(
        Evidence(certificates, crls, ocsps),
        since=_since(reader, layout=layout),
        list_issuers=frozenset(_issuers(crls)),
        serials=frozenset(_serials(ocsps)),
    )


def evidence(reader: PdfFileReader) -> Evidence:
    """What the newest store holds, whatever it is about."""
    store = get(reader.root, "/DSS")
    if not isinstance(store, generic.DictionaryObject):
        return Evidence()
    certificates, crls, ocsps = (tuple(_streams(store, key)) for key in ("/Certs", "/CRLs", "/OCSPs"))
    return Evidence(certificates, crls, ocsps)


def _since(reader: PdfFileReader, *, layout: Layout) -> int | None:
    for number, revision in enumerate(layout.revisions):
        try:
            if "/DSS" in reader.get_historical_resolver(number).root:
                return revision.marker_end
        except UNEXPECTED:
            continue
    return None


def _streams(store: generic.DictionaryObject, key: str) -> Iterator[bytes]:
    items = get(store, key)
    if not isinstance(items, generic.ArrayObject):
        return
    for item in list(items)[:MAX_ITEMS]:
        try:
            stream = item.get_object()
            if isinstance(stream, generic.StreamObject):
                yield bytes(stream.data)
        except UNEXPECTED:
            continue


def _issuers(crls: tuple[bytes, ...]) -> Iterator[bytes]:
    for der in crls:
        try:
            yield raw(crl.CertificateList.load(der).issuer)
        except UNEXPECTED:
            continue


def _serials(ocsps: tuple[bytes, ...]) -> Iterator[int]:
    for der in ocsps:
        try:
            response = ocsp.OCSPResponse.load(der)
            for single in response["response_bytes"]["response"].parsed["tbs_response_data"]["responses"]:
                yield single["cert_id"]["serial_number"].native
        except UNEXPECTED:
            continue
