"""The RFC 3161 client: every authority asked once, in order, and no answer believed unchecked."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from signer import der
from signer.authority import refusal
from signer.errors import NoTimestampAuthority, OrderInvalid, TimestampUnavailable
from signer.timestamp import obtain, request
from tests.pki import NOW
from tests.timestamp_support import (
    POLICY,
    SHA1,
    TIME_STAMPING,
    Answers,
    Forge,
    authority,
    granted,
    tsa_signer,
    tsa_with_usage,
)
from verify.fetcher import Offline

pytestmark = pytest.mark.spine

IMPRINT = hashlib.sha256(b"data").digest()
FIRST, SECOND, THIRD = "http://one.example/", "http://two.example/", "http://three.example/"
SIGNER = tsa_signer()


def good(body: bytes) -> bytes:
    return authority(SIGNER).respond(body, sign=lambda tbs: SIGNER.sign(tbs, "ecdsa_sha256"))


def ask(fetcher, *authorities: str, policy: str | None = None, **bounds):
    return obtain(
        imprint=IMPRINT,
        digest="sha256",
        authorities=authorities,
        nonce=42,
        policy=policy,
        fetcher=fetcher,
        **bounds,
    )


def failure(answer: bytes, **options) -> str:
    """How the client words the failure of an authority that answers this."""
    with pytest.raises(TimestampUnavailable) as refused:
        ask(Answers({FIRST: answer}), FIRST, **options)
    return refused.value.facts["failures"].removeprefix(f"{FIRST}: ")


def test_the_first_that_answers_well_is_taken():
    """One that is away, one that refuses, one that serves: three requests, the same body, then no more."""
    fetcher = Answers({FIRST: None, SECOND: refusal("systemFailure", "no"), THIRD: good, "http://four.example/": good})
    token = ask(fetcher, FIRST, SECOND, THIRD, "http://four.example/", policy=POLICY)
    assert (IMPRINT, 42, POLICY) == (token.imprint, token.nonce, token.policy)
    assert [FIRST, SECOND, THIRD] == [asked.url for asked in fetcher.asked]
    assert 1 == len({asked.body for asked in fetcher.asked})
    assert {"timestamp"} == {asked.kind for asked in fetcher.asked}


def test_when_all_fail_the_error_says_which_failed_how():
    """Each authority once, each with its reason."""
    fetcher = Answers({FIRST: None, SECOND: refusal("unacceptedPolicy", "Từ chối\x1b[31m"), THIRD: b"<html>"})
    with pytest.raises(TimestampUnavailable) as refused:
        ask(fetcher, FIRST, SECOND, THIRD)
    facts = refused.value.facts
    assert 3 == facts["tried"] == len(fetcher.asked)
    assert f"{FIRST}: timeout" in facts["failures"]
    assert f"{SECOND}: rejection (unaccepted_policy, Từ chối[31m)" in facts["failures"]
    assert f"{THIRD}: unreadable" in facts["failures"]


def test_without_an_authority_nothing_is_asked():
    """An empty list is a failure, not a pass."""
    with pytest.raises(NoTimestampAuthority):
        ask(Offline())


def test_equal_orders_make_equal_requests():
    """So that a repeated completion can use the answer that is known."""
    one, two = (request(imprint=IMPRINT, digest="sha256", nonce=7, policy=POLICY) for _ in range(2))
    assert one == two
    assert one != request(imprint=IMPRINT, digest="sha256", nonce=8, policy=POLICY)


@pytest.mark.parametrize(("digest", "size"), [("sha1", 20), ("sha256", 20), ("md5", 16)])
def test_weak_or_unfitting_imprints_are_not_asked_for(digest, size):
    """An imprint that no authority should stamp never leaves the house."""
    with pytest.raises(OrderInvalid):
        request(imprint=bytes(size), digest=digest, nonce=1, policy=None)


def test_what_stops_the_worker_passes_through():
    """An exception that is not a failed fetch is the runner's own business."""

    class Later(Exception):
        pass

    class Postponing:
        def fetch(self, request, /):
            raise Later

    with pytest.raises(Later):
        ask(Postponing(), FIRST)


