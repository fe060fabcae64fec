"""Opens XML safely: size, document type, encoding, depth and number of nodes are looked at before anything is believed.

A document type declaration is refused, always and before the parser reads what is in it: it could expand entities,
declare ids and supply attributes that nobody sees. Nothing is fetched. The parser's own limits are lifted for large
files only (`huge_tree`: text beyond 10 MB, depth beyond 256); the declarations against which they guard cannot occur
then, and size, depth and nodes have limits of their own here.

    document = XmlDocument.read(file, limits=Limits())
    document.elements_by_id({"data", "props"})      # {"data": (element,), "props": (one, another)}: the second is nobody's

Not here: what a reference means (`verify.xml.references`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import BinaryIO, Final, NoReturn

from lxml import etree

from verify.document import MIB, Limits, size_of
from verify.errors import DoctypeRefused, DocumentBroken, DocumentTooComplex, DocumentTooLarge, EmptyDocument
from verify.xml import names
from verify.xml.canonical import Method
from verify.xml.weighing import HEAD, HEAVIEST, glance, head_of, is_plain_encoding, may_declare, weigh

ID_NAMES: Final = frozenset({"Id", "ID", "id", "AssertionID", "AssertionId", "ResponseID", "RequestID"})
"""Attributes without a namespace that name an element. Schemas say which are ids, and a signature brings none along; so
all that occur in signed documents count, and a name that two elements carry names neither."""
ID_TAGS: Final = ID_NAMES | {
    f"{{{names.XML}}}id",
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id",
}

FEW: Final = 256
_IN_MEMORY = MIB
"""Smaller files are read once and parsed from memory; larger ones cost 3 % more time so, and are not held."""
HUGE = 8 * MIB
"""Smaller files cannot reach the limits that `huge_tree` lifts, but for the depth, where the parser's limit is ours."""
_LIGHT = 16 * MIB
"""What could not weigh as much, were each octet an element, is not weighed before it is parsed."""


@dataclass(frozen=True)
class XmlDocument:
    """A parsed document; whoever changes the tree for a while puts it back."""

    tree: etree._ElementTree
    limits: Limits
    size: int
    declared: int
    """Namespace declarations that are in force at one place, at most."""
    weighed: int | bytes
    """Its weight, or of a light one the octets, which are weighed when somebody asks."""

    @property
    def root(self) -> etree._Element:
        return self.tree.getroot()

    @cached_property
    def weight(self) -> int:
        """Octets that the tree may take, by estimate."""
        if isinstance(self.weighed, int):
            return self.weighed
        return weigh(self.weighed, head_of(self.weighed[:HEAD]), limits=self.limits).weight

    @cached_property
    def prefixes(self) -> int:
        """How many prefixes are declared anywhere: no element has more in scope."""
        return len({declared[0] for _, declared in etree.iterwalk(self.tree, events=("start-ns",))})

    @classmethod
    def read(cls, file: BinaryIO, *, limits: Limits) -> XmlDocument:
        """Raises EmptyDocument, DocumentTooLarge, DocumentTooComplex, DoctypeRefused, DocumentBroken."""
        size = _allowed(size_of(file), limits=limits)
        if size <= _IN_MEMORY:
            return cls.parse(file.read(), limits=limits)
        head = head_of(file.read(HEAD))
        weighed = weigh(file, head, limits=limits)
        refuse_doctype(file)
        file.seek(0)
        try:
            tree = etree.parse(file, _parser(huge=size > HUGE))
        except _UNREADABLE as error:
            _refuse(error)
        check_tree(tree, limits=limits, deep=size > HUGE, wide=weighed.wide)
        return cls(tree, limits, size, _declared(tree, weighed.declared, limits=limits), weighed.weight)

    @classmethod
    def parse(cls, data: bytes, *, limits: Limits) -> XmlDocument:
        """The same for octets in memory."""
        size = _allowed(len(data), limits=limits)
        if size > _IN_MEMORY:
            return cls.read(BytesIO(data), limits=limits)
        head = head_of(data[:HEAD])
        weight: int | None = None
        if size * HEAVIEST < min(_LIGHT, limits.xml_memory):
            wide, declared = glance(data, head)
        else:
            weighed = weigh(data, head, limits=limits)
            weight, wide, declared = weighed.weight, weighed.wide, weighed.declared
        if may_declare(data, head):
            refuse_doctype(BytesIO(data))
        try:
            tree = etree.fromstring(data, _SMALL).getroottree()
        except _UNREADABLE as error:
            _refuse(error)
        check_tree(tree, limits=limits, deep=False, wide=wide)
        return cls(tree, limits, size, _declared(tree, declared, limits=limits), data if weight is None else weight)

    def elements_by_id(self, wanted: Iterable[str]) -> Mapping[str, tuple[etree._Element, ...]]:
        """The elements that carry each of these ids, two at most, in document order; one pass, whatever the number."""
        ids = frozenset(wanted)
        found: dict[str, tuple[etree._Element, ...]] = dict.fromkeys(ids, ())
        if not ids:
            return found
        for element in self.root.iter(etree.Element):
            if ids.isdisjoint(element.values()):
                continue
            for name in ids.intersection(value for key, value in element.items() if key in ID_TAGS):
                if len(found[name]) < 2:
                    found[name] = (*found[name], element)
        return found

    def require_whole(self) -> None:
        """Of one that was streamed (`verify.xml.streamed`), only signatures are here: the whole is to be read instead."""

    def went_by(
        self, method: Method, algorithm: str, *, without: Collection[etree._Element]
    ) -> tuple[bytes, int] | None:
        """The digest of a document that was streamed, without comments and these elements, and of how many octets; None
        where the tree will say."""
        del method, algorithm, without
        return None

    def signatures(self) -> Iterator[etree._Element]:
        """All ds:Signature elements in document order, wherever they stand. Raises DocumentTooComplex."""
        for number, element in enumerate(self.root.iter(names.tag("ds", "Signature"))):
            if number == self.limits.signatures:
                raise DocumentTooComplex(reason="signatures", count=number + 1)
            yield element


