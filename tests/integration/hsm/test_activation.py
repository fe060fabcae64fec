"""A person's key signs what that person's authenticator agreed to, and nothing else: a real keeper, a real token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fido2 import cbor
from fido2.cose import CoseKey

from hsm.activation import Activation, Assertion, Challenge, Documents, Party
from hsm.errors import (
    ActivationLocked,
    ActivationMismatch,
    ActivationRefused,
    ActivationRequired,
    ActivationUnknown,
    CredentialNotFound,
    EnrolmentRefused,
    HsmError,
    NoCredential,
    PermitRefused,
    RequestMalformed,
    ShapeRefused,
)
from hsm.launch import KeyConfig
from hsm.token import Token
from hsm.uselog import history
from tests.authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, Passkey
from tests.hsm_support import Box, a_box, signed_attributes

pytestmark = pytest.mark.appliance

ORIGIN = "https://kyso.example.vn"
PARTY = Party("example.vn", (ORIGIN,), most=500, seconds=300)
KEY, MECHANISM = "chu-tich", "ecdsa_sha256"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A keeper with a person's key, another person's, and an ordinary seal."""
    person = KeyConfig(holder="person", party=PARTY)
    with a_box(keys={KEY: person, "pho-chu-tich": person}) as made:
        made.make_token()
        made.start()
        for ref in (KEY, "pho-chu-tich", "seal"):
            made.create(ref, "p256")
        yield made


@pytest.fixture
def passkey(box: Box) -> Iterator[Passkey]:
    """A passkey that is enrolled for the key as long as the test runs; no failures before and after."""
    made = enrolled(box, Passkey(PARTY.rp_id))
    with box.admin as admin:
        admin.lift_lock(KEY)
        yield made
        admin.lift_lock(KEY)
        for one in admin.credentials(KEY).credentials:
            admin.revoke_credential(KEY, one.id)


def enrolled(box: Box, passkey: Passkey, key: str = KEY) -> Passkey:
    """As an administrator and the person do it together."""
    with box.admin as admin:
        invited = admin.begin_enrolment(key)
        admin.enrol(key, code=invited.code.lower(), registration=passkey.create(invited.challenge, origin=ORIGIN))
    return passkey


def documents(*tbs: bytes) -> Documents:
    return tuple((MECHANISM, hashlib.sha256(one).digest()) for one in tbs)


def activate(token: Token, passkey: Passkey, *tbs: bytes) -> Activation:
    return token.activate(passkey.get(token.begin_activation(KEY, documents(*tbs)).challenge, origin=ORIGIN))


def sign(box: Box, token: Token, tbs: bytes, activation: str, *, key: str = KEY) -> bytes:
    allowed = box.permit(tbs, key=key, mechanism=MECHANISM)
    return token.sign(key=key, mechanism=MECHANISM, tbs=tbs, permit=allowed, activation=activation)


def test_a_persons_key_wants_an_activation(box: Box, passkey: Passkey) -> None:
    """With a permit alone it does not sign, and is not used."""
    tbs = signed_attributes(b"without")
    with pytest.raises(ActivationRequired):
        sign(box, box.token, tbs, "")
    assert all(use.tbs_sha256 != hashlib.sha256(tbs).hexdigest() for use in history(box.path / "box.uses"))


def test_an_activation_is_used_up_by_exactly_the_documents_shown(box: Box, passkey: Passkey) -> None:
    """Each digest once, in any order; no other, and none again."""
    with box.token as token:
        tbs = [signed_attributes(b"list %d" % n) for n in range(3)]
        activation = activate(token, passkey, *tbs)
        for one in reversed(tbs):
            assert sign(box, token, one, activation.id)
        for one in (tbs[0], signed_attributes(b"another")):
            with pytest.raises(ActivationMismatch):
                sign(box, token, one, activation.id)


