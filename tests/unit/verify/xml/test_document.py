"""XML is opened safely: what could harm, or cost too much, is refused with a code, and before it is believed."""

from __future__ import annotations

import io

import pytest

from verify.document import Limits, sniff
from verify.errors import DoctypeRefused, DocumentBroken, DocumentTooComplex, DocumentTooLarge, EmptyDocument
from verify.xml.document import XmlDocument

pytestmark = pytest.mark.xades


def read(data: bytes, **limits: int) -> XmlDocument:
    return XmlDocument.parse(data, limits=Limits(**limits))


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a>&e9;</a>'.encode()


@pytest.mark.parametrize(
    "data",
    [
        laughs(),
        b'<!DOCTYPE a SYSTEM "http://localhost:1/x.dtd"><a/>',
        b'<?xml version="1.0"?><!--c--><?p?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ATTLIST a Id ID "forged">]><a/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16-le"),
        b"<!--" + b"x" * 200_000 + b"--><!DOCTYPE a><a/>",
    ],
    ids=["entities", "external", "file", "attributes", "utf-16", "unmarked", "late"],
)
def test_a_document_type_is_always_refused(data):
    """Whatever it declares and in whatever encoding: nothing of it is read."""
    with pytest.raises(DoctypeRefused):
        read(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a>", "xml"),
        (b"<a></b>", "xml"),
        (b"<a b='1' b='2'/>", "xml"),
        (b"<p:a/>", "xml"),
        (b"<a>&unknown;</a>", "xml"),
        (b"<a/><b/>", "xml"),
        (b"<a>\x00</a>", "xml"),
        (b"<a>\xff\xfe</a>", "xml"),
        (b"no xml", "xml"),
        (b"<?xml version='1.0' encoding='utf-7'?><a/>", "encoding"),
        (b"<?xml version='1.0' encoding='ebcdic-cp-us'?><a/>", "encoding"),
    ],
)
def test_what_is_not_well_formed_is_refused(data, reason):
    """With one code, whatever the parser calls it."""
    with pytest.raises(DocumentBroken) as refused:
        read(data)
    assert reason == refused.value.facts["reason"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Nguyễn"),
        ("utf-16", "Nguyễn"),
        ("iso-8859-1", "Ngé"),
        ("windows-1258", "Ngé"),
        ("us-ascii", "Ng"),
        ("gb18030", "阮"),
        ("shift_jis", "阮"),
    ],
)
def test_usual_encodings_are_read(encoding, text):
    """As the declaration says; the kind is told by content in each of them."""
    data = f'<?xml version="1.0" encoding="{encoding}"?><a>{text}</a>'.encode(encoding)
    assert text == read(data).root.text
    assert "XML" == sniff(io.BytesIO(data))


@pytest.mark.parametrize(
    "head", ["<hồ_sơ/>", "<ồ>x</ồ>", "<?thông-tin x?><a/>", "\ufeff<a/>", "  <a/>", "<!-- c --><a/>"]
)
def test_any_beginning_of_xml_is_told_for_it(head):
    """Names of any script, instructions, marks."""
    assert "XML" == sniff(io.BytesIO(head.encode()))


def test_size_is_looked_at_before_anything_else():
    """A file that is too large is refused by its size, even if it is no XML."""
    with pytest.raises(DocumentTooLarge):
        read(b"no xml, but long", xml=10)
    with pytest.raises(EmptyDocument):
        read(b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a>" * 257 + b"</a>" * 257, "parser"),
        (b"<a>" + b"x" * 9_000_000 + b"<a>" * 256 + b"</a>" * 256 + b"</a>", "depth"),
        (b"<a " + b" ".join(b"a%d='1'" % n for n in range(200_000)) + b"/>", "attributes"),
        (b"<a><b " + b" ".join(b"a%d=''" % n for n in range(1_001)) + b"/></a>", "attributes"),
        (b"<a " + b" ".join(b"xmlns:a%d='u'" % n for n in range(100_000)) + b"/>", "namespaces"),
        (
            b"".join(b"<a xmlns:b='%d' xmlns:c='u' xmlns:d='u' xmlns:e='u' xmlns:f='u'>" % n for n in range(250))
            + b"</a>" * 250,
            "namespaces",
        ),
        (b"<a>" + b"<b/>" * 4_000_000 + b"</a>", "nodes"),
        (b"<a " + b"b='' " * 8_000_000 + b"/>", "nodes"),
    ],
    ids=[
        "deep",
        "deep-and-large",
        "attributes",
        "attributes-inside",
        "namespaces",
        "namespaces-nested",
        "elements",
        "many-attributes",
    ],
)
def test_what_would_cost_too_much_is_refused(data, reason):
    """Depth, attributes and nodes have limits; the last are counted before there is a tree."""
    with pytest.raises(DocumentTooComplex) as refused:
        read(data)
    assert reason == refused.value.facts["reason"]


def test_a_thousand_attributes_are_read():
    """The limit is where no document comes that somebody signs."""
    assert 1_000 == len(read(b"<a " + b" ".join(b"a%d=''" % n for n in range(1_000)) + b"/>").root.attrib)


def test_namespaces_declared_again_and_again_are_read():
    """As programs write that serialise each element by itself: what counts is how many are in force at one place."""
    assert 3_000 == len(read(b"<a>" + b"<b xmlns='urn:b'/>" * 3_000 + b"</a>").root)


def test_utf_16_cannot_hide_attributes():
    """Characters whose octets look like those of a tag do not keep the attributes from being counted."""
    text = "<?xml version='1.0' encoding='utf-16'?><a " + " ".join(f"a{n}='\u3c3c'" for n in range(1_001)) + "/>"
    with pytest.raises(DocumentTooComplex):
        read(text.encode("utf-16"))


def test_large_texts_are_read():
    """Content in base64 is one text node, however large; the parser's own limit of 10 MB is not ours."""
    assert 12_000_000 == len(read(b"<a>" + b"QUJD" * 3_000_000 + b"</a>").root.text or "")


def test_ids_are_found_with_all_that_carry_them():
    """An id that two elements carry is two elements', whichever attributes say so; one that an element carries twice
    is its own."""
    document = read(
        b"<a Id='x'><b id='x'/><c ID='y' id='y'/><d xml:id='z'/><e w:Id='w' xmlns:w='http://docs.oasis-open.org/wss/"
        b"2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd'/><f name='n' URI='n'/><g AssertionID='s'/></a>"
    )
    found = document.elements_by_id({"x", "y", "z", "w", "n", "s", "none"})
    tags = {name: "".join(one.tag for one in elements) for name, elements in found.items()}
    assert {"x": "ab", "y": "c", "z": "d", "w": "e", "n": "", "s": "g", "none": ""} == tags


def test_signatures_are_counted():
    """More signatures than a document may have are refused, not overlooked."""
    markup = b"<a>" + b"<s:Signature xmlns:s='http://www.w3.org/2000/09/xmldsig#'/>" * 3 + b"</a>"
    assert 3 == len(list(read(markup).signatures()))
    with pytest.raises(DocumentTooComplex):
        list(read(markup, signatures=2).signatures())
