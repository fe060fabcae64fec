"""XPath as signatures use it: a few known forms, matched and never evaluated.

XPath can select anything, at any cost, and what it leaves out nobody sees. So only expressions are followed that keep
or leave out whole elements by their names; all others are refused, and the reference with them.

- XPath 1.0 (XMLDSig §6.6.3): `not(ancestor-or-self::ds:Signature)`, `ancestor-or-self::x:Part`, several of them with
  `and`, the same with namespace-uri() and local-name(), and §6.6.4's own expression for the enveloped signature.
- XPath Filter 2.0: `subtract` and `intersect` with paths such as `/descendant::ds:Signature`, `//x:Part`, `/*/x:Part`
  and `here()/ancestor::ds:Signature[1]`.

    apply(transform, nodes, signature=signature)      # the node-set that is left; raises Unsupported
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from lxml import etree

from verify.xml import names
from verify.xml.nodes import NodeSet

MAX_TERMS: Final = 16
"""Conditions of one filter: each is looked for in the whole document."""
MAX_LETTERS: Final = 4096
"""Of one expression."""
MAX_LEFT_OUT: Final = 500
"""Elements that filters select in one document."""

_SIGNATURE: Final = names.tag("ds", "Signature")
_NCNAME = r"[^\W\d][\w.\-]*"
_NAME = rf"(?:{_NCNAME}:)?{_NCNAME}"
_AXIS = rf"ancestor-or-self::(?P<name>{_NAME})"
_LONG = (
    r"ancestor-or-self::(?:\*|node\(\))\[(?:"
    r"namespace-uri\(\)=(?P<q1>['\"])(?P<uri1>[^'\"]*)(?P=q1)and(?:local-name|name)\(\)=(?P<q2>['\"])(?P<local1>[\w.\-]+)(?P=q2)|"
    r"local-name\(\)=(?P<q3>['\"])(?P<local2>[\w.\-]+)(?P=q3)andnamespace-uri\(\)=(?P<q4>['\"])(?P<uri2>[^'\"]*)(?P=q4))\]"
)
_TERM = re.compile(rf"(?P<not>not\()?\(?(?:{_AXIS}|{_LONG})\)?(?(not)\))")
_ENVELOPED = re.compile(
    rf"count\(ancestor-or-self::(?P<a>{_NAME})\|here\(\)/ancestor::(?P<b>{_NAME})\[1\]\)>"
    rf"count\(ancestor-or-self::(?P<c>{_NAME})\)"
)
_HERE = re.compile(rf"here\(\)/ancestor::(?P<name>{_NAME})\[1\]")
_DEEP = r"/descendant::|/descendant-or-self::node\(\)/(?:child::)?|//"
_PATH = re.compile(rf"(?:{_DEEP}|/(?:child::)?)(?:\*|{_NAME})(?:/(?:child::)?(?:\*|{_NAME})){{0,8}}")
_STEP = re.compile(rf"({_DEEP}|/(?:child::)?)(\*|{_NAME})")


class Unsupported(Exception):
    """This expression is not one of those that are followed."""


def apply(transform: etree._Element, nodes: NodeSet, *, signature: etree._Element) -> NodeSet:
    """A ds:Transform of either kind; `signature` is the ds:Signature around it. Raises Unsupported."""
    if transform.get("Algorithm") == names.XPATH:
        expressions = transform.findall(f"{{{names.DS}}}XPath")
        if len(expressions) != 1:
            raise Unsupported
        return by_xpath(expressions[0], nodes, signature=signature)
    expressions = transform.findall(f"{{{names.XPATH_FILTER2}}}XPath")
    if not 0 < len(expressions) <= MAX_TERMS:
        raise Unsupported
    for one in expressions:
        nodes = by_filter(one, nodes, signature=signature)
    return nodes


def terms(transform: etree._Element) -> int:
    """How often the document is gone through for a transform that was applied."""
    if transform.get("Algorithm") == names.ENVELOPED:
        return 0
    return sum(1 + (one.text or "").count("and") for one in transform)


def by_xpath(element: etree._Element, nodes: NodeSet, *, signature: etree._Element) -> NodeSet:
    """The ds:XPath of a transform. Raises Unsupported."""
    expression = _spaceless(element)
    enveloped = _ENVELOPED.fullmatch(expression)
    if enveloped:
        if {_tag(element, enveloped[group]) for group in "abc"} != {names.tag("ds", "Signature")}:
            raise Unsupported
        return nodes.minus([signature])
    conditions = expression.split(" and ", MAX_TERMS)
    if len(conditions) > MAX_TERMS:
        raise Unsupported
    for term in conditions:
        found = _TERM.fullmatch(term)
        if found is None:
            raise Unsupported
        chosen = _all(nodes, _named(element, found))
        nodes = nodes.minus(chosen) if found["not"] else nodes.within(chosen)
    return nodes


def by_filter(element: etree._Element, nodes: NodeSet, *, signature: etree._Element) -> NodeSet:
    """One XPath of an XPath Filter 2.0 transform. Raises Unsupported."""
    expression = _spaceless(element)
    here = _HERE.fullmatch(expression)
    chosen: Iterable[etree._Element]
    if here:
        if _tag(element, here["name"]) != names.tag("ds", "Signature"):
            raise Unsupported
        chosen = [signature]
    elif _PATH.fullmatch(expression):
        chosen = _bounded(_walk(element, nodes, expression))
    else:
        raise Unsupported
    match element.get("Filter"):
        case "subtract":
            return nodes.minus(chosen)
        case "intersect":
            return nodes.within(chosen)
        case _:
            raise Unsupported


def _spaceless(element: etree._Element) -> str:
    """The expression without white space, but for that around `and` between terms. Comments part no text of XPath."""
    if len(element) or len(element.text or "") > MAX_LETTERS:
        raise Unsupported
    words = (element.text or "").split()
    joined, depth = "", 0
    for word in words:
        joined += f" {word} " if word == "and" and depth == 0 else word
        depth += sum(word.count(one) for one in "([") - sum(word.count(one) for one in ")]")
    return joined


def _named(element: etree._Element, found: re.Match[str]) -> str:
    if found["name"]:
        return _tag(element, found["name"])
    uri = found["uri1"] if found["uri1"] is not None else found["uri2"]
    local = found["local1"] or found["local2"]
    return f"{{{uri}}}{local}" if uri else local


def _tag(element: etree._Element, name: str) -> str:
    """A QName of XPath as lxml writes it: what has no prefix is in no namespace. Raises Unsupported."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        return local
    uri = element.nsmap.get(prefix)
    if not uri:
        raise Unsupported
    return f"{{{uri}}}{local}"