def test_what_was_agreed_to_can_be_shown_to_others(box: Box, passkey: Passkey) -> None:
    """The log of uses names activation and credential; the record has text and assertion, and they verify alone."""
    with box.token as token:
        tbs = signed_attributes(b"evidence")
        sign(box, token, tbs, activate(token, passkey, tbs).id)
        digest = hashlib.sha256(tbs).hexdigest()
        (use,) = [one for one in history(box.path / "box.uses") if one.tbs_sha256 == digest]
        shown = token.activation(use.activation)
    told = json.loads(shown.text)
    assert [[MECHANISM, digest]] == told["documents"]
    assert (KEY, PARTY.rp_id, [ORIGIN]) == (told["key"], told["rp_id"], told["origins"])
    said = json.loads(shown.assertion.client_data)
    challenge = hashlib.sha256(shown.text).digest()
    assert passkey.get(challenge, origin=ORIGIN).client_data == shown.assertion.client_data
    assert said["challenge"]
    signed = shown.assertion.authenticator_data + hashlib.sha256(shown.assertion.client_data).digest()
    CoseKey.parse(cbor.decode(shown.public_key)).verify(signed, shown.assertion.signature)


def test_five_hundred_documents_take_one_touch(box: Box, passkey: Passkey) -> None:
    """The stated number, and not one more."""
    with box.token as token:
        tbs = [signed_attributes(b"batch %d" % n) for n in range(501)]
        with pytest.raises(RequestMalformed):
            token.begin_activation(KEY, documents(*tbs))
        activation = activate(token, passkey, *tbs[:500])
        assert len(json.loads(activation.text)["documents"]) == 500
        assert sign(box, token, tbs[499], activation.id)


def test_one_document_is_signed_once_though_asked_for_at_the_same_time(box: Box, passkey: Passkey) -> None:
    """Eight permits, one activation, one document: one signature."""
    with box.token as token:
        tbs = signed_attributes(b"race")
        activation = activate(token, passkey, tbs)

        def ask(_: int) -> bool:
            try:
                return bool(sign(box, token, tbs, activation.id))
            except ActivationMismatch:
                return False

        with ThreadPoolExecutor(8) as pool:
            assert 1 == sum(pool.map(ask, range(8)))


def test_a_refused_use_leaves_the_activation_whole(box: Box, passkey: Passkey) -> None:
    """A permit that was spent, bytes of no shape: the document can still be signed."""
    with box.token as token:
        tbs, other = signed_attributes(b"whole"), b"no shape"
        activation = activate(token, passkey, tbs, other)
        spent = box.permit(signed_attributes(b"spent"), key="seal", mechanism=MECHANISM, number=990001)
        token.sign(key="seal", mechanism=MECHANISM, tbs=signed_attributes(b"spent"), permit=spent)
        again = box.permit(tbs, key=KEY, mechanism=MECHANISM, number=990001)
        with pytest.raises(PermitRefused):
            token.sign(key=KEY, mechanism=MECHANISM, tbs=tbs, permit=again, activation=activation.id)
        with pytest.raises(ShapeRefused):
            sign(box, token, other, activation.id)
        assert sign(box, token, tbs, activation.id)


def test_an_activation_is_for_its_own_key(box: Box, passkey: Passkey) -> None:
    """Another person's key does not sign under it, nor does this one with another mechanism."""
    with box.token as token:
        tbs = signed_attributes(b"mine")
        activation = activate(token, passkey, tbs)
        with pytest.raises(ActivationMismatch):
            sign(box, token, tbs, activation.id, key="pho-chu-tich")
        with pytest.raises(NoCredential):
            token.begin_activation("pho-chu-tich", documents(tbs))
        with pytest.raises(RequestMalformed):
            token.begin_activation("seal", documents(tbs))


