"""Tokens are read strictly, and a token that is not what its authority signed is refused."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer import der
from signer.cms import attribute
from signer.timestamp import request
from tests.pki import NOW, Authority
from tests.timestamp_support import (
    CONTENT_TYPE,
    DATA,
    MD5,
    MESSAGE_DIGEST,
    POLICY,
    SHA1,
    SIGNING_CERTIFICATE,
    TIME_STAMPING,
    Forge,
    authority,
    token_in,
    tsa_signer,
    tsa_with_usage,
)
from verify.asn1 import raw
from verify.errors import VerifyError
from verify.timestamp import (
    MAX_SIZE,
    TimestampInvalid,
    TimestampToken,
    check,
    matches,
    purpose_findings,
    read,
)
from verify.timestamp_certificates import TimestampUnreadable, certificate_purpose_findings

pytestmark = pytest.mark.spine

IMPRINT = hashlib.sha256(b"data").digest()
MECHANISMS = {
    "rsassa_pkcs1v15_sha256": "rsa2048",
    "rsassa_pkcs1v15_sha384": "rsa2048",
    "rsassa_pkcs1v15_sha512": "rsa2048",
    "rsassa_pss_sha256": "rsa2048",
    "rsassa_pss_sha512": "rsa2048",
    "ecdsa_sha256": "p256",
    "ecdsa_sha384": "p384",
    "ed25519": "ed25519",
}


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


def refused_for(token: bytes, reason: str, *, known: tuple[bytes, ...] = ()) -> None:
    with pytest.raises(TimestampInvalid) as refused:
        check(read(token, known=known))
    assert reason == refused.value.facts["reason"]


def what_it_says(token: TimestampToken) -> tuple:
    return token.time, token.serial, token.policy, token.nonce, token.accuracy, token.imprint_algorithm, token.imprint


def test_a_proper_token_is_read_and_passes(forge):
    """Every field comes out as the authority put it in."""
    token = read(forge.build(forge.info()))
    check(token)
    assert (NOW, 7, POLICY, 42, None, "sha256", IMPRINT) == what_it_says(token)
    assert token.time.tzinfo is UTC
    assert forge.signer.der == token.tsa
    assert "Dấu thời gian (demo)" == token.tsa_name
    assert (forge.signer.der,) == token.certificates
    assert () == purpose_findings(token)


@pytest.mark.parametrize(("mechanism", "key"), MECHANISMS.items())
def test_every_mechanism_verifies_and_notices_another_value(mechanism, key):
    """Whatever our keys can make, the reader verifies; a flipped bit of the value is noticed."""
    signer = tsa_signer(key=key)
    body = request(imprint=IMPRINT, digest="sha256", nonce=1, policy=None)
    answer = authority(signer, mechanism=mechanism).respond(body, sign=lambda tbs: signer.sign(tbs, mechanism))
    token = token_in(answer)
    check(read(token))
    refused_for(token[:-1] + bytes((token[-1] ^ 1,)), "signature")


def test_it_matches_only_the_data_that_was_stamped(forge):
    """The digest is asked for by the name that the token uses."""
    token = read(forge.build(forge.info()))
    assert matches(token, lambda name: hashlib.new(name, b"data").digest())
    assert not matches(token, lambda name: hashlib.new(name, b"other").digest())
    unknown = read(forge.build(forge.info(algorithm=MD5, imprint=bytes(16))))
    assert not matches(unknown, lambda _: bytes(16))


def test_no_flipped_bit_changes_what_a_token_that_passes_says(forge):
    """Over every byte of a token: refused with an error of ours, or what it says is still what was signed."""
    token = forge.build(forge.info())
    said = what_it_says(read(token))
    outcomes = Counter()
    for position in range(len(token)):
        changed = bytearray(token)
        changed[position] ^= 1 << position % 8
        try:
            other = read(bytes(changed))
            check(other)
        except VerifyError as error:
            outcomes[error.code] += 1
        else:
            assert said == what_it_says(other), position
            outcomes["passed"] += 1
    assert outcomes["timestamp-invalid"] > 500
    assert outcomes["timestamp-unreadable"] > 100
    assert outcomes["passed"] < 40  # versions, names of attributes nobody signs, the outer list of digests


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda token: b"", id="empty"),
        pytest.param(lambda token: token[:-1], id="truncated"),
        pytest.param(lambda token: token + b"\0", id="bytes behind it"),
        pytest.param(lambda token: b"\x30\x80" + token, id="indefinite length without an end"),
        pytest.param(lambda token: b"%PDF-1.7", id="something else"),
        pytest.param(lambda token: der.octet_string(bytes(MAX_SIZE)), id="too large"),
        pytest.param(lambda token: der.sequence(DATA, der.context(0, der.octet_string(b"x"))), id="CMS data"),
        pytest.param(lambda token: b"\x30\x84\x7f\xff\xff\xff" + token, id="length beyond the end"),
        pytest.param(lambda token: b"\x30\x82\x03\xe8" * 200, id="deeply nested"),
    ],
)
def test_what_is_no_token_is_unreadable(forge, make):
    """Whatever the parser trips over, the caller gets one kind of error."""
    with pytest.raises(TimestampUnreadable):
        read(make(forge.build(forge.info())))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda forge: forge.build(forge.info(version=2)), id="TSTInfo version 2"),
        pytest.param(lambda forge: forge.build(forge.info(), signers=2), id="two signers"),
        pytest.param(lambda forge: forge.build(forge.info(), signers=0), id="no signer"),
        pytest.param(lambda forge: forge.build(forge.info(), content_type=DATA), id="content is not TSTInfo"),
        pytest.param(lambda forge: forge.build(forge.info() + b"\0"), id="bytes behind the TSTInfo"),
        pytest.param(lambda forge: forge.build(forge.info(), certificates=(b"\x30\0",) * 65), id="65 certificates"),
    ],
)
def test_a_token_of_another_make_is_unreadable(forge, build):
    """RFC 3161 §2.4.2 leaves one shape; all others are refused even if they are well signed."""
    with pytest.raises(TimestampUnreadable):
        read(build(forge))


def test_other_content_under_the_same_signature_is_refused(forge):
    """The message digest binds the TSTInfo."""
    attributes = forge.attributes(forge.info())
    refused_for(forge.build(forge.info(time=NOW - timedelta(days=1)), attributes=attributes), "message-digest")


@pytest.mark.parametrize("missing", ["content-type", "message-digest", "signing-certificate"])
def test_each_attribute_must_be_there(forge, missing):
    """A token without one of the three is refused, however well it is signed."""
    info = forge.info()
    attributes = forge.attributes(info)
    del attributes[missing]
    refused_for(forge.build(info, attributes=attributes), missing)


def test_no_signed_attributes_at_all_is_refused(forge):
    """An empty set of attributes binds nothing."""
    refused_for(forge.build(forge.info(), attributes={}), "content-type")


@pytest.mark.parametrize(
    ("replaced", "value", "reason"),
    [
        ("content-type", attribute(CONTENT_TYPE, DATA), "content-type"),
        ("content-type", attribute(CONTENT_TYPE, DATA, der.oid("1.2.840.113549.1.9.16.1.4")), "content-type"),
        ("again", attribute(MESSAGE_DIGEST, der.octet_string(bytes(32))), "message-digest"),
        (
            "signing-certificate",
            attribute(SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(der.octet_string(bytes(20)))))),
            "signing-certificate",
        ),
    ],
    ids=["another content type", "two content types", "two message digests", "ESSCertID of another certificate"],
)
def test_an_attribute_that_says_something_else_is_refused(forge, replaced, value, reason):
    """Wrong, doubled and multi-valued attributes are all refused."""
    info = forge.info()
    refused_for(forge.build(info, attributes={**forge.attributes(info), replaced: value}), reason)


def test_an_old_sha1_esscertid_is_accepted(forge):
    """ESSCertID (RFC 2634) is SHA-1 by definition; most tokens in the field have it."""
    info = forge.info()
    cert_id = der.sequence(der.octet_string(hashlib.sha1(forge.signer.der).digest()))
    attributes = forge.attributes(info)
    attributes["signing-certificate"] = attribute(SIGNING_CERTIFICATE, der.sequence(der.sequence(cert_id)))
    check(read(forge.build(info, attributes=attributes)))


def test_both_certificate_attributes_must_mean_the_signer(forge):
    """A right ESSCertIDv2 does not excuse a wrong ESSCertID beside it."""
    info = forge.info()
    wrong = attribute(SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(der.octet_string(bytes(20))))))
    refused_for(forge.build(info, attributes={**forge.attributes(info), "old": wrong}), "signing-certificate")


def test_another_certificate_for_the_same_key_is_refused(forge):
    """The bound certificate is the signer's, not any that fits the key (substitution, RFC 5035 §5.2)."""
    substitute = Authority.root("Another CA").signer(key="p256", timestamping=True)
    info = forge.info()
    swapped = Forge(signer=type(substitute)(substitute.certificate, forge.signer.key, ()))
    refused_for(swapped.build(info, attributes=forge.attributes(info)), "signing-certificate")


