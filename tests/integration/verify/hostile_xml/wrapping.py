"""What was signed is moved aside, and something else stands where it stood."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, passes, unsettled
from tests.integration.verify.hostile_xml.honest import AMOUNT, RECEIPT
from tests.integration.verify.hostile_xml.making import (
    COUNTERSIGNED,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    MANIFEST,
    NAMESPACES,
    PARALLEL,
    SIGNED_PROPERTIES,
    XPATH,
    Signed,
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
    signed_info,
    token,
    transform,
    xades,
)

NOT_FOUND = "SIGNED_DATA_NOT_FOUND"


def _whole(root: str = RECEIPT, id_: str = "s", *, by: people.Person | None = None) -> Signed:
    ref = reference("", canonical(root), transforms=(ENVELOPED, EXCLUSIVE), id_=f"{id_}-ref")
    return xades([ref], by=by or people.signer(), id_=id_)


def _amount() -> str:
    return xades([reference("#amount", canonical(AMOUNT), id_="s-ref")], by=people.signer()).text


@case(passes(scope="PARTIAL"))
def content_moved_below_an_object() -> str:
    """The signed amount was moved into the signature and another one put in its place: intact, and PARTIAL. What was
    covered is named, and it is not the amount that stands in the document."""
    made = _amount().replace("</ds:Signature>", f"<ds:Object>{AMOUNT}</ds:Object></ds:Signature>")
    return inserted(RECEIPT.replace('<amount Id="amount">1000000</amount>', "<amount>9000000</amount>"), made)


@case(broken(NOT_FOUND))
def content_moved_and_its_id_kept() -> str:
    """The same, where the forged amount keeps the Id."""
    made = _amount().replace("</ds:Signature>", f"<ds:Object>{AMOUNT}</ds:Object></ds:Signature>")
    return inserted(RECEIPT.replace("1000000", "9000000"), made)


@case(passes(scope="PARTIAL"))
def signed_element_in_another_document() -> str:
    """The whole signed element was put into a document of the forger's: intact, and PARTIAL."""
    receipt = RECEIPT.replace("<receipt ", '<receipt Id="all" ')
    ref = reference("#all", canonical(receipt), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    signed = inserted(receipt, xades([ref], by=people.signer()).text)
    return f"<orders><order>pay nine</order><attachment>{signed}</attachment></orders>"


@case(broken("HASH_FAILURE"))
def document_below_another_root() -> str:
    """A document signed as a whole was put below another root: it is the whole no more."""
    return f"<orders>{enveloped(RECEIPT, by=people.signer())}<order>pay nine</order></orders>"


@case(broken(NOT_FOUND))
def properties_of_one_id() -> str:
    """Properties with another time and the Id of the true ones, which stand elsewhere in the signature."""
    made = _whole()
    true = made.properties.split("Target=", 1)[1].split(">", 1)[1].split("</xades:QualifyingProperties>")[0]
    moved = made.text.replace("15:00:00+07:00", "01:00:00+07:00")
    hidden = f"<ds:Object {NAMESPACES}>{true}</ds:Object>"
    return inserted(RECEIPT, moved.replace("</ds:Signature>", f"{hidden}</ds:Signature>"))


@case(broken(NOT_FOUND))
def properties_moved_out() -> str:
    """The true properties stand in a bare ds:Object and are digested there; in their place stand others, unsigned."""
    made = _whole()
    true = made.properties.split("Target=", 1)[1].split(">", 1)[1].split("</xades:QualifyingProperties>")[0]
    forged = made.text.replace("15:00:00+07:00", "01:00:00+07:00").replace('Id="s-signed"', 'Id="forged"')
    hidden = f"<ds:Object {NAMESPACES}>{true}</ds:Object>"
    return inserted(RECEIPT, forged.replace("</ds:Signature>", f"{hidden}</ds:Signature>"))


@case(unsettled("SIG_CONSTRAINTS_FAILURE"))
def two_qualifying_properties() -> str:
    """A second QualifyingProperties with other claims beside the true one (EN 319 132-1 §4.3.1: there is one)."""
    forged = properties(people.signer(), at="2019-01-01T00:00:00Z").replace('Id="s-signed"', 'Id="forged"')
    return inserted(RECEIPT, _whole().text.replace("</ds:Signature>", f"{forged}</ds:Signature>"))


@case(unsettled("SIG_CONSTRAINTS_FAILURE"))
def properties_of_another_signature() -> str:
    """Target names another signature: these properties are not about this one."""
    by = people.signer()
    object_ = properties(by, target="#other")
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    info = signed_info([ref, properties_reference(object_)])
    return inserted(RECEIPT, assembled(info, b64(by.sign(canonical(info))), key_info(by.der), object_))


@case(broken("HASH_FAILURE"))
def properties_in_a_comment() -> str:
    """The true properties were commented out, others have their Id."""
    text = _whole().text
    true = text[text.index("<xades:SignedProperties") : text.index("</xades:QualifyingProperties>")]
    return inserted(RECEIPT, text.replace(true, f"<!--{true}-->{true.replace('15:00:00', '01:00:00')}"))


def _listed(entry: str) -> str:
    return f'<ds:Manifest xmlns:ds="{DS}" Id="list">{entry}</ds:Manifest>'


def _content(text: str) -> str:
    return f'<ds:Object xmlns:ds="{DS}" Id="content">{text}</ds:Object>'


@case(broken(NOT_FOUND))
def manifest_of_one_id() -> str:
    """The signed manifest was moved away; one with its Id lists forged content."""
    true, forged = (_listed(reference("#content", canonical(_content(one)))) for one in ("true", "forged"))
    objects = f'<ds:Object xmlns:ds="{DS}">{forged}</ds:Object>{_content("forged")}'
    ref = reference("#list", canonical(true), kind=MANIFEST, id_="s-ref")
    made = xades([ref], by=people.signer(), objects=objects).text
    return f"<r><hidden>{true}</hidden>{made}</r>"


@case(unsettled("SIG_CONSTRAINTS_FAILURE", scope="PARTIAL"))
def manifest_entry_that_does_not_match() -> str:
    """The manifest is as it was signed, what it lists is not: nothing that was signed is there."""
    true = _listed(reference("#content", canonical(_content("true"))))
    objects = f'<ds:Object xmlns:ds="{DS}">{true}</ds:Object>{_content("forged")}'
    ref = reference("#list", canonical(true), kind=MANIFEST, id_="s-ref")
    return xades([ref], by=people.signer(), objects=objects).text


@case(passes(), broken("HASH_FAILURE", parent=True), verdict="TOTAL_FAILED")
def counter_signature_of_another_value() -> str:
    """A counter-signature that was made over another signature's value and put here."""
    made, other = _whole(), _whole("<a/>")
    return _countered(made, canonical_part(other.text, "ds:SignatureValue"))


@case(passes(), broken("HASH_FAILURE", parent=True), verdict="TOTAL_FAILED")
def counter_signature_over_something_else() -> str:
    """A counter-signature whose digest is of the document and not of the value it stands below."""
    return _countered(_whole(), canonical(RECEIPT))


def _countered(made: Signed, octets: bytes) -> str:
    ref = reference("#s-value", octets, kind=COUNTERSIGNED, id_="c-ref")
    counter = xades([ref], by=people.clerk(), id_="c").text
    return inserted(RECEIPT, made.with_unsigned(f"<xades:CounterSignature>{counter}</xades:CounterSignature>"))


@case(passes(), broken(NOT_FOUND, parent=True), verdict="INDETERMINATE")
def counter_signature_over_itself() -> str:
    """A counter-signature that refers to a value, but not to that of the signature it stands below."""
    made = _whole()
    loose = '<x xmlns="" Id="loose">x</x>'
    ref = reference("#loose", canonical(loose), kind=COUNTERSIGNED, id_="c-ref")
    counter = xades([ref], by=people.clerk(), id_="c").text.replace(
        "</ds:Signature>", f"<ds:Object>{loose}</ds:Object></ds:Signature>"
    )
    return inserted(RECEIPT, made.with_unsigned(f"<xades:CounterSignature>{counter}</xades:CounterSignature>"))


@case({**passes(level="XAdES-BASELINE-B"), "timestamps": [False]})
def timestamp_of_another_signature() -> str:
    """A signature timestamp copied from a signature of another document proves nothing for this one."""
    other = canonical_part(_whole("<a/>").text, "ds:SignatureValue")
    made = _whole()
    stamp = made.stamped(token(other, at=people.AT - timedelta(days=300)))
    return inserted(RECEIPT, made.with_unsigned(stamp))


@case(
    {**passes(level="XAdES-BASELINE-B"), "timestamps": [False]},
    {**passes(level="XAdES-BASELINE-B"), "timestamps": [False]},
)
def archive_timestamps_exchanged() -> str:
    """Two signatures whose archive timestamps are over each other's data."""
    made = []
    for id_, by in (("s1", people.signer()), ("s2", people.clerk())):
        ref = reference("", canonical(RECEIPT), transforms=(transform(XPATH, PARALLEL), EXCLUSIVE), id_=f"{id_}-ref")
        made.append(xades([ref], by=by, id_=id_))
    tokens = [token(_archived(one), at=people.AT - timedelta(days=1)) for one in made]
    texts = [
        one.with_unsigned(one.stamped(stamp, name="ArchiveTimeStamp", prefix="xades141"))
        for one, stamp in zip(made, reversed(tokens), strict=True)
    ]
    return inserted(RECEIPT, *texts)


def _archived(made: Signed) -> bytes:
    """EN 319 132-1 §5.5.2.2 for a signature without unsigned properties: references, SignedInfo, value, KeyInfo."""
    parts = [canonical_part(made.text, f"ds:{name}") for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
    return b"".join([canonical(RECEIPT), canonical_part(made.text, ".//xades:SignedProperties"), *parts])


@case(broken("HASH_FAILURE"))
def reference_type_of_another() -> str:
    """A second reference of the type SignedProperties to the same properties, with a digest of others."""
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    forged = reference("#s-signed", b"others", kind=SIGNED_PROPERTIES)
    return inserted(RECEIPT, xades([ref, forged], by=people.signer()).text)


@case(unsettled("NO_SIGNING_CERTIFICATE_FOUND"))
def signer_of_another_certificate_first() -> str:
    """KeyInfo begins with a certificate of the same key made out to nobody: the properties name the true one, and only
    that counts."""
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    twin = people.twin()
    return inserted(RECEIPT, xades([ref], by=people.signer(), keys=key_info(twin.der)).text)


@case(passes(scope="PARTIAL"))
def content_beside_the_objects() -> str:
    """An element that XMLDSig does not know, put into an enveloping signature: it was not signed, so it is not all."""
    object_ = f'<ds:Object xmlns:ds="{DS}" Id="content">{RECEIPT}</ds:Object>'
    made = xades([reference("#content", canonical(object_), id_="s-ref")], by=people.signer(), objects=object_).text
    return made.replace("</ds:Signature>", '<pay xmlns="urn:kyso:demo">nine</pay></ds:Signature>')