PARSING: Final[Mapping[str, bool]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "remove_comments": False,
    "remove_pis": False,
    "strip_cdata": True,
}
"""How every parser here is told to read."""


def _parser(*, huge: bool, target: object = None) -> etree.XMLParser:
    return etree.XMLParser(huge_tree=huge, target=target, **PARSING)  # type: ignore[arg-type]  # None is no target


_UNREADABLE = (etree.XMLSyntaxError, ValueError, LookupError)
_SMALL: Final = _parser(huge=False)
"""For what is in memory: making another one takes a tenth of the time in which it parses a page."""


class _BeforeRoot(Exception):
    """The parser reached the root without meeting a document type declaration; the argument is the root's tag."""


class _Prologue:
    """A parser target: the first thing that matters ends the parsing."""

    def doctype(self, *_: object) -> NoReturn:
        raise DoctypeRefused

    def start(self, tag: str, *_: object) -> NoReturn:
        raise _BeforeRoot(tag)

    def close(self) -> None:
        """A file without a root: parsing it in earnest will say so."""


def refuse_doctype(file: BinaryIO) -> str | None:
    """Raises DoctypeRefused as soon as the parser itself sees a declaration begin, before it reads any of it; else gives
    the tag of the root."""
    parser = _parser(huge=True, target=_Prologue())
    file.seek(0)
    try:
        while chunk := file.read(1 << 16):
            parser.feed(chunk)
        parser.close()
    except _BeforeRoot as reached:
        return str(reached)
    except etree.XMLSyntaxError as error:
        _refuse(error)
    return None


def _refuse(error: Exception) -> NoReturn:
    """As our own error. What a parser says of hostile bytes is kept short: it may quote them."""
    if "MEMORY" in str(getattr(error, "code", "")) or "limit" in str(error) or "depth" in str(error).lower():
        raise DocumentTooComplex(reason="parser") from None
    line = getattr(error, "lineno", None)
    raise DocumentBroken(str(error)[:200], reason="xml", **({"line": line} if line else {})) from None


def _allowed(size: int, *, limits: Limits) -> int:
    if size == 0:
        raise EmptyDocument
    if size > limits.xml:
        raise DocumentTooLarge(size=size, limit=limits.xml)
    return size


def check_tree(tree: etree._ElementTree, *, limits: Limits, deep: bool, wide: bool) -> None:
    """What can be told only of a tree."""
    stated = tree.docinfo
    if stated.internalDTD is not None or stated.externalDTD is not None:
        raise DoctypeRefused
    is_plain_encoding(stated.encoding or "utf-8")
    if wide and _true(f"boolean(//*[@*[{limits.xml_attributes + 1}]])")(tree):
        raise DocumentTooComplex(reason="attributes", limit=limits.xml_attributes)
    if deep and _true(f"boolean({'/*' * (limits.xml_depth + 1)})")(tree):
        raise DocumentTooComplex(reason="depth", limit=limits.xml_depth)


def _declared(tree: etree._ElementTree, counted: int, *, limits: Limits) -> int:
    """How many declarations are in force where most are: libxml2 walks through all of them for every element."""
    if counted <= FEW:
        return counted
    now = most = 0
    for event, _ in etree.iterwalk(tree, events=("start-ns", "end-ns")):
        now += 1 if event == "start-ns" else -1
        most = max(most, now)
        if most > limits.xml_attributes:
            raise DocumentTooComplex(reason="namespaces", limit=limits.xml_attributes)
    return most


def _true(expression: str) -> Callable[[etree._ElementTree], bool]:
    path = etree.XPath(expression)
    return lambda tree: bool(path(tree))
