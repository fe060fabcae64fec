"""The timestamps of an XML signature: what each is over, and what provably existed when it was made (EN 319 102-1
§5.6.2.3).

A timestamp proves only what its imprint is over: the unsigned properties that stand before it, never those behind it;
what the signature refers to only for an archive timestamp. A token that was copied from elsewhere is over something
else, and one that stands there twice proves one thing.

    found = find("Signature1", subject, properties, store, base=0, signer=der_or_none, value=signature_value)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree

from verify.algorithms import DIGESTS
from verify.errors import DocumentTooComplex
from verify.found import FoundTimestamp, TimestampType, identify
from verify.xml import names, stored
from verify.xml.canonical import NotCanonical
from verify.xml.nodes import NotOctets
from verify.xml.properties import Properties
from verify.xml.stored import Stored
from verify.xml.texts import DER, digest_of, octets
from verify.xml.timestamps import FORMS, REFERENCES, NotComputable, Subject, imprint, included

STEP = 10_000
"""Between the places of two signatures: more than the unsigned properties of one that are looked at."""

MAX_TOKENS = 100
"""Timestamps of one signature."""

_TYPES: dict[str, TimestampType] = {
    "AllDataObjectsTimeStamp": "content",
    "IndividualDataObjectsTimeStamp": "content",
    "SignatureTimeStamp": "signature",
    "SigAndRefsTimeStamp": "vri",
    "SigAndRefsTimeStampV2": "vri",
    "RefsOnlyTimeStamp": "vri",
    "RefsOnlyTimeStampV2": "vri",
    "ArchiveTimeStamp": "archive",
}
_STRONG = DIGESTS.keys() - {"md5", "sha1"}
"""Digests by which a reference proves that what it refers to existed."""


def places(signatures: Sequence[etree._Element]) -> dict[etree._Element, int]:
    """The place of each ds:Signature of a document (given in document order) among `FoundSignature.covers`: what ends
    later comes later, so that a signature around another one, or behind it, is the newer."""
    ended: list[etree._Element] = []
    open_: list[etree._Element] = []
    for one in signatures:
        above = set(one.iterancestors())
        while open_ and open_[-1] not in above:
            ended.append(open_.pop())
        open_.append(one)
    ended.extend(reversed(open_))
    return {one: (number + 1) * STEP for number, one in enumerate(ended)}


def find(
    name: str,
    subject: Subject,
    properties: Properties,
    store: Stored,
    *,
    base: int,
    value: bytes,
    signer: bytes | None,
) -> tuple[FoundTimestamp, ...]:
    """All timestamps of one signature, in its properties' order. `signer`: its certificate, if what is signed names it.

    `base` is the signature's place; a property's is the next, and so on. Raises DocumentTooComplex.
    """
    reading = _Reading(subject, properties, store, value, signer)
    elements = [(one, base) for one in properties.content_timestamps]
    elements += [(one, place) for place, one in enumerate(properties.unsigned, start=base + 1) if _is_stamp(one)]
    counts: dict[str, int] = {}
    found: list[FoundTimestamp] = []
    for element, place in elements:
        kind = _TYPES[etree.QName(element).localname]
        digest = _digest(subject, element)
        tokens = list(_tokens(element))
        protects = reading.protects(element, kind) if tokens else frozenset()
        omits = reading.omits(element, base=base) if kind == "archive" else frozenset()
        for der, fault in tokens:
            if len(found) == MAX_TOKENS:
                raise DocumentTooComplex(reason="timestamps", limit=MAX_TOKENS)
            number = counts[kind] = counts.get(kind, -1) + 1
            own = {identify(der)}
            found.append(
                FoundTimestamp(
                    id=f"{name}#{kind}-{number}",
                    type=kind,
                    der=der,
                    digest_of=digest,
                    covers=place,
                    fault=fault,
                    protects=frozenset(protects - own),
                    omits=omits,
                )
            )
    return tuple(found)


@dataclass
class _Reading:
    """One signature, and what was found to stand in its properties."""

    subject: Subject
    properties: Properties
    store: Stored
    value: bytes
    signer: bytes | None
    _held: dict[etree._Element, frozenset[str]] = field(default_factory=dict)
    _data: frozenset[str] | None = None

    def protects(self, stamp: etree._Element, kind: TimestampType) -> frozenset[str]:
        """Ids of what a valid token in this element proves."""
        bound = {identify(self.value), *({identify(self.signer)} if self.signer is not None else ())}
        if kind == "signature":
            return frozenset(bound)
        name = etree.QName(stamp).localname
        if kind == "vri":
            return frozenset((*self._referenced(stamp), *(bound if name.startswith("Sig") else ())))
        if kind == "archive":
            own = [*self.subject.signature.findall(f"{{{names.DS}}}KeyInfo")]
            own += [self.properties.signed] if self.properties.signed is not None else []
            return frozenset((*bound, *self._signed(), *self._held_by(own), *self._held_by(self._before(stamp))))
        return frozenset()

    def omits(self, stamp: etree._Element, *, base: int) -> frozenset[int]:
        """Places of the properties before an archive timestamp that it is not over (§5.5.2.3)."""
        chosen = set(self._before(stamp))
        before = enumerate(self.subject.before(stamp), start=base + 1)
        return frozenset(place for place, one in before if one not in chosen)

    def _signed(self) -> frozenset[str]:
        """What is signed may hold signatures too."""
        if self._data is None:
            sets = [datum.nodes for datum in self.subject.data if datum.kind == "data" and datum.nodes is not None]
            self._data = frozenset(
                one for nodes in sets for root in nodes.roots for one in stored.identities(root, without=nodes.without)
            )
        return self._data

    def _before(self, stamp: etree._Element) -> Iterable[etree._Element]:
        try:
            chosen = included(self.subject, stamp)
        except NotComputable:
            return ()
        return self.subject.before(stamp) if chosen is None else chosen

    def _held_by(self, elements: Iterable[etree._Element]) -> Iterator[str]:
        for one in elements:
            if one not in self._held:
                self._held[one] = stored.identities(one)
            yield from self._held[one]

    def _referenced(self, stamp: etree._Element) -> Iterator[str]:
        """What references before the timestamp name by their digests, as far as it is there; and, of a timestamp over
        the signature too, the signature's timestamps."""
        wanted = REFERENCES[2 if etree.QName(stamp).localname.endswith("V2") else 1]
        digests: set[tuple[str, bytes]] = set()
        for one in self.subject.before(stamp):
            name = etree.QName(one).localname
            if name == "SignatureTimeStamp" and etree.QName(stamp).localname.startswith("Sig"):
                yield from self._held_by((one,))
            elif name in wanted:
                digests.update(_digests(one))
        for value in self.store.values:
            for algorithm in {algorithm for algorithm, _ in digests}:
                if (algorithm, hashlib.new(algorithm, value.der).digest()) in digests:
                    yield identify(value.der)


