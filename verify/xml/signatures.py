"""Finds the signatures of an XML document and hands them over in format-neutral values.

XMLDSig §3.2: references first, then the value over the canonical ds:SignedInfo. Which certificate signed is told by the
signed properties, else by whose key verifies. What the properties add (times, evidence, timestamps, level) is put in by
`verify.xml.qualified`; judging is for `verify.engine`.

    findings = find(file, limits=Limits(), detached={"contract.pdf": other})
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import BinaryIO, Final

from lxml import etree

from verify.algorithms import Mechanism, key_size
from verify.document import Limits, size_of
from verify.errors import DocumentTooLarge, VerifyError
from verify.found import Findings, FoundSignature, Integrity
from verify.report import Algorithms, Changes, Check, Facts, Outcome, Warning_
from verify.xml import proofs, qualified, scope, signers, stored, streamed, structure, values
from verify.xml.canonical import METHODS, NotCanonical
from verify.xml.document import XmlDocument
from verify.xml.nodes import Detached
from verify.xml.references import Reference, References, Refused, prefixes_of
from verify.xml.structure import Misshapen, Parts
from verify.xml.texts import decoded, text_of
from verify.xml.timestamps import Datum

CLAUSE: Final = "EN 319 102-1 §5.2.7"
MAX_CANDIDATES: Final = 50
"""Certificates whose keys are tried on one value."""
_TRIAL: Final = 1 << 17
"""What another key costs to try, in octets canonicalised."""
MAX_SAID: Final = 500
"""Characters of a name or address of the document's that the report carries."""
_OVER_DATA: Final = frozenset({"content", "archive"})
"""Timestamps whose imprint is over the document again, by whatever method they say."""
_NO_DETACHED: Mapping[str, BinaryIO] = MappingProxyType({})


def find(
    file: BinaryIO,
    *,
    limits: Limits,
    password: str | None = None,  # noqa: ARG001  XML is not encrypted; all readers are called alike
    detached: Mapping[str, BinaryIO] = _NO_DETACHED,
) -> Findings:
    """Every ds:Signature of the document. `detached`: files by the names that references have for them. Raises a
    VerifyError when the document cannot be read."""
    for one in detached.values():
        if (size := size_of(one)) > limits.document:  # an empty one is as good as any other
            raise DocumentTooLarge(size=size, limit=limits.document)
    try:
        findings = find_in(References(streamed.read(file, limits=limits), detached))
        if not any(stamp.type in _OVER_DATA for one in findings.signatures for stamp in one.timestamps):
            return findings
    except (streamed.NotPlain, VerifyError):
        pass  # what is wrong with it, the whole document tells
    if size_of(file) > streamed.LEAST:
        gc.collect()  # a parser that was fed and its context hold each other, and with them what was read
    return find_in(References(XmlDocument.read(file, limits=limits), detached))


def find_in(references: References) -> Findings:
    """The same for a document that was read, of which somebody needs the elements as well; in document order."""
    document, detached = references.document, references.detached
    elements = list(document.signatures())
    reading = _Reading(document, references, proofs.places(elements), _names(elements))
    signatures: list[FoundSignature] = []
    warnings: list[Warning_] = []
    used: set[str] = set()
    for element in elements:
        found, followed, noted = reading.signature(element)
        signatures.append(found)
        warnings.extend(noted)
        used.update(one.source.name for one in followed if isinstance(one.source, Detached))
    warnings.extend(Warning_("DETACHED_NOT_SIGNED", {"name": name}) for name in detached if name not in used)
    return Findings(tuple(signatures), (), tuple(warnings))


def _names(elements: Sequence[etree._Element]) -> dict[etree._Element, str]:
    """What the signatures are called in the report: by their Ids; reports find them by name, so two are never one."""
    counts: dict[str, int] = {}
    named: dict[str, etree._Element] = {}
    for number, element in enumerate(elements, start=1):
        stated = (element.get("Id") or "").strip()[:MAX_SAID] or f"signature-{number}"
        name = stated
        while name in named:
            counts[stated] = counts.get(stated, 1) + 1
            name = f"{stated}~{counts[stated]}"
        named[name] = element
    return {element: name for name, element in named.items()}


