"""Transforms that make a signature cover less than it seems, run programs, or never end."""

from __future__ import annotations

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, passes
from tests.integration.verify.hostile_xml.honest import AMOUNT, RECEIPT
from tests.integration.verify.hostile_xml.making import (
    BASE64,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    FILTER2,
    INCLUSIVE,
    INCLUSIVE11,
    PARALLEL,
    WITH_COMMENTS,
    XPATH,
    XSLT,
    canonical,
    enveloped,
    inserted,
    reference,
    transform,
    xades,
)

NOT_FOUND = "SIGNED_DATA_NOT_FOUND"


def _through(*steps: str, octets: bytes, root: str = RECEIPT, uri: str = "") -> str:
    ref = reference(uri, octets, transforms=steps, id_="s-ref")
    return inserted(root, xades([ref], by=people.signer()).text)


def _xpath(expression: str, namespaces: str = f'xmlns:ds="{DS}"') -> str:
    return transform(XPATH, f"<ds:XPath {namespaces}>{expression}</ds:XPath>")


@case(broken(NOT_FOUND))
def stylesheet() -> str:
    """XSLT is a program of the signer's: it is not run, even if what it would give is known."""
    sheet = (
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        '<xsl:template match="/"><xsl:copy-of select="document(\'file:///etc/hostname\')"/></xsl:template></xsl:stylesheet>'
    )
    return _through(transform(XSLT, sheet), octets=b"")


@case(broken(NOT_FOUND))
def xpath_that_selects_nothing() -> str:
    """A filter that leaves nothing: the digest of no octets fits every document."""
    return _through(ENVELOPED, _xpath("false()"), EXCLUSIVE, octets=b"")


@case(broken(NOT_FOUND))
def xpath_that_leaves_out_content() -> str:
    """A filter that takes the amount out of what is signed, so that it can be changed."""
    without = RECEIPT.replace('<amount Id="amount">1000000</amount>', "")
    made = _through(ENVELOPED, _xpath("not(ancestor-or-self::*[@Id='amount'])"), EXCLUSIVE, octets=canonical(without))
    return made.replace("1000000", "9000000")


@case(passes(scope="PARTIAL"))
def xpath_with_another_ds() -> str:
    """The filter for parallel signatures word for word, where `ds` is a namespace of the forger's: it hides content, so it
    covers a part."""
    hidden = '<x:Signature xmlns:x="urn:evil">pay nine</x:Signature>'
    root = RECEIPT.replace("</receipt>", f"{hidden}</receipt>")
    step = _xpath("not(ancestor-or-self::ds:Signature)", 'xmlns:ds="urn:evil"').replace(
        '<ds:XPath xmlns:ds="urn:evil">', f'<d:XPath xmlns:d="{DS}" xmlns:ds="urn:evil">'
    )
    return _through(
        ENVELOPED, step.replace("</ds:XPath>", "</d:XPath>"), EXCLUSIVE, octets=canonical(RECEIPT), root=root
    )


@case(broken("FORMAT_FAILURE"), passes(), verdict="TOTAL_FAILED")
def content_that_calls_itself_signature() -> str:
    """The honest filter leaves out all that is called ds:Signature. Content that calls itself so is judged as a signature,
    and fails the document."""
    hidden = f'<ds:Signature xmlns:ds="{DS}"><pay>nine</pay></ds:Signature>'
    made = _through(transform(XPATH, PARALLEL), EXCLUSIVE, octets=canonical(RECEIPT))
    return made.replace("<name>", f"{hidden}<name>")


@case(broken(NOT_FOUND))
def xpath_here() -> str:
    """here() and whatever else is beyond the one expression that is known."""
    return _through(_xpath("count(ancestor-or-self::ds:Signature | here()) = 0"), EXCLUSIVE, octets=canonical(RECEIPT))


@case(broken(NOT_FOUND), large=True)
def xpath_huge() -> str:
    """An expression of a megabyte."""
    return _through(_xpath(" or ".join(["ancestor::ds:a//ds:b"] * 50_000)), EXCLUSIVE, octets=canonical(RECEIPT))


@case(broken(NOT_FOUND))
def xpath_exponential() -> str:
    """An expression whose work doubles with each step."""
    return _through(_xpath("count(//*" + "/..//*" * 24 + ") &gt; 0"), EXCLUSIVE, octets=canonical(RECEIPT))


@case(broken(NOT_FOUND))
def filter2_that_intersects() -> str:
    """The second filter made to select one element of many."""
    step = f'<f:XPath xmlns:f="{FILTER2}" Filter="intersect">//*[@Id="amount"]</f:XPath>'
    return _through(ENVELOPED, transform(FILTER2, step), EXCLUSIVE, octets=canonical(AMOUNT))


@case(broken(NOT_FOUND))
def unknown_transform() -> str:
    """What is not known is not skipped."""
    return _through(ENVELOPED, "urn:kyso:rot13", EXCLUSIVE, octets=canonical(RECEIPT))


