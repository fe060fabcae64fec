"""References: what they lead to, what they may do with it, and what they then vouch for."""

from __future__ import annotations

import base64

import pytest

from tests.unit.verify.xml import peer, sealing
from tests.unit.verify.xml.peer import Asked
from verify.document import Limits
from verify.errors import DocumentTooComplex
from verify.xml import names
from verify.xml.document import XmlDocument
from verify.xml.references import References

pytestmark = pytest.mark.xades

EXC = names.C14N_EXCLUSIVE
CONTENT = '<x:part xmlns:x="urn:x" Id="x">text<x:inner Id="y">more</x:inner><!--c--></x:part><z/>'
DS_BOUND = f' xmlns:dsig="{names.DS}"'


def document(*references: Asked, content: str = CONTENT, **options: str) -> str:
    return f'<root xmlns:x="urn:x">{content}{peer.template(*references, **options)}</root>'


def judged(*references: Asked, content: str = CONTENT, detached: dict[str, bytes] | None = None, **options: str):
    """(outcome, reason) of each reference, without digests being right."""
    parsed = XmlDocument.parse(document(*references, content=content, **options).encode(), limits=Limits())
    followed = References(parsed, sealing.opened(detached or {}))
    (signature,) = parsed.signatures()
    return [
        (one.outcome, one.reason)
        for one in followed.of(signature.find(names.tag("ds", "SignedInfo")), signature=signature)
    ]


FOLLOWED = ("mismatched", "digest-value")
"""What a reference without a digest comes to when it leads somewhere."""


@peer.needs_xmlsec1
@pytest.mark.parametrize(
    "transforms",
    [
        [peer.xpath("not(ancestor-or-self::ds:Signature)")],
        [peer.xpath("  not (\n ancestor-or-self::dsig:Signature )  ", namespaces=DS_BOUND), EXC],
        [peer.xpath(f"not(ancestor-or-self::*[namespace-uri()='{names.DS}' and local-name()='Signature'])"), EXC],
        [peer.xpath("not(ancestor-or-self::ds:Signature) and not(ancestor-or-self::x:inner)"), EXC],
        [peer.xpath("ancestor-or-self::x:part"), EXC],
        [peer.xpath("ancestor-or-self::x:part and not(ancestor-or-self::x:inner)"), names.C14N_10],
        [
            peer.xpath(
                "count(ancestor-or-self::ds:Signature | here()/ancestor::ds:Signature[1]) &gt; "
                "count(ancestor-or-self::ds:Signature)"
            )
        ],
        [peer.filter2("subtract", "/descendant::ds:Signature")],
        [peer.filter2("subtract", " //ds:Signature "), names.C14N_11],
        [peer.filter2("subtract", "/*/ds:Signature"), EXC],
        [peer.filter2("intersect", "//x:part"), peer.filter2("subtract", "//x:inner"), EXC],
        [peer.filter2("intersect", "/root/x:part/x:inner"), EXC],
        [names.ENVELOPED, peer.xpath("not(ancestor-or-self::z)"), EXC],
    ],
)
def test_filters_select_what_the_peer_selects(tmp_path, transforms):
    """Known forms of XPath and of its second filter, with white space and any prefix."""
    signed = peer.sign(document(Asked("", transforms)), folder=tmp_path)
    assert (None, "") == sealing.failure(sealing.first(signed))


@peer.needs_xmlsec1
def test_octets_and_node_sets_follow_one_another_as_the_peer_has_it(tmp_path):
    """base64 of an element's text, of text in pieces, and canonical forms that are parsed again."""
    encoded = base64.b64encode(b"<a  b='1'/>").decode()
    content = f'<o Id="o">{encoded[:6]} <!--c-->\n{encoded[6:]}</o>'
    asked = [Asked("#o", [names.BASE64]), Asked("#o", [EXC, names.C14N_10]), Asked("#o", [names.BASE64, names.C14N_10])]
    signed = peer.sign(document(*asked, content=content), folder=tmp_path)
    assert ["", "", ""] == sealing.reasons(sealing.first(signed))


