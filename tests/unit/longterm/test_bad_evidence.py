"""Responders, lists, authorities and certificates that are wrong: none is kept as evidence, each has a code."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.errors import TimestampUnavailable
from tests.longterm_support import CRL_URL, DAY, OCSP_URL, TSA_URL, Hand, World
from tests.pki import Signer
from tests.timestamp_support import Forge, granted, tsa_with_usage
from tests.unit.verify.world import certificate, revocation_list
from verify import pdf_store
from verify.document import Limits
from verify.fetcher import FetchFailed, FetchRequest
from verify.gather import EvidenceAgainst, EvidenceUnavailable, TimestampNotTrusted
from verify.pdf import open_reader

pytestmark = [pytest.mark.spine, pytest.mark.pades]


def _stranger(world: World) -> dict[str, object]:
    root = certificate("Somebody else", ca=True)
    return {"responder": certificate("Responder", issuer=root, ocsp_signing=True)}


RESPONSES: dict[str, Callable[[World, FetchRequest], bytes]] = {
    "unknown": lambda world, request: world.status(request, status=ocsp.OCSPCertStatus.UNKNOWN),
    "stale": lambda world, request: world.status(request, issued=world.at - 30 * DAY, until=world.at - 29 * DAY),
    "from the future": lambda world, request: world.status(request, issued=world.at + DAY, until=world.at + 2 * DAY),
    "signed by a stranger": lambda world, request: world.status(request, **_stranger(world)),
    "signed by the signer": lambda world, request: world.status(request, responder=world.signer()),
    "for another certificate": lambda world, _: world.answer(4711, issuer=world.issuing, responder=world.responder),
    "try later": lambda _world, _request: ocsp.OCSPResponseBuilder.build_unsuccessful(
        ocsp.OCSPResponseStatus.TRY_LATER
    ).public_bytes(serialization.Encoding.DER),
    "no OCSP at all": lambda _world, _request: b"<html>",
    "cut off": lambda world, request: world.status(request)[:-20],
    "a flipped bit": lambda world, request: _flipped(world.status(request)),
}


def _flipped(data: bytes) -> bytes:
    return data[:-500] + bytes([data[-500] ^ 1]) + data[-499:]


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_bad_ocsp_answer_is_no_evidence(world: World, plain: Path, tmp_path: Path, kind: str):
    """The order is refused as `evidence-unavailable`; with `allow_degraded` it stays at B-T and nothing is stored."""
    hand, out = world.hand(), tmp_path / "out.pdf"
    serial = hand.signer.certificate.serial_number

    def answer(request: FetchRequest) -> bytes:
        asked = ocsp.load_der_ocsp_request(request.body or b"")
        return RESPONSES[kind](world, request) if asked.serial_number == serial else world.status(request)

    hand.net.answers[OCSP_URL] = answer
    with pytest.raises(EvidenceUnavailable):
        hand.sign(plain, out)
    assert "B-T" == hand.sign(plain, out, allow_degraded=True).level
    assert b"/DSS" not in out.read_bytes()


def test_a_revoked_signer_gets_no_evidence(world: World, plain: Path, tmp_path: Path):
    """Revoked before the timestamp: that is no outage, and a lower level is no way round."""
    hand = world.hand()
    world.revoked[hand.signer.certificate.serial_number] = world.at - DAY
    with pytest.raises(EvidenceAgainst) as caught:
        hand.sign(plain, tmp_path / "out.pdf", allow_degraded=True)
    assert "REVOKED_NO_POE" == caught.value.facts["sub_indication"]


def test_a_revocation_after_the_timestamp_is_kept_as_evidence(world: World, plain: Path, tmp_path: Path):
    """Revoked a day later, the signature can still be lifted: the response that says so proves the order of events."""
    hand, one, two = world.hand(), tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.sign(plain, one, level="B-T")
    world.at += 2 * DAY
    world.revoked[hand.signer.certificate.serial_number] = world.at - DAY
    assert "B-LTA" == hand.extend(one, two, "B-LTA").level
    assert "TOTAL_PASSED" == world.judge(two).verdict


@pytest.mark.parametrize("kind", ["expired", "by a stranger", "too large", "no list"])
def test_a_bad_list_is_no_evidence(world: World, plain: Path, tmp_path: Path, kind: str):
    """An issuer without a usable list leaves the signature where it is; 300 MB are the fetcher's to refuse."""
    hand = world.hand()

    def too_large(request: FetchRequest) -> bytes:
        raise FetchFailed("too large", url=request.url, reason="answer-too-large")

    hand.net.answers[CRL_URL] = {
        "expired": world.root_list(issued=world.at - 30 * DAY, until=world.at - 29 * DAY),
        "by a stranger": revocation_list(
            replace(certificate("Root", ca=True)), issued=world.at - timedelta(hours=1), until=world.at + DAY
        ),
        "too large": too_large,
        "no list": b"not a list",
    }[kind]
    with pytest.raises(EvidenceUnavailable):
        hand.sign(plain, tmp_path / "out.pdf")


