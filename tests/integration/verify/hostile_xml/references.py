"""References that lead elsewhere, nowhere, or to two places at once."""

from __future__ import annotations

import hashlib

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, unsettled
from tests.integration.verify.hostile_xml.honest import AMOUNT, RECEIPT
from tests.integration.verify.hostile_xml.making import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    XADES,
    assembled,
    b64,
    canonical,
    enveloped,
    inserted,
    key_info,
    reference,
    signature,
    signed_info,
    xades,
)

NOT_FOUND = "SIGNED_DATA_NOT_FOUND"


def _to(uri: str | None, octets: bytes = b"x", *, transforms: tuple[str, ...] = ()) -> str:
    ref = reference(uri, octets, transforms=transforms, id_="s-ref")
    return inserted(RECEIPT, xades([ref], by=people.signer()).text)


@case(broken(NOT_FOUND))
def to_a_local_file() -> str:
    """A file of the machine is never opened: it would tell whether it exists and what is in it."""
    return _to("file:///etc/hostname", b"kyso\n")


@case(broken(NOT_FOUND))
def to_the_network() -> str:
    """Nothing is fetched, from wherever."""
    return _to("http://127.0.0.1:9/secret")


@case(broken(NOT_FOUND), detached={"hostname": b"kyso\n"})
def to_a_relative_path() -> str:
    """A name with a path is no name of what was handed in, however it ends."""
    return _to("../../../etc/hostname", b"kyso\n")


@case(broken(NOT_FOUND), detached={"hostname": b"kyso\n"})
def to_an_escaped_path() -> str:
    """Nor is one whose path is hidden in percent signs."""
    return _to("..%2F..%2Fetc%2Fhostname", b"kyso\n")


@case(broken("HASH_FAILURE"), detached={"fee.pdf": b"%PDF-1.7 other"})
def detached_other_content() -> str:
    """What was handed in under the right name is not what was signed."""
    return xades([reference("fee.pdf", b"%PDF-1.7 fees", transforms=(), id_="s-ref")], by=people.signer()).text


@case(broken(NOT_FOUND), detached={"other.pdf": b"%PDF-1.7 fees"})
def detached_other_name() -> str:
    """The right octets under another name: nobody said that these are meant."""
    return xades([reference("fee.pdf", b"%PDF-1.7 fees", transforms=(), id_="s-ref")], by=people.signer()).text


@case(broken(NOT_FOUND))
def to_nothing() -> str:
    """An Id that nobody has."""
    return _to("#nobody", canonical(AMOUNT), transforms=(EXCLUSIVE,))


@case(broken(NOT_FOUND))
def into_another_document() -> str:
    """A fragment of another document is not the element of that name in this one."""
    return _to("other.xml#amount", canonical(AMOUNT), transforms=(EXCLUSIVE,))


@case(broken(NOT_FOUND))
def by_a_searching_pointer() -> str:
    """XPointer beyond the two forms of XMLDSig is no reference to anything."""
    return _to("#xpointer(//*[local-name()='amount'])", canonical(AMOUNT), transforms=(EXCLUSIVE,))


@case(broken(NOT_FOUND))
def without_uri() -> str:
    """A reference without URI means what an application knows; nobody told."""
    return _to(None, canonical(RECEIPT), transforms=(EXCLUSIVE,))


@case(broken(NOT_FOUND))
def to_two_elements() -> str:
    """Two elements of one Id: neither is what was signed, or either might be."""
    forged = AMOUNT.replace("1000000", "9")
    made = xades([reference("#amount", canonical(AMOUNT), id_="s-ref")], by=people.signer()).text
    return inserted(RECEIPT, forged, made)


@case(broken(NOT_FOUND))
def to_two_kinds_of_id() -> str:
    """The same where the second element is called so by xml:id."""
    forged = '<total xml:id="amount">9</total>'
    made = xades([reference("#amount", canonical(AMOUNT), id_="s-ref")], by=people.signer()).text
    return inserted(RECEIPT, forged, made)


@case(broken("FORMAT_FAILURE"))
def to_nothing_at_all() -> str:
    """No reference in SignedInfo: the value is true, and of nothing."""
    return inserted(RECEIPT, signature([], by=people.signer()))


@case(broken(NOT_FOUND))
def to_its_own_parts_only() -> str:
    """A signature over its own properties and its own key says nothing of any document: there is no signed data."""
    by = people.signer()
    keys = key_info(by.der, id_="s-keys")
    ref = reference("#s-keys", canonical(keys), id_="s-ref")
    return inserted(RECEIPT, xades([ref], by=by, keys=keys).text)


@case(broken(NOT_FOUND))
def to_its_properties_only() -> str:
    """The same with nothing but SignedProperties."""
    return inserted(RECEIPT, xades([], by=people.signer()).text)


@case(broken("HASH_FAILURE"))
def tampered_content() -> str:
    """What was signed was changed afterwards."""
    return enveloped(RECEIPT, by=people.signer()).replace("1000000", "9000000")


@case(broken("HASH_FAILURE"))
def one_of_two_tampered() -> str:
    """Of two references one does not match: the other does not make up for it."""
    refs = [
        reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref"),
        reference("#amount", canonical(AMOUNT.replace("1000000", "9"))),
    ]
    return inserted(RECEIPT, xades(refs, by=people.signer()).text)


@case(broken("HASH_FAILURE"))
def properties_tampered() -> str:
    """The signing time was changed afterwards."""
    return enveloped(RECEIPT, by=people.signer()).replace("2026-11-22T15:00:00", "2019-11-22T15:00:00")


@case(broken("SIG_CRYPTO_FAILURE"))
def digest_replaced() -> str:
    """Content and digest were changed together; the value tells."""
    made = enveloped(RECEIPT, by=people.signer()).replace("1000000", "9000000")
    digests = [b64(hashlib.sha256(canonical(one)).digest()) for one in (RECEIPT, RECEIPT.replace("1000000", "9000000"))]
    return made.replace(*digests)


@case(unsettled("SIG_CONSTRAINTS_FAILURE"))
def without_its_properties() -> str:
    """XAdES properties that no reference covers are claims of anybody: what they say is not believed."""
    by = people.signer()
    made = xades([reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=by)
    info = signed_info([reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")])
    return inserted(
        RECEIPT,
        assembled(info, b64(by.sign(canonical(info))), key_info(by.der), made.properties.replace("15:00", "01:00")),
    )


@case(broken(NOT_FOUND))
def properties_that_are_content() -> str:
    """A reference of the type SignedProperties leads to the content instead: no properties were signed."""
    by = people.signer()
    content = f'<x xmlns="{XADES}" Id="amount">1</x>'
    refs = [reference("#amount", canonical(content), id_="s-ref", kind="http://uri.etsi.org/01903#SignedProperties")]
    made = xades([reference("", b"", id_="s-ref")], by=by)
    info = signed_info(refs)
    text = assembled(info, b64(by.sign(canonical(info))), key_info(by.der), made.properties)
    return f"<r>{content}{text}</r>"


@case(broken("HASH_FAILURE"), broken("FORMAT_FAILURE"))
def enveloped_elsewhere() -> str:
    """The enveloped transform leaves out the signature it stands in, not some other one."""
    by = people.signer()
    other = f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo/>forged</ds:Signature>'
    made = enveloped(RECEIPT, by=by)
    return inserted(made, other)
