"""ds:Reference: what its URI names, what its transforms make of it, whether the digest is right, and which nodes count.

XMLDSig §4.4.3, with less than it allows. An id that two elements carry names neither; nothing outside the document is
fetched, only what was handed in under exactly that name; transforms are those of an allow-list (canonicalisation,
enveloped signature, base64, the filters of `verify.xml.filters`), and a reference with any other one is not verified.
What a reference did not digest it does not vouch for, whatever stands near it: `Reference.elements`.

    references = References(document, detached={"a.pdf": file})
    for one in references.of(signed_info, signature=signature):
        one.outcome, one.reason, one.elements
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import islice
from typing import BinaryIO, Final, Literal
from urllib.parse import unquote

from lxml import etree

from verify.errors import DocumentTooComplex, VerifyError
from verify.xml import filters, names
from verify.xml.canonical import METHODS, Method, NotCanonical, Sink
from verify.xml.document import XmlDocument
from verify.xml.nodes import Canonical, Data, Decoded, Detached, Node, NodeSet, NotOctets, Octets
from verify.xml.texts import decoded, text_of

Outcome = Literal["matched", "mismatched", "missing", "refused"]

_DS = f"{{{names.DS}}}"
_XPOINTER_ID = re.compile(r"""#xpointer\(id\((['"])([^'"]+)\1\)\)""")
_DEFAULT: Final = METHODS[names.C14N_10]
"""How a node-set becomes octets where no transform says so (XMLDSig §4.4.3.2)."""
MAX_PREFIXES: Final = 100
_IN_ALL: Final = 20_000
"""ds:Reference elements anywhere in a document, also those that nothing asks to follow."""
_FILE: Final = 16
"""Octets of a file beside the document that cost as much as one that is canonicalised: they are only hashed."""
_SELECTED: Final = 4096
"""What an element that is selected costs, in octets canonicalised."""