def test_the_certificate_may_come_from_outside(forge):
    """Without certReq the token carries none: it is refused until the caller knows the certificate."""
    token = forge.build(forge.info(), certificates=())
    refused_for(token, "certificate-missing")
    check(read(token, known=(tsa_signer(name="Other").der, forge.signer.der)))


def test_broken_certificates_beside_the_signers_do_no_harm(forge):
    """Nobody signed the list of certificates; junk in it is passed over."""
    junk = (der.sequence(), der.sequence(der.integer(1)), forge.signer.der)
    check(read(forge.build(forge.info(), certificates=junk)))


def test_a_value_by_another_key_is_refused(forge):
    """A value that is well formed and somebody else's does not pass."""
    info = forge.info()
    other = tsa_signer(name="Other").sign(der.set_of(*forge.attributes(info).values()), "ecdsa_sha256")
    refused_for(forge.build(info, value=other), "signature")
    refused_for(forge.build(info, value=b""), "signature")


def test_weak_and_unfitting_digests_are_refused(forge):
    """MD5 anywhere, and an imprint that is not as long as its digest."""
    refused_for(forge.build(forge.info(algorithm=MD5, imprint=bytes(16))), "algorithm")
    refused_for(forge.build(forge.info(), digest_algorithm=MD5), "algorithm")
    refused_for(forge.build(forge.info(imprint=bytes(20))), "imprint")
    check(read(forge.build(forge.info(algorithm=SHA1, imprint=bytes(20)))))


