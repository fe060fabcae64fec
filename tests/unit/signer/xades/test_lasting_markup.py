"""Markup is put into documents that others wrote, by bytes: nothing else of them changes."""

from __future__ import annotations

import io

import pytest
from lxml import etree

from signer.xades.splicing import EncodingNotSupported, Text
from signer.xades.unsigned import Insertion, SignatureFormNotExtendable, Tag, render, values
from verify.found import Evidence
from verify.xml.names import DS, XADES_132, XADES_141

pytestmark = pytest.mark.xades

NAMES = f'xmlns:ds="{DS}" xmlns:xades="{XADES_132}"'
TRAPS = (
    "<!-- <ds:Signature> -->",
    "<![CDATA[<Signature><b>]]>",
    "<?say <ds:Signature> ?>",
    "<a b='>'/>",
    '<a b="/>"></a>',
    '<é ü="’>"/>',
    "<other:Signature xmlns:other='urn:x'/>",
    "<a\n b = 'x'\t/>",
    "😀]]&gt;--&gt;",
)


def signed(unsigned: str, *, before: str = "", inside: str = "", names: str = NAMES, encoding: str = "utf-8") -> bytes:
    """A document whose second signature has these unsigned properties; `before` and `inside` stand in the way."""
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<r {names}>{before}<ds:Signature Id="s0"/>'
        f'<ds:Signature Id="s1"><ds:SignedInfo/>{inside}<ds:SignatureValue Id="v">AA==</ds:SignatureValue>'
        f'<ds:Object/><ds:Object>{inside}<xades:QualifyingProperties Target="#s1"><xades:SignedProperties/>'
        f"{unsigned}</xades:QualifyingProperties></ds:Object></ds:Signature>{before}</r>"
    )
    return text.encode(encoding)


def extended(data: bytes, *tags: Tag) -> bytes:
    """With these tags among the unsigned properties of the signature s1."""
    tree = etree.parse(io.BytesIO(data))
    (signature,) = tree.xpath("//ds:Signature[@Id='s1']", namespaces={"ds": DS})
    text = Text.of(data, tree.docinfo.encoding)
    return text.splice([Insertion.of(signature, text).edit(tags)])


def unsigned_of(data: bytes) -> list[str]:
    found = etree.fromstring(data).xpath(
        "//ds:Signature[@Id='s1']//x:UnsignedProperties/x:UnsignedSignatureProperties/*",
        namespaces={"ds": DS, "x": XADES_132},
    )
    return [etree.QName(one).localname for one in found]


NEW = Tag(XADES_141, "AnyValidationData")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "iso-8859-1"])
@pytest.mark.parametrize("trap", TRAPS)
def test_what_looks_like_markup_is_passed_over(trap: str, encoding: str):
    """Comments, CDATA, processing instructions and attributes may hold anything; the property lands where it belongs."""
    if encoding == "iso-8859-1":
        trap = trap.encode(encoding, "ignore").decode(encoding)
    held = "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:A/></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
    data = signed(held, before=trap, inside=trap, encoding=encoding)
    out = extended(data, NEW)
    assert ["A", "AnyValidationData"] == unsigned_of(out)
    first, last = data.index("<xades:A/>".encode(encoding)[-20:]), 60
    assert data[:first] == out[:first]
    assert data[-last:] == out[-last:]


@pytest.mark.parametrize(
    "held",
    [
        "",
        "<xades:UnsignedProperties/>",
        "<xades:UnsignedProperties></xades:UnsignedProperties>",
        "<xades:UnsignedProperties><xades:UnsignedDataObjectProperties/></xades:UnsignedProperties>",
        "<xades:UnsignedProperties><xades:UnsignedSignatureProperties/></xades:UnsignedProperties>",
        "<xades:UnsignedProperties>\n <xades:UnsignedSignatureProperties Id='u' />\n</xades:UnsignedProperties>",
    ],
)
def test_containers_that_are_missing_are_made(held: str):
    """Whatever of the containers is there is used; what is made stands in the order of the schema."""
    out = extended(signed(held), NEW)
    assert ["AnyValidationData"] == unsigned_of(out)
    (properties,) = etree.fromstring(out).iter(f"{{{XADES_132}}}UnsignedProperties")
    assert "UnsignedSignatureProperties" == etree.QName(properties[0]).localname


def test_prefixes_are_the_documents_own():
    """Where the namespaces are bound, nothing is declared; elsewhere only on what is put in, never on what is there."""
    scope = {None: DS, "e": XADES_132, "xades141": "urn:other"}
    text = render(Tag(XADES_141, "AnyValidationData", content=tuple(values(Evidence((b"a",))))), scope=scope)
    assert text.startswith(f'<xades1410:AnyValidationData xmlns:xades1410="{XADES_141}"><e:CertificateValues><e:')
    assert DS not in render(Tag(DS, "Object"), scope=scope)


def test_a_prefix_that_no_ascii_writes_is_not_used():
    """Documents may call namespaces what they like; what is put in fits every encoding."""
    data = signed("", names=f'xmlns:ds="{DS}" xmlns:ký="{XADES_132}"').replace(b"xades:", "ký:".encode())
    out = extended(data, Tag(XADES_132, "CertificateValues"))
    assert ["CertificateValues"] == unsigned_of(out)


@pytest.mark.parametrize("name", ["utf-32", "cp037", "shift_jis", "iso-2022-jp"])
def test_encodings_in_which_tags_could_hide_are_refused(name: str):
    """Only where `<` is one octet that nothing else contains, or in UTF-16, offsets are sure."""
    with pytest.raises(EncodingNotSupported):
        Text.of(b"<a/>", name)


@pytest.mark.parametrize("target", ["#other", ""])
def test_properties_of_another_signature_are_left_alone(target: str):
    """QualifyingProperties that name another signature are not this one's."""
    with pytest.raises(SignatureFormNotExtendable):
        extended(signed("").replace(b'Target="#s1"', f'Target="{target}"'.encode()), NEW)


def test_edits_that_overlap_are_refused():
    """Two edits of the same characters would leave neither whole."""
    text = Text.of(b"<Signature><a/></Signature>")
    element = text.element(0, path=(0,))
    with pytest.raises(ValueError, match="overlap"):
        text.splice([element.append("x"), element.append("y")])