class Refused(Exception):
    """A reference that is not followed, or leads nowhere; `reason` is a code."""

    def __init__(self, reason: str, *, outcome: Outcome = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome: Outcome = outcome


@dataclass(frozen=True)
class Reference:
    """One ds:Reference, looked at. `reason` says why it is not "matched"."""

    element: etree._Element
    id: str | None
    uri: str | None
    type: str | None
    digest_algorithm: str | None
    """As in hashlib; None when it is not known."""
    outcome: Outcome
    reason: str = ""
    source: NodeSet | Detached | None = None
    """What the URI names."""
    nodes: NodeSet | None = None
    """The part of the document that was digested, None for a detached file."""
    data: Data | None = None
    """What the transforms made of it."""
    only_text: bool = False
    """Whether of the nodes only the text was digested (base64)."""

    @property
    def matched(self) -> bool:
        return self.outcome == "matched"

    @property
    def elements(self) -> tuple[etree._Element, ...]:
        """The elements that the digest vouches for, each with everything in it."""
        return self.nodes.elements if self.matched and self.nodes is not None and not self.only_text else ()

    @property
    def target(self) -> str | None:
        """The Id that the URI names."""
        if not self.uri or not self.uri.startswith("#"):
            return None
        pointer = _XPOINTER_ID.fullmatch(self.uri)
        return pointer[2] if pointer else None if self.uri.startswith("#xpointer(") else self.uri[1:]


@dataclass
class References:
    """The references of one document; they share their limits, and what was digested once is not digested again."""

    document: XmlDocument
    detached: Mapping[str, BinaryIO] = field(default_factory=dict)
    _digests: dict[tuple[Octets, str], bytes] = field(default_factory=dict)
    _elements: dict[str, tuple[etree._Element, ...]] | None = None
    _parsed: dict[Octets, XmlDocument] = field(default_factory=dict)
    _count: int = 0
    _octets: int = 0

    def of(self, holder: etree._Element, *, signature: etree._Element) -> tuple[Reference, ...]:
        """The references of a ds:SignedInfo or ds:Manifest. Raises DocumentTooComplex."""
        limit = self.document.limits.references
        found = list(islice(holder.iterchildren(f"{_DS}Reference"), limit + 1))
        self._count += len(found)
        if self._count > limit:
            raise DocumentTooComplex(reason="references", count=self._count)
        nameless = sum(one.get("URI") is None for one in found)
        return tuple(self._reference(one, signature=signature, nameless=nameless) for one in found)

    def _reference(self, element: etree._Element, *, signature: etree._Element, nameless: int) -> Reference:
        method = element.find(f"{_DS}DigestMethod")
        algorithm = names.DIGESTS.get(method.get("Algorithm", "")) if method is not None else None
        found = Reference(
            element=element,
            id=element.get("Id"),
            uri=element.get("URI"),
            type=element.get("Type"),
            digest_algorithm=algorithm,
            outcome="refused",
        )
        try:
            source = self._dereference(found.uri, nameless=nameless)
            found = replace(found, source=source)
            found = self._transformed(found, source, signature=signature)
            found = self._compared(found)
        except Refused as error:
            found = replace(found, outcome=error.outcome, reason=error.reason)
        except NotCanonical:
            found = replace(found, outcome="refused", reason="not-canonical")
        except NotOctets:
            found = replace(found, outcome="refused", reason="not-base64")
        if not found.matched:
            self.document.require_whole()
        return found

    def _dereference(self, uri: str | None, *, nameless: int) -> NodeSet | Detached:
        """§4.4.3.2 and §4.4.3.3: comments count only where an XPointer names the nodes."""
        if uri is None:
            # The standard leaves this one case to the application: one reference without a name, one file.
            if nameless != 1 or len(self.detached) != 1:
                raise Refused("unnamed", outcome="missing")
            return Detached(*next(iter(self.detached.items())))
        if uri in {"", "#xpointer(/)"}:
            return NodeSet(self.document, (self.document.tree,), comments=uri != "")
        if pointer := _XPOINTER_ID.fullmatch(uri):
            return NodeSet(self.document, (self._element(pointer[2]),), comments=True)
        if uri.startswith("#xpointer("):
            raise Refused("xpointer")
        if uri.startswith("#"):
            return NodeSet(self.document, (self._element(uri[1:]),))
        for name in (uri, unquote(uri)):
            if name in self.detached:
                return Detached(name, self.detached[name])
        raise Refused("detached-missing", outcome="missing")

    def _element(self, name: str) -> etree._Element:
        if self._elements is None:
            self._elements = dict(self.document.elements_by_id(self._wanted()))
        for one in dict.fromkeys((name, unquote(name))):
            found = self._elements.get(one, ())
            if len(found) > 1:
                raise Refused("id-ambiguous", outcome="missing")
            if found:
                return found[0]
        raise Refused("id-missing", outcome="missing")

    def _wanted(self) -> set[str]:
        """All ids that references of the document name: so that the document is walked through once. Raises
        DocumentTooComplex."""
        wanted: set[str] = set()
        for number, one in enumerate(self.document.root.iter(f"{_DS}Reference")):
            if number == _IN_ALL:
                raise DocumentTooComplex(reason="references", count=number + 1)
            uri = one.get("URI") or ""
            if pointer := _XPOINTER_ID.fullmatch(uri):
                wanted.add(pointer[2])
            elif uri.startswith("#"):
                wanted.update((uri[1:], unquote(uri[1:])))
        return wanted

    def _transformed(self, found: Reference, data: Data, *, signature: etree._Element) -> Reference:
        steps = found.element.findall(f"{_DS}Transforms/{_DS}Transform")
        if len(steps) > self.document.limits.transforms:
            raise Refused("transforms")
        nodes = data if isinstance(data, NodeSet) else None
        only_text = False
        for step in steps:
            uri = step.get("Algorithm", "")
            if method := METHODS.get(uri):
                data = Canonical(self._nodes(data), method, _prefixes(step))
            elif uri == names.BASE64:
                only_text = only_text or isinstance(data, NodeSet)
                data = Decoded(data)
            elif uri in {names.ENVELOPED, names.XPATH, names.XPATH_FILTER2}:
                if not isinstance(data, NodeSet) or data.document is not self.document:
                    raise Refused("transform-order")
                data = nodes = _filtered(step, data, signature=signature)
                scanned = filters.terms(step) * self.document.size // 8
                self.charge(scanned + _SELECTED * (len(data.without) + len(data.apexes)))
            else:
                raise Refused("transform-refused")
        if nodes is not None and nodes.is_empty:
            raise Refused("nothing-selected")  # what is left beside the root fits every document
        return replace(found, data=data, nodes=nodes, only_text=only_text)

    def _nodes(self, data: Data) -> NodeSet:
        """Octets are parsed where a transform needs nodes (§4.4.3.2); they are another document, hardened like this."""
        if isinstance(data, NodeSet):
            return data
        if data not in self._parsed:
            limits = replace(
                self.document.limits,
                xml_memory=self.document.limits.xml_memory
                - self.document.weight
                - sum(one.weight for one in self._parsed.values()),
            )
            try:
                if isinstance(data, Detached):
                    self._parsed[data] = XmlDocument.read(data.file, limits=limits)
                else:
                    held = BytesIO()
                    self._write(data, held)
                    self._parsed[data] = XmlDocument.read(held, limits=limits)
            except DocumentTooComplex:
                raise
            except VerifyError:
                raise Refused("not-xml") from None
        parsed = self._parsed[data]
        return NodeSet(parsed, (parsed.tree,), comments=True)

    def _compared(self, found: Reference) -> Reference:
        algorithm = found.digest_algorithm
        if algorithm is None:
            raise Refused("algorithm-unknown")
        assert found.data is not None
        octets = Canonical(found.data, _DEFAULT) if isinstance(found.data, NodeSet) else found.data
        key = (octets, algorithm)
        if key not in self._digests:
            self._digests[key] = self._digest(octets, algorithm)
        if not isinstance(octets, Detached) and self._digests[key] == _Hasher(algorithm).digest():
            raise Refused("nothing-selected")  # a file may be empty, a part of a document is something
        value = found.element.find(f"{_DS}DigestValue")
        stated = decoded(text_of(value)) if value is not None else None
        if stated is None:
            return replace(found, outcome="mismatched", reason="digest-value")
        if not hmac.compare_digest(stated, self._digests[key]):
            return replace(found, outcome="mismatched", reason="digest")
        return replace(found, outcome="matched")

    def _digest(self, octets: Octets, algorithm: str) -> bytes:
        if isinstance(octets, Canonical) and self._is_whole(octets):
            nodes = octets.nodes
            if found := self.document.went_by(octets.method, algorithm, without=nodes.without):
                digest, size = found
                self.charge(nodes.namespace_cost(octets.method, octets.prefixes) + size)
                return digest
        hasher = _Hasher(algorithm)
        self._write(octets, hasher)
        return hasher.digest()

    def _is_whole(self, octets: Canonical) -> bool:
        """Whether these are of the whole document without comments, by no prefixes of its own."""
        return octets.nodes.apexes == (self.document.tree,) and not octets.nodes.comments and not octets.prefixes

    def write(self, reference: Reference, sink: Sink, method: Method) -> None:
        """What was referred to, as a timestamp takes it: octets as they are, a node-set by the method. Raises
        NotCanonical, NotOctets, DocumentTooComplex, and ValueError where there is nothing."""
        data = reference.data
        if data is None:
            raise ValueError("the reference leads nowhere")
        self._write(Canonical(data, method) if isinstance(data, NodeSet) else data, sink)

    def write_element(self, element: etree._Element, sink: Sink, method: Method) -> None:
        """An element of the document, as a timestamp takes it. Raises NotCanonical, DocumentTooComplex."""
        self._write(Canonical(NodeSet(self.document, (element,), comments=True), method), sink)

    def canonical(self, element: etree._Element, *, method: Method, prefixes: Sequence[str] = ()) -> bytes:
        """An element of the document, within the same limits. Raises NotCanonical, DocumentTooComplex."""
        held = BytesIO()
        self._write(Canonical(NodeSet(self.document, (element,), comments=True), method, tuple(prefixes)), held)
        return held.getvalue()

    def _write(self, octets: Octets, sink: Sink) -> None:
        if isinstance(octets, Canonical):
            if self.document.root in octets.nodes.roots:
                self.document.require_whole()
            self.charge(octets.nodes.namespace_cost(octets.method, octets.prefixes))
        octets.write(_Metered(self, sink, share=_FILE if isinstance(octets, Detached) else 1))

    def charge(self, octets: int) -> None:
        """Counts what is canonicalised for this document. Raises DocumentTooComplex."""
        self._octets += octets
        if self._octets > self.document.limits.digested:
            raise DocumentTooComplex(reason="digested", limit=self.document.limits.digested)


class _Hasher:
    def __init__(self, algorithm: str) -> None:
        self._hasher = hashlib.new(algorithm, usedforsecurity=False)
        self.write = self._hasher.update
        self.digest = self._hasher.digest


class _Metered:
    """A sink that counts."""

    def __init__(self, references: References, sink: Sink, *, share: int) -> None:
        self._references, self._sink, self._share = references, sink, share

    def write(self, data: bytes) -> None:
        self._references.charge(-(-len(data) // self._share))
        self._sink.write(data)


def _filtered(step: etree._Element, nodes: NodeSet, *, signature: etree._Element) -> NodeSet:
    if step.get("Algorithm") == names.ENVELOPED:
        # Read literally, a signature's own content without the signature is nothing; signers who ask for that mean the
        # content, and other libraries digest it.
        inside = any(signature in apex.iterancestors() for apex in nodes.roots)
        return nodes if inside else nodes.minus([signature])
    try:
        return filters.apply(step, nodes, signature=signature)
    except filters.Unsupported:
        raise Refused("transform-refused") from None


def _prefixes(step: etree._Element) -> tuple[str, ...]:
    """The PrefixList of exclusive canonicalisation."""
    stated = step.find(f"{{{names.C14N_EXCLUSIVE}}}InclusiveNamespaces")
    prefixes = tuple((stated.get("PrefixList") or "").split(maxsplit=MAX_PREFIXES)) if stated is not None else ()
    if len(prefixes) > MAX_PREFIXES:
        raise Refused("transforms")
    return prefixes


def prefixes_of(method: etree._Element) -> Sequence[str]:
    """The PrefixList of a ds:CanonicalizationMethod. Raises Refused."""
    return _prefixes(method)


__all__ = ["Node", "Outcome", "Reference", "References", "Refused", "prefixes_of"]
