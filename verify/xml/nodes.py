"""What a reference is about, step by step: node-sets and octets, as values that say which nodes they cover.

A node-set is some subtrees of one document without some others: whatever the transforms that are followed
(`verify.xml.references`) can make of a document. Octets know where they come from. Both write themselves into a sink,
so that nothing is held twice; both are hashable, so that a digest is computed once, however many references ask for it.

    nodes = NodeSet(document, (document.tree,)).minus([signature])
    nodes.write(sink, method=METHODS[names.C14N_EXCLUSIVE])
    Canonical(nodes, METHODS[names.C14N_10]).write(sink)
"""

from __future__ import annotations

import binascii
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO, cast

from lxml import etree

from verify.document import chunks, size_of
from verify.errors import DocumentTooComplex
from verify.xml import canonical
from verify.xml.canonical import Method, Sink
from verify.xml.document import XmlDocument
from verify.xml.texts import SPACE

Node = etree._Element | etree._ElementTree
"""An element with its content, or a whole document with what stands beside its root."""

_SLICE = 1 << 22
_FEW_LOOKUPS = 256
_COUNT = etree.XPath("count(descendant-or-self::*)")


class NotOctets(Exception):
    """This is no base64."""


@dataclass(frozen=True)
class NodeSet:
    """`apexes` are disjoint and in document order; `without` may hold elements anywhere in the document."""

    document: XmlDocument = field(hash=False, compare=False)
    apexes: tuple[Node, ...]
    without: tuple[etree._Element, ...] = ()
    comments: bool = False

    def minus(self, elements: Iterable[etree._Element]) -> NodeSet:
        return replace(self, without=tuple(dict.fromkeys((*self.without, *elements))))

    def within(self, elements: Iterable[etree._Element]) -> NodeSet:
        """Only what lies in these elements (given in document order) as well."""
        wanted = dict.fromkeys(elements)
        outermost = [one for one in wanted if wanted.keys().isdisjoint(one.iterancestors())]
        inside = self._by_apex(outermost)
        kept: list[Node] = []
        for apex in self.apexes:
            above = () if not isinstance(apex, etree._Element) else (apex, *apex.iterancestors())
            kept.extend([apex] if any(one in wanted for one in above) else inside.get(apex, ()))
        return replace(self, apexes=tuple(kept))

    def write(self, sink: Sink, *, method: Method, prefixes: Collection[str] = ()) -> None:
        """Raises NotCanonical."""
        chosen = method if self.comments else method.without_comments()
        left_out = self._by_apex(self.without)
        for apex in self.apexes:
            if not isinstance(apex, etree._Element) or not self._is_left_out(apex):
                canonical.write(apex, sink, method=chosen, prefixes=tuple(prefixes), without=left_out.get(apex, ()))

    def namespace_cost(self, method: Method, prefixes: Collection[str]) -> int:
        """What canonicalisation costs beyond its octets, in octets: for each element, libxml2 looks up each prefix that
        is rendered for its scope among all that are in scope. Raises DocumentTooComplex where that is hopeless."""
        if not method.exclusive and self.document.prefixes > self.document.limits.xml_namespaces:
            raise DocumentTooComplex(reason="namespaces", count=self.document.prefixes)
        rendered = max(len(prefixes), 1) if method.exclusive else self.document.prefixes
        lookups = self.document.declared * rendered
        if lookups <= _FEW_LOOKUPS:
            return 0
        elements = sum(cast("float", _COUNT(one)) for one in self.roots)
        return int(elements) * lookups // 3

    def texts(self) -> Iterator[str]:
        """All text, in pieces: what base64 is decoded from (XMLDSig §6.6.2)."""
        without = set(self.without)
        for apex in self.apexes:
            element = apex if isinstance(apex, etree._Element) else apex.getroot()
            if without.isdisjoint((element, *element.iterancestors())):
                yield from _texts(element, without)

    @property
    def elements(self) -> tuple[etree._Element, ...]:
        """Elements that are in the set whole, with everything in them (comments apart)."""
        return tuple(one for one in self.roots if not self.lacks(one))

    @property
    def roots(self) -> tuple[etree._Element, ...]:
        return tuple(one if isinstance(one, etree._Element) else one.getroot() for one in self.apexes)

    @property
    def is_empty(self) -> bool:
        """Whether no element is left."""
        return all(map(self._is_left_out, self.roots))

    def lacks(self, element: etree._Element) -> bool:
        """Whether something of the element is left out, or all of it."""
        return element in self._around or self._is_left_out(element)

    @cached_property
    def _around(self) -> Collection[etree._Element]:
        """What is left out, and whatever it stands in."""
        return {around for one in self.without for around in (one, *one.iterancestors())}

    def _is_left_out(self, element: etree._Element) -> bool:
        left_out = self._left_out
        return bool(left_out) and not left_out.isdisjoint((element, *element.iterancestors()))

    @cached_property
    def _left_out(self) -> frozenset[etree._Element]:
        return frozenset(self.without)

    def _by_apex(self, elements: Iterable[etree._Element]) -> dict[Node, list[etree._Element]]:
        """These elements, each with the apex in whose subtree it is; others are passed over."""
        whole = next((apex for apex in self.apexes if not isinstance(apex, etree._Element)), None)
        apexes = set(self.apexes)
        found: dict[Node, list[etree._Element]] = {}
        for one in elements:
            apex: Node | None = whole
            if apex is None:
                apex = next((around for around in (one, *one.iterancestors()) if around in apexes), None)
            if apex is not None:
                found.setdefault(apex, []).append(one)
        return found