@dataclass(frozen=True)
class _Signed:
    """What the value of one signature came to."""

    integrity: Integrity
    signer: bytes | None
    value: bytes = b""
    tbs: tuple[str, str] | None = None
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """One pass over one document."""

    document: XmlDocument
    references: References
    places: Mapping[etree._Element, int]
    names: Mapping[etree._Element, str]

    def signature(self, element: etree._Element) -> tuple[FoundSignature, tuple[Reference, ...], tuple[Warning_, ...]]:
        """One ds:Signature, all references it has, and what a person should know of it.

        1. Its parts are where the schema has them.
        2. References are followed and digested; those of manifests that are covered as well.
        3. Properties are read from the elements so digested.
        4. The value is verified with the key of the certificate they name.
        5. What the properties add.
        """
        name = self.names[element]
        # 1
        try:
            parts = Parts.of(element)
        except Misshapen as error:
            return self._misshapen(element, reason=error.reason), (), ()
        # 2
        own = tuple(structure.placed(one, parts) for one in self.references.of(parts.signed_info, signature=element))
        vouched = {node for one in own for node in one.elements}
        listed = tuple(
            one for manifest in parts.manifests(vouched) for one in self.references.of(manifest, signature=element)
        )
        # 3
        properties = qualified.read(element, digested=vouched)
        store = stored.read(element, properties, base=self.places[element])
        # 4
        signed = self._value(
            parts,
            own,
            listed=listed,
            candidates=signers.candidates(properties, key_info=store.key_info, further=store.evidence.certificates),
        )
        # 5
        kind, covered = scope.of(self.document, parts, (*own, *listed))
        found = FoundSignature(
            id=name,
            format="XMLDSIG",
            integrity=signed.integrity,
            signer=signed.signer,
            binding="absent",
            changes=Changes(),
            covers=self.places[element],
            profile=None,
            parent=self.names.get(parts.parent) if parts.parent is not None else None,
            scope=kind,
            facts={"references": len(own), "manifest_entries": len(listed) or None},
            value=signed.value,
            tbs=signed.tbs,
            constraints=(*signed.constraints, *_listed_constraints(listed)),
            checks=tuple(_checks(own, listed, scope_=kind, covered=covered)),
        )
        found = qualified.complete(
            found,
            element,
            properties,
            store,
            data=[self._datum(one, parts) for one in own],
            base=self.places[element],
            manifest_ids=[one.id for one in listed if one.id],
            key_info_signed=any(one in vouched for one in parts.key_infos),
            write=self.references.write_element,
        )
        warnings = (*qualified.warnings(name, properties), *_manifest_warnings(name, listed))
        return found, (*own, *listed), warnings

    def _datum(self, reference: Reference, parts: Parts) -> Datum:
        return Datum(
            partial(self.references.write, reference),
            id=reference.id,
            target=reference.target,
            kind=structure.kind(reference, parts),
            nodes=reference.nodes if reference.matched and not reference.only_text else None,
        )

    def _misshapen(self, element: etree._Element, *, reason: str) -> FoundSignature:
        parent = structure.countersigned(element)
        return FoundSignature(
            id=self.names[element],
            format="XMLDSIG",
            integrity=Integrity("FORMAT_FAILURE", reason=reason),
            signer=None,
            binding="absent",
            changes=Changes(),
            covers=self.places[element],
            profile=None,
            parent=self.names.get(parent) if parent is not None else None,
            scope="PARTIAL",
        )

    def _value(
        self,
        parts: Parts,
        references: Sequence[Reference],
        *,
        listed: Sequence[Reference],
        candidates: Iterator[bytes],
    ) -> _Signed:
        """EN 319 102-1 §5.2.7. A digest or value that is wrong weighs more than data that cannot be had. The digest that
        is reported, and by which the policy goes, is the weakest of all on which the signature rests."""
        certificates = list(islice(candidates, MAX_CANDIDATES))
        signer = certificates[0] if certificates else None
        value = decoded(text_of(parts.value))
        digest = values.weakest(one.digest_algorithm for one in (*references, *listed))
        try:
            mechanism = values.read_method(parts.method)
        except values.Unusable as error:
            facts = Algorithms(digest=digest, signature=parts.method.get("Algorithm", "unknown"), key_size=0)
            failure = _worst(references, Integrity("SIG_CRYPTO_FAILURE", reason=error.reason))
            return _Signed(replace(failure, algorithms=facts), signer)
        try:
            octets = self._signed_info(parts)
        except (NotCanonical, Refused) as error:
            return _Signed(Integrity("FORMAT_FAILURE", reason=_reason(error)), signer)
        digest = values.weakest((digest, mechanism.digest))
        tbs = (mechanism.digest, hashlib.new(mechanism.digest, octets, usedforsecurity=False).hexdigest())
        if value is None:
            failure = _worst(references, Integrity("SIG_CRYPTO_FAILURE", reason="not-base64"))
            return _Signed(replace(failure, algorithms=_facts(mechanism, digest, 0)), signer, tbs=tbs)
        stated = values.key_values(parts.signature)
        keys = [key for der in certificates if (key := values.key_of(der)) is not None]
        self.references.charge(_TRIAL * max(len(keys) - 1, 0))
        made = next((key for key in keys if values.verifies(mechanism, key.public, value=value, tbs=octets)), None)
        chosen = made or (keys[0] if keys else None)
        differs = chosen is not None and any(
            one is not None and not values.same_key(one, chosen.public) for one in stated
        )
        if chosen is None and any(one and values.verifies(mechanism, one, value=value, tbs=octets) for one in stated):
            own = Integrity(None)  # by a key that is nobody's: sound, and without a signer
        elif chosen is None:
            own = Integrity("NO_SIGNING_CERTIFICATE_FOUND", reason="key-unusable" if signer else "certificate-missing")
        elif made is None:
            own = Integrity("SIG_CRYPTO_FAILURE", reason="key-value-differs" if differs else "InvalidSignature")
        else:
            own = Integrity(None)
        size = key_size(chosen.public) if chosen is not None else 0
        if own.intact and all(structure.is_about_itself(one, parts) for one in (*references, *listed)):
            own = Integrity("SIGNED_DATA_NOT_FOUND", reason="nothing-signed")
        integrity = replace(_worst(references, own, counters=parts), algorithms=_facts(mechanism, digest, size))
        return _Signed(
            integrity,
            chosen.certificate if chosen is not None else signer,
            value=value,
            tbs=tbs,
            constraints=("key-value-differs",) if differs else (),
        )

    def _signed_info(self, parts: Parts) -> bytes:
        """XMLDSig §4.4.1. Raises NotCanonical, Refused."""
        method = METHODS.get(parts.canonicalization.get("Algorithm", ""))
        if method is None:
            raise Refused("canonicalization")
        return self.references.canonical(parts.signed_info, method=method, prefixes=prefixes_of(parts.canonicalization))


