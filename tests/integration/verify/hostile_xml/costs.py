"""Little that asks for much: parts whose numbers multiply, and text that becomes more when it is read."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.case import broken, case, passes, unsettled
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    FILTER2,
    RSA,
    XPATH,
    Signed,
    assembled,
    b64,
    canonical,
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
SMALL = '<x Id="small"></x>'
HOLDER = RECEIPT.replace("</receipt>", '<x xmlns="" Id="small"/></receipt>')


def _whole(root: str = RECEIPT) -> str:
    return reference("", canonical(root), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")


def _signed(*further: str) -> Signed:
    return xades([_whole(HOLDER), *further], by=people.signer())


def _small(count: int) -> list[str]:
    return [reference("#small", canonical(SMALL), id_=f"r{number}") for number in range(count)]


def _with(object_: str, *further: str, root: str = RECEIPT, keys: str | None = None) -> str:
    """An honest signature with these properties."""
    by = people.signer()
    info = signed_info([_whole(root), *further, properties_reference(object_)])
    return inserted(root, assembled(info, b64(by.sign(canonical(info))), keys or key_info(by.der), object_))


@case(broken("SIG_CRYPTO_FAILURE"), large=True)
def value_whose_letters_stand_apart() -> str:
    """Fifteen million words of base64, each of which would be an object of its own when they are split."""
    return inserted(HOLDER, _signed().text).replace('Id="s-value">', 'Id="s-value">' + "AA " * 15_000_000)


@case(broken(NOT_FOUND), large=True)
def filter_of_many_conditions() -> str:
    """A thousand conditions, each of which would be looked for in the whole document."""
    root = f"<r>{''.join(f'<a{number}></a{number}>' for number in range(20_000))}</r>"
    expression = " and ".join(f"not(ancestor-or-self::a{number})" for number in range(10_000))
    step = transform(XPATH, f"<ds:XPath>{expression}</ds:XPath>")
    return inserted(root, xades([reference("", b"x", transforms=(step,))], by=people.signer()).text)


@case(broken(NOT_FOUND), large=True)
def many_filters() -> str:
    """The same with the second filter, in one transform."""
    root = f"<r>{''.join(f'<a{number}></a{number}>' for number in range(20_000))}</r>"
    paths = "".join(f'<f:XPath xmlns:f="{FILTER2}" Filter="subtract">//a{number}</f:XPath>' for number in range(10_000))
    step = transform(FILTER2, paths)
    return inserted(root, xades([reference("", b"x", transforms=(step,))], by=people.signer()).text)


@case(broken("HASH_FAILURE"), large=True)
def deep_choice_with_gaps() -> str:
    """Five hundred elements chosen, a part of each left out, 240 levels down, in forty references."""
    parts = "<a><b>x</b></a>" * 499
    root = f'<r xmlns="urn:r">{"<d>" * 240}{parts}{"</d>" * 240}</r>'
    expression = "ancestor-or-self::r:a and not(ancestor-or-self::r:b)"
    step = transform(XPATH, f'<ds:XPath xmlns:r="urn:r">{expression}</ds:XPath>')
    refs = [reference("", b"x", transforms=(step, EXCLUSIVE))] * 40
    return inserted(root, xades(refs, by=people.signer()).text)


@case(passes(scope="PARTIAL", level="XAdES-BES"), large=True)
def many_objects_and_many_references() -> str:
    """Two hundred thousand objects, and nine hundred references that might each mean one of them."""
    made = _signed(*_small(900)).text
    return inserted(
        HOLDER, made.replace("</ds:Signature>", f"{'<ds:Object><x/></ds:Object>' * 200_000}</ds:Signature>")
    )


@case(passes(level="XAdES-BES"), large=True)
def many_formats_and_many_references() -> str:
    """Two hundred thousand descriptions of what nine hundred references mean."""
    one = '<xades:DataObjectFormat ObjectReference="#r0"><xades:MimeType>a/b</xades:MimeType></xades:DataObjectFormat>'
    begin = "<xades:SignedDataObjectProperties>"
    object_ = properties(people.signer()).replace(begin, begin + one * 200_000)
    return _with(object_, *_small(900), root=HOLDER)


@case(passes(), large=True)
def many_certificates_of_many_names() -> str:
    """Ten thousand digests of certificates in the properties, and three thousand certificates beside the value."""
    object_ = properties(people.signer())
    begin, end = object_.index("<xades:Cert>"), object_.index("</xades:Cert>") + len("</xades:Cert>")
    other = object_[begin:end].replace("IssuerSerialV2", "Other")
    object_ = object_[:begin] + other * 10_000 + object_[begin:]
    der = people.signer().der
    keys = key_info(der, *(der[:-2] + number.to_bytes(2) for number in range(3_000)))
    return _with(object_, keys=keys)


@case(broken("NO_SIGNING_CERTIFICATE_FOUND"), large=True)
def many_slow_keys() -> str:
    """Ten thousand RSA keys of 3,072 bits whose exponents are as long, and no certificate."""
    modulus = people.rsa_key("clerk").public_key().public_numbers().n ** 2 >> 1024 | 1
    numbers = [(one & (1 << 3072) - 1).to_bytes(384) for one in (modulus | 1 << 3071, (modulus >> 2) | 1)]
    n, e = map(b64, numbers)
    key = f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{n}</ds:Modulus><ds:Exponent>{e}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"
    info = signed_info([_whole()], method=RSA)
    keys = f'<ds:KeyInfo xmlns:ds="{DS}">{key * 10_000}</ds:KeyInfo>'
    return inserted(RECEIPT, assembled(info, b64(numbers[0][:-1] + b"\x00"), keys))


@case({**passes(), "timestamps": [False] * 3}, large=True)
def timestamps_that_name_much() -> str:
    """Archive timestamps which say of one small property two hundred thousand times that they are over it."""
    stamp = _signed().stamped(token(b"x", at=people.AT - timedelta(days=1)), name="ArchiveTimeStamp", prefix="xades141")
    stamp = stamp.replace("<ds:Canon", '<xades:Include URI="#z"/>' * 200_000 + "<ds:Canon", 1)
    return inserted(HOLDER, _signed().with_unsigned('<xades:Small Id="z"></xades:Small>' + stamp * 3))


@case(refused="document-too-complex", large=True)
def two_million_references() -> str:
    """A SignedInfo of two million references: counted no further than they may be."""
    made = _signed().text
    return inserted(HOLDER, made.replace("</ds:SignedInfo>", f"{'<ds:Reference/>' * 2_000_000}</ds:SignedInfo>"))


@case(refused="document-too-complex", large=True)
def references_that_nobody_follows() -> str:
    """The same somewhere in the content, each to an Id of its own that would be looked for."""
    content = "".join(f'<ds:Reference URI="#{number}"/>' for number in range(300_000))
    root = f'<r xmlns:ds="{DS}">{content}</r>'
    return inserted(root, xades([reference("", b"x"), *_small(1)], by=people.signer()).text)


@case(unsettled("SIG_CONSTRAINTS_FAILURE"), large=True)
def a_million_unsigned_properties() -> str:
    """Nobody needs more than a few dozen; what is behind the first thousands is not looked at, and that is told."""
    return inserted(HOLDER, _signed().with_unsigned("<xades:Small/>" * 1_000_000))


@case(passes(), large=True)
def a_role_of_many_words() -> str:
    """A claim of fifteen million words: the report has its beginning."""
    end = "</xades:SignedSignatureProperties>"
    role = f"<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>{'aa ' * 15_000_000}</xades:ClaimedRole></xades:ClaimedRoles></xades:SignerRole>"
    return _with(properties(people.signer()).replace(end, role + end))


@case(broken(NOT_FOUND), large=True)
def a_list_of_many_prefixes() -> str:
    """Five million prefixes for exclusive canonicalisation."""
    listed = f'<e:InclusiveNamespaces xmlns:e="{EXCLUSIVE}" PrefixList="{"aa " * 5_000_000}"/>'
    return inserted(
        RECEIPT, xades([reference("", b"x", transforms=(transform(EXCLUSIVE, listed),))], by=people.signer()).text
    )
