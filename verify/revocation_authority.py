"""Who may say that a certificate is revoked: its issuer, whom the issuer appointed, and the signature that proves it.

Bytes, names and rights as of the time of issue; whether an appointed signer has itself been revoked is asked by
`verify.evidence`, which can look for the answer.

    authority = Authority(policy, path, index, helpers)
    speaker = authority.list_issuer(listed)            # None: nobody who may have signed it did
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain as following
from itertools import islice
from typing import Any

from asn1crypto import core, x509

from verify import algorithms
from verify.asn1 import raw, same_name
from verify.chain import Path, PathRejected, build, check
from verify.issuance import UNEXPECTED, fingerprint, load
from verify.policy import Policy, Unlisted
from verify.remembered import Remembered
from verify.revocation_lists import RevocationList, signed_parts
from verify.revocation_responses import Response, may_respond, needs_no_check
from verify.trust import Trust

MOST_CANDIDATES = 64
"""Certificates outside the path that are looked at for the issuer of one list."""
MOST_RESPONDERS = 4
"""Certificates that one response may mean by its responder."""
LARGEST_REMEMBERED = 256 * 1024
_SIGNED = Remembered[bool](limit=512)


@dataclass(frozen=True)
class Speaker:
    """Who signed. `unproven`: (path, index) of certificates that stand outside the path in question."""

    certificate: x509.Certificate
    unproven: tuple[tuple[Path, int], ...] = ()
    must_be_known: bool = True
    """Whether nothing less than a good status will do for those, where the policy asks for one at all."""

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """DER of what is needed to check it again, beyond the path in question."""
        members = following.from_iterable(path.certificates[1:] for path, _ in self.unproven)
        return tuple(dict.fromkeys(map(raw, members)))


@dataclass(frozen=True)
class Authority:
    """About `path.certificates[index]`; `helpers` are further certificates (DER) that may be a signer's."""

    policy: Policy
    path: Path
    index: int
    helpers: tuple[bytes, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return self.path.certificates[self.index]

    @property
    def issuer(self) -> x509.Certificate:
        return self.path.certificates[self.index - 1]

    def list_issuer(self, listed: RevocationList) -> Speaker | None:
        """RFC 5280 §6.3.3 (f) and (g)."""
        for place in reversed(range(self.index)):
            member = self.path.certificates[place]
            if _may_list(member, listed) and self._signed(listed, key=self._keys[place]):
                return Speaker(member)
        for other in self._others():
            if not _may_list(other, listed) or not self._signed(listed, key=raw(other.public_key)):
                continue
            anchored = Trust((raw(self.path.anchor),))  # the same anchor as of the path in question
            pool = (*map(raw, self.path.certificates), *self.helpers)
            for path in build(raw(other), pool=pool, trust=anchored):
                try:
                    check(path, policy=self.policy, role="ca")
                except PathRejected:
                    continue
                known = set(map(fingerprint, self.path.certificates[: self.index]))
                members = range(1, len(path.certificates))
                unproven = [(path, place) for place in members if fingerprint(path.certificates[place]) not in known]
                return Speaker(other, tuple(unproven))
        return None

    def signed(self, listed: RevocationList, *, by: Speaker) -> bool:
        """Whether who signed one list signed this one as well: a delta and its complete list (§5.2.4)."""
        members = [place for place in range(self.index) if self.path.certificates[place] is by.certificate]
        return self._signed(listed, key=self._keys[members[0]] if members else raw(by.certificate.public_key))

    def responder(self, response: Response) -> Speaker | None:
        """RFC 6960 §4.2.2.2: the CA itself, or whom that very CA appointed. Others are not believed."""
        try:
            if response.names(self.issuer) and self._responded(response, key=self._keys[self.index - 1]):
                return Speaker(self.issuer)
            known = filter(None, map(load, dict.fromkeys((*response.certificates, *self.helpers))))
            for other in islice(filter(response.names, known), MOST_RESPONDERS):
                if self._appointed(other, response):
                    sub = (Path((*self.path.certificates[: self.index], other)), self.index)
                    return Speaker(other, () if needs_no_check(other) else (sub,), must_be_known=False)
        except UNEXPECTED:
            return None
        return None

    def _appointed(self, other: x509.Certificate, response: Response) -> bool:
        if not may_respond(other, issuer=self.issuer, at=response.produced):
            return False
        if not self._responded(response, key=raw(other.public_key)):
            return False
        try:
            check(Path((*self.path.certificates[: self.index], other)), policy=self.policy, role="ca")
        except PathRejected:
            return False
        return True

    def _others(self) -> Iterator[x509.Certificate]:
        """Helpers that are no member of the path."""
        members = set(map(raw, self.path.certificates[: self.index]))
        count = 0
        for der in dict.fromkeys(self.helpers):
            if der in members or (other := load(der)) is None:
                continue
            count += 1
            if count > MOST_CANDIDATES:
                return
            yield other

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        """The keys of the path, DSA keys with the parameters that they inherit."""
        keys: list[bytes] = []
        for member in self.path.certificates[: self.index]:
            own = raw(member.public_key)
            keys.append(algorithms.with_parameters(own, of=keys[-1]) if keys else own)
        return tuple(keys)

    def _signed(self, listed: RevocationList, *, key: bytes) -> bool:
        algorithm, value, tbs = signed_parts(listed)
        return self._verifies(algorithm, value, tbs=tbs, key=key, issued=listed.issued)

    def _responded(self, response: Response, *, key: bytes) -> bool:
        algorithm, value, tbs = response.signed_parts
        return self._verifies(algorithm, value, tbs=tbs, key=key, issued=response.produced)

    def _verifies(self, algorithm: Any, value: core.BitString, *, tbs: bytes, key: bytes, issued: Any) -> bool:
        """The signature verifies, and its algorithm was believed when it was made."""
        try:
            mechanism, public = algorithms.mechanism(algorithm, digest=None), algorithms.public_key(key)
            if mechanism is None or public is None:
                return False
            ends = [self.policy.signature_until(mechanism.name, bits=algorithms.key_size(public))]
            if mechanism.name not in {"ed25519", "ed448"}:
                ends.append(self.policy.digest_until(mechanism.digest))
            if any(end is not None and end < issued for end in ends):
                return False
            if len(tbs) > LARGEST_REMEMBERED:
                return algorithms.value_of(algorithm, value, tbs=tbs, key=key)
            parts = (raw(algorithm), raw(value), tbs, key)
            return _SIGNED.get(parts, lambda: algorithms.value_of(algorithm, value, tbs=tbs, key=key))
        except (*UNEXPECTED, Unlisted):
            return False


def _may_list(signer: x509.Certificate, listed: RevocationList) -> bool:
    """By name, key identifier and key usage (§4.2.1.3)."""
    try:
        if not same_name(signer.subject, listed.issuer):
            return False
        own, wanted = signer.key_identifier, listed.authority_key
        usage = signer.key_usage_value
    except UNEXPECTED:
        return False
    return (own is None or wanted is None or own == wanted) and (usage is None or "crl_sign" in usage.native)
