"""Whose certificate it is: the one on record, its renewals by key or numbered subject, and nobody by a name alone."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.directory_support import Book, counted, day

pytestmark = pytest.mark.appliance

KEYS = tuple(ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
SINCE = day("2024-01-01")
NAME = "Nguyễn Văn Mẫu"


def certificate(key: int, *, number: str | None = None, issuer: str = "Kyso Demo CA") -> bytes:
    """One for a key by its index; `number` stands in the subject as UID."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, NAME)]
    subject += [x509.NameAttribute(NameOID.USER_ID, number)] if number else []
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(KEYS[key].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(SINCE + timedelta(days=900))
    )
    return made.sign(KEYS[0], hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def line(octets: bytes, holder: str = "") -> str:
    return f"certificate;person\n{base64.b64encode(octets).decode()};{holder}\n"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path).filled()


def test_a_certificate_is_a_persons_from_its_own_beginning(book: Book) -> None:
    """Also for signatures that were made before it was put on record."""
    first = certificate(0)
    book.take(certificates=line(first, "p1"))
    for at in (day("2024-01-02"), None):
        found = book.directory.person_of_certificate(sha256(first), at)
        assert found is not None
        assert (book.person("p1"), "certificate") == (found.person, found.how)
    assert None is book.directory.person_of_certificate(sha256(first), day("2023-12-31"))


@pytest.mark.parametrize(
    ("first", "next_", "how"),
    [
        (certificate(0), certificate(0), "public-key"),
        (certificate(0, number="CCCD:001"), certificate(1, number="CCCD:001"), "subject"),
    ],
)
def test_a_renewed_one_keeps_its_person(book: Book, first: bytes, next_: bytes, how: str) -> None:
    """The same public key, or the same issuer and a subject with a number: known before anybody imports it, and on record
    without a name being said. The former one stays theirs."""
    p1 = book.person("p1")
    book.take(certificates=line(first, "p1"))
    found = book.directory.person_of_certificate(sha256(next_), certificate=next_)
    assert found is not None
    assert (p1, how) == (found.person, found.how)
    assert {"certificates": {"new": 1}} == counted(book.take(certificates=line(next_)))
    for one in (first, next_):
        known = book.directory.person_of_certificate(sha256(one))
        assert known is not None
        assert (p1, "certificate") == (known.person, known.how)


@pytest.mark.parametrize(
    "stranger",
    [
        certificate(2),
        certificate(2, number="CCCD:002"),
        certificate(2, number="CCCD:001", issuer="Another CA"),
    ],
)
def test_a_name_alone_is_nobodys(book: Book, stranger: bytes) -> None:
    """The same name, another number, or the same number said by another authority."""
    book.take(certificates=line(certificate(0, number="CCCD:001"), "p1"))
    assert None is book.directory.person_of_certificate(sha256(stranger), certificate=stranger)
    assert [("certificates.csv", 2, "certificate-of-one")] == book.faults(certificates=line(stranger))


def test_a_mapping_that_ended_stays_known_for_its_time(book: Book) -> None:
    """It is not a person's any more; what it signed before was theirs."""
    first = certificate(0)
    book.take(certificates=line(first, "p1"))
    done = book.take(certificates=f"sha256;to\n{sha256(first)};2026-06-30\n")
    assert {"certificates": {"ended": 1}} == counted(done)
    assert book.directory.person_of_certificate(sha256(first), day("2026-06-30")) is not None
    assert None is book.directory.person_of_certificate(sha256(first), day("2026-07-01"), certificate=first)


def test_a_renewed_certificate_comes_again_in_an_export(book: Book, tmp_path: Path) -> None:
    """An export holds digests and no certificate, and the rules work with it elsewhere."""
    from api.directory import exporting

    book.take(certificates=line(certificate(0), "p1"))
    files = book.database.read(
        lambda connection: dict(exporting.csv_files(connection, zone=day("2026-01-01").tzinfo))  # type: ignore[arg-type]
    )
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Book(tmp_path / "elsewhere")
    elsewhere.take(**{name.removesuffix(".csv"): data for name, data in files.items()})
    renewed = certificate(0)
    found = elsewhere.directory.person_of_certificate(sha256(renewed), certificate=renewed)
    assert found is not None
    assert elsewhere.person("p1") == found.person
