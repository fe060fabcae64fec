"""The keeper's check that a person agreed: challenges, activations, and the documents that each still covers.

1. `begin`: a list of digests becomes a challenge, with a nonce and an end of its time.
2. `activate`: an assertion by one of the key's credentials over that challenge. A challenge is answered once, whatever
   the answer; failures are counted, slow down and lock (`hsm.credentials`). The activation is durable.
3. `taking`: a use of the key takes one document off the activation: the right key, mechanism and digest, each once.

Challenges and what is left of an activation live in memory: a keeper that was started anew knows none, and the person
is asked again. That errs on the safe side, and what was agreed to stays on record.

What this defends against: whoever has the api and all its secrets cannot sign with a person's key unless the person's
authenticator has agreed to exactly these digests. It does not show the person what they stand for: that is the page's
work, and a page that lies can have another document agreed to, once, by a person who is there and touches the key.

>>> activations.begin("chu-tich", (("ecdsa_sha256", digest),)).challenge             # doctest: +SKIP
b'…'
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hsm import webauthn
from hsm.activation import (
    Activation,
    Assertion,
    Challenge,
    Credential,
    Credentials,
    Documents,
    Enrolment,
    Party,
    Registration,
    canonical,
    enrolment_challenge,
    plain,
)
from hsm.credentials import CredentialStore
from hsm.errors import (
    ActivationLocked,
    ActivationMismatch,
    ActivationRefused,
    ActivationRequired,
    ActivationUnknown,
    EnrolmentRefused,
    NoCredential,
    RequestMalformed,
)

_MOST_WAITING: Final = 32
"""Challenges of one key that wait for the answer of one who asks; the oldest goes."""
_MOST_OF_ALL: Final = 256
"""The same for all who ask; the oldest goes of whoever has most, so that nobody takes the place of another."""
_LONGEST_ASKER: Final = 128
_CODE_VALID: Final = 24 * 3600.0


@dataclass
class _Waiting:
    """A challenge that was given out."""

    key: str
    asker: str
    documents: Documents
    text: bytes
    expires_at: int
    until: float


@dataclass
class _Live:
    """What is left of an activation. `until` is by the monotonic clock, which nobody sets back."""

    key: str
    credential: bytes
    left: set[tuple[str, bytes]]
    expires_at: int
    until: float


class Activations:
    """Of all persons' keys of one keeper; thread-safe."""

    def __init__(self, store: CredentialStore, parties: Mapping[str, Party]) -> None:
        self._store = store
        self._parties = dict(parties)
        self._lock = threading.Lock()
        self._waiting: dict[bytes, _Waiting] = {}  # by challenge, the oldest first
        self._live: dict[str, _Live] = {}

    # -- 1 ---------------------------------------------------------------------------------------------------------

    def begin(self, key: str, documents: Documents, *, asker: str = "") -> Challenge:
        """A challenge over these documents. `asker` is for whom the api asks, by its own word: attempts are counted for
        each, so that nobody locks a person out for another. Raises RequestMalformed, NoCredential, ActivationLocked."""
        if len(asker) > _LONGEST_ASKER or not asker.isascii() or (asker and not asker.isprintable()):
            raise RequestMalformed("who asks is named by printable ASCII characters")
        party = self._party(key)
        if not 1 <= len(documents) <= party.most:
            raise RequestMalformed(f"an activation is for 1 to {party.most} documents")
        if any(len(digest) != 32 for _, digest in documents) or len({one for _, one in documents}) != len(documents):
            raise RequestMalformed("an activation lists SHA-256 digests, each once")
        self._require_unlocked(key, asker)
        credentials = tuple(one.id for one in self._store.of(key).credentials)
        if not credentials:
            raise NoCredential(key=key)
        expires_at = int(time.time()) + party.seconds
        text = canonical(key, documents, nonce=secrets.token_bytes(32), expires_at=expires_at, party=party)
        challenge = hashlib.sha256(text).digest()
        with self._lock:
            waiting = _Waiting(key, asker, documents, text, expires_at, time.monotonic() + party.seconds)
            self._make_room(waiting)
            self._waiting[challenge] = waiting
        return Challenge(key, challenge, text, credentials, party.rp_id, expires_at)

    # -- 2 ---------------------------------------------------------------------------------------------------------

    def activate(self, assertion: Assertion) -> Activation:
        """The activation that this assertion is. An answer to no challenge, and one by a credential that is not the key's,
        are no attempts: nothing is checked with the key's credentials, and nothing counted.

        Raises ActivationUnknown, ActivationLocked, ActivationRefused."""
        waiting = self._take(webauthn.challenge_in(assertion.client_data))
        key = waiting.key
        self._require_unlocked(key, waiting.asker)
        credential = self._store.credential(key, assertion.credential)
        if credential is None:
            raise ActivationRefused("a credential that is not this key's", reason="credential", key=key)
        try:
            seen = webauthn.assertion_of(
                assertion,
                challenge=hashlib.sha256(waiting.text).digest(),
                party=self._party(key),
                credential=credential,
            )
        except ActivationRefused as error:
            self._store.refused(credential, asker=waiting.asker, reason=str(error.facts.get("reason")))
            error.facts = {**error.facts, "key": key}
            raise
        identity = self._store.activated(
            credential,
            text=waiting.text,
            expires_at=waiting.expires_at,
            assertion=assertion,
            sign_count=seen.sign_count,
            asker=waiting.asker,
        )
        live = _Live(key, credential.id, set(waiting.documents), waiting.expires_at, waiting.until)
        with self._lock:
            self._live = {one: it for one, it in self._live.items() if not _is_over(it)}
            self._live[identity] = live
        return self._store.activation(identity)

    def _make_room(self, coming: _Waiting) -> None:
        """Under the lock: forget what nobody may answer any more, and what is one too many."""
        self._waiting = {challenge: one for challenge, one in self._waiting.items() if not _is_over(one)}
        of_key = [(challenge, one.asker) for challenge, one in self._waiting.items() if one.key == coming.key]
        askers = Counter(asker for _, asker in of_key)
        if askers[coming.asker] >= _MOST_WAITING:
            crowding = coming.asker
        elif len(of_key) >= _MOST_OF_ALL:
            crowding = askers.most_common(1)[0][0]
        else:
            return
        del self._waiting[next(challenge for challenge, asker in of_key if asker == crowding)]

    def _take(self, challenge: bytes) -> _Waiting:
        with self._lock:
            waiting = self._waiting.pop(challenge, None)
        if waiting is None or _is_over(waiting):
            raise ActivationUnknown("no such challenge waits for an answer")
        return waiting

    def _require_unlocked(self, key: str, asker: str) -> None:
        lock = self._store.lock_of(key, asker=asker)
        if lock is not None:
            left = max(1, int(lock.until - time.time()) + 1)
            raise ActivationLocked(key=key, failures=lock.failures, until=_told(lock.until), retry_after=left)

    # -- 3 ---------------------------------------------------------------------------------------------------------

    def require(self, activation: str, *, key: str, mechanism: str, tbs: bytes) -> str:
        """The credential under whose activation this may be signed. Raises ActivationRequired, ActivationUnknown,
        ActivationMismatch."""
        with self._lock:
            return _text(self._covering(activation, key=key, document=(mechanism, _digest(tbs))).credential)

    @contextmanager
    def taking(self, activation: str, *, key: str, mechanism: str, tbs: bytes) -> Iterator[None]:
        """Around the record that the key is about to be used: the document is used up, unless that record fails."""
        document = (mechanism, _digest(tbs))
        with self._lock:
            live = self._covering(activation, key=key, document=document)
            live.left.remove(document)
        try:
            yield
        except BaseException:
            with self._lock:
                live.left.add(document)
            raise

    def _covering(self, activation: str, *, key: str, document: tuple[str, bytes]) -> _Live:
        if not activation:
            raise ActivationRequired(key=key)
        live = self._live.get(activation)
        if live is None or _is_over(live):
            raise ActivationUnknown(key=key)
        if live.key != key or document not in live.left:
            raise ActivationMismatch(key=key)
        return live

    def activation(self, identity: str) -> Activation:
        """What was agreed to, from the record. Raises ActivationUnknown."""
        return self._store.activation(identity)

    # -- an administrator's ----------------------------------------------------------------------------------------

    def begin_enrolment(self, key: str) -> Enrolment:
        """A one-time code for the person whose key this is."""
        party = self._party(key)
        raw = base64.b32encode(secrets.token_bytes(15)).decode()  # 24 letters and digits, 120 bits
        code = "-".join(raw[start : start + 4] for start in range(0, len(raw), 4))
        expires_at = time.time() + _CODE_VALID
        self._store.invite(key, code_sha256=_code_digest(code), expires_at=expires_at)
        challenge = enrolment_challenge(key, code, rp_id=party.rp_id)
        return Enrolment(key, code, challenge, party.rp_id, party.origins, expires_at)

    def enrol(self, key: str, *, code: str, registration: Registration) -> Credential:
        """Keep the credential that was made with the code. Raises EnrolmentRefused."""
        party = self._party(key)
        if not hmac.compare_digest(self._store.invitation(key), _code_digest(code)):
            raise EnrolmentRefused("the enrolment code is wrong or too old", key=key, reason="code")
        challenge = enrolment_challenge(key, code, rp_id=party.rp_id)
        try:
            identity, public_key, model, seen = webauthn.credential_of(registration, challenge=challenge, party=party)
        except ActivationRefused as error:
            raise EnrolmentRefused(str(error), key=key, **error.facts) from None
        for other in self._parties:
            if self._store.credential(other, identity) is not None:
                raise EnrolmentRefused("the credential is enrolled already", key=key, reason="credential")
        self._store.enrol(
            Credential(key, identity, public_key, model, time.time(), seen.sign_count, backed_up=seen.backed_up)
        )
        found = self._store.credential(key, identity)
        assert found is not None
        return found

    def credentials(self, key: str) -> Credentials:
        """The credentials of a key."""
        self._party(key)
        return self._store.of(key)

    def revoke(self, key: str, credential: bytes) -> Credentials:
        """Believe a credential no more; what was activated with it is over. Raises CredentialNotFound."""
        self._party(key)
        self._store.revoke(key, credential)
        with self._lock:
            self._live = {one: it for one, it in self._live.items() if (it.key, it.credential) != (key, credential)}
        return self._store.of(key)

    def lift(self, key: str) -> Credentials:
        """Forget the failed attempts."""
        self._party(key)
        self._store.lift(key)
        return self._store.of(key)

    def _party(self, key: str) -> Party:
        party = self._parties.get(key)
        if party is None:
            raise RequestMalformed(f"{key} is no person's key of this keeper", key=key)
        return party


def _is_over(one: _Waiting | _Live) -> bool:
    return time.monotonic() > one.until or time.time() > one.expires_at


def _digest(tbs: bytes) -> bytes:
    return hashlib.sha256(tbs).digest()


def _code_digest(code: str) -> str:
    return hashlib.sha256(plain(code).encode()).hexdigest()


def _text(credential: bytes) -> str:
    return base64.urlsafe_b64encode(credential).rstrip(b"=").decode()


def _told(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
