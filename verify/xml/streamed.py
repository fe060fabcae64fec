"""Reads a large XML document without holding it: what is signed as a whole is digested as it goes by.

A tree takes twelve times what its document does. Mostly a signature stands right under the root and is over all else. So
the file is parsed piece by piece; whatever is complete under the root is canonicalised and goes. What stays is the root,
the signatures in it and, for all that went, one element that nobody can guess: no digest fits a root that holds it.

1. The signature is looked for near either end of the file, for the methods and digests that it names.
2. Piece by piece: children of the root that are complete, but for signatures, are digested, searched for what could be
   an id, and dropped.
3. The rest, to the end of the document.

This is a short cut and never another opinion. Whatever is unusual raises NotPlain, sooner or later, and the document is
then read whole: a signature or a reference deeper down, an id that something has which went by, a reference that is not
matched or is over anything but the whole document, timestamps over the document, a document that is refused.

    document = read(file, limits=Limits())                         # raises NotPlain and what XmlDocument.read raises
    document.went_by(method, "sha256", without=signatures)         # (digest, how many octets)
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, cast

from lxml import etree

from verify.document import MIB, Limits, size_of
from verify.xml import canonical, names
from verify.xml.canonical import METHODS, Method, NotCanonical
from verify.xml.cutting import Marks
from verify.xml.document import FEW, HUGE, PARSING, XmlDocument, check_tree, refuse_doctype
from verify.xml.weighing import HEAD, head_of, weigh

if TYPE_CHECKING:
    from hashlib import _Hash

LEAST: Final = MIB
"""Smaller documents are read whole."""
PIECE: Final = 1 << 18
_NEAR: Final = 1 << 16
"""Bytes at either end of the file in which a signature is looked for."""
_PATIENCE: Final = 4
"""How often the document's size may be canonicalised: signatures in front of its content are, again and again."""
_SIGNATURE: Final = names.tag("ds", "Signature")
_MOST_VALUES: Final = 500_000
"""Different values of attributes that are remembered."""
_MOST_SIGNATURES: Final = 50
_VALUES = etree.XPath("descendant-or-self::*/@*", smart_strings=False)
_IS_BUILT_OTHERWISE = etree.XPath(
    "/ds:Signature or /*/*[not(self::ds:Signature)]/descendant-or-self::ds:Reference"
    " or /*/*[not(self::ds:Signature)]/descendant::ds:Signature",
    namespaces=names.PREFIXES,
)
_HAS_CONTENT = etree.XPath("boolean(/*/*[not(self::ds:Signature)])", namespaces=names.PREFIXES)


class NotPlain(Exception):
    """The document must be read whole."""


@dataclass(frozen=True)
class Streamed(XmlDocument):
    """`tree` holds the root, its signatures and the stand-in for all else."""

    values: Set[int]
    """Hashes of the values of all attributes outside signatures: any may be an id."""
    flows: tuple[Flow, ...]

    @property
    def prefixes(self) -> int:
        """At most: more than there are could only make the document too dear, and then it is read whole."""
        return self.declared

    def elements_by_id(self, wanted: Iterable[str]) -> Mapping[str, tuple[etree._Element, ...]]:
        ids = frozenset(wanted)
        if not self.values.isdisjoint(map(hash, ids)):
            self.require_whole()
        return super().elements_by_id(ids)

    def require_whole(self) -> NoReturn:
        raise NotPlain

    def went_by(
        self, method: Method, algorithm: str, *, without: Collection[etree._Element]
    ) -> tuple[bytes, int] | None:
        left_out = set(without)
        if any(one.tag != _SIGNATURE for one in left_out) or not left_out.issuperset(
            self.root.iterchildren(_SIGNATURE)
        ):
            return None
        for one in self.flows:
            if one.method.exclusive == method.exclusive and algorithm in one.digests:
                return one.digests[algorithm].digest(), one.size
        return None


@dataclass
class Flow:
    """The canonical octets of the document by one method, as they go by."""

    method: Method
    digests: Mapping[str, _Hash]
    size: int = 0

    def pass_on(self, octets: bytes) -> None:
        self.size += len(octets)
        for state in self.digests.values():
            state.update(octets)


