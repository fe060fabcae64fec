"""Canonical XML, streamed, with subtrees left out: the octets are those of xmlsec1, and the tree is as it was."""

from __future__ import annotations

import hashlib
import io
import re
import tracemalloc
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.verify.xml import peer
from tests.unit.verify.xml.peer import Asked
from verify.document import Limits
from verify.xml import find, names
from verify.xml.canonical import METHODS, NotCanonical, canonical, write
from verify.xml.document import XmlDocument

pytestmark = pytest.mark.xades

ALL = tuple(METHODS)
INNER = (
    '<p:b xmlns:p="urn:p" xml:base="sub/" Id="x">in<p:c attr="1&#13;&quot;&#9;&#10;"/><!--c--><q xmlns=""><r/></q>'
    "<?pi x?><![CDATA[<&]]>&#13;</p:b>"
)
DOCUMENT = (
    '<?xml version="1.0"?>\n<?pi out?><!--o--><a xmlns="urn:d" xmlns:z="urn:z" xml:lang="vi" xml:base="http://e/x/" '
    f'xml:id="q"><m xml:space="preserve" xml:base="../k">{INNER}</m>{{}}</a><!--e--><?pi end?>'
)
ENVELOPED_FORMS = [[names.ENVELOPED, one] for one in ALL]


@peer.needs_xmlsec1
def test_every_form_of_an_element_and_of_the_document_is_the_peers(tmp_path):
    """Inherited attributes, namespaces, bases, comments, CDATA and what stands beside the root: six methods, each over
    an element and the whole, named by an id or by an XPointer."""
    asked = [
        *(Asked("#x", [one]) for one in ALL),
        *(Asked("#xpointer(id('x'))", [one]) for one in ALL),
        *(Asked("", steps) for steps in ENVELOPED_FORMS),
        *(Asked("#xpointer(/)", steps) for steps in ENVELOPED_FORMS),
        Asked("#x"),
        Asked("", [names.ENVELOPED]),
        Asked("#x", [peer.exclusive("z #default p")]),
        Asked("#x", [peer.exclusive("unknown")]),
        Asked("#x", [names.C14N_10, names.C14N_EXCLUSIVE]),
    ]
    signed = peer.sign(DOCUMENT.format(peer.template(*asked)), folder=tmp_path)
    assert [] == unmatched(signed)


@peer.needs_xmlsec1
@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("prefix", ["ds", ""])
def test_signed_info_has_the_peers_form(tmp_path, method, prefix):
    """The value verifies by every canonicalisation of ds:SignedInfo, also where its namespace is a default one that
    comes from above."""
    signed = peer.sign(
        DOCUMENT.format(peer.template(Asked("#x", [method]), canonicalization=method, prefix=prefix)), folder=tmp_path
    )
    (found,) = find(io.BytesIO(signed), limits=Limits()).signatures
    assert (None, "") == (found.integrity.failure, found.integrity.reason)


MARK = ' Id="?"'
"""In the place of each id, before all are numbered."""
PREFIXES = ("", "p", "q", "ds")
NAMES = st.sampled_from(["a", "b", "c1", "Hồ-sơ"])
URIS = st.sampled_from(["urn:1", "urn:2", names.DS])
TEXTS = st.text(alphabet="aệ <>&\"'\n\t\r]", max_size=6)


