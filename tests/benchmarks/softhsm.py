"""A SoftHSM token with one RSA-2048 key, opened raw: the floor and the peers sign with the very same key."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pkcs11
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from tests.pki import Authority, Signer

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "4711-bench"
LABEL = "bench"
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass
class Token:
    """An open session, its key, and a certificate for it."""

    session: pkcs11.Session
    key: pkcs11.PrivateKey
    signer: Signer

    def sign(self, tbs: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, one raw C_Sign."""
        digest = hashlib.sha256(tbs).digest()
        return self.key.sign(_DIGEST_INFO + digest, mechanism=pkcs11.Mechanism.RSA_PKCS)

    def rate(self, *, seconds: float = 2.0) -> float:
        """Signatures a second on one thread, nothing else done."""
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.sign(b"x")
            count += 1
        return count / (time.perf_counter() - start)


def make(folder: Path) -> Token:
    """A fresh token below `folder` with a key and a certificate by a test authority."""
    (folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(conf)
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    session = pkcs11.lib(str(SOFTHSM)).get_token(token_label=LABEL).open(rw=True, user_pin=PIN)
    public, private = session.generate_keypair(pkcs11.KeyType.RSA, 2048, id=b"\x01", label=LABEL, store=True)
    issuing = Authority.root().authority()
    certificate = issuing.certify(LABEL, load_der_public_key(_spki(public)))
    session.create_object(
        {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
            pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
            pkcs11.Attribute.TOKEN: True,
            pkcs11.Attribute.LABEL: LABEL,
            pkcs11.Attribute.ID: b"\x01",
            pkcs11.Attribute.SUBJECT: certificate.subject.public_bytes(),
            pkcs11.Attribute.VALUE: _der(certificate),
        }
    )
    return Token(session, private, Signer(certificate, None, (issuing.der,)))


def _der(certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _spki(public: pkcs11.PublicKey) -> bytes:
    from asn1crypto import keys

    return keys.PublicKeyInfo.wrap(keys.RSAPublicKey.load(encode_rsa_public_key(public)), "rsa").dump()


def raw_rate() -> float:
    """`Token.rate` of a fresh token, in a process of its own: a process initialises a PKCS#11 module once."""
    done = subprocess.run([sys.executable, "-m", __name__], check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kyso-bench-") as name:
        print(make(Path(name)).rate())