@dataclass(frozen=True)
class Canonical:
    """A node-set in canonical form."""

    nodes: NodeSet
    method: Method
    prefixes: tuple[str, ...] = ()

    def write(self, sink: Sink) -> None:
        self.nodes.write(sink, method=self.method, prefixes=self.prefixes)


@dataclass(frozen=True)
class Detached:
    """A file that came beside the document."""

    name: str
    file: BinaryIO = field(hash=False, compare=False)

    def write(self, sink: Sink) -> None:
        for chunk in chunks(self.file, start=0, length=size_of(self.file)):
            sink.write(bytes(chunk))


@dataclass(frozen=True)
class Decoded:
    """What base64 stands for. White space may stand anywhere in it, nothing else."""

    source: NodeSet | Octets

    def write(self, sink: Sink) -> None:
        """Raises NotOctets."""
        decoder = _Decoder(sink)
        if isinstance(self.source, NodeSet):
            for text in self.source.texts():
                for at in range(0, len(text), _SLICE):
                    decoder.write(text[at : at + _SLICE].encode("utf-8"))
        else:
            self.source.write(decoder)
        decoder.close()


class _Decoder:
    """A sink that passes on what the base64 stands for which it is given, piece by piece."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""
        self._ended = False

    def write(self, data: bytes) -> None:
        """Raises NotOctets."""
        data = self._rest + bytes(data).translate(None, SPACE)
        cut = len(data) - len(data) % 4
        self._rest = data[cut:]
        if data and self._ended:
            raise NotOctets
        self._ended = data[:cut].endswith(b"=")
        try:
            self._sink.write(binascii.a2b_base64(data[:cut], strict_mode=True))
        except binascii.Error:
            raise NotOctets from None

    def close(self) -> None:
        """Raises NotOctets where something is left."""
        if self._rest:
            raise NotOctets


Octets = Canonical | Detached | Decoded
Data = NodeSet | Octets


def _texts(element: etree._Element, without: Collection[etree._Element]) -> Iterator[str]:
    if element.text:
        yield element.text
    for child in element:
        if isinstance(child.tag, str) and child not in without:
            yield from _texts(child, without)
        if child.tail:
            yield child.tail