@st.composite
def elements(draw, depth: int = 0, declared: frozenset[str] = frozenset()) -> str:
    """Markup of an element; declarations come, go, and are repeated."""
    declarations = draw(st.dictionaries(st.sampled_from(PREFIXES), URIS, max_size=2))
    undeclare = draw(st.booleans()) and "" not in declarations
    known = declared | {one for one in declarations if one}
    shown = "".join(f' xmlns{":" if one else ""}{one}="{uri}"' for one, uri in declarations.items())
    shown += ' xmlns=""' if undeclare else ""
    prefix = draw(st.sampled_from(["", *sorted(known)]))
    attributes = draw(
        st.dictionaries(
            st.sampled_from(
                ["k", "z", "xml:lang", "xml:space", "xml:base", *(f"{one}:k" for one in sorted(known)[:1])]
            ),
            TEXTS,
            max_size=3,
        )
    )
    attributes.pop("xml:space", None) if attributes.get("xml:space") not in {"default", "preserve"} else None
    if "xml:base" in attributes:
        attributes["xml:base"] = draw(st.sampled_from(["http://h/a/", "s/", "../t", "u?v"]))
    said = "".join(f' {name}="{escaped(value)}"' for name, value in attributes.items())
    inside = draw(st.lists(contents(depth + 1, known), max_size=3)) if depth < 4 else []
    local = draw(NAMES)
    tag = f"{prefix}:{local}" if prefix else local
    return f"<{tag}{MARK}{shown}{said}>{''.join(inside)}</{tag}>"


