"""Where a document's signatures lie, and of which certificate each piece of revocation data speaks.

For whoever wants to check by other programs what `verify.engine` judged: nothing is judged here, and what is said of a
hostile document may be nonsense. The numbers are those that the document states.

    cuts(file, limits=Limits())        # (Cut(id="Signature1", byte_range=(0, 840, 19228, 500), cms=b"0…"), …)
    speaks(ocsps, crls, pairs=((certificate, issuer), …))
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from asn1crypto import crl, ocsp, x509

from verify.asn1 import key_bits, raw, same_name
from verify.byte_ranges import dictionaries_of, without_padding
from verify.dissected import Cut, Node, Spoken
from verify.document import Limits, sniff
from verify.issuance import UNEXPECTED
from verify.pdf import open_reader, refusing
from verify.xml import dissection as xml

LARGEST = 32 << 20
"""Octets of all CMS together; what is beyond is told without."""
Pair = tuple[bytes, bytes]
"""A certificate and its issuer's (DER)."""


def cuts(file: BinaryIO, *, limits: Limits, password: str | None = None) -> tuple[Cut, ...]:
    """The signature dictionaries of a PDF whose ranges lie inside the file; none of another document."""
    if sniff(file) != "PDF":
        return ()
    reader = open_reader(file, limits=limits, password=password, tolerance="lenient")
    found: list[Cut] = []
    size = file.seek(0, 2)
    left = LARGEST
    with refusing():
        for one in dictionaries_of(reader, limits=limits, warnings=[]):
            match one.byte_range:
                case (0, int(first), int(second), int(last)) if 0 < first < second and 0 <= last <= size - second:
                    octets = without_padding(one.contents)
                    left -= len(octets)
                    found.append(Cut(one.field, (0, first, second, last), octets if left >= 0 else b""))
    return tuple(sorted(found, key=lambda cut: (sum(cut.byte_range[2:]), cut.id)))


def nodes(file: BinaryIO, *, limits: Limits) -> tuple[Node, ...]:
    """The signatures of an XML document; none of another one."""
    return xml.nodes(file, limits=limits) if sniff(file) == "XML" else ()


def speaks(
    ocsps: Sequence[bytes], crls: Sequence[bytes], *, pairs: Sequence[Pair]
) -> tuple[tuple[Spoken, ...], tuple[Spoken, ...]]:
    """Which answers and which lists are about which pairs. What cannot be read speaks of nobody."""
    known = [(number, *loaded) for number, pair in enumerate(pairs) if (loaded := _load(pair)) is not None]
    return (
        tuple(spoken for item, der in enumerate(ocsps) for spoken in _asked_about(item, der, known)),
        tuple(spoken for item, der in enumerate(crls) for spoken in _listed_by(item, der, known)),
    )


_Known = Sequence[tuple[int, x509.Certificate, x509.Certificate]]


def _load(pair: Pair) -> tuple[x509.Certificate, x509.Certificate] | None:
    try:
        certificate, issuer = map(x509.Certificate.load, pair)
        return (certificate, issuer) if certificate.serial_number and raw(issuer.subject) else None
    except UNEXPECTED:
        return None


def _asked_about(item: int, der: bytes, known: _Known) -> Iterator[Spoken]:
    """RFC 6960 §4.1.1: an answer names a certificate by digests of its issuer's name and key, and by serial number."""
    try:
        said = ocsp.OCSPResponse.load(der).response_data
        made = said["produced_at"].native
        named = []
        for one in said["responses"]:
            identity = one["cert_id"]
            method = identity["hash_algorithm"]["algorithm"].native
            name, key = identity["issuer_name_hash"].native, identity["issuer_key_hash"].native
            named.append((method, name, key, identity["serial_number"].native, one["cert_status"].name))
        for number, certificate, issuer in known:
            for method, name, key, serial, status in named:
                if (
                    serial == certificate.serial_number
                    and name == hashlib.new(method, raw(certificate.issuer), usedforsecurity=False).digest()
                    and key == hashlib.new(method, key_bits(issuer), usedforsecurity=False).digest()
                ):
                    yield Spoken(item, number, made, status)
                    break
    except UNEXPECTED:
        return


def _listed_by(item: int, der: bytes, known: _Known) -> Iterator[Spoken]:
    """RFC 5280 §5.1.2.3: a list is by the issuer that it names; indirect ones are told of nobody here."""
    try:
        said = crl.CertificateList.load(der)["tbs_cert_list"]
        issued = said["this_update"].native
        for number, _, above in known:
            if same_name(said["issuer"], above.subject):
                yield Spoken(item, number, issued)
    except UNEXPECTED:
        return