@pytest.mark.parametrize(
    "transform",
    [
        f'<ds:Transform Algorithm="{names.XSLT}"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/></ds:Transform>',
        names.XSLT,
        "http://schemas.openxmlformats.org/package/2006/RelationshipTransform",
        "",
        "urn:unknown",
        peer.xpath("self::text()"),
        peer.xpath("true()"),
        peer.xpath("not(ancestor-or-self::Signature[1])"),
        peer.xpath("not(ancestor-or-self::wrong:Signature)"),
        peer.xpath("not(ancestor::ds:Signature)"),
        peer.xpath("not(ancestor-or-self::ds:Signature) or self::x:part"),
        peer.xpath("count(//. | //@* | //namespace::*) &gt; 0"),
        peer.xpath("not(not(ancestor-or-self::ds:Signature))"),
        f'<ds:Transform Algorithm="{names.XPATH}"/>',
        f'<ds:Transform Algorithm="{names.XPATH}"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath><ds:XPath/></ds:Transform>',
        f'<ds:Transform Algorithm="{names.XPATH}"><ds:XPath>not(<ds:a/>ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>',
        peer.filter2("union", "//ds:Signature"),
        peer.filter2("subtract", "id('x')"),
        peer.filter2("subtract", "//*//*"),
        peer.filter2("subtract", "//x:part[1]"),
        f'<ds:Transform Algorithm="{names.XPATH_FILTER2}"/>',
    ],
)
def test_other_transforms_are_refused(transform):
    """None is passed over and none is evaluated: a reference with it is not verified."""
    assert [("refused", "transform-refused")] == judged(Asked("", [names.ENVELOPED, transform, EXC]))


def test_a_filter_must_mean_the_signature_of_the_standard():
    """The name Signature of another namespace leaves out nothing of ours."""
    bound = ' xmlns:o="urn:other"'
    asked = Asked("", [peer.xpath("not(ancestor-or-self::o:Signature)", namespaces=bound), EXC])
    assert [FOLLOWED] == judged(asked)
    found = sealing.first(sealing.seal(document(asked, Asked("", [names.ENVELOPED, EXC]))))
    assert "digest" in sealing.reasons(found)  # the signature digested itself


@pytest.mark.parametrize(
    "transforms",
    [[EXC, names.ENVELOPED], [EXC, peer.xpath("not(ancestor-or-self::ds:Signature)")], [names.BASE64, names.ENVELOPED]],
)
def test_what_concerns_the_document_comes_before_octets(transforms):
    """Once there are octets, the signature they might hold is not the one that asks."""
    assert [("refused", "transform-order")] == judged(Asked("", transforms))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("#x", FOLLOWED),
        ("", FOLLOWED),
        ("#xpointer(/)", FOLLOWED),
        ("#xpointer(id('x'))", FOLLOWED),
        ('#xpointer(id("x"))', FOLLOWED),
        ("#none", ("missing", "id-missing")),
        ("#", ("missing", "id-missing")),
        ("#xpointer(id('none'))", ("missing", "id-missing")),
        ("#xpointer(//x:part)", ("refused", "xpointer")),
        ("#xpointer(id('x')/..)", ("refused", "xpointer")),
        ("http://localhost:1/a.xml", ("missing", "detached-missing")),
        ("file:///etc/passwd", ("missing", "detached-missing")),
        ("a.xml#x", ("missing", "detached-missing")),
        ("../a.xml", ("missing", "detached-missing")),
        ("A.XML", ("missing", "detached-missing")),
        ("a.xml", FOLLOWED),
        ("h%E1%BB%93%20s%C6%A1.pdf", FOLLOWED),
        (None, ("missing", "unnamed")),
    ],
)
def test_a_uri_leads_into_the_document_or_to_a_file_of_that_name(uri, expected):
    """By an id, by two forms of XPointer, by the exact name of a file that was handed in; never anywhere else."""
    files = {"a.xml": b"<a/>", "hồ sơ.pdf": b"%PDF"}
    assert [expected] == judged(Asked(uri), detached=files)


def test_one_reference_without_a_name_is_to_the_one_file():
    """XMLDSig §4.4.3.2 leaves it to the application; two files, or two such references, are none."""
    assert [FOLLOWED] == judged(Asked(None), detached={"any": b"x"})
    assert [("missing", "unnamed")] == judged(Asked(None), detached={"a": b"x", "b": b"y"})
    assert [("missing", "unnamed")] * 2 == judged(Asked(None), Asked(None), detached={"any": b"x"})


@pytest.mark.parametrize("other", ['<b Id="x"/>', '<b id="x"/>', '<b ID="x"/>', '<b xml:id="x"/>'])
def test_an_id_that_two_carry_names_neither(other):
    """Neither the first nor the last is chosen, whichever attribute says so."""
    assert [("missing", "id-ambiguous")] == judged(Asked("#x"), content=CONTENT + other)


def test_what_was_digested_is_what_counts():
    """Elements that are in the digest whole: not those of which a part is left out, whose text alone was taken, or that
    only carry a digested one."""
    asked = [
        Asked("#x", [EXC]),
        Asked("#y", [names.BASE64]),
        Asked("#x", [peer.xpath("not(ancestor-or-self::x:inner)"), EXC]),
        Asked("", [names.ENVELOPED, EXC]),
    ]
    content = CONTENT.replace("more", "QUJD")
    parsed = XmlDocument.parse(sealing.seal(document(*asked, content=content)), limits=Limits())
    (signature,) = parsed.signatures()
    followed = References(parsed).of(signature.find(names.tag("ds", "SignedInfo")), signature=signature)
    assert [True] * 4 == [one.matched for one in followed]
    assert [["x"], [], [], []] == [[element.get("Id") for element in one.elements] for one in followed]


