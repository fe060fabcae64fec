"""The RFC 3161 authority: what it stamps, what it refuses and with which failInfo, and when it stops."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import tsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from hsm.shape import recognise
from signer import der
from signer.authority import FAIL_INFO, MAX_REQUEST, Authority, AuthorityUnusable, random_serial, refusal
from signer.clock import ClockUnreliable
from signer.timestamp import _Response, request
from tests.pki import NOW
from tests.pki import Authority as CertificateAuthority
from tests.timestamp_support import MD5, POLICY, SHA1, TIME_STAMPING, authority, token_in, tsa_signer, tsa_with_usage
from verify.timestamp import check, matches, purpose_findings, read

pytestmark = pytest.mark.spine

SHA256 = der.sequence(der.oid(der.DIGEST_OIDS["sha256"]), der.NULL)
IMPRINT = hashlib.sha256(b"data").digest()
SIGNER = tsa_signer()


def sign(tbs: bytes) -> bytes:
    return SIGNER.sign(tbs, "ecdsa_sha256")


def ask(
    *,
    version: int = 1,
    algorithm: bytes = SHA256,
    imprint: bytes = IMPRINT,
    policy: str | None = None,
    nonce: bytes = b"",
    certificates: bytes = der.boolean(True),
    extensions: bytes = b"",
) -> bytes:
    """A TimeStampReq, good or bad."""
    return der.sequence(
        der.integer(version),
        der.sequence(algorithm, der.octet_string(imprint)),
        b"" if policy is None else der.oid(policy),
        nonce,
        certificates,
        extensions,
    )


def outcome(response: bytes) -> tuple[str, set[str]]:
    status = _Response.load(response, strict=True)["status"]
    return status["status"].native, set(status["fail_info"].native or ())


def test_an_answer_is_a_token_that_our_reader_accepts():
    """Granted, over the right data, at the clock's time, by the right policy and certificate."""
    at = datetime(2026, 11, 22, 9, 0, 0, 120_000, tzinfo=UTC)
    response = authority(SIGNER, clock=lambda: at).respond(ask(nonce=der.integer(99)), sign=sign)
    assert ("granted", set()) == outcome(response)
    token = read(token_in(response))
    check(token)
    assert matches(token, lambda name: hashlib.new(name, b"data").digest())
    assert (at, POLICY, 99, timedelta(seconds=1)) == (token.time, token.policy, token.nonce, token.accuracy)
    assert () == purpose_findings(token)
    assert {SIGNER.der, *SIGNER.chain} == set(token.certificates)


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 2**63, 2**64 - 1, 2**160, -1, -128, -(2**63)])
def test_the_nonce_comes_back_bit_for_bit(nonce):
    """Whatever integer it is, negative ones included."""
    encoded = tsp.Integer(nonce).dump()
    token = token_in(authority(SIGNER).respond(ask(nonce=encoded), sign=sign))
    assert nonce == read(token).nonce
    assert encoded in token


def test_no_nonce_no_certificates_unless_asked():
    """A request without nonce and certReq gets neither; the token still verifies with the known certificate."""
    for certificates in (b"", der.boolean(False)):
        token = read(
            token_in(authority(SIGNER).respond(ask(certificates=certificates), sign=sign)), known=(SIGNER.der,)
        )
        check(token)
        assert token.nonce is None
        assert () == token.certificates


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"])
def test_every_strong_digest_is_stamped(name):
    """SHA-2 and SHA-3, with absent or NULL parameters, echoed as they came."""
    for parameters in (b"", der.NULL):
        algorithm = der.sequence(tsp.DigestAlgorithm({"algorithm": name})["algorithm"].dump(), parameters)
        imprint = hashlib.new(name, b"data").digest()
        token = token_in(authority(SIGNER).respond(ask(algorithm=algorithm, imprint=imprint), sign=sign))
        check(read(token))
        assert der.sequence(algorithm, der.octet_string(imprint)) in token


BAD_REQUESTS = [
    ("badDataFormat", "empty", b""),
    ("badDataFormat", "not DER", b"GET / HTTP/1.1"),
    ("badDataFormat", "truncated", ask()[:-1]),
    ("badDataFormat", "bytes behind it", ask() + b"\0"),
    ("badDataFormat", "too large", ask(imprint=bytes(MAX_REQUEST))),
    ("badDataFormat", "a response instead of a request", refusal("badAlg", "no")),
    ("badDataFormat", "imprint too short", ask(imprint=IMPRINT[:-1])),
    ("badDataFormat", "imprint too long", ask(imprint=bytes(64))),
    ("badDataFormat", "imprint empty", ask(imprint=b"")),
    ("badRequest", "version 2", ask(version=2)),
    ("badRequest", "version 0", ask(version=0)),
    ("badRequest", "nonce of 100 bytes", ask(nonce=der.integer(1 << 800))),
    ("badAlg", "SHA-1", ask(algorithm=SHA1, imprint=bytes(20))),
    ("badAlg", "MD5", ask(algorithm=MD5, imprint=bytes(16))),
    ("badAlg", "unknown digest", ask(algorithm=der.sequence(der.oid("1.2.3.4")))),
    ("badAlg", "parameters", ask(algorithm=der.sequence(der.oid(der.DIGEST_OIDS["sha256"]), der.integer(1)))),
    ("unacceptedPolicy", "another policy", ask(policy="1.2.3.4.5")),
    (
        "unacceptedExtension",
        "an extension",
        ask(extensions=der.context(0, der.sequence(der.oid("1.2.3.4"), der.octet_string(b"")))),
    ),
]


