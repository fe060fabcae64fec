"""What an operator does with the keys of a real keeper: made, requested for, certified, renewed."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from hsm.errors import (
    CertificateMismatch,
    CertificateUnreadable,
    KeyExists,
    RequestMalformed,
    SubjectInvalid,
    TokenExists,
    TokenNotAvailable,
)
from hsm.keys import Mechanism
from hsm.lifecycle import PinSource
from hsm.token import Token
from tests.hsm_support import ONE_OF_EACH, PIN, SO_PIN, Box, a_box, key_named, signed_attributes

pytestmark = pytest.mark.spine

EC: Mechanism = "ecdsa_sha256"


def test_new_keys_cannot_leave_the_token(box: Box) -> None:
    """Sensitive, not extractable, made for signing only."""
    script = """
import sys; from hsm.cryptoki import Cryptoki; from pkcs11 import Attribute as A, ObjectClass
c = Cryptoki(sys.argv[1]); c.initialise(); slot = next(s for s in c.slots() if c.token_info(s).label == "box")
s = c.open_session(slot); c.login(s, bytearray(sys.argv[2].encode()))
for h in c.find(s, {A.CLASS: ObjectClass.PRIVATE_KEY}):
    print([c.attribute(s, h, a) for a in (A.SENSITIVE, A.EXTRACTABLE, A.SIGN, A.DECRYPT, A.UNWRAP, A.DERIVE)],
          c.attribute(s, h, A.PRIVATE_EXPONENT), c.attribute(s, h, A.VALUE))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(box.library), PIN],
        env=os.environ | box.environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(ONE_OF_EACH)
    for line in lines:
        assert line.startswith(r"[b'\x01', b'\x00', b'\x01', b'\x00', b'\x00', b'\x00']"), line
        assert line.endswith("None None"), line


def certificate(
    subject: str, key: object, *, issuer: str, by: ec.EllipticCurvePrivateKey, days: int = 0
) -> x509.Certificate:
    """A certificate that begins `days` from now."""
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)  # type: ignore[arg-type]  # any of cryptography's
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .sign(by, hashes.SHA256())
    )


@pytest.mark.parametrize("ref", ["rsa", "p256", "p384", "ed"])
def test_a_request_for_a_certificate_is_signed_by_the_key(box: Box, ref: str) -> None:
    """PKCS#10 with a Vietnamese name, which a peer reads and verifies; recorded like any use."""
    with box.admin as admin:
        csr = x509.load_pem_x509_csr(admin.csr(ref, "CN=Nguyễn Văn Ánh,O=Ủy ban nhân dân,C=VN"))
        info = key_named(admin, ref)
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=Nguyễn Văn Ánh,O=Ủy ban nhân dân,C=VN"
    assert csr.public_key() == load_der_public_key(info.public_key)
    assert '"note":"csr"' in (box.path / "box.uses").read_text()
    with pytest.raises(SubjectInvalid), box.admin as admin:
        admin.csr(ref, "no name")


def test_a_certificate_is_stored_with_its_chain_and_renewed(box: Box) -> None:
    """The key keeps its name; the chain goes upwards; a renewal replaces; a stranger's certificate is refused."""
    root_key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Root", root_key.public_key(), issuer="Root", by=root_key)
    ca = certificate("CA", ca_key.public_key(), issuer="Root", by=root_key)
    with box.admin as admin:
        info = key_named(admin, "p384")
        public = load_der_public_key(info.public_key)
        first = certificate("Seal", public, issuer="CA", by=ca_key)
        second = certificate("Seal", public, issuer="CA", by=ca_key, days=1)
        foreign = certificate("Seal", root_key.public_key(), issuer="CA", by=ca_key)
        pem = b"".join(c.public_bytes(Encoding.PEM) for c in (root, ca))
        stored = admin.import_certificate("p384", first.public_bytes(Encoding.DER), (pem,))
        der = [c.public_bytes(Encoding.DER) for c in (first, ca, root)]
        assert (der[0], tuple(der[1:])) == (stored.certificate, stored.chain)
        renewed = admin.import_certificate("p384", second.public_bytes(Encoding.PEM))
        assert (second.public_bytes(Encoding.DER), tuple(der[1:])) == (renewed.certificate, renewed.chain)
        with pytest.raises(CertificateMismatch):
            admin.import_certificate("p384", foreign.public_bytes(Encoding.DER))
        with pytest.raises(CertificateUnreadable):
            admin.import_certificate("p384", b"nonsense")
        after = key_named(admin, "p384")
    assert renewed == after


def test_a_name_is_given_once(box: Box) -> None:
    """And is not empty, too long or full of control characters."""
    with box.admin as admin:
        with pytest.raises(KeyExists):
            admin.create_key("rsa", "p256")
        for bad in ("", "x" * 65, "a\nb", "a#b"):
            with pytest.raises(RequestMalformed):
                admin.create_key(bad, "p256")


def test_a_token_is_made_by_the_keeper_itself() -> None:
    """From unprovisioned to a signature; an existing token is never touched."""
    with a_box() as box:
        so_pin, pin = PinSource(file=str(box.path / "so")), PinSource(file=str(box.path / "pin"))
        with box.start() as token:
            assert ("unprovisioned", "token-absent") == (token.status().state, token.status().reason)
            with pytest.raises(TokenNotAvailable):
                token.keys()
            with box.admin as admin:
                assert [False] == [s.initialised for s in admin.slots()]
                made = admin.initialise("box", so_pin=so_pin, pin=pin)
                assert made.state == "operational"
                with pytest.raises(TokenExists):
                    admin.initialise("box", so_pin=so_pin, pin=pin)
                admin.create_key("first", "p256")
            assert isinstance(token, Token)
            assert box.sign(token, signed_attributes(b"x"), key="first", mechanism=EC)
        assert SO_PIN not in box.errors()


def test_two_keys_of_one_label_are_both_renamed(box: Box) -> None:
    """Neither is taken for the other."""
    with a_box() as other:
        other.make_token()
        for key_id in ("01", "02"):
            file = other.path / f"{key_id}.pem"
            subprocess.run(
                ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file],
                check=True,
                capture_output=True,
            )
            subprocess.run(
                ["softhsm2-util", "--import", file, "--token", "box", "--label", "twin", "--id", key_id, "--pin", PIN],
                env=os.environ | other.environment, check=True, capture_output=True,
            )  # fmt: skip
        with other.start() as token:
            infos = token.keys()
    assert ["twin#01", "twin#02"] == [info.ref for info in infos]