def test_the_content_of_a_signature_is_covered_though_the_signature_is_left_out():
    """Signers ask for it, and mean the content; it is digested, not nothing."""
    objects = '<ds:Object Id="o">text</ds:Object>'
    asked = Asked("#o", [names.ENVELOPED, EXC])
    parsed = XmlDocument.parse(sealing.seal(document(asked, objects=objects)), limits=Limits())
    (signature,) = parsed.signatures()
    (found,) = References(parsed).of(signature.find(names.tag("ds", "SignedInfo")), signature=signature)
    assert ["o"] == [element.get("Id") for element in found.elements]


@pytest.mark.parametrize(
    ("asked", "content", "expected"),
    [
        (Asked("#x", [EXC], digest="urn:unknown"), CONTENT, ("refused", "algorithm-unknown")),
        (Asked("#x", [EXC] * 11), CONTENT, ("refused", "transforms")),
        (Asked("#x", [peer.exclusive(" ".join(f"p{n}" for n in range(101)))]), CONTENT, ("refused", "transforms")),
        (Asked("#x", [names.BASE64]), '<a Id="x">text!</a>', ("refused", "not-base64")),
        (Asked("#x", [names.BASE64]), '<a Id="x">QUI=QUI=</a>', ("refused", "not-base64")),
        (Asked("#x", [EXC]), '<a Id="x" xmlns="relative"/>', ("refused", "not-canonical")),
        (Asked("b.bin", [EXC]), CONTENT, ("refused", "not-xml")),
        (Asked("dtd.xml", [EXC]), CONTENT, ("refused", "not-xml")),
        (Asked("a.xml", [EXC]), CONTENT, FOLLOWED),
    ],
)
def test_what_cannot_be_digested_is_not_verified(asked, content, expected):
    """An algorithm nobody knows, too many steps, text that is no base64, files that are no XML."""
    files = {"b.bin": b"\x00\x01", "dtd.xml": b"<!DOCTYPE a><a/>", "a.xml": b"<a/>"}
    assert [expected] == judged(asked, content=content, detached=files)


def test_comments_count_only_where_an_xpointer_names_the_nodes():
    """XMLDSig §4.4.3.3: the same method, with and without the comment."""
    method = names.C14N_EXCLUSIVE_COMMENTS
    signed = sealing.seal(document(Asked("#x", [method]), Asked("#xpointer(id('x'))", [method])))
    changed = signed.replace(b"<!--c-->", b"<!--d-->")
    assert ["", ""] == sealing.reasons(sealing.first(signed))
    assert ["", "digest"] == sealing.reasons(sealing.first(changed))


class TestLimits:
    """What references of one document cost together."""

    def test_references_are_counted(self):
        """Those of all signatures and manifests, whatever they lead to."""
        with pytest.raises(DocumentTooComplex) as refused:
            sealing.read(document(*[Asked("#x")] * 30).encode(), references=20)
        assert "references" == refused.value.facts["reason"]

    def test_octets_are_counted(self):
        """Five hundred ways to digest the same document end soon."""
        asked = [Asked("", [names.ENVELOPED, peer.exclusive(f"p{n}")]) for n in range(500)]
        data = document(*asked, content="<b>text</b>" * 10_000).encode()
        with pytest.raises(DocumentTooComplex) as refused:
            sealing.read(data, digested=1 << 20)
        assert "digested" == refused.value.facts["reason"]

    def test_what_was_digested_once_is_not_digested_again(self):
        """Five hundred references to the same nodes by the same steps cost what one costs."""
        data = document(*[Asked("", [names.ENVELOPED, EXC])] * 500, content="<b>text</b>" * 10_000).encode()
        assert 500 == len(sealing.reasons(sealing.read(data, digested=6 << 20).signatures[0]))

    @pytest.mark.parametrize("method", [names.C14N_10, names.C14N_11])
    def test_namespaces_in_scope_are_counted(self, method):
        """Inclusive canonicalisation looks each up for every element: more than some hundred are hopeless."""
        declared = " ".join(f'xmlns:a{n}="urn:{n}"' for n in range(300))
        data = f"<a {declared}>{peer.template(Asked('', [names.ENVELOPED, method]))}</a>".encode()
        with pytest.raises(DocumentTooComplex) as refused:
            sealing.read(data)
        assert "namespaces" == refused.value.facts["reason"]

    def test_elements_that_a_filter_names_are_counted(self):
        """A filter that leaves out thousands of elements one by one is not followed."""
        asked = Asked("", [peer.xpath("not(ancestor-or-self::b)")])
        assert [("refused", "transform-refused")] == judged(asked, content="<b/>" * 600)
