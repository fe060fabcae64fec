"""What is done to a signed XML document: mostly to its tree, so that it stays well-formed and gets as far as the digests.

Recipes are those of `mutations`: a finding is a line of text.

    mutate(data, Recipe((Edit("graft", 0.25, 7),)))
"""

from __future__ import annotations

import copy
import random
import re

from lxml import etree

from tests.fuzzing.mutations import LARGEST, Edit, Recipe

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
OF_TREES = (
    "text", "tail", "attribute", "borrow", "forget", "rename", "graft", "move", "delete", "wrap", "unwrap", "comment",
    "twin", "reverse", "algorithm",
)  # fmt: skip
OF_BYTES = ("flip", "cut", "repeat", "token", "truncate")
OPERATIONS = OF_TREES + OF_BYTES
_TOKENS = (
    b"<", b">", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"&amp;", b"&#0;", b"&x;", b"\x00",
    b"<!DOCTYPE a>", b'xmlns=""', b'xmlns:ds="urn:x" ', b' Id="s"', b' xml:id="s-ref"', b"\xff", b"\r\n", b"&#13;", b"=",
    b"<a>" * 300, b"xml:base='..' ", b"]]&gt;", b"\xef\xbb\xbf", b"<ds:Signature/>",
)  # fmt: skip
_VALUES = (
    "",
    "#",
    "#s",
    "#s-signed",
    "#nobody",
    "x",
    "file:///etc/hostname",
    "#xpointer(/)",
    "#xpointer(id('s'))",
    "0",
    "a b",
)
_ALGORITHMS = (
    f"{DS}enveloped-signature", f"{DS}base64", f"{DS}sha1", f"{DS}hmac-sha1", "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/TR/1999/REC-xpath-19991116", "http://www.w3.org/2002/06/xmldsig-filter2", "urn:nothing",
)  # fmt: skip
_TAGS = (f"{{{DS}}}Signature", f"{{{DS}}}SignedInfo", f"{{{DS}}}Object", f"{{{DS}}}Reference", f"{{{XADES}}}Cert", "x")


def draw(chance: random.Random) -> Recipe:
    count = chance.choice((1, 1, 1, 2, 3, 5))
    operations = (*OF_TREES * 2, *OF_BYTES)
    return Recipe(
        tuple(
            Edit(chance.choice(operations), round(chance.random(), 9), chance.randrange(1 << 16)) for _ in range(count)
        )
    )


def mutate(data: bytes, recipe: Recipe) -> bytes:
    """The bytes with every edit in order; what can no longer be parsed is edited as bytes alone."""
    for edit in recipe.edits:
        data = (_in_bytes(data, edit) if edit.operation in OF_BYTES else _in_tree(data, edit))[:LARGEST]
    return data


def _in_bytes(data: bytes, edit: Edit) -> bytes:
    at, variant = int(edit.place * len(data)), edit.variant
    length = 1 + variant % 61
    match edit.operation:
        case "flip":
            return data[:at] + bytes(byte ^ (1 << variant % 8) for byte in data[at : at + 1]) + data[at + 1 :]
        case "cut":
            return data[:at] + data[at + length :]
        case "repeat":
            return data[:at] + data[at : at + length] * (1 + variant % 4) + data[at:]
        case "token":
            return data[:at] + _TOKENS[variant % len(_TOKENS)] + data[at:]
    return data[:at]


def _in_tree(data: bytes, edit: Edit) -> bytes:
    try:
        tree = etree.ElementTree(etree.fromstring(data, etree.XMLParser(resolve_entities=False, strip_cdata=False)))
    except (etree.XMLSyntaxError, ValueError):
        return data
    elements = list(tree.getroot().iter(etree.Element))
    one, other = elements[int(edit.place * len(elements))], elements[edit.variant * 7919 % len(elements)]
    try:
        _edit(one, other, edit)
    except (ValueError, TypeError, AttributeError):
        return data  # an impossible move: into itself, or beside the root
    declaration = re.match(rb"<\?xml[^>]*>", data)
    return (declaration[0] if declaration else b"") + etree.tostring(tree)


def _edit(one: etree._Element, other: etree._Element, edit: Edit) -> None:  # noqa: PLR0912  one branch for each operation
    variant, parent = edit.variant, one.getparent()
    names = sorted(one.keys()) or ["Id"]
    name = names[variant % len(names)]
    match edit.operation:
        case "text":
            one.text = (other.text or "") if variant % 2 else f"{one.text or ''}9"
        case "tail":
            one.tail = "9" if variant % 2 else None
        case "attribute":
            one.set(name, _VALUES[variant % len(_VALUES)])
        case "borrow":
            one.set(name, other.get(name) or next(iter(other.values()), "x"))
        case "forget":
            one.attrib.pop(name, None)
        case "rename":
            one.tag = other.tag if variant % 2 else _TAGS[variant % len(_TAGS)]
        case "graft":
            other.append(copy.deepcopy(one))
        case "twin":
            one.addnext(copy.deepcopy(one))
        case "move":
            other.insert(variant % (len(other) + 1), one)
        case "delete":
            parent.remove(one)
        case "wrap":
            around = etree.Element(_TAGS[variant % len(_TAGS)])
            parent.replace(one, around)
            around.append(one)
        case "unwrap":
            for child in reversed(one):
                one.addnext(child)
        case "comment":
            one.insert(0, etree.Comment("9"))
        case "reverse":
            one[:] = list(reversed(one))
        case "algorithm":
            one.set("Algorithm", _ALGORITHMS[variant % len(_ALGORITHMS)])