def test_a_list_served_as_pem_is_stored_as_der(world: World, plain: Path, tmp_path: Path):
    """PEM is met in the field; the store holds DER, and the document passes offline."""
    hand, out, der = world.hand(), tmp_path / "out.pdf", world.root_list()
    armour = base64.encodebytes(der).decode()
    hand.net.answers[CRL_URL] = f"-----BEGIN X509 CRL-----\n{armour}-----END X509 CRL-----\n".encode()
    hand.sign(plain, out)
    with out.open("rb") as file:
        assert (der,) == pdf_store.evidence(open_reader(file, limits=Limits())).crls
    assert "TOTAL_PASSED" == world.judge(out).verdict


STAMPS: dict[str, dict[str, object]] = {
    "another imprint": {"imprint": bytes(32)},
    "another nonce": {"nonce": 1},
    "no nonce": {"nonce": None},
    "yesterday": {"time": -DAY},
}


@pytest.mark.parametrize("kind", [*STAMPS, "another policy", "another purpose", "not a timestamp"])
def test_a_bad_archive_timestamp_is_refused(world: World, plain: Path, tmp_path: Path, kind: str):
    """Wrong imprint, nonce, policy, time, EKU: the archive stays undone, and with `allow_degraded` it is B-LT."""
    hand, out = world.hand(), tmp_path / "out.pdf"
    answered: list[bytes] = []

    def answer(request: FetchRequest) -> bytes:
        answered.append(request.body or b"")
        if len(answered) == 1:
            return world.stamp(request)
        return _bad_stamp(kind, request, world)

    hand.net.answers[TSA_URL] = answer
    policy = {"timestamp_policy": "1.3.6.1.4.1.99999.1"} if kind == "another policy" else {}
    with pytest.raises(TimestampUnavailable):
        hand.sign(plain, out, **policy)
    answered.clear()
    signed = hand.sign(plain, out, allow_degraded=True, **policy)
    assert "B-LT" == signed.level
    assert "TOTAL_PASSED" == world.judge(out).verdict


def _bad_stamp(kind: str, request: FetchRequest, world: World) -> bytes:
    asked = tsp.TimeStampReq.load(request.body)
    facts: dict[str, object] = {
        "imprint": asked["message_imprint"]["hashed_message"].native,
        "nonce": asked["nonce"].native,
        "time": world.at,
    }
    bad = dict(STAMPS.get(kind, {}))
    if "time" in bad:
        bad["time"] = world.at + bad["time"]
    if kind == "another policy":
        bad["policy"] = "1.2.3.4"
    if kind == "not a timestamp":
        return granted(b"\x30\x03\x02\x01\x05")
    if kind == "another purpose":
        forge = Forge(tsa_with_usage(ExtendedKeyUsageOID.CODE_SIGNING))
    else:
        forge = Forge(Signer(world.tsa.certificate, world.tsa.key, ()), "rsassa_pkcs1v15_sha256")
    return granted(forge.build(forge.info(**{**facts, **bad})))


def test_an_authority_nobody_trusts_is_refused_and_named(world: World, plain: Path, tmp_path: Path):
    """A TSA outside the trust anchors gives B-T at most: who must act is the operator."""
    root = certificate("Root of others", ca=True)
    world.tsa_issuing, world.tsa = root, certificate("TSA", issuer=root, timestamping=True)
    with pytest.raises(TimestampNotTrusted) as caught:
        world.hand().sign(plain, tmp_path / "out.pdf")
    assert "operator" == caught.value.actor


def test_a_chain_of_fifty_and_a_loop_end_soon(world: World, plain: Path, tmp_path: Path):
    """Fifty intermediates, and two CAs that certify each other: refused within seconds, nothing fetched for them."""
    above, chain = certificate("Top", ca=True), []
    for number in range(50):
        above = certificate(f"CA {number}", issuer=above, ca=True)
        chain.append(above)
    first = certificate("Loop 1", ca=True)
    second = certificate("Loop 2", issuer=first, ca=True)
    back = certificate("Loop 1", issuer=second, ca=True, key=first.key)
    for issuer, given in ((above, chain), (back, [second, back, first])):
        signer = certificate("Signer", issuer=issuer, ocsp_url=OCSP_URL)
        hand = Hand(world, signer, "ecdsa_sha256", world.hand().net)
        begin = time.process_time()
        with pytest.raises(EvidenceAgainst) as caught:
            hand.sign(plain, tmp_path / "out.pdf", chain=tuple(member.der for member in given))
        assert "NO_CERTIFICATE_CHAIN_FOUND" == caught.value.facts["sub_indication"]
        assert time.process_time() - begin < 3
        assert 0 == hand.net.count("ocsp")