@case(broken(NOT_FOUND))
def unknown_canonicalisation() -> str:
    """Nor is a canonical form that nobody wrote down."""
    return _through(ENVELOPED, "http://www.w3.org/2010/xml-c14n2", octets=canonical(RECEIPT))


@case(broken("HASH_FAILURE"))
def enveloped_of_another_element() -> str:
    """The enveloped transform on an element in which the signature does not stand takes nothing away."""
    return _through(ENVELOPED, EXCLUSIVE, octets=b"", uri="#amount")


@case(broken(NOT_FOUND))
def base64_of_what_is_none() -> str:
    """base64 of text that is none."""
    root = '<r><data Id="data">*** no base64 ***</data></r>'
    return _through(BASE64, octets=b"", root=root, uri="#data")


@case(broken(NOT_FOUND), large=True)
def ten_thousand_transforms() -> str:
    """A canonical form of a canonical form, ten thousand times."""
    return _through(ENVELOPED, *[EXCLUSIVE] * 10_000, octets=canonical(RECEIPT))


@case(refused="document-too-complex", large=True)
def ten_thousand_references() -> str:
    """Ten thousand references, each over a document of a megabyte: ten gigabytes to digest."""
    root = f"<r>{'<item>x</item>' * 70_000}</r>"
    one = reference("", canonical(root), transforms=(ENVELOPED, EXCLUSIVE))
    return inserted(root, xades([one] * 10_000, by=people.signer()).text)


@case(broken(NOT_FOUND), large=True)
def huge_prefix_list() -> str:
    """A hundred thousand prefixes that exclusive C14N is told to look for at every element."""
    listed = " ".join(f"p{number}" for number in range(100_000))
    step = transform(EXCLUSIVE, f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="{listed}"/>')
    return _through(ENVELOPED, step, octets=canonical(RECEIPT))


@case(passes())
def prefixes_that_are_none() -> str:
    """Prefixes in a list that nobody declares, twice and in odd spelling, change nothing."""
    step = transform(EXCLUSIVE, f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList=" q  q #default z:z "/>')
    return _through(ENVELOPED, step, octets=canonical(RECEIPT))


@case(passes())
def comment_put_in_later() -> str:
    """A comment put into a text afterwards is not noticed by C14N without comments, and is no content: every reader of
    the document has to read the text whole."""
    return enveloped(RECEIPT, by=people.signer()).replace("Nguyễn Văn A", "Nguyễn <!-- not signed -->Văn A")


@case(broken("HASH_FAILURE"))
def comment_put_in_later_where_signed() -> str:
    """The same where comments were signed."""
    document = "<a>xy</a>"
    ref = reference("#xpointer(/)", canonical(document), transforms=(ENVELOPED, WITH_COMMENTS), id_="s-ref")
    return inserted(document, xades([ref], by=people.signer()).text).replace(">xy<", ">x<!-- in -->y<")


@case(passes(scope="PARTIAL"))
def xml_id_by_c14n_1_0() -> str:
    """C14N 1.0 of a part inherits every xml: attribute, xml:id of the parent as well."""
    inherited = '<b xmlns="" Id="part" xml:base="http://a/" xml:id="above" xml:lang="vi">x</b>'.replace(' xmlns=""', "")
    return _of_a_part(INCLUSIVE, inherited)


@case(passes(scope="PARTIAL"))
def xml_id_by_c14n_1_1() -> str:
    """C14N 1.1 of the same part leaves xml:id where it is, and joins xml:base."""
    return _of_a_part(INCLUSIVE11, '<b Id="part" xml:base="http://a/" xml:lang="vi">x</b>')


def _of_a_part(method: str, inherited: str) -> str:
    root = '<a xml:base="http://a/" xml:id="above" xml:lang="vi"><b Id="part">x</b></a>'
    return _through(method, octets=canonical(inherited, exclusive=False), root=root, uri="#part")


@case(broken("HASH_FAILURE"))
def default_namespace_taken_away() -> str:
    """An element moved from its default namespace into none is another element."""
    made = _through(EXCLUSIVE, octets=canonical(AMOUNT), uri="#amount")
    return made.replace('<amount Id="amount">', '<amount xmlns="" Id="amount">')


@case(broken(NOT_FOUND))
def base64_of_a_canonical_form() -> str:
    """base64 out of mark-up: a lenient decoder would drop what is no letter of it, and digest next to nothing."""
    return _through(EXCLUSIVE, BASE64, octets=b"", uri="#amount")


@case(broken(NOT_FOUND))
def enveloped_after_canonicalisation() -> str:
    """A filter over what was parsed again out of a canonical form: another document than the one that is read."""
    return _through(EXCLUSIVE, ENVELOPED, EXCLUSIVE, octets=canonical(RECEIPT))