def forged(passkey: Passkey, challenge: Challenge) -> Iterator[tuple[str, Callable[[], Assertion]]]:
    """Assertions that are each wrong in one thing, by the reason that is told."""
    stranger = Passkey(PARTY.rp_id, id=passkey.id)
    elsewhere = Passkey("evil.example", id=passkey.id)
    elsewhere.key = passkey.key
    right = challenge.challenge

    def flagged(flags: int) -> Assertion:
        before, passkey.flags = passkey.flags, flags
        try:
            return passkey.get(right, origin=ORIGIN)
        finally:
            passkey.flags = before

    def replaced(**changes: bytes) -> Assertion:
        good = passkey.get(right, origin=ORIGIN)
        return Assertion(**{**{f: getattr(good, f) for f in good.__struct_fields__}, **changes})

    yield "signature", lambda: stranger.get(right, origin=ORIGIN)
    yield "credential", lambda: Passkey(PARTY.rp_id).get(right, origin=ORIGIN)
    yield "rp-id", lambda: elsewhere.get(right, origin=ORIGIN)
    yield "origin", lambda: passkey.get(right, origin="https://kyso.example.vn.evil.example")
    yield "origin", lambda: passkey.get(right, origin=ORIGIN, crossOrigin=True)
    yield "origin", lambda: passkey.get(right, origin=ORIGIN, topOrigin="https://evil.example")
    yield "type", lambda: passkey.get(right, origin=ORIGIN, type="webauthn.create")
    yield "user-verified", lambda: flagged(PRESENT)
    yield "user-present", lambda: flagged(VERIFIED)
    yield "unreadable", lambda: flagged(PRESENT | VERIFIED | BACKED_UP)
    yield "unreadable", lambda: replaced(authenticator_data=b"short")
    yield "unreadable", lambda: replaced(authenticator_data=bytes(20_000))
    yield "signature", lambda: replaced(signature=b"")


def test_assertions_that_are_wrong_in_one_thing_are_refused(box: Box, passkey: Passkey) -> None:
    """Each with its reason, each on record, and nothing is signed."""
    tbs = signed_attributes(b"forged")
    with box.token as token, box.admin as admin:
        count = len(list(forged(passkey, token.begin_activation(KEY, documents(tbs)))))
        for number in range(count):
            reason, wrong = list(forged(passkey, token.begin_activation(KEY, documents(tbs))))[number]
            with pytest.raises(ActivationRefused) as refused:
                token.activate(wrong())
            assert reason == refused.value.facts["reason"]
            admin.lift_lock(KEY)
        assert sign(box, token, tbs, activate(token, passkey, tbs).id)


def test_an_assertion_counts_once(box: Box, passkey: Passkey) -> None:
    """The same answer again finds no challenge; nor does one to a challenge that was answered wrongly before."""
    with box.token as token:
        tbs = signed_attributes(b"replay")
        answer = passkey.get(token.begin_activation(KEY, documents(tbs)).challenge, origin=ORIGIN)
        token.activate(answer)
        with pytest.raises(ActivationUnknown):
            token.activate(answer)
        challenge = token.begin_activation(KEY, documents(tbs)).challenge
        with pytest.raises(ActivationRefused):
            token.activate(passkey.get(challenge, origin="https://evil.example"))
        with pytest.raises(ActivationUnknown):
            token.activate(passkey.get(challenge, origin=ORIGIN))


def test_a_counter_that_goes_back_is_told_and_refused(box: Box, passkey: Passkey) -> None:
    """So a copied authenticator shows; a passkey that never counts is none."""
    with box.token as token, box.admin as admin:
        activate(token, passkey, b"1")
        passkey.count = 0
        with pytest.raises(ActivationRefused) as refused:
            activate(token, passkey, b"2")
        assert "sign-count" == refused.value.facts["reason"]
        (kept,) = admin.credentials(KEY).credentials
        assert kept.copied
        synced = enrolled(box, Passkey(PARTY.rp_id, counts=False, flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP))
        activate(token, synced, b"3")
        activate(token, synced, b"4")


