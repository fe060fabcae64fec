"""Files at which parsers break, differ from each other, or never end."""

from __future__ import annotations

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, passes
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    INCLUSIVE,
    canonical,
    enveloped,
    inserted,
    reference,
    xades,
)

DTD = "document-doctype-refused"
MALFORMED = "document-broken"
TOO_MUCH = "document-too-complex"


def _behind(head: str, *, root: str = RECEIPT) -> str:
    return head + enveloped(root, by=people.signer())


@case(refused=DTD)
def billion_laughs() -> str:
    """Entities of entities: a kilobyte that becomes gigabytes."""
    entities = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 12))
    return _behind(f'<!DOCTYPE r [<!ENTITY l0 "ha">{entities}]>').replace("Kho bạc", "&l11;")


@case(refused=DTD)
def quadratic_entity() -> str:
    """One long entity, used often."""
    return _behind(f'<!DOCTYPE r [<!ENTITY e "{"e" * 5000}">]>').replace("Kho bạc", "&e;" * 400)


@case(refused=DTD)
def external_entity() -> str:
    """An entity that is a file of the machine."""
    return _behind('<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>').replace("Kho bạc", "&e;")


@case(refused=DTD)
def external_dtd() -> str:
    """A document type that must be fetched."""
    return _behind('<!DOCTYPE receipt SYSTEM "http://127.0.0.1:9/a.dtd">')


@case(refused=DTD)
def attribute_from_a_dtd() -> str:
    """A document type that gives elements an attribute which stands nowhere, here an Id."""
    return _behind('<!DOCTYPE r [<!ATTLIST to Id ID "amount">]>')


@case(refused=MALFORMED)
def cut_off() -> str:
    """Half a document."""
    made = enveloped(RECEIPT, by=people.signer())
    return made[: len(made) // 2]


@case(refused=MALFORMED)
def two_roots() -> str:
    """A second document behind the first."""
    return enveloped(RECEIPT, by=people.signer()) + "<receipt><amount>9000000</amount></receipt>"


@case(refused=MALFORMED)
def null_byte() -> bytes:
    """A NUL, at which a reader in C might stop."""
    return enveloped(RECEIPT, by=people.signer()).encode().replace(b"Kho", b"K\x00o")


@case(refused=MALFORMED)
def broken_utf8() -> bytes:
    """An octet that UTF-8 does not have, and an overlong `<`."""
    return enveloped(RECEIPT, by=people.signer()).encode().replace(b"Kho", b"K\xc0\xbc\xff")


@case(refused=MALFORMED)
def utf7() -> bytes:
    """UTF-7, in which mark-up can be written so that others see text."""
    head = b'<?xml version="1.0" encoding="UTF-7"?>'
    return head + enveloped(RECEIPT, by=people.signer()).encode("ascii", "xmlcharrefreplace")


@case(refused=MALFORMED)
def utf16_said_and_utf8_done() -> str:
    """The declaration contradicts the octets."""
    return _behind('<?xml version="1.0" encoding="UTF-16"?>')


@case(refused=MALFORMED)
def same_attribute_twice() -> str:
    """An attribute twice, by two prefixes of one namespace: readers would choose."""
    return _behind("").replace("<to>", '<to xmlns:a="urn:x" xmlns:b="urn:x" a:n="1" b:n="2">')


@case(passes())
def byte_order_mark() -> bytes:
    """UTF-8 with a byte order mark is UTF-8."""
    return b"\xef\xbb\xbf" + enveloped(RECEIPT, by=people.signer()).encode()


@case(passes())
def inclusions_and_stylesheets() -> str:
    """XInclude and a style sheet are not followed; they are content like any other."""
    root = (
        '<r xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/hostname" parse="text"/>'
        '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?></r>'
    )
    return enveloped(root, by=people.signer())


@case(passes())
def schema_locations() -> str:
    """Nor are places of schemas."""
    root = (
        '<r xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:a http://127.0.0.1:9/a.xsd"></r>'
    )
    return enveloped(root, by=people.signer())


@case(refused=TOO_MUCH, large=True)
def two_hundred_thousand_attributes() -> str:
    """An element with 200,000 attributes, which C14N would have to sort."""
    names = "".join(f' a{number}="x"' for number in range(200_000))
    return _behind("").replace("<to>", f"<to{names}>")


@case(refused=TOO_MUCH, large=True)
def two_thousand_namespaces() -> str:
    """Namespaces without end, each in force at every one of many elements: libxml2 would need minutes for 200 kB."""
    return _with_namespaces(2000, 2000)


@case(refused=TOO_MUCH, large=True)
def two_hundred_namespaces_and_many_elements() -> str:
    """The same with what an honest document might have of namespaces, and forty times the elements."""
    return _with_namespaces(200, 80_000)


def _with_namespaces(count: int, elements: int) -> str:
    """Signed by inclusive C14N, in the form that this gives."""
    prefixes = "".join(f' xmlns:n{number}="urn:{number}"' for number in sorted(range(count), key=str))
    item = '<x><y n1:a="1"></y></x>'
    root = f"<r{prefixes}>{item * elements}</r>"
    ref = reference("", root.encode(), transforms=(ENVELOPED, INCLUSIVE), id_="s-ref")
    return inserted(root, xades([ref], by=people.signer()).text)


@case(refused=TOO_MUCH, large=True)
def a_hundred_thousand_deep() -> str:
    """Elements 100,000 deep."""
    return _behind("").replace("Kho bạc", f"{'<d>' * 100_000}{'</d>' * 100_000}")


@case(refused=TOO_MUCH, large=True)
def ten_million_elements() -> str:
    """Forty megabytes of empty elements."""
    return _behind("").replace("Kho bạc", "<d/>" * 10_000_000)


@case(refused=TOO_MUCH, large=True)
def ten_thousand_signatures() -> str:
    """Ten thousand copies of one signature, each over the document."""
    made = enveloped(RECEIPT, by=people.signer())
    begin, end = made.index("<ds:Signature "), made.index("</ds:Signature>") + len("</ds:Signature>")
    return made.replace("</receipt>", made[begin:end] * 10_000 + "</receipt>")


@case(refused=TOO_MUCH, large=True)
def five_thousand_signatures_deep() -> str:
    """Signatures within signatures within signatures."""
    opening = f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo/><ds:Object>'
    return inserted(RECEIPT, opening * 5000 + "</ds:Object></ds:Signature>" * 5000)


@case(verdict="NO_SIGNATURE")
def signature_of_another_namespace() -> str:
    """An element called Signature that is not XMLDSig's."""
    return enveloped(RECEIPT, by=people.signer()).replace(DS, "urn:not-" + DS[7:])


@case(broken("FORMAT_FAILURE"))
def empty_signature() -> str:
    """A ds:Signature with nothing in it."""
    return inserted(RECEIPT, f'<ds:Signature xmlns:ds="{DS}"/>')


@case(passes())
def lines_of_windows() -> bytes:
    """A document whose lines end with CR LF, which a parser turns into LF: the digest is of what is parsed."""
    root = RECEIPT.replace("><", ">\n<")
    ref = reference("", canonical(root), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")
    return inserted(root, xades([ref], by=people.signer()).text).encode().replace(b"\n", b"\r\n")
