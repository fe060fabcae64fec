"""Missing certificates above a certificate, fetched from where it says its issuer's are (RFC 5280 §4.2.2.1, caIssuers).

Anyone can write a certificate that names any address. So only what really issued the certificate is followed;
questions, certificates in an answer, and the way upwards are bounded; nothing is asked twice; which host may be asked at
all is the fetcher's rule. Callers come here only when no path was found, and only for signatures that are intact.

    issuers = Issuers(fetcher)
    pool = (*pool, *issuers.above(certificate, pool=pool, trust=trust))
    issuers.unreachable
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from asn1crypto import cms, pem, x509

from verify.asn1 import is_present, raw
from verify.chain import MAX_DEPTH, MAX_POOL
from verify.fetcher import Fetcher, FetchFailed, FetchRequest
from verify.issuance import UNEXPECTED, Issuance, load
from verify.revocation_sources import addresses_issuer
from verify.rfc5280 import is_self_issued
from verify.trust import Trust

MOST_FETCHES = 8
"""For one document, however many certificates of it lead nowhere."""
MOST_ADDRESSES = 2
MOST_IN_ANSWER = 20
LARGEST_ANSWER = 1 << 20


@dataclass
class Issuers:
    """The questions of one judgement; answers are kept."""

    fetcher: Fetcher
    _answers: dict[str, tuple[bytes, ...] | None] = field(default_factory=dict)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Addresses that were asked and did not answer."""
        return tuple(url for url, answer in self._answers.items() if answer is None)

    def above(self, certificate: bytes, *, pool: Iterable[bytes], trust: Trust) -> tuple[bytes, ...]:
        """Certificates (DER) that help to build a path. Climbs from the certificate: over issuers that are known, and where there is none, over those fetched.

        1. Issuers of the certificate among what is known; an anchor among them ends the climb.
        2. None: the addresses that it names are asked. Whole bundles are kept, since they tend to hold the way up.
        3. On from each issuer, each certificate once, at most MAX_DEPTH steps.
        """
        leaf = load(certificate)
        anchors = [one for one in map(load, trust.anchors) if one is not None]
        known = [one for one in map(load, dict.fromkeys((*trust.intermediates, *pool))) if one is not None][:MAX_POOL]
        issuance = Issuance(anchors=anchors, others=known)
        fetched: dict[bytes, x509.Certificate] = {}
        climbing = [leaf] if leaf is not None else []
        seen: set[bytes] = set()
        for _ in range(MAX_DEPTH):
            following: list[x509.Certificate] = []
            for child in climbing:
                if raw(child) in seen or len(seen) >= MAX_POOL:
                    continue
                seen.add(raw(child))
                # 1
                issuers = issuance.above(child)
                # 2
                if not issuers and not is_self_issued(child):
                    for url in list(addresses_issuer(child))[:MOST_ADDRESSES]:
                        for one in map(load, self._ask(url)):
                            if one is not None and raw(one) not in fetched:
                                fetched[raw(one)] = one
                                issuance.add(one)
                        issuers = issuance.above(child)
                        if issuers:
                            break
                # 3
                following.extend(issuer.certificate for issuer in issuers if not issuer.anchor)
            climbing = following
        return tuple(fetched)

    def _ask(self, url: str) -> tuple[bytes, ...]:
        if url not in self._answers:
            if len(self._answers) >= MOST_FETCHES:
                return ()
            try:
                self._answers[url] = tuple(certificates_in(self.fetcher.fetch(FetchRequest("certificate", url))))
            except FetchFailed:
                self._answers[url] = None
        return self._answers[url] or ()


def certificates_in(answer: bytes) -> Iterator[bytes]:
    """The certificates (DER) of an answer: one, a PKCS#7 bundle, or either as PEM. Nothing from what is none of these."""
    if len(answer) > LARGEST_ANSWER:
        return
    count = 0
    try:
        parts = [part for _, _, part in pem.unarmor(answer, multiple=True)] if pem.detect(answer) else [answer]
        for part in parts:
            for der in _bundled(part):
                if count >= MOST_IN_ANSWER:
                    return
                count += 1
                yield der
    except UNEXPECTED:
        return


def _bundled(der: bytes) -> Iterator[bytes]:
    if load(der) is not None:
        yield der
        return
    content = cms.ContentInfo.load(der)
    if content["content_type"].native != "signed_data" or not is_present(content["content"]["certificates"]):
        return
    for choice in content["content"]["certificates"]:
        if choice.name == "certificate":
            yield raw(choice.chosen)