def test_failures_slow_down_until_an_administrator_lifts_the_lock(box: Box, passkey: Passkey) -> None:
    """Three are free; then none is looked at for a minute, not even a good one (`test_credentials` has the schedule), for
    who failed: whoever else may ask goes on signing."""
    with box.token as token, box.admin as admin:
        outcomes = [failed(token, Passkey(PARTY.rp_id, id=passkey.id), asker="hostile") for _ in range(5)]
        assert ["ActivationRefused"] * 3 + ["ActivationLocked"] * 2 == outcomes
        activate(token, passkey, b"x")
        with pytest.raises(ActivationLocked) as locked:
            token.begin_activation(KEY, documents(b"x"), asker="hostile")
        assert 0 < int(locked.value.facts["retry_after"]) <= 61
        lock = admin.credentials(KEY).lock
        assert lock is not None
        assert (3, "hostile") == (lock.failures, lock.asker)
        admin.lift_lock(KEY)
        assert token.begin_activation(KEY, documents(b"x"), asker="hostile")
        activate(token, passkey, b"x")
        assert admin.credentials(KEY).lock is None


def failed(token: Token, wrong: Passkey, *, asker: str = "") -> str:
    """What an attempt with this passkey is answered."""
    with pytest.raises(HsmError) as raised:
        token.activate(wrong.get(token.begin_activation(KEY, documents(b"x"), asker=asker).challenge, origin=ORIGIN))
    return type(raised.value).__name__


def test_what_is_no_attempt_is_not_counted(box: Box, passkey: Passkey) -> None:
    """A passkey that is not the key's, and an answer to no challenge, as often as somebody likes: nothing is checked by
    them, nobody is locked out, and the record does not grow."""
    with box.token as token, box.admin as admin:
        path = next(box.path.rglob("*.credentials"))
        size = path.stat().st_size
        assert {"ActivationRefused"} == {failed(token, Passkey(PARTY.rp_id)) for _ in range(12)}
        for _ in range(12):
            with pytest.raises(ActivationUnknown):
                token.activate(passkey.get(bytes(32), origin=ORIGIN))
        assert (size, None) == (path.stat().st_size, admin.credentials(KEY).lock)
        activate(token, passkey, b"x")


def test_nobody_takes_the_place_of_anothers_challenge(box: Box, passkey: Passkey) -> None:
    """However many challenges others ask for: the one that a person is just answering is answered."""
    with box.token as token:
        waiting = token.begin_activation(KEY, documents(b"mine"), asker="client").challenge
        for number in range(300):
            token.begin_activation(KEY, documents(b"theirs"), asker=("hostile", f"h{number}")[number % 2])
        assert token.activate(passkey.get(waiting, origin=ORIGIN)).id


def test_who_asks_is_a_short_name(box: Box, passkey: Passkey) -> None:
    """It is written to the record: nothing long, nothing that does not print."""
    for asker in ("x" * 129, "a\nb", "é"):
        with box.token as token, pytest.raises(RequestMalformed):
            token.begin_activation(KEY, documents(b"x"), asker=asker)


def test_a_restart_forgets_activations_and_keeps_what_was_agreed_to(box: Box, passkey: Passkey) -> None:
    """The caller is told to ask again; the record stays."""
    tbs = signed_attributes(b"restart")
    with box.token as token:
        activation = activate(token, passkey, tbs)
        open_challenge = token.begin_activation(KEY, documents(tbs)).challenge
    box.kill()
    with box.start() as token:
        with pytest.raises(ActivationUnknown):
            sign(box, token, tbs, activation.id)
        with pytest.raises(ActivationUnknown):
            token.activate(passkey.get(open_challenge, origin=ORIGIN))
        assert activation == token.activation(activation.id)
        assert sign(box, token, tbs, activate(token, passkey, tbs).id)


@pytest.mark.parametrize(
    "identity", ["", "act", "act_0_x", "act_zz_00", "act_ffffffffffff_00", "act_-5_00", "x" * 5000]
)
def test_an_activation_that_never_was_is_not_found(box: Box, passkey: Passkey, identity: str) -> None:
    """Whatever the id looks like."""
    with box.token as token, pytest.raises(ActivationUnknown):
        token.activation(identity)