def contents(depth: int, declared: frozenset[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        TEXTS.map(escaped),
        st.sampled_from(["<!--c-->", "<?pi d?>", "<![CDATA[x<y]]>", "<!---->"]),
        elements(depth, declared),
    )


def escaped(text: str) -> str:
    for one, other in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;")):
        text = text.replace(one, other)
    return text


@peer.needs_xmlsec1
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(outer=st.tuples(elements(), elements(), elements()))
def test_any_document_has_the_peers_form(tmp_path, outer):
    """Whatever elements are declared in, lie in and inherit: each by an inclusive and an exclusive form, alone and with
    the rest of the document but for the signature."""
    first, second, third = outer
    parts = f'<root xmlns:q="urn:q" xml:lang="vi" xml:base="http://host/dir/f">{first}<w>{second}%s</w>{third}</root>'
    numbers = count()
    wrapped = re.sub(re.escape(MARK), lambda _: f' Id="e{next(numbers)}"', parts)
    try:
        etree.fromstring(wrapped % "")
    except etree.XMLSyntaxError:
        return  # two attributes of one name, by different prefixes
    chosen = [f"e{number}" for number in range(min(next(numbers), 8))]
    asked = [Asked(f"#{one}", [method]) for one in chosen for method in (names.C14N_10, names.C14N_EXCLUSIVE)]
    asked += [Asked(f"#{one}", [peer.exclusive("#default p")]) for one in chosen]
    asked += [Asked("", steps) for steps in ENVELOPED_FORMS]
    signed = peer.sign(wrapped % peer.template(*asked), folder=tmp_path)
    assert [] == unmatched(signed)


def unmatched(signed: bytes) -> list[tuple[object, ...]]:
    """The references whose digest is not what xmlsec1 took."""
    (found,) = find(io.BytesIO(signed), limits=Limits()).signatures
    assert found.checks
    return [
        (one.facts["uri"], one.facts["reason"], number)
        for number, one in enumerate(found.checks)
        if one.code == "REFERENCE" and one.outcome != "PASSED"
    ]


def subtrees(root: etree._Element) -> Iterator[etree._Element]:
    yield from root.iter("{*}*")


@pytest.mark.parametrize("method", ALL)
def test_what_is_left_out_leaves_the_rest_as_it_was(method):
    """Leaving an element out gives what the document without it gives, and afterwards the tree is the same."""
    markup = DOCUMENT.format("tail<s>t</s>end")
    root = etree.fromstring(markup)
    before = etree.tostring(root.getroottree())
    for number, _ in enumerate(subtrees(root)):
        other = etree.fromstring(markup)
        element, twin = list(subtrees(root))[number], list(subtrees(other))[number]
        if twin.getparent() is None:
            continue
        put_away(twin)
        got = canonical(root.getroottree(), method=METHODS[method], without=[element])
        assert canonical(other.getroottree(), method=METHODS[method]) == got
    assert before == etree.tostring(root.getroottree())


def put_away(element: etree._Element) -> None:
    """Takes an element out of its tree, but not the text behind it."""
    parent, previous, tail = element.getparent(), element.getprevious(), element.tail or ""
    element.tail = None
    if previous is not None:
        previous.tail = (previous.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def test_many_elements_are_left_out_at_once():
    """Nested, adjacent, first and last: what lies in an element that is left out is left out with it."""
    root = etree.fromstring("<a><s><s>1</s></s>x<s/><s/>y<b><s>2</s></b><s/></a>")
    without = list(root.iter("s"))
    assert b"<a>xy<b></b></a>" == canonical(root, method=METHODS[names.C14N_10], without=without)


def test_nothing_is_left_of_what_is_left_out():
    """An element inside one that is left out, or that one itself, is no octet."""
    root = etree.fromstring("<a><s><b/></s></a>")
    assert b"" == canonical(root[0][0], method=METHODS[names.C14N_10], without=[root[0]])
    assert b"" == canonical(root[0], method=METHODS[names.C14N_10], without=[root[0]])
    assert b"<a></a>" == canonical(root, method=METHODS[names.C14N_10], without=[root[0]])


def test_the_root_alone_is_without_what_stands_beside_it():
    """An element that is the root is itself; the document is it with the comments and instructions around it."""
    tree = etree.parse(io.BytesIO(b"<?x y?><!--c--><a>t</a><?z?>"))
    commented = METHODS[names.C14N_10_COMMENTS]
    assert b"<a>t</a>" == canonical(tree.getroot(), method=commented)
    assert b"<?x y?>\n<!--c-->\n<a>t</a>\n<?z?>" == canonical(tree, method=commented)


def test_a_relative_namespace_is_refused():
    """Canonical XML 1.0 §1.3: such a document has no canonical form."""
    with pytest.raises(NotCanonical):
        canonical(etree.fromstring('<a xmlns="relative"/>'), method=METHODS[names.C14N_10])


def test_the_tree_is_as_it_was_after_a_failure():
    """What was set on the element for the writing goes also when writing fails."""
    root = etree.fromstring('<a xmlns="relative" xml:lang="vi"><b><s/></b></a>')
    before = etree.tostring(root)
    with pytest.raises(NotCanonical):
        canonical(root[0], method=METHODS[names.C14N_10], without=[root[0][0]])
    assert before == etree.tostring(root)


def test_large_documents_are_streamed():
    """Writing 8 MB without one of its elements holds no copy of them."""
    root = etree.fromstring(b"<a><s/>" + b"<b>some text in it</b>" * 400_000 + b"</a>")
    hasher = hashlib.sha256()

    class Sink:
        write = staticmethod(hasher.update)

    tracemalloc.start()
    write(root.getroottree(), Sink(), method=METHODS[names.C14N_10], without=[root[0]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = hashlib.sha256(b"<a>" + b"<b>some text in it</b>" * 400_000 + b"</a>")
    assert expected.digest() == hasher.digest()
    assert peak < 1 << 20


def test_marks_cannot_be_forged():
    """Instructions that look like those of the writer are content like any other."""
    text = b"<a><?kyso-start-0?>x<?kyso-end-0?><s/></a>"
    root = etree.fromstring(text)
    got = canonical(root, method=METHODS[names.C14N_10], without=[root.find("s")])
    assert b"<a><?kyso-start-0?>x<?kyso-end-0?></a>" == got


def test_a_document_of_another_encoding_has_the_same_form():
    """Canonical XML is UTF-8 (§1.1), whatever the document is."""
    text = "<?xml version='1.0' encoding='utf-16'?><a>Hồ sơ</a>"
    one = XmlDocument.parse(text.encode("utf-16"), limits=Limits())
    assert "<a>Hồ sơ</a>".encode() == canonical(one.tree, method=METHODS[names.C14N_10])