FORGE = Forge(SIGNER)
SHA384 = der.sequence(der.oid(der.DIGEST_OIDS["sha384"]))


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("unreadable", b""),
        ("unreadable", b"\x30\x03\x02\x01\x00"),
        ("unreadable", good(request(imprint=IMPRINT, digest="sha256", nonce=42, policy=None)) + b"\0"),
        ("too-large", bytes((1 << 20) + 1)),
        ("no-token", der.sequence(der.sequence(der.integer(0)))),
        ("waiting", granted(FORGE.build(FORGE.info()), status=3)),
        ("imprint", granted(FORGE.build(FORGE.info(imprint=hashlib.sha256(b"other").digest())))),
        ("imprint", granted(FORGE.build(FORGE.info(algorithm=SHA384, imprint=bytes(48))))),
        ("nonce", granted(FORGE.build(FORGE.info(nonce=43)))),
        ("nonce", granted(FORGE.build(FORGE.info(nonce=None)))),
        ("The token", granted(FORGE.build(FORGE.info(), value=b"junk"))),
        ("the signer's certificate is not in", granted(FORGE.build(FORGE.info(), certificates=()))),
        ("the TSTInfo is not version 1", granted(FORGE.build(FORGE.info(version=2)))),
        ("time", granted(FORGE.build(FORGE.info(time=NOW + timedelta(days=4000))))),
        ("time", granted(FORGE.build(FORGE.info(time=NOW - timedelta(days=400))))),
    ],
)
def test_an_answer_that_fails_a_check_is_named(reason, answer):
    """Status, shape, imprint, nonce, signature, certificate, version, time: each is looked at."""
    words = {"The token": "signature value does not verify"}
    assert words.get(reason, reason) in failure(answer)


def test_another_policy_than_asked_for_is_refused():
    """A policy in the request is a condition; without one, any will do."""
    answer = granted(FORGE.build(FORGE.info(policy="1.2.3")))
    assert "policy (1.2.3)" == failure(answer, policy=POLICY)
    assert "1.2.3" == ask(Answers({FIRST: answer}), FIRST).policy


@pytest.mark.parametrize(
    ("signer", "finding"),
    [
        (tsa_with_usage(TIME_STAMPING, critical=False), "eku-not-critical"),
        (tsa_with_usage(), "eku-missing"),
        (SIGNER.__class__(tsa_signer(name="Other").certificate, SIGNER.key, ()), None),
    ],
)
def test_a_certificate_that_is_not_for_timestamps_is_refused(signer, finding):
    """A new token must be one that strict readers accept."""
    forge = Forge(signer)
    text = failure(granted(forge.build(forge.info())))
    assert (f"certificate ({finding})" if finding else "does not verify") in text


def test_a_token_signed_with_sha1_is_refused():
    """Readable in old documents, worthless in a new one."""

    class Weak(Forge):
        def attributes(self, info: bytes) -> dict[str, bytes]:
            from signer.cms import attribute
            from tests.timestamp_support import MESSAGE_DIGEST

            digest = attribute(MESSAGE_DIGEST, der.octet_string(hashlib.sha1(info).digest()))
            return {**super().attributes(info), "message-digest": digest}

    weak = Weak(SIGNER)
    assert "algorithm (sha1)" == failure(granted(weak.build(weak.info(), digest_algorithm=SHA1)))


def test_the_time_must_lie_within_the_callers_bounds():
    """A quarter of an hour before the signing time, or seven hours ahead, is refused; minutes are tolerated."""
    answer = Answers({FIRST: granted(FORGE.build(FORGE.info(time=NOW)))})
    for bounds in ({"earliest": NOW + timedelta(minutes=15)}, {"latest": NOW - timedelta(hours=7)}):
        with pytest.raises(TimestampUnavailable):
            ask(answer, FIRST, **bounds)
    token = ask(answer, FIRST, earliest=NOW + timedelta(minutes=4), latest=NOW - timedelta(minutes=4))
    assert NOW == token.time
