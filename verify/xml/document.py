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

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import BinaryIO, Final, NoReturn

from lxml import etree

from verify.document import MIB, Limits, size_of
from verify.errors import DoctypeRefused, DocumentBroken, DocumentTooComplex, DocumentTooLarge, EmptyDocument
from verify.xml import names

ID_NAMES: Final = frozenset({"Id", "ID", "id", "AssertionID", "AssertionId", "ResponseID", "RequestID"})
"""Attributes without a namespace that name an element. Schemas say which are ids, and a signature brings none along; so
all that occur in signed documents count, and a name that two elements carry names neither."""
ID_TAGS: Final = ID_NAMES | {
    f"{{{names.XML}}}id",
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id",
}

_ELEMENT, _ATTRIBUTE, _DECLARATION = 240, 110, 200
"""Bytes that libxml2 takes for an element with a short text, for an attribute, and what a namespace declaration takes
beyond that, lxml's walk over it included (measured)."""
_LIGHT = 16 * MIB
"""What could not weigh as much, were each octet an element, is not weighed before it is parsed."""
_BLOCK = 2048
_BUFFER = 1 << 18
_XMLNS = "xmlns"
_FEW = 256
_IN_MEMORY = MIB
"""Smaller files are read once and parsed from memory; larger ones cost 3 % more time so, and are not held."""
_PLAIN = re.compile(r"utf-?8|(us-)?ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
"""Encodings in which ASCII characters are their own octets."""
_HUGE = 8 * MIB
"""Smaller files cannot reach the limits that `huge_tree` lifts, but for the depth, where the parser's limit is ours."""

_ENCODING = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][\w.\-]*)["']""")
_KNOWN = re.compile(
    r"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso[-_]?8859-\d+|latin-?\d|(windows|cp)-?\d{3,4}|koi8-[ru]|gb2312|gbk|gb18030|"
    r"big5|shift_jis|euc-(jp|kr)|iso-2022-jp|tis-620|viscii|tcvn.*",
    re.IGNORECASE,
)
"""Encodings in which `<` is always the octet 3C: others would hide from the counts that are made before parsing."""


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
        return _weigh(BytesIO(), self.weighed, limits=self.limits)[0]

    @cached_property
    def prefixes(self) -> int:
        """How many prefixes are declared anywhere: no element has more in scope."""
        return len({declared[0] for _, declared in etree.iterwalk(self.tree, events=("start-ns",))})

    @classmethod
    def read(cls, file: BinaryIO, *, limits: Limits) -> XmlDocument:
        """Raises EmptyDocument, DocumentTooLarge, DocumentTooComplex, DoctypeRefused, DocumentBroken."""
        size = size_of(file)
        if size == 0:
            raise EmptyDocument
        if size > limits.xml:
            raise DocumentTooLarge(size=size, limit=limits.xml)
        data = file.read() if size <= _IN_MEMORY else None
        weighed: int | bytes
        if data is not None and size * (_ELEMENT + 1) < min(_LIGHT, limits.xml_memory):
            weighed, (wide, declared) = data, _glance(data)
        else:
            weighed, wide, declared = _weigh(file, data, limits=limits)
        if data is None or _may_declare(data):
            _refuse_doctype(file)
        file.seek(0)
        try:
            tree = (
                etree.parse(file, _parser(huge=size > _HUGE))
                if data is None
                else etree.fromstring(data, _SMALL).getroottree()
            )
        except (etree.XMLSyntaxError, ValueError, LookupError) as error:
            _refuse(error)
        stated = tree.docinfo
        if stated.internalDTD is not None or stated.externalDTD is not None:
            raise DoctypeRefused
        if not _KNOWN.fullmatch(stated.encoding or "utf-8"):
            raise DocumentBroken("the encoding is not one of those that are read", reason="encoding")
        _check_shape(tree, limits=limits, deep=size > _HUGE, wide=wide)
        if declared > _FEW:
            declared = _check_declarations(tree, limits=limits)
        return cls(tree, limits, size, declared, weighed)

    @classmethod
    def parse(cls, data: bytes, *, limits: Limits) -> XmlDocument:
        """The same for octets, such as those that a transform gave."""
        return cls.read(BytesIO(data), limits=limits)

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

    def signatures(self) -> Iterator[etree._Element]:
        """All ds:Signature elements in document order, wherever they stand. Raises DocumentTooComplex."""
        for number, element in enumerate(self.root.iter(names.tag("ds", "Signature"))):
            if number == self.limits.signatures:
                raise DocumentTooComplex(reason="signatures", count=number + 1)
            yield element


def _parser(*, huge: bool, target: object = None) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=huge,
        remove_comments=False,
        remove_pis=False,
        strip_cdata=True,
        target=target,  # type: ignore[arg-type]  # None is no target
    )


_SMALL: Final = _parser(huge=False)
"""For what is in memory: making another one takes a tenth of the time in which it parses a page."""