@pytest.mark.parametrize(
    ("fail_info", "request_"), [(row[0], row[2]) for row in BAD_REQUESTS], ids=[r[1] for r in BAD_REQUESTS]
)
def test_each_bad_request_has_its_fail_info_and_uses_no_key(fail_info, request_):
    """RFC 3161 §2.4.2: rejection with exactly one reason, a sentence, no token, and nothing was signed."""

    def never(_: bytes) -> bytes:
        raise AssertionError("the key was used for a bad request")

    response = authority(SIGNER).respond(request_, sign=never)
    named = {"badDataFormat": "bad_data_format", "badRequest": "bad_request", "badAlg": "bad_alg"}
    named |= {"unacceptedPolicy": "unaccepted_policy", "unacceptedExtension": "unaccepted_extensions"}
    assert ("rejection", {named[fail_info]}) == outcome(response)
    assert b"" == token_in(response)
    assert _Response.load(response)["status"]["status_string"][0].native


def test_its_own_policy_may_be_asked_for():
    """The policy in the request is the authority's: granted."""
    response = authority(SIGNER).respond(ask(policy=POLICY), sign=sign)
    assert ("granted", set()) == outcome(response)


@pytest.mark.parametrize(("name", "bit"), FAIL_INFO.items())
def test_fail_info_bits_are_in_der(name, bit):
    """The one bit is set where RFC 3161 has it, without trailing zeros."""
    encoded = refusal(name, "x")[-(3 + bit // 8) - 1 :]
    assert bytes((0x03, 2 + bit // 8, 7 - bit % 8)) + bytes(bit // 8) + bytes((1 << 7 - bit % 8,)) == encoded


def test_serial_numbers_are_wide_and_never_repeat():
    """127 bits, at least 64 of them unpredictable: no counter that a restart or a second node could repeat."""
    serials = {random_serial() for _ in range(10_000)}
    assert 10_000 == len(serials)
    assert {127} == {serial.bit_length() for serial in serials}
    tokens = [read(token_in(authority(SIGNER).respond(ask(), sign=sign))) for _ in range(3)]
    assert 3 == len({token.serial for token in tokens})


def test_a_clock_that_is_out_stops_it():
    """timeNotAvailable, and nothing is signed."""

    def out() -> datetime:
        raise ClockUnreliable("the wall clock was set by +3.0 s since the start")

    response = authority(SIGNER, clock=out).respond(ask(), sign=sign)
    assert ("rejection", {"time_not_available"}) == outcome(response)


def test_a_certificate_that_is_not_in_force_stops_it():
    """No tokens before or after the certificate's time."""
    ages = (NOW - timedelta(days=365), NOW + timedelta(days=3650))
    for at in ages:
        response = authority(SIGNER, clock=lambda at=at: at).respond(ask(), sign=sign)
        assert ("rejection", {"system_failure"}) == outcome(response)


def test_a_key_that_fails_is_a_system_failure():
    """An error of the token, a value by another key, junk: an answer without a token."""

    def fails(_: bytes) -> bytes:
        raise OSError("the keeper is away")

    other = tsa_signer(name="Other")
    for broken in (fails, lambda tbs: other.sign(tbs, "ecdsa_sha256"), lambda tbs: b"junk"):
        response = authority(SIGNER).respond(ask(), sign=broken)
        assert ("rejection", {"system_failure"}) == outcome(response)
        assert b"" == token_in(response)


def test_what_it_asks_to_be_signed_has_the_keepers_shape():
    """A key that may sign nothing but timestamps' attributes accepts it."""
    asked = []
    authority(SIGNER).respond(ask(), sign=lambda tbs: asked.append(tbs) or sign(tbs))
    assert "tst-attributes" == recognise(asked[0], shapes=["tst-attributes"], mechanism="ecdsa_sha256")


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(tsa_with_usage(TIME_STAMPING, critical=False), id="usage not critical"),
        pytest.param(tsa_with_usage(TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING), id="two usages"),
        pytest.param(tsa_with_usage(ExtendedKeyUsageOID.CODE_SIGNING), id="another usage"),
        pytest.param(tsa_with_usage(), id="no usage"),
        pytest.param(tsa_with_usage(TIME_STAMPING, digital_signature=False), id="key may not sign"),
        pytest.param(CertificateAuthority.root(), id="a CA"),
    ],
)
def test_it_cannot_be_made_with_a_certificate_for_anything_else(signer):
    """RFC 3161 §2.3: one usage, critical; the error says what is wrong."""
    with pytest.raises(AuthorityUnusable) as refused:
        authority(signer)
    assert refused.value.facts["findings"]


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": b"junk"},
        {"mechanism": "md5"},
        {"policy": "not an OID"},
        {"accuracy": timedelta(seconds=2)},
        {"accuracy": timedelta(0)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_it_cannot_be_made_with_nonsense(change):
    """Certificate, mechanism, policy and accuracy are checked when it is made, not when somebody asks."""
    sound = {"certificate": SIGNER.der, "chain": (), "policy": POLICY, "mechanism": "ecdsa_sha256"}
    with pytest.raises(AuthorityUnusable):
        Authority(**{**sound, **change}, clock=lambda: NOW)


def test_hostile_requests_always_get_an_answer():
    """Any single byte changed: still a well-formed TimeStampResp."""
    service = authority(SIGNER)
    whole = request(imprint=IMPRINT, digest="sha256", nonce=2**63, policy=POLICY)
    for position in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(whole)
            changed[position] ^= change
            status, fail_info = outcome(service.respond(bytes(changed), sign=sign))
            assert status in ("granted", "rejection")
            assert ("rejection" == status) == bool(fail_info)
