"""Canonical XML (1.0, 1.1, exclusive) of a document or of an element in it, streamed into whatever takes bytes.

lxml canonicalises whole documents and elements, but no node-sets. What signatures need beyond that is done here around
it, in place and undone afterwards, so that 50 MB are never copied:

- *Subtrees left out* (`without`: the enveloped signature, all signatures): `verify.xml.cutting`.
- *Inherited attributes* (`xml:lang` …) of inclusive forms: set on the element for as long as it is written.
- *Inclusive forms of an element*: lxml writes it with namespaces of its ancestors, but then undeclares the default
  namespace (`xmlns=""`) where it must not. They are written as the exclusive form with every prefix in its PrefixList,
  which is the same by definition (Exclusive XML Canonicalization §3).

Not here: which nodes a reference means, and comments that its URI leaves out (`verify.xml.references`).

    canonical(signed_info, method=METHODS[names.C14N_EXCLUSIVE])
    write(tree, sink, method=METHODS[names.C14N_10], without=(signature,))    # a sink has `write`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Final, Literal, cast
from urllib.parse import urljoin

from lxml import etree

from verify.xml import names
from verify.xml.cutting import Cut, Marks, Sink, marked

__all__ = ["METHODS", "Method", "NotCanonical", "Sink", "attributes", "canonical", "write"]

_LANG, _SPACE, _BASE = (f"{{{names.XML}}}{name}" for name in ("lang", "space", "base"))
_XML_ATTRIBUTE = f"{{{names.XML}}}"
_DEFAULT = "#default"


@dataclass(frozen=True)
class Method:
    """A canonicalisation: `form` decides on namespaces and inherited attributes, `comments` whether they are kept."""

    uri: str
    form: Literal["1.0", "1.1", "exclusive"]
    comments: bool = False

    @property
    def exclusive(self) -> bool:
        return self.form == "exclusive"

    def without_comments(self) -> Method:
        """The same for a node-set that has no comments in it (XMLDSig §4.4.3.3)."""
        return replace(self, comments=False)


METHODS: Final[Mapping[str, Method]] = {
    method.uri: method
    for method in (
        Method(names.C14N_10, "1.0"),
        Method(names.C14N_10_COMMENTS, "1.0", comments=True),
        Method(names.C14N_11, "1.1"),
        Method(names.C14N_11_COMMENTS, "1.1", comments=True),
        Method(names.C14N_EXCLUSIVE, "exclusive"),
        Method(names.C14N_EXCLUSIVE_COMMENTS, "exclusive", comments=True),
    )
}


class NotCanonical(Exception):
    """This cannot be canonicalised: a relative namespace URI (Canonical XML 1.0 §1.3)."""


def canonical(
    node: etree._Element | etree._ElementTree,
    *,
    method: Method,
    prefixes: Sequence[str] = (),
    without: Sequence[etree._Element] = (),
) -> bytes:
    """The canonical octets; for what is known to be small. Raises NotCanonical."""
    is_plain = method.exclusive and not prefixes and not without
    if is_plain and not (isinstance(node, etree._Element) and node.getparent() is None):
        try:
            return etree.tostring(node, method="c14n", exclusive=True, with_comments=method.comments)
        except etree.C14NError as error:
            raise NotCanonical(str(error)) from None
    sink = BytesIO()
    write(node, sink, method=method, prefixes=prefixes, without=without)
    return sink.getvalue()


def write(
    node: etree._Element | etree._ElementTree,
    sink: Sink,
    *,
    method: Method,
    prefixes: Sequence[str] = (),
    without: Iterable[etree._Element] = (),
) -> None:
    """Canonicalise into a sink. A tree is the whole document, with what stands beside its root; an element is itself
    with its content. `prefixes`: the InclusiveNamespaces PrefixList of exclusive forms. `without`: elements that are
    left out with their content; one that holds `node` leaves nothing. Raises NotCanonical."""
    apex = node if isinstance(node, etree._Element) else node.getroot()
    whole = not isinstance(node, etree._Element)
    left_out = _within(apex, without)
    if left_out is None or (not whole and apex in left_out):
        return
    with ExitStack() as undo:
        alone = not whole and apex.getparent() is None and _has_siblings(apex)
        filtered: Sink = sink
        if left_out or alone:
            marks = Marks.make()
            filtered = undo.enter_context(Cut(sink, marks, alone=alone))
            for element in left_out:
                undo.enter_context(marked(element, marks.start, marks.end))
            if alone:
                undo.enter_context(marked(apex, marks.first, marks.last))
        exclusive, chosen = method.exclusive, tuple(prefixes) if method.exclusive else ()
        if not exclusive and apex.getparent() is not None:
            undo.enter_context(_inheriting(apex, method=method))
            exclusive, chosen = True, _prefixes(apex)
        if _DEFAULT in chosen:
            # lxml passes on only prefixes that its dictionary of names knows; the parser puts namespace URIs there.
            etree.fromstring(f'<a xmlns="{_DEFAULT}"/>')
        try:
            tree: Any = etree.ElementTree(apex)  # the stubs know neither `exclusive` nor what a sink needs
            tree.write_c14n(
                filtered,
                exclusive=exclusive,
                with_comments=method.comments,
                inclusive_ns_prefixes=list(chosen) or None,
            )
        except etree.C14NError as error:
            raise NotCanonical(str(error)) from None


def _prefixes(apex: etree._Element) -> tuple[str, ...]:
    """All prefixes that are in scope of an element or declared in it, as a PrefixList names them."""
    inside = (declared[0] for _, declared in etree.iterwalk(apex, events=("start-ns",)))
    return tuple(dict.fromkeys(prefix or _DEFAULT for prefix in (*apex.nsmap, *inside) if prefix != "xml"))


def _within(apex: etree._Element, elements: Iterable[etree._Element]) -> list[etree._Element] | None:
    """The outermost of the elements that lie in the subtree of apex; None when one of them is above it."""
    wanted = set(elements)
    if not wanted:
        return []
    if any(above in wanted for above in apex.iterancestors()):
        return None
    found: list[etree._Element] = []
    for element in wanted:
        above = list(element.iterancestors())
        if (element is apex or apex in above) and not wanted.intersection(above):
            found.append(element)
    return found


def _has_siblings(root: etree._Element) -> bool:
    return root.getprevious() is not None or root.getnext() is not None


@contextmanager
def _inheriting(apex: etree._Element, *, method: Method) -> Iterator[None]:
    """Gives an element the attributes that it inherits from ancestors which are not written with it."""
    own = attributes(apex)
    given = _inherited(apex, method=method)
    for name, value in given.items():
        apex.set(name, value)
    try:
        yield
    finally:
        for name in given:
            if name in own:
                apex.set(name, own[name])
            else:
                del apex.attrib[name]


def _inherited(apex: etree._Element, *, method: Method) -> dict[str, str]:
    """Canonical XML 1.0 §2.4: each xml: attribute of the nearest ancestor that has it. 1.1 §2.4: only xml:lang and
    xml:space; xml:base is joined along the ancestors; xml:id is nobody's but its own element's."""
    own = attributes(apex)
    found: dict[str, str] = {}
    bases: list[str] = []
    for above in apex.iterancestors():
        for name, value in attributes(above).items():
            if not name.startswith(_XML_ATTRIBUTE):
                continue
            if method.form == "1.1" and name == _BASE:
                bases.append(value)
            elif name not in own and (method.form == "1.0" or name in {_LANG, _SPACE}):
                found.setdefault(name, value)
    if bases:
        joined = bases.pop()
        for base in (*reversed(bases), *([own[_BASE]] if _BASE in own else ())):
            joined = urljoin(joined, base)
        found[_BASE] = joined
    return found


def attributes(element: etree._Element) -> dict[str, str]:
    """The attributes of an element by their full names. lxml gives text here; its stubs allow for octets."""
    return cast("dict[str, str]", dict(element.attrib))
