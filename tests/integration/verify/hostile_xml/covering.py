"""Signatures over next to nothing, and content that hides where a report might take it for a part of the signature."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, passes
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import (
    BASE64,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    FILTER2,
    PARALLEL,
    XPATH,
    assembled,
    b64,
    canonical,
    canonical_part,
    enveloped,
    inserted,
    key_info,
    properties,
    properties_reference,
    reference,
    signature,
    signed_info,
    token,
    transform,
    xades,
)

NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
STYLE_SHEET = '<?xml-stylesheet href="forged.xsl" type="text/xsl"?>'


def _of_the_root(*steps: str, root: str = RECEIPT, uri: str = "") -> str:
    ref = reference(uri, canonical(root), transforms=(ENVELOPED, *steps, EXCLUSIVE), id_="s-ref")
    return inserted(root, xades([ref], by=people.signer()).text)


def _named() -> str:
    return _of_the_root(root=RECEIPT.replace("<receipt ", '<receipt Id="all" '), uri="#all")


@case(passes(scope="PARTIAL"))
def style_sheet_before_a_signed_root() -> str:
    """The root was signed by its Id; a style sheet was put before it, which decides what is seen."""
    return STYLE_SHEET + _named()


@case(passes(scope="PARTIAL"))
def instruction_behind_a_signed_root() -> str:
    """The same behind it."""
    return f"{_named()}<?forged?>"


@case(passes(scope="PARTIAL"))
def style_sheet_before_a_selected_root() -> str:
    """The same where a filter selected the root out of the document."""
    step = f'<f:XPath xmlns:f="{FILTER2}" Filter="intersect">/*</f:XPath>'
    return STYLE_SHEET + _of_the_root(transform(FILTER2, step))


@case(passes(scope="PARTIAL"))
def style_sheet_before_an_enveloping_signature() -> str:
    """The signature is the root, its object was signed, and a style sheet was put before it."""
    object_ = f'<ds:Object xmlns:ds="{DS}" Id="content">{RECEIPT}</ds:Object>'
    ref = reference("#content", canonical(object_), id_="s-ref")
    return STYLE_SHEET + xades([ref], by=people.signer(), objects=object_).text


@case(passes())
def comment_beside_a_signed_root() -> str:
    """A comment is no content, wherever it stands."""
    return f"<!-- seen by nobody -->{_named()}"


def _with(hidden: str) -> str:
    return enveloped(RECEIPT, by=people.signer()).replace("</ds:Signature>", f"{hidden}</ds:Signature>")


@case(passes(scope="PARTIAL"))
def object_of_false_properties() -> str:
    """An object that nobody signed holds QualifyingProperties of another namespace, and content beside them."""
    return _with('<ds:Object><QualifyingProperties xmlns="urn:forged"/><pay xmlns="">nine</pay></ds:Object>')


@case(passes(scope="PARTIAL"))
def content_beside_true_properties() -> str:
    """The object of the true properties was given content as well."""
    end = "</xades:QualifyingProperties>"
    return enveloped(RECEIPT, by=people.signer()).replace(end, f'{end}<pay xmlns="">nine</pay>')


@case(passes(scope="PARTIAL"))
def content_within_true_properties() -> str:
    """Content in QualifyingProperties, which hold signed and unsigned properties and nothing else."""
    end = "</xades:QualifyingProperties>"
    return enveloped(RECEIPT, by=people.signer()).replace(end, f'<pay xmlns="">nine</pay>{end}')


@case(passes(scope="PARTIAL"))
def signature_properties_that_nobody_signed() -> str:
    """Content that calls itself ds:SignatureProperties."""
    return _with('<ds:Object><ds:SignatureProperties><pay xmlns="">nine</pay></ds:SignatureProperties></ds:Object>')


@case(passes(scope="PARTIAL"))
def manifest_that_nobody_signed() -> str:
    """Content that calls itself ds:Manifest."""
    return _with('<ds:Object><ds:Manifest><pay xmlns="">nine</pay></ds:Manifest></ds:Object>')


@case(passes(scope="PARTIAL"))
def text_between_the_parts() -> str:
    """Text directly in ds:Signature, where there is none."""
    return _with("pay nine")


def _about(part: str, object_: str, keys: str) -> str:
    """A signature that is its own document, and refers to that part of itself."""
    id_ = part.split('Id="', 1)[1].split('"', 1)[0]
    info = signed_info([reference(f"#{id_}", canonical(part), id_="s-ref"), properties_reference(object_)])
    return assembled(info, b64(people.signer().sign(canonical(info))), keys, object_)


@case(broken(NOT_FOUND))
def part_of_its_key_only() -> str:
    """What is signed is the X509Data of the signature itself: no document."""
    keys = key_info(people.signer().der).replace("<ds:X509Data>", '<ds:X509Data Id="mine">')
    return _about(canonical_part(keys, "ds:X509Data").decode(), properties(people.signer()), keys)


@case(broken(NOT_FOUND))
def part_of_its_properties_only() -> str:
    """The same of the signing time."""
    object_ = properties(people.signer()).replace("<xades:SigningTime>", '<xades:SigningTime Id="mine">')
    return _about(canonical_part(object_, ".//xades:SigningTime").decode(), object_, key_info(people.signer().der))


@case(broken(NOT_FOUND))
def all_of_its_properties_only() -> str:
    """The same of the element around the signed properties."""
    begin = "<xades:QualifyingProperties "
    object_ = properties(people.signer()).replace(begin, f'{begin}Id="mine" ')
    part = canonical_part(object_, "xades:QualifyingProperties").decode()
    return _about(part, object_, key_info(people.signer().der))


@case(broken(NOT_FOUND))
def enveloped_in_nothing() -> str:
    """An enveloped signature that is the document itself: without it there is nothing."""
    return xades([reference("", b"", transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=people.signer()).text


@case(broken(NOT_FOUND))
def instruction_instead_of_content() -> str:
    """The same, with a processing instruction that is signed."""
    signed = STYLE_SHEET.encode() + b"\n"
    made = xades([reference("", signed, transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=people.signer())
    return STYLE_SHEET + made.text


def _nothing(uri: str, *steps: str, root: str = RECEIPT) -> str:
    return inserted(root, xades([reference(uri, b"", transforms=steps, id_="s-ref")], by=people.signer()).text)


def _xpath(expression: str) -> str:
    return transform(XPATH, f'<ds:XPath xmlns:r="urn:kyso:demo">{expression}</ds:XPath>')


@case(broken(NOT_FOUND))
def everything_left_out() -> str:
    """A filter that is followed, and takes the root away: the digest of nothing fits every document."""
    return _nothing("", _xpath("not(ancestor-or-self::r:receipt)"), EXCLUSIVE)


@case(broken(NOT_FOUND))
def nothing_chosen() -> str:
    """A filter that is followed, and chooses elements that do not exist."""
    return _nothing("", _xpath("ancestor-or-self::r:nothing"), EXCLUSIVE)


@case(broken(NOT_FOUND))
def base64_of_no_text() -> str:
    """No text stands for no octets, and their digest for nothing."""
    return _nothing("#none", BASE64, root=RECEIPT.replace("</receipt>", '<none Id="none"/></receipt>'))


@case(*({**passes(level="XML-NOT-ETSI"), "id": name} for name in ("a", "a~2", "a~2~2")))
def signatures_of_one_name() -> str:
    """Two signatures are called the same, and a third one what the second is called in the report."""
    ref = reference("", canonical(RECEIPT), transforms=(transform(XPATH, PARALLEL), EXCLUSIVE))
    return inserted(RECEIPT, *(signature([ref], by=people.signer(), id_=one) for one in ("a", "a", "a~2")))


@case({**passes(level="XAdES-BASELINE-LT"), "timestamps": [True, True]})
def archive_that_leaves_out_what_it_stands_behind() -> str:
    """Certificates and a list were put before an archive timestamp which says that it is over the signature timestamp
    only: it seals nothing that came later."""
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    made = xades([ref], by=people.signer())
    stamp = made.stamped(token(canonical_part(made.text, "ds:SignatureValue"), at=people.AT - timedelta(days=2)))
    octets = b"".join(
        (
            canonical(RECEIPT),
            canonical_part(made.text, ".//xades:SignedProperties"),
            *(canonical_part(made.text, f"ds:{name}") for name in ("SignedInfo", "SignatureValue", "KeyInfo")),
            canonical(stamp),
        )
    )
    archive = made.stamped(
        token(octets, at=people.AT - timedelta(days=1)), name="ArchiveTimeStamp", prefix="xades141"
    ).replace("<ds:Canon", '<xades:Include URI="#s-SignatureTimeStamp"/><ds:Canon', 1)
    values = (
        "<xades:CertificateValues><xades:EncapsulatedX509Certificate>"
        f"{b64(people.root().der)}</xades:EncapsulatedX509Certificate></xades:CertificateValues>"
        "<xades:RevocationValues><xades:CRLValues><xades:EncapsulatedCRLValue>"
        f"{b64(people.trust().crls[0])}</xades:EncapsulatedCRLValue></xades:CRLValues></xades:RevocationValues>"
    )
    return inserted(RECEIPT, made.with_unsigned(stamp + values + archive))
