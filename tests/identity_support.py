"""What tests of signing in need: a small authority for clients' certificates with CRLs, in files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Ca:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass
class Clients:
    """Certificates of a server and of its clients below `folder`, as PEM files."""

    folder: Path
    authority: Ca = field(init=False)

    def __post_init__(self) -> None:
        self.authority = a_ca("Clients CA (demo)")
        own = a_ca("Server CA (demo)")
        self.ca.write_bytes(pem(self.authority.certificate))
        self.server_ca.write_bytes(pem(own.certificate))
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        self._write("server", own, usage=ExtendedKeyUsageOID.SERVER_AUTH, names=names)

    @property
    def ca(self) -> Path:
        return self.folder / "clients-ca.pem"

    @property
    def crl(self) -> Path:
        return self.folder / "clients-crl.pem"

    @property
    def server_ca(self) -> Path:
        return self.folder / "server-ca.pem"

    @property
    def server_certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    def issue(self, name: str, *, names: x509.SubjectAlternativeName | None = None) -> tuple[Path, Path]:
        """Files of a client's certificate and key."""
        return self._write(name, self.authority, names=names)

    def bad(self, kind: str) -> tuple[Path, Path]:
        """A certificate that must not get through."""
        now = datetime.now(UTC)
        match kind:
            case "expired":
                return self._write("expired", self.authority, begin=now - 3 * DAY, end=now - DAY)
            case "future":
                return self._write("future", self.authority, begin=now + DAY, end=now + 3 * DAY)
            case "stranger":  # the same name of the CA, another key
                return self._write("stranger", a_ca("Clients CA (demo)"))
            case "for-servers":
                return self._write("for-servers", self.authority, usage=ExtendedKeyUsageOID.SERVER_AUTH)
            case "self-signed":
                return self._write("self-signed", a_ca("self-signed"))
        raise ValueError(kind)

    def revoke(self, *files: Path, until: datetime | None = None) -> Path:
        """A new CRL with these certificates, in force until then."""
        now = datetime.now(UTC)
        until = until or now + DAY
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.authority.certificate.subject, last_update=min(now, until) - DAY, next_update=until
        )
        for file in files:
            serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(serial, now - timedelta(hours=1)).build()
            )
        self.crl.write_bytes(pem(builder.sign(self.authority.key, hashes.SHA256())))
        return self.crl

    def replace_ca(self) -> None:
        """Another CA in the place of the one until now."""
        self.authority = a_ca("Clients CA 2 (demo)")
        self.ca.write_bytes(pem(self.authority.certificate))

    def _write(
        self,
        name: str,
        issuer: Ca,
        *,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        names: x509.SubjectAlternativeName | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(
                issuer.certificate.subject, subject(name), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(begin or now - DAY)
            .not_valid_after(end or now + DAY)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(pem(builder.sign(issuer.key, hashes.SHA256())))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private


def a_ca(name: str) -> Ca:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject(name), subject(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 10 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Ca(key, certificate)


def subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Xã Mẫu (demo)"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def pem(one: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return one.public_bytes(Encoding.PEM)
