"""What XAdES timestamps are over, told apart from what stands beside it."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from lxml import etree

from tests.unit.verify.xml import xades
from tests.unit.verify.xml.xades import CONTENT, EXCLUSIVE, VALUE, b64, data_of, exclusive, found, signature, stamp
from verify import timestamp as tokens
from verify.found import FoundTimestamp, identify
from verify.xml import names, proofs, stored
from verify.xml.properties import read
from verify.xml.timestamps import NotComputable, Subject, archive_timestamp, imprint, method_of, signature_timestamp

pytestmark = pytest.mark.xades

REFERENCES = '<xades:CompleteRevocationRefs Id="rr"/>'
REFERENCES_1 = '<xades:CompleteCertificateRefs Id="cr"/>'
REFERENCES_2 = '<x4:CompleteCertificateRefsV2 Id="cr2"/>'
VALUES = "<xades:CertificateValues/>"


def subject(element: etree._Element) -> Subject:
    properties = read(element, digested=[found(element, "SignedProperties")])
    return Subject(element, data=data_of(element), unsigned=properties.unsigned)


def octets(element: etree._Element, stamped: etree._Element) -> bytes:
    sink = BytesIO()
    imprint(subject(element), stamped, sink=sink)
    return sink.getvalue()


def parts(element: etree._Element, *wanted: str) -> bytes:
    return exclusive(*(found(element, name) for name in wanted))


def stamps(element: etree._Element, *, value: bytes = VALUE, signer: bytes | None = None) -> tuple[FoundTimestamp, ...]:
    properties = read(element, digested=[found(element, "SignedProperties")])
    store = stored.read(element, properties, base=0)
    return proofs.find("S", subject(element), properties, store, base=0, value=value, signer=signer)


def is_matched(one: FoundTimestamp) -> bool:
    return tokens.matches(tokens.read(one.der), one.digest_of)


def test_a_signature_timestamp_is_over_the_element_of_the_value() -> None:
    """§5.3: ds:SignatureValue with its tags, in the method that the timestamp states, and nothing else."""
    element = signature(xades.signed_properties(), stamp("SignatureTimeStamp"))
    assert octets(element, found(element, "SignatureTimeStamp")) == parts(element, "SignatureValue")


@pytest.mark.parametrize("method", [None, "", " "])
def test_without_a_method_it_is_inclusive(method: str | None) -> None:
    """§4.5: a method that is missing, or stated as nothing, is inclusive C14N 1.0, which takes the root's namespaces and
    language along."""
    element = signature(xades.signed_properties(), stamp("SignatureTimeStamp", method=method))
    given = octets(element, found(element, "SignatureTimeStamp"))
    assert b'xmlns:unused="urn:unused"' in given
    assert b'xml:lang="vi"' in given


def test_a_method_that_nobody_knows_is_refused() -> None:
    """A timestamp whose method is not known is over nothing that could be told."""
    element = signature(xades.signed_properties(), stamp("SignatureTimeStamp", method="urn:own"))
    with pytest.raises(NotComputable):
        method_of(found(element, "SignatureTimeStamp"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("xades:SigAndRefsTimeStamp", ("SignatureValue", "SignatureTimeStamp", "CompleteCertificateRefs", "CompleteRevocationRefs")),
        ("x4:SigAndRefsTimeStampV2", ("SignatureValue", "SignatureTimeStamp", "CompleteCertificateRefsV2", "CompleteRevocationRefs")),
        ("xades:RefsOnlyTimeStamp", ("CompleteCertificateRefs", "CompleteRevocationRefs")),
        ("x4:RefsOnlyTimeStampV2", ("CompleteCertificateRefsV2", "CompleteRevocationRefs")),
    ],
)  # fmt: skip
def test_timestamps_over_references_take_those_of_their_generation(name: str, wanted: tuple[str, ...]) -> None:
    """Annex A.1.5: references before the timestamp, of its own generation, in their order; values are not among them,
    nor is what stands behind it."""
    element = signature(
        xades.signed_properties(),
        stamp("SignatureTimeStamp"),
        VALUES,
        REFERENCES_1,
        REFERENCES_2,
        REFERENCES,
        stamp(name),
        '<xades:AttributeRevocationRefs Id="later"/>',
    )
    assert octets(element, found(element, name.partition(":")[2])) == parts(element, *wanted)


def test_an_archive_timestamp_is_over_everything_before_it() -> None:
    """§5.5.2: what is signed, SignedInfo, value, KeyInfo, the unsigned properties before it in their order (of whatever
    namespace), and every further ds:Object; comments and what stands behind it are not in it."""
    element = signature(
        xades.signed_properties(),
        stamp("SignatureTimeStamp"),
        '<other xmlns="urn:other"/>',
        stamp("x4:ArchiveTimeStamp"),
        VALUES,
        objects='<ds:Object Id="o">A<!-- comment --></ds:Object>',
        further='<ds:Object Id="p">B</ds:Object>',
    )
    properties = found(element, "SignedProperties")
    objects = [one for one in element.findall(f"{{{names.DS}}}Object") if one.get("Id")]
    expected = CONTENT + exclusive(
        properties,
        found(element, "SignedInfo"),
        found(element, "SignatureValue"),
        found(element, "KeyInfo"),
        found(element, "SignatureTimeStamp"),
        found(element, "other"),
        *objects,
    )
    assert octets(element, found(element, "ArchiveTimeStamp")) == expected


def test_the_one_to_be_made_is_over_all_properties() -> None:
    """Without a place of its own an archive timestamp is over every property: as if it stood at the end."""
    element = signature(xades.signed_properties(), stamp("SignatureTimeStamp"), VALUES, stamp("x4:ArchiveTimeStamp"))
    last = found(element, "ArchiveTimeStamp")
    expected = octets(element, last)
    last.getparent().remove(last)
    sink = BytesIO()
    archive_timestamp(subject(element), method=EXCLUSIVE, sink=sink)
    assert sink.getvalue() == expected


def test_the_older_form_leaves_out_objects_that_are_signed() -> None:
    """TS 101 903 V1.3.2 §7.7.1: a ds:Object that a reference names was taken as what is signed; from 1.4.1 on each is
    taken again."""
    texts = {}
    for form in ("xades", "x4"):
        element = signature(
            xades.signed_properties(),
            stamp(f"{form}:ArchiveTimeStamp"),
            objects='<ds:Object Id="sp-data">A</ds:Object>',
        )
        data = (*data_of(element), xades.written(b"A", target="sp-data"))
        sink = BytesIO()
        imprint(Subject(element, data=data), found(element, "ArchiveTimeStamp"), sink=sink)
        texts[form] = sink.getvalue()
    assert b"</ds:Object>" not in texts["xades"]
    assert texts["x4"].endswith(b"A</ds:Object>")


def test_distributed_properties_are_taken_as_they_are_named() -> None:
    """§5.5.2.3: where Include names unsigned properties, those are covered, in that order, and no others."""
    inner = '<xades:Include URI="#b"/><xades:Include URI="#a"/>'
    element = signature(
        xades.signed_properties(),
        '<xades:CertificateValues Id="a"/>',
        '<xades:RevocationValues Id="b"/>',
        '<xades:AttrAuthoritiesCertValues Id="c"/>',
        stamp("x4:ArchiveTimeStamp", inner=inner),
    )
    given = octets(element, found(element, "ArchiveTimeStamp"))
    assert given.index(b'Id="b"') < given.index(b'Id="a"')
    assert b'Id="c"' not in given


def test_content_timestamps_leave_out_the_properties_that_hold_them() -> None:
    """§5.2.8.1: all data objects but the SignedProperties; §5.2.8.2: those that Include names."""
    inner = '<xades:Include URI="#r0" referencedData="true"/>'
    element = signature(
        xades.signed_properties(
            data=[stamp("AllDataObjectsTimeStamp"), stamp("IndividualDataObjectsTimeStamp", inner=inner)]
        )
    )
    assert octets(element, found(element, "AllDataObjectsTimeStamp")) == CONTENT
    assert octets(element, found(element, "IndividualDataObjectsTimeStamp")) == CONTENT


@pytest.mark.parametrize(
    "named",
    [
        'URI="#nothing" referencedData="true"',
        'URI="#" referencedData="true"',
        'URI="http://elsewhere.example/" referencedData="true"',
        'URI="#r0"',
        'URI="#r0" referencedData="false"',
    ],
)
def test_individual_objects_that_are_not_signed_cannot_be_stamped(named: str) -> None:
    """A name that is no ds:Reference of the signature, stands outside, or means the reference itself, names no data."""
    element = signature(
        xades.signed_properties(data=[stamp("IndividualDataObjectsTimeStamp", inner=f"<xades:Include {named}/>")])
    )
    with pytest.raises(NotComputable):
        octets(element, found(element, "IndividualDataObjectsTimeStamp"))


def test_the_first_form_states_its_method_among_transforms() -> None:
    """TS 101 903 V1.1.1: HashDataInfo carries the canonicalisation; anything else there is not followed."""
    element = signature(
        xades.signed_properties(),
        stamp(
            "SignatureTimeStamp",
            method=None,
            inner='<xades:HashDataInfo uri="#v"><xades:Transforms>'
            f'<ds:Transform Algorithm="{names.C14N_EXCLUSIVE}"/></xades:Transforms></xades:HashDataInfo>',
        ),
        stamp(
            "SignatureTimeStamp",
            method=None,
            inner='<xades:HashDataInfo uri="#v"><xades:Transforms>'
            f'<ds:Transform Algorithm="{names.XSLT}"/></xades:Transforms></xades:HashDataInfo>',
        ),
    )
    assert octets(element, found(element, "SignatureTimeStamp")) == parts(element, "SignatureValue")
    with pytest.raises(NotComputable):
        octets(element, found(element, "SignatureTimeStamp", nth=1))


def test_two_values_are_none() -> None:
    """With two ds:SignatureValue nobody can tell which one was stamped."""
    element = signature(xades.signed_properties())
    element.append(etree.SubElement(element, f"{{{names.DS}}}SignatureValue"))
    with pytest.raises(NotComputable):
        signature_timestamp(subject(element), method=EXCLUSIVE, sink=BytesIO())


def test_a_copied_timestamp_is_over_something_else() -> None:
    """A token over the content, put where one over the value belongs, does not match; in its own place it does."""
    copied = xades.token(CONTENT)
    element = signature(
        xades.signed_properties(data=[stamp("AllDataObjectsTimeStamp", copied)]), stamp("SignatureTimeStamp", copied)
    )
    assert [(one.type, is_matched(one)) for one in stamps(element)] == [("content", True), ("signature", False)]


def test_every_token_of_an_element_is_found() -> None:
    """Several tokens in one element are several timestamps over the same; one in XML, in another encoding or in no
    base64 is one that cannot be believed."""
    good = xades.token(exclusive(found(signature(xades.signed_properties()), "SignatureValue")))
    element = signature(
        xades.signed_properties(),
        stamp("SignatureTimeStamp", good, good).replace(
            "</xades:SignatureTimeStamp>",
            "<xades:XMLTimeStamp/><xades:EncapsulatedTimeStamp>?</xades:EncapsulatedTimeStamp>"
            '<xades:EncapsulatedTimeStamp Encoding="http://uri.etsi.org/01903/v1.2.2#XER">'
            f"{b64(good)}</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>",
        ),
    )
    given = stamps(element)
    assert [one.fault for one in given] == [None, None, "xml-timestamp", "base64", "encoding"]
    assert [is_matched(one) for one in given[:2]] == [True, True]
    assert len({one.id for one in given}) == 5


def test_a_timestamp_proves_what_stands_before_it() -> None:
    """EN 319 102-1 §5.6.2.3: an archive timestamp proves value, KeyInfo and the properties before it, tokens with their
    certificates too; never itself nor what stands behind it; a signature timestamp proves value and signer."""
    one, other, signer = xades.signer("một").der, xades.signer("hai").der, xades.signer().der
    first, second = xades.token(b"first"), xades.token(b"second")
    element = signature(
        xades.signed_properties(),
        stamp("SignatureTimeStamp", first),
        _values(one),
        stamp("x4:ArchiveTimeStamp", second),
        _values(other),
        key_info=signer,
    )
    over_value, archive = stamps(element, signer=signer)
    authority = tokens.read(first).certificates
    assert over_value.protects == {identify(VALUE), identify(signer)}
    assert archive.protects == {*map(identify, (VALUE, signer, one, first, *authority))}
    assert over_value.covers < archive.covers


def test_a_timestamp_over_references_proves_what_they_name() -> None:
    """References by a strong digest prove that the certificate existed; those of another generation, or by SHA-1, none."""
    one, other, third = (xades.signer(name).der for name in ("một", "hai", "ba"))
    cert = "<xades:Cert><xades:CertDigest>{}</xades:CertDigest></xades:Cert>"
    weak = (
        f'<ds:DigestMethod Algorithm="{names.DS}sha1"/>'
        f"<ds:DigestValue>{b64(hashlib.sha1(other, usedforsecurity=False).digest())}</ds:DigestValue>"
    )
    element = signature(
        xades.signed_properties(),
        f"<x4:CompleteCertificateRefsV2>{cert.format(xades.digest(one))}{cert.format(weak)}</x4:CompleteCertificateRefsV2>",
        f"<xades:CompleteCertificateRefs>{cert.format(xades.digest(third))}</xades:CompleteCertificateRefs>",
        stamp("x4:RefsOnlyTimeStampV2", xades.token(b"any")),
        _values(one, other, third),
    )
    (stamped,) = stamps(element)
    assert stamped.protects == {identify(one)}


def test_what_ends_later_is_newer() -> None:
    """A signature around others, or behind them, comes after them; so its archive timestamps are judged first."""
    root = etree.fromstring(
        f'<a xmlns="{names.DS}"><Signature Id="1"><Signature Id="2"/></Signature><Signature Id="3"/></a>'
    )
    elements = list(root.iter(f"{{{names.DS}}}Signature"))
    order = proofs.places(elements)
    assert sorted(elements, key=order.__getitem__) == [elements[1], elements[0], elements[2]]


def _values(*certificates: bytes) -> str:
    held = "".join(
        f"<xades:EncapsulatedX509Certificate>{b64(one)}</xades:EncapsulatedX509Certificate>" for one in certificates
    )
    return f"<xades:CertificateValues>{held}</xades:CertificateValues>"