def read(file: BinaryIO, *, limits: Limits) -> Streamed:
    """Raises NotPlain, and what XmlDocument.read raises."""
    size = size_of(file)
    if not LEAST < size <= limits.xml:
        raise NotPlain
    # 1
    flows = _flows(file, size=size)
    file.seek(0)
    weighed = weigh(file, head_of(file.read(HEAD)), limits=limits)
    dearest = max(1 if flow.method.exclusive else weighed.declared for flow in flows)
    if weighed.wide or weighed.declared * dearest > FEW:
        raise NotPlain  # canonical forms cost time where many namespaces are in scope (`NodeSet.namespace_cost`)
    root_tag = refuse_doctype(file)
    file.seek(0)
    reading = _Reading(flows, size=size, limits=limits, marks=Marks.make())
    try:
        # 2
        parser = etree.XMLPullParser(events=("start",), tag=root_tag, huge_tree=size > HUGE, **PARSING)  # type: ignore[arg-type]
        root: etree._Element | None = None
        while piece := file.read(PIECE):
            parser.feed(piece)
            for _, element in parser.read_events():
                root = cast("etree._Element", element) if root is None else root
            if root is not None:
                reading.pass_on(root)
        parser.close()
        # 3
        if root is None:
            raise NotPlain
        reading.finish(root)
    except (etree.XMLSyntaxError, NotCanonical, ValueError, LookupError):
        raise NotPlain from None  # whoever reads it whole will say what is wrong with it
    return Streamed(
        root.getroottree(), limits, size, weighed.declared, weighed.weight,
        values=reading.values, flows=flows,
    )  # fmt: skip


def _flows(file: BinaryIO, *, size: int) -> tuple[Flow, ...]:
    """What may be asked for, by the words of the signature."""
    file.seek(0)
    words = file.read(_NEAR)
    file.seek(max(0, size - _NEAR))
    words += file.read(_NEAR)
    algorithms = [name for uri, name in names.DIGESTS.items() if f'"{uri}"'.encode() in words]
    methods = {one.exclusive: one for one in METHODS.values() if not one.comments and f'"{one.uri}"'.encode() in words}
    if not algorithms or not methods:
        raise NotPlain
    return tuple(
        Flow(method, {name: hashlib.new(name, usedforsecurity=False) for name in algorithms})
        for method in methods.values()
    )


@dataclass
class _Reading:
    """One document as it goes by."""

    flows: tuple[Flow, ...]
    size: int
    limits: Limits
    marks: Marks
    values: set[int] = field(default_factory=set)
    _began: bool = False
    _kept: int = 0
    _work: int = 0
    _has_content: bool = False

    def pass_on(self, root: etree._Element) -> None:
        """Everything but the last child of the root, which may not be complete."""
        if len(root) - self._kept < 2:
            return
        last = root[-1]
        self._digest(root, until=last)
        self._drop(root, but=last)

    def finish(self, root: etree._Element) -> None:
        """What is left, to the end of the document."""
        self._digest(root, until=None)
        self._drop(root, but=None)
        if not self._has_content:
            raise NotPlain  # a root that only keeps signatures is no content of its own
        stand_in = etree.Element(self.marks.first)
        stand_in.text = self.marks.first
        root.insert(0, stand_in)

    def _digest(self, root: etree._Element, *, until: etree._Element | None) -> None:
        """Canonicalises from behind what is kept; one mark stands there, the other one before `until`."""
        first, last = etree.ProcessingInstruction(self.marks.first), etree.ProcessingInstruction(self.marks.last)
        signatures = [one for one in root.iterchildren(_SIGNATURE) if one is not until]
        if self._began:
            root.insert(self._kept, first)
        if until is not None:
            until.addprevious(last)
        for flow in self.flows:
            held = BytesIO()
            canonical.write(root.getroottree(), held, method=flow.method, without=signatures)
            octets, start, end = held.getvalue(), 0, None
            if self._began:
                start = octets.index(b"<?%b?>" % self.marks.first.encode()) + len(self.marks.first) + 4
            if until is not None:
                end = octets.index(b"<?%b?>" % self.marks.last.encode())
            flow.pass_on(octets[start:end])
            self._work += len(octets)
        if self._work > _PATIENCE * self.size * len(self.flows):
            raise NotPlain
        for mark in (first, last):
            if mark.getparent() is not None:
                root.remove(mark)
        self._began = True

    def _drop(self, root: etree._Element, *, but: etree._Element | None) -> None:
        """Of what was digested, all but signatures."""
        check_tree(root.getroottree(), limits=self.limits, deep=self.size > HUGE, wide=False)
        signatures = list(root.iterchildren(_SIGNATURE))
        if _IS_BUILT_OTHERWISE(root) or len(signatures) > _MOST_SIGNATURES:
            raise NotPlain
        self._has_content = self._has_content or bool(_HAS_CONTENT(root))
        self.values.update(map(hash, root.attrib.values()))
        for one in root.iterchildren(etree.Element) if signatures else [root]:
            if one.tag != _SIGNATURE:
                self.values.update(map(hash, cast("list[str]", _VALUES(one))))
        if len(self.values) > _MOST_VALUES:
            raise NotPlain
        self._kept = 0
        for one in signatures:
            if one is not but:
                del root[self._kept : root.index(one)]
                self._kept += 1
        del root[self._kept : len(root) if but is None else root.index(but)]
