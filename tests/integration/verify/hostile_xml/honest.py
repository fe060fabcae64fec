"""Controls: honest signatures with the same parts that the hostile ones abuse. A reader that refuses all is no reader."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import case, passes
from tests.integration.verify.hostile_xml.making import (
    BASE64,
    COUNTERSIGNED,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    FILTER2,
    INCLUSIVE,
    INCLUSIVE11,
    MANIFEST,
    PARALLEL,
    WITH_COMMENTS,
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
    token,
    transform,
    xades,
)

RECEIPT = (
    '<receipt xmlns="urn:kyso:demo"><name>Nguyễn Văn A</name><amount Id="amount">1000000</amount>'
    "<to>Kho bạc</to></receipt>"
)
AMOUNT = '<amount xmlns="urn:kyso:demo" Id="amount">1000000</amount>'


@case(passes())
def enveloped_p256() -> str:
    """An enveloped signature over the whole document, P-256."""
    return enveloped(RECEIPT, by=people.signer())


@case(passes())
def enveloped_rsa() -> str:
    """The same with RSA."""
    return enveloped(RECEIPT, by=people.clerk())


@case(passes())
def enveloped_ed25519() -> str:
    """The same with Ed25519."""
    return enveloped(RECEIPT, by=people.officer())


@case(passes())
def enveloping() -> str:
    """The content stands in a ds:Object of the signature."""
    object_ = f'<ds:Object xmlns:ds="{DS}" Id="content">{RECEIPT}</ds:Object>'
    ref = reference("#content", canonical(object_), id_="s-ref", kind=DS + "Object")
    return xades([ref], by=people.signer(), objects=object_).text


@case(passes())
def enveloping_base64() -> str:
    """Octets in base64 within a ds:Object, digested as the octets they stand for."""
    object_ = f'<ds:Object xmlns:ds="{DS}" Id="content" Encoding="{BASE64}">{b64(b"%PDF-1.7 or anything")}</ds:Object>'
    ref = reference("#content", b"%PDF-1.7 or anything", transforms=(BASE64,), id_="s-ref")
    return xades([ref], by=people.signer(), objects=object_).text


@case(passes(scope="PARTIAL"))
def one_element() -> str:
    """A signature over one element by its Id covers that element and not the document."""
    ref = reference("#amount", canonical(AMOUNT), id_="s-ref")
    return inserted(RECEIPT, xades([ref], by=people.signer()).text)


@case(passes())
def root_by_id() -> str:
    """The root named by its Id is the whole document."""
    receipt = RECEIPT.replace("<receipt ", '<receipt Id="all" ')
    ref = reference("#all", canonical(receipt), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    return inserted(receipt, xades([ref], by=people.signer()).text)


@case(passes(), passes())
def parallel() -> str:
    """Two signatures side by side, each over all but signatures: neither breaks the other."""
    steps = (transform(XPATH, PARALLEL), EXCLUSIVE)
    made = [
        xades([reference("", canonical(RECEIPT), transforms=steps, id_=f"{id_}-ref")], by=by, id_=id_).text
        for id_, by in (("s1", people.signer()), ("s2", people.clerk()))
    ]
    return inserted(RECEIPT, *made)


@case(passes(), passes())
def parallel_by_filter2() -> str:
    """The same by the second XPath filter, as other signers write it."""
    without = f'<dsig:XPath xmlns:dsig="{FILTER2}" Filter="subtract">/descendant::ds:Signature</dsig:XPath>'
    steps = (f'<ds:Transform Algorithm="{FILTER2}">{without}</ds:Transform>', EXCLUSIVE)
    made = [
        xades([reference("", canonical(RECEIPT), transforms=steps, id_=f"{id_}-ref")], by=by, id_=id_).text
        for id_, by in (("s1", people.signer()), ("s2", people.clerk()))
    ]
    return inserted(RECEIPT, *made)


@case(passes())
def inclusive_with_language() -> str:
    """Inclusive C14N where the root has xml:lang and namespaces that everything below inherits."""
    return _inclusive(INCLUSIVE)


@case(passes())
def inclusive11_with_language() -> str:
    """The same by C14N 1.1."""
    return _inclusive(INCLUSIVE11)


def _inclusive(method: str) -> str:
    root = '<a:receipt xmlns:a="urn:a" xmlns:unused="urn:b" xml:lang="vi"><a:to>Kho bạc</a:to></a:receipt>'
    inherited = '<{0} xmlns:a="urn:a" xmlns:ds="{1}" xmlns:unused="urn:b"{2} xml:lang="vi"'
    ref = reference("", canonical(root, exclusive=False), transforms=(ENVELOPED, method), id_="s-ref")
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{method}"/><ds:SignatureMethod '
        f'Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>{ref}{{0}}</ds:SignedInfo>'
    )
    by = people.signer()
    object_ = properties(by)
    info = info.format(properties_reference(object_))
    bare = info.replace(f'<ds:SignedInfo xmlns:ds="{DS}"', inherited.format("ds:SignedInfo", DS, ""), 1)
    value = by.sign(canonical(bare, exclusive=False))
    return inserted(root, assembled(info, b64(value), key_info(by.der), object_))


@case(passes())
def comments_and_instructions() -> str:
    """Comments, CDATA, processing instructions and mixed content; comments are not signed, the rest is."""
    document = "<?go on?><!-- above --><a>x<!-- in -->y<![CDATA[<z>&]]><?stop now?><b/>tail\r\n</a><!-- below -->"
    octets = canonical(document)
    made = xades([reference("", octets, transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=people.signer())
    return document.replace("</a>", made.text + "</a>")


@case(passes())
def comments_signed() -> str:
    """A reference by XPointer to the root with a method that keeps comments: these are signed too."""
    document = "<a>x<!-- in -->y</a>"
    steps = (ENVELOPED, WITH_COMMENTS)
    ref = reference("#xpointer(/)", canonical(document, comments=True), transforms=steps, id_="s-ref")
    return inserted(document, xades([ref], by=people.signer()).text)


@case(passes(), detached={"fee.pdf": b"%PDF-1.7 fees"})
def detached_by_name() -> str:
    """Content that was handed in beside the signature, under the name that the reference has."""
    return xades([reference("fee.pdf", b"%PDF-1.7 fees", transforms=(), id_="s-ref")], by=people.signer()).text


@case(passes())
def manifest() -> str:
    """A signed manifest whose entries match."""
    entries = reference("#content", canonical(f'<ds:Object xmlns:ds="{DS}" Id="content">x</ds:Object>'))
    listed = f'<ds:Manifest xmlns:ds="{DS}" Id="list">{entries}</ds:Manifest>'
    objects = f'<ds:Object xmlns:ds="{DS}">{listed}</ds:Object><ds:Object xmlns:ds="{DS}" Id="content">x</ds:Object>'
    ref = reference("#list", canonical(listed), kind=MANIFEST, id_="s-ref")
    return xades([ref], by=people.signer(), objects=objects).text


@case(passes(level="XML-NOT-ETSI"))
def plain_xmldsig() -> str:
    """No XAdES: intact, and said to be what it is."""
    ref = reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE))
    return inserted(RECEIPT, signature([ref], by=people.signer()))


@case(passes(level="XAdES-BASELINE-T"))
def stamped() -> str:
    """A signature timestamp over this signature's value."""
    made = xades(
        [reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=people.signer()
    )
    over = canonical_part(made.text, "ds:SignatureValue")
    stamp = made.stamped(token(over, at=people.AT - timedelta(minutes=30)))
    return inserted(RECEIPT, made.with_unsigned(stamp))


@case(passes(), passes(scope="PARTIAL", parent=True))
def counter_signed() -> str:
    """A second person signs the value of the first."""
    made = xades(
        [reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=people.signer()
    )
    value = canonical_part(made.text, "ds:SignatureValue")
    ref = reference("#s-value", value, kind=COUNTERSIGNED, id_="c-ref")
    counter = xades([ref], by=people.clerk(), id_="c").text
    return inserted(RECEIPT, made.with_unsigned(f"<xades:CounterSignature>{counter}</xades:CounterSignature>"))


@case(passes())
def utf16() -> bytes:
    """A document in UTF-16 with a byte order mark."""
    document = '<?xml version="1.0" encoding="UTF-16"?>' + enveloped(RECEIPT, by=people.signer())
    return b"\xff\xfe" + document.encode("utf-16-le")


@case(passes())
def latin1() -> bytes:
    """A document in an encoding of one byte a letter."""
    root = "<a>Tiền phạt: é</a>".replace("ề", "e").replace("ạ", "a")
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>' + enveloped(root, by=people.signer()).encode("latin-1")