class _Hasher:
    """A digest as a sink."""

    def __init__(self, name: str) -> None:
        self._hasher = hashlib.new(name, usedforsecurity=False)

    def write(self, data: bytes) -> None:
        self._hasher.update(data)

    def digest(self) -> bytes:
        return self._hasher.digest()


def _digest(subject: Subject, stamp: etree._Element) -> Callable[[str], bytes]:
    """Digests of what the element's tokens must be over, each computed once."""
    known: dict[str, bytes] = {}

    def digest(name: str) -> bytes:
        if name not in DIGESTS:
            raise ValueError(f"unknown digest {name}")
        if name not in known:
            hasher = _Hasher(name)
            try:
                imprint(subject, stamp, sink=hasher)
            except (NotCanonical, NotOctets) as error:
                raise NotComputable(str(error)) from error
            known[name] = hasher.digest()
        return known[name]

    return digest


def _is_stamp(element: etree._Element) -> bool:
    named = etree.QName(element)
    return named.namespace in FORMS and _TYPES.get(named.localname, "content") != "content"


def _tokens(element: etree._Element) -> Iterator[tuple[bytes, str | None]]:
    """(DER, why it cannot be believed) of each token; one in XML, or in another encoding, is one that nobody reads."""
    for one in element.iterchildren("{*}EncapsulatedTimeStamp", "{*}XMLTimeStamp"):
        if etree.QName(one).localname == "XMLTimeStamp":
            yield b"", "xml-timestamp"
            continue
        der = octets(one)
        if der is None:
            yield b"", "base64" if (one.get("Encoding") or DER) == DER else "encoding"
        else:
            yield der, None


def _digests(references: etree._Element) -> Iterator[tuple[str, bytes]]:
    for one in references.iter("{*}CertDigest", "{*}DigestAlgAndValue"):
        algorithm, digest = digest_of(one)
        if algorithm in _STRONG and digest is not None:
            yield str(algorithm), digest