def test_a_critical_extension_is_refused(forge):
    """What must be understood and is not makes the token unusable; what need not be does not."""

    def extended(critical: bytes) -> bytes:
        extension = der.sequence(der.oid("1.2.3.4"), critical, der.octet_string(b""))
        return forge.build(forge.info(extensions=der.context(1, extension)))

    refused_for(extended(der.boolean(True)), "extension")
    check(read(extended(b"")))


@pytest.mark.parametrize(
    ("usages", "critical", "findings"),
    [
        ((TIME_STAMPING,), True, ()),
        ((TIME_STAMPING,), False, ("eku-not-critical",)),
        ((TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING), True, ("eku-not-sole",)),
        ((ExtendedKeyUsageOID.CODE_SIGNING,), True, ("eku-not-timestamping",)),
        ((ExtendedKeyUsageOID.CODE_SIGNING,), False, ("eku-not-timestamping", "eku-not-critical")),
        ((), True, ("eku-missing",)),
    ],
)
def test_purpose_is_a_finding_not_a_failure(usages, critical, findings):
    """A token by a certificate that RFC 3161 §2.3 would refuse is intact; what is wrong is told."""
    forge = Forge(signer=tsa_with_usage(*usages, critical=critical))
    token = read(forge.build(forge.info()))
    check(token)
    assert findings == purpose_findings(token)


def test_key_usage_and_the_name_in_the_token_are_findings_too(forge):
    """A key that may not sign, and a token that names another authority than its certificate."""
    assert ("key-usage-wrong",) == certificate_purpose_findings(
        tsa_with_usage(TIME_STAMPING, digital_signature=False).der
    )
    name = tsa_signer(name="Other").certificate.subject.public_bytes()
    token = read(forge.build(forge.info(name=der.context(0, der.context(4, name)))))
    assert ("tsa-name-differs",) == purpose_findings(token)
    own = read(
        forge.build(forge.info(name=der.context(0, der.context(4, forge.signer.certificate.subject.public_bytes()))))
    )
    assert () == purpose_findings(own)
    without = read(forge.build(forge.info(), certificates=()))
    assert ("certificate-missing",) == purpose_findings(without)


def test_fractions_and_accuracy_are_read():
    """Our own authority writes milliseconds; they come back."""
    signer, at = tsa_signer(), datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    body = request(imprint=IMPRINT, digest="sha256", nonce=1, policy=None)
    accuracy = timedelta(milliseconds=250, microseconds=5)
    service = authority(signer, clock=lambda: at, accuracy=accuracy)
    token = read(token_in(service.respond(body, sign=lambda tbs: signer.sign(tbs, "ecdsa_sha256"))))
    assert at.replace(microsecond=456000) == token.time
    assert accuracy == token.accuracy


def test_raw_bytes_survive_a_length_that_ends_in_0x80():
    """asn1crypto takes such a length for an indefinite one and encodes anew, here without the FALSE: `raw` does not."""
    extension = der.sequence(der.oid("1.2.3.4"), der.boolean(False), der.octet_string(bytes(0x80 - 10)))
    assert b"\x30\x81\x80" == extension[:3]
    parsed = x509.Extension.load(extension)
    assert parsed["critical"].native is False
    assert extension == raw(parsed)
    assert extension != parsed.dump(), "asn1crypto was mended: `raw` may go"