def _weigh(file: BinaryIO, data: bytes | None, *, limits: Limits) -> tuple[int, bool, int]:
    """Refuses what would take too much memory as a tree, by counting octets: all counts are upper bounds. Says whether
    an element could have more attributes than are allowed: then some block has no `<` in it. The last number is that of
    namespace declarations. `data` is the file, if it was read already."""
    wide = unusual = False
    weight = elements = attributes = declarations = size = 0
    declaration = _declaration(unusual=False)
    for octets, start, end in _pieces(file, data):
        if not size:
            wide = unusual = _is_unusual(bytes(octets[start : min(end, 4096)]))
            declaration = _declaration(unusual=unusual)
        size += end - start
        elements += octets.count(b"<", start, end) - octets.count(b"</", start, end)
        if unusual:
            elements -= octets.count(b"<\x00/", start, end)
        attributes += octets.count(b"=", start, end)
        declarations += octets.count(declaration, start, end) + 1  # one may lie across two pieces
        wide = wide or _is_wide(octets, start, end)
        weight = elements * _ELEMENT + attributes * _ATTRIBUTE + declarations * _DECLARATION + size
        if weight > limits.xml_memory:
            raise DocumentTooComplex(reason="nodes", count=elements + attributes)
    return weight, wide, declarations


def _glance(data: bytes) -> tuple[bool, int]:
    """What `_weigh` says of a light document but for its weight."""
    unusual = _is_unusual(data[:4096])
    return unusual or _is_wide(data, 0, len(data)), data.count(_declaration(unusual=unusual)) + 1


def _is_unusual(head: bytes) -> bool:
    """Whether the encoding has two octets for a character. Raises DocumentBroken for one that is not read."""
    _require_known(head)
    return b"\x00" in head[:4] or head[:2] in {b"\xff\xfe", b"\xfe\xff"}


def _declaration(*, unusual: bool) -> bytes:
    return _XMLNS.encode("utf-16-le")[:-1] if unusual else _XMLNS.encode()


def _is_wide(octets: bytes | bytearray, start: int, end: int) -> bool:
    """Whether some block is without a tag."""
    return any(octets.find(b"<", at, at + _BLOCK) < 0 for at in range(start, end - _BLOCK, _BLOCK))


def _pieces(file: BinaryIO, data: bytes | None) -> Iterator[tuple[bytes | bytearray, int, int]]:
    """Octets and where among them each piece begins and ends: as many at a time as the processor's cache holds."""
    if data is not None:
        yield from ((data, at, min(at + _BUFFER, len(data))) for at in range(0, len(data), _BUFFER))
        return
    buffer = bytearray(_BUFFER)
    file.seek(0)
    while read := file.readinto(buffer):  # type: ignore[attr-defined]  # binary files have it
        yield buffer, 0, read


def _require_known(head: bytes) -> None:
    """Raises DocumentBroken where the document says that it is in an encoding which is not read."""
    stated = _ENCODING.match(head.replace(b"\x00", b"").removeprefix(b"\xef\xbb\xbf"))
    if stated and not _KNOWN.fullmatch(stated[1].decode("ascii")):
        raise DocumentBroken("the encoding is not one of those that are read", reason="encoding")


def _may_declare(data: bytes) -> bool:
    """Whether there can be a document type declaration at all: mostly the word for it does not occur."""
    stated = _ENCODING.match(data[:4096].removeprefix(b"\xef\xbb\xbf"))
    is_plain = b"\x00" not in data[:4] and (stated is None or _PLAIN.fullmatch(stated[1].decode("ascii")))
    return not is_plain or data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"<!DOCTYPE" in data


class _BeforeRoot(Exception):
    """The parser reached the root without meeting a document type declaration."""


class _Prologue:
    """A parser target: the first thing that matters ends the parsing."""

    def doctype(self, *_: object) -> NoReturn:
        raise DoctypeRefused

    def start(self, *_: object) -> NoReturn:
        raise _BeforeRoot

    def close(self) -> None:
        """A file without a root: parsing it in earnest will say so."""


def _refuse_doctype(file: BinaryIO) -> None:
    """Raises DoctypeRefused as soon as the parser itself sees a declaration begin, before it reads any of it."""
    parser = _parser(huge=True, target=_Prologue())
    file.seek(0)
    try:
        while chunk := file.read(1 << 16):
            parser.feed(chunk)
        parser.close()
    except _BeforeRoot:
        return
    except etree.XMLSyntaxError as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    """As our own error. What a parser says of hostile bytes is kept short: it may quote them."""
    if "MEMORY" in str(getattr(error, "code", "")) or "limit" in str(error) or "depth" in str(error).lower():
        raise DocumentTooComplex(reason="parser") from None
    line = getattr(error, "lineno", None)
    raise DocumentBroken(str(error)[:200], reason="xml", **({"line": line} if line else {})) from None


def _check_shape(tree: etree._ElementTree, *, limits: Limits, deep: bool, wide: bool) -> None:
    if wide and _true(f"boolean(//*[@*[{limits.xml_attributes + 1}]])")(tree):
        raise DocumentTooComplex(reason="attributes", limit=limits.xml_attributes)
    if deep and _true(f"boolean({'/*' * (limits.xml_depth + 1)})")(tree):
        raise DocumentTooComplex(reason="depth", limit=limits.xml_depth)


def _check_declarations(tree: etree._ElementTree, *, limits: Limits) -> int:
    """How many declarations are in force where most are: libxml2 walks through all of them for every element."""
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