def _reason(error: NotCanonical | Refused) -> str:
    return error.reason if isinstance(error, Refused) else "not-canonical"


def _facts(mechanism: Mechanism, digest: str, size: int) -> Algorithms:
    return Algorithms(digest=digest, signature=mechanism.name, key_size=size)


def _worst(references: Sequence[Reference], own: Integrity, *, counters: Parts | None = None) -> Integrity:
    """A digest that is wrong, else what the value came to, else what could not be found or followed; a counter-signature
    must be over the value of the signature in which it stands, and over no other that is called the same."""
    outcomes = {one.outcome: one.reason for one in reversed(references)}
    if "mismatched" in outcomes:
        return Integrity("HASH_FAILURE", reason=outcomes["mismatched"])
    if own.failure is not None:
        return own
    if "missing" in outcomes:
        return Integrity("SIGNED_DATA_NOT_FOUND", reason=outcomes["missing"])
    if "refused" in outcomes:
        unknown = outcomes["refused"] == "algorithm-unknown"
        return Integrity("HASH_FAILURE" if unknown else "SIGNED_DATA_NOT_FOUND", reason=outcomes["refused"])
    if counters is not None and counters.parent is not None:
        parent = counters.parent
        if not any(structure.is_value_of(node, parent) for one in references for node in one.elements):
            return Integrity("SIGNED_DATA_NOT_FOUND", reason="countersigned-value")
    return own


def _checks(
    own: Sequence[Reference], listed: Sequence[Reference], *, scope_: scope.Scope, covered: Sequence[str]
) -> Iterator[Check]:
    for one in own:
        yield Check("REFERENCE", CLAUSE, "PASSED" if one.matched else "FAILED", _said(one))
    for one in listed:
        outcome: Outcome = "PASSED" if one.matched else "WARNING" if one.outcome == "missing" else "FAILED"
        yield Check("MANIFEST_ENTRY", "XMLDSig §5.1", outcome, _said(one))
    facts: Facts = {"scope": scope_, "covers": ", ".join(covered) or None}
    yield Check("SCOPE", "EN 319 102-1 §5.1.4.2", "PASSED" if scope_ == "FULL" else "WARNING", facts)


def _said(reference: Reference) -> Facts:
    return {
        "id": _short(reference.id),
        "uri": _short(reference.uri),
        "type": _short(reference.type),
        "digest": reference.digest_algorithm,
        "reason": reference.reason or None,
    }


def _short(stated: str | None) -> str | None:
    return stated if stated is None or len(stated) <= MAX_SAID else f"{stated[:MAX_SAID]}…"


def _listed_constraints(listed: Sequence[Reference]) -> tuple[str, ...]:
    return ("manifest-entry",) if any(one.outcome == "mismatched" for one in listed) else ()


def _manifest_warnings(name: str, listed: Sequence[Reference]) -> Iterator[Warning_]:
    for one in listed:
        if not one.matched:
            yield Warning_(
                "MANIFEST_ENTRY_NOT_VERIFIED",
                {
                    "signature": name,
                    "uri": _short(one.uri),
                    "id": _short(one.id),
                    "outcome": one.outcome,
                    "reason": one.reason,
                },
            )