def test_a_revoked_credential_ends_what_it_activated(box: Box, passkey: Passkey) -> None:
    """At once, also the activation that is still open."""
    with box.token as token, box.admin as admin:
        tbs = signed_attributes(b"revoked")
        activation = activate(token, passkey, tbs)
        admin.revoke_credential(KEY, passkey.id)
        with pytest.raises(ActivationUnknown):
            sign(box, token, tbs, activation.id)
        with pytest.raises(NoCredential):
            token.begin_activation(KEY, documents(tbs))
        with pytest.raises(CredentialNotFound):
            admin.revoke_credential(KEY, passkey.id)


@pytest.mark.parametrize("algorithm", ["es256", "eddsa", "rs256"])
def test_three_kinds_of_credentials_activate(box: Box, passkey: Passkey, algorithm: str) -> None:
    """ES256, EdDSA and RS256."""
    with box.token as token:
        assert activate(token, enrolled(box, Passkey(PARTY.rp_id, algorithm)), b"kind").id


@pytest.mark.parametrize("algorithm", ["es384", "rs256-small"])
def test_other_kinds_are_not_enrolled(box: Box, passkey: Passkey, algorithm: str) -> None:
    """Neither a curve that was not offered nor RSA with 1024 bits."""
    with pytest.raises(EnrolmentRefused) as refused:
        enrolled(box, Passkey(PARTY.rp_id, algorithm))
    assert "algorithm" == refused.value.facts["reason"]


def test_a_credential_is_enrolled_with_the_code_alone(box: Box, passkey: Passkey) -> None:
    """A wrong code, one that was used, one for another key, and a registration made without the code are refused."""
    mine = Passkey(PARTY.rp_id)
    with box.admin as admin:
        invited = admin.begin_enrolment(KEY)
        good = mine.create(invited.challenge, origin=ORIGIN)
        for code, registration in (
            ("AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", good),
            (invited.code, mine.create(bytes(32), origin=ORIGIN)),
            (invited.code, mine.create(invited.challenge, origin="https://evil.example")),
            (invited.code, passkey.create(invited.challenge, origin=ORIGIN)),
        ):
            with pytest.raises(EnrolmentRefused):
                admin.enrol(KEY, code=code, registration=registration)
        with pytest.raises(EnrolmentRefused):
            admin.enrol("pho-chu-tich", code=invited.code, registration=good)
        admin.enrol(KEY, code=invited.code, registration=good)
        with pytest.raises(EnrolmentRefused):
            admin.enrol(
                KEY, code=invited.code, registration=Passkey(PARTY.rp_id).create(invited.challenge, origin=ORIGIN)
            )
        assert 2 == len(admin.credentials(KEY).credentials)


def test_the_api_socket_enrols_nobody(box: Box, passkey: Passkey) -> None:
    """The requests of administrators are not part of its protocol."""
    from hsm import wire
    from hsm.token import _Client

    for request in (wire.BeginEnrolment(KEY), wire.LiftLock(KEY), wire.RevokeCredential(KEY, passkey.id)):
        client = _Client(box.path / "s", timeout=5, patience=5)
        with pytest.raises(HsmError) as refused:
            client.ask(request, dict)
        assert "keeper-request-malformed" == refused.value.code
        client.close()


def test_a_changed_record_of_credentials_stops_the_keeper(box: Box, passkey: Passkey) -> None:
    """A credential that was written into the file by hand does not verify: no key is used until that is explained."""
    file = box.path / "keeper-box.credentials"
    before = file.read_bytes()
    box.stop()
    file.write_bytes(before.replace(b'"enrolled"', b'"revoked" ', 1))
    try:
        with box.start() as token:
            assert "use-log-broken" == token.status().reason
    finally:
        box.stop()
        file.write_bytes(before)
        box.start()