def _all(nodes: NodeSet, tag: str) -> list[etree._Element]:
    if tag != _SIGNATURE:
        nodes.document.require_whole()
    return _bounded(nodes.document.root.iter(tag) if tag.startswith("{") else nodes.document.root.iter(f"{{}}{tag}"))


def _walk(element: etree._Element, nodes: NodeSet, path: str) -> Iterable[etree._Element]:
    """The elements of an absolute path, in document order. Only its first step may go down more than one level: others
    would cost more than they are worth."""
    root = nodes.document.root
    (axis, name), *steps = [(axis, "*" if name == "*" else _tag(element, name)) for axis, name in _STEP.findall(path)]
    deep = axis not in {"/", "/child::"}
    if not deep or steps or name != _SIGNATURE:
        nodes.document.require_whole()
    current: Iterable[etree._Element] = root.iter(_test(name)) if deep else [root] if name in {"*", root.tag} else []
    for _, name in steps:
        current = [child for one in _bounded(current) for child in one.iterchildren(_test(name))]
    return current


def _test(name: str) -> str:
    return "{*}*" if name == "*" else name if name.startswith("{") else f"{{}}{name}"


def _bounded(elements: Iterable[etree._Element]) -> list[etree._Element]:
    found = list(islice(elements, MAX_LEFT_OUT + 1))
    if len(found) > MAX_LEFT_OUT:
        raise Unsupported
    return found
