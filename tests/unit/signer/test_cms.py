"""What the template writes is a CMS SignedData that independent readers accept."""

from __future__ import annotations

import hashlib
import subprocess

import pytest
from asn1crypto import cms

from signer.cms import SignedDataTemplate
from signer.errors import OrderInvalid, ValueRefused
from tests.pki import Authority

pytestmark = pytest.mark.spine

CONTENT = "Giấy giới thiệu sinh hoạt đảng".encode()
KINDS = [
    ("rsa2048", "rsassa_pkcs1v15_sha256"),
    ("rsa2048", "rsassa_pkcs1v15_sha512"),
    ("rsa2048", "rsassa_pss_sha256"),
    ("rsa3072", "rsassa_pss_sha384"),
    ("p256", "ecdsa_sha256"),
    ("p384", "ecdsa_sha384"),
    ("ed25519", "ed25519"),
]


def signed(authority: Authority, kind: str, mechanism: str) -> tuple[SignedDataTemplate, bytes, bytes]:
    signer = authority.signer(f"Người ký {kind}", key=kind)
    template = SignedDataTemplate.of(signer.der, chain=signer.chain, mechanism=mechanism)
    tbs = template.signed_attrs(hashlib.new(template.digest, CONTENT).digest())
    return template, tbs, template.signed_data(tbs, value=signer.sign(tbs, mechanism), timestamp=None)


@pytest.mark.parametrize(("kind", "mechanism"), KINDS)
def test_the_bytes_are_canonical(authority: Authority, kind: str, mechanism: str):
    """Decoding everything and encoding it anew gives the very same bytes."""
    _, tbs, der = signed(authority, kind, mechanism)
    parsed = cms.ContentInfo.load(der, strict=True)
    _ = parsed.native
    assert der == parsed.dump(force=True)
    assert tbs[1:] == parsed["content"]["signer_infos"][0]["signed_attrs"].dump()[1:]


@pytest.mark.parametrize(("kind", "mechanism"), [k for k in KINDS if k[0] != "ed25519"])
def test_openssl_verifies_it_as_cades(authority: Authority, tmp_path, kind: str, mechanism: str):
    """`openssl cms -verify -cades` checks the value, the digest and the signing-certificate attribute.

    Ed25519 is left out: OpenSSL 3.0 does not verify it in CMS.
    """
    _, _, der = signed(authority, kind, mechanism)
    (tmp_path / "s.der").write_bytes(der)
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    command = [
        "openssl",
        "cms",
        "-verify",
        "-cades",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "s.der",
        "-content",
        "content",
    ]
    command += ["-CAfile", "ca.pem", "-partial_chain", "-purpose", "any", "-out", "verified"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert CONTENT == (tmp_path / "verified").read_bytes()


@pytest.mark.parametrize(("kind", "mechanism"), KINDS)
def test_the_size_is_known_before_the_key_is_used(authority: Authority, kind: str, mechanism: str):
    """The bound holds, and is tight: a gap that is too small would be found only after the key was used."""
    template, _, der = signed(authority, kind, mechanism)
    assert len(der) <= template.size(timestamp_room=0) <= len(der) + 16


@pytest.mark.parametrize(("kind", "mechanism"), KINDS)
def test_a_value_with_one_bit_wrong_is_refused(authority: Authority, kind: str, mechanism: str):
    """A token that errs by one bit is found out."""
    signer = authority.signer(f"Người ký {kind}", key=kind)
    template = SignedDataTemplate.of(signer.der, chain=signer.chain, mechanism=mechanism)
    tbs = template.signed_attrs(bytes(64))
    value = bytearray(signer.sign(tbs, mechanism))
    template.verify(tbs, value=bytes(value))
    value[-1] ^= 1
    with pytest.raises(ValueRefused):
        template.verify(tbs, value=bytes(value))


@pytest.mark.parametrize(
    ("kind", "mechanism"), [("rsa2048", "ecdsa_sha256"), ("p256", "rsassa_pss_sha256"), ("p256", "md5")]
)
def test_a_mechanism_that_the_key_cannot_make_is_refused(authority: Authority, kind: str, mechanism: str):
    """The mismatch is found at preparation, not when the token says no."""
    signer = authority.signer(f"Người ký {kind}", key=kind)
    with pytest.raises(OrderInvalid):
        SignedDataTemplate.of(signer.der, chain=signer.chain, mechanism=mechanism)


def test_a_certificate_that_is_none_is_refused():
    """Bytes that are no certificate are the caller's mistake, not a crash."""
    with pytest.raises(OrderInvalid):
        SignedDataTemplate.of(b"\x30\x00", chain=(), mechanism="ecdsa_sha256")


def test_the_root_is_not_embedded(authority: Authority):
    """The chain is there so that a verifier finds its anchor; the anchor itself is the verifier's own."""
    signer = authority.signer()
    root = Authority.root()
    template = SignedDataTemplate.of(signer.der, chain=(*signer.chain, root.der), mechanism="rsassa_pkcs1v15_sha256")
    der = template.signed_data(template.signed_attrs(bytes(32)), value=bytes(256), timestamp=None)
    certificates = cms.ContentInfo.load(der)["content"]["certificates"]
    assert {signer.der, authority.der} == {choice.chosen.dump() for choice in certificates}
