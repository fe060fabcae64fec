"""Names of XML signatures: namespaces, and what the URIs of algorithms mean in our terms.

Only names; whether an algorithm may still be used is for `verify.policy`, and which transforms are followed for
`verify.xml.references`. Sources: W3C XMLDSig 1.1 §6, RFC 9231, EN 319 132-1.

    DIGESTS["http://www.w3.org/2001/04/xmlenc#sha256"]                     # "sha256", as in hashlib
    SIGNATURES["http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"]      # ("ecdsa", "sha384")
    tag("ds", "Reference")                                                 # "{http://…xmldsig#}Reference"
"""

from __future__ import annotations

from typing import Final, Literal

Scheme = Literal["rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519", "ed448", "dsa"]

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
DS11: Final = "http://www.w3.org/2009/xmldsig11#"
MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
MORE_2007: Final = "http://www.w3.org/2007/05/xmldsig-more#"
ENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XML: Final = "http://www.w3.org/XML/1998/namespace"
XADES_111: Final = "http://uri.etsi.org/01903/v1.1.1#"
XADES_122: Final = "http://uri.etsi.org/01903/v1.2.2#"
XADES_132: Final = "http://uri.etsi.org/01903/v1.3.2#"
XADES_141: Final = "http://uri.etsi.org/01903/v1.4.1#"
XADES_FORMS: Final = (XADES_132, XADES_122, XADES_111)
"""The namespaces in which ds:Object carries QualifyingProperties, the current one first; 1.4.1 only adds to 1.3.2."""

PREFIXES: Final = {"ds": DS, "xades": XADES_132, "xades141": XADES_141}
"""Prefixes for paths in this code; a document may use any."""

C14N_10: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
C14N_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N_10_COMMENTS: Final = f"{C14N_10}#WithComments"
C14N_11_COMMENTS: Final = f"{C14N_11}#WithComments"
C14N_EXCLUSIVE_COMMENTS: Final = f"{C14N_EXCLUSIVE}WithComments"

ENVELOPED: Final = f"{DS}enveloped-signature"
BASE64: Final = f"{DS}base64"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH_FILTER2: Final = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT: Final = "http://www.w3.org/TR/1999/REC-xslt-19991116"

TYPE_OBJECT: Final = f"{DS}Object"
TYPE_MANIFEST: Final = f"{DS}Manifest"
TYPE_SIGNATURE_PROPERTIES: Final = f"{DS}SignatureProperties"
TYPE_SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
"""The same URI in all forms from 1.2.2 on (EN 319 132-1 §4.4.2)."""
TYPES_SIGNED_PROPERTIES: Final = frozenset(
    {TYPE_SIGNED_PROPERTIES, *(f"{form}SignedProperties" for form in XADES_FORMS)}
)
"""With those that name a version: 1.1.1 asks for it, others are seen in the field."""
TYPE_COUNTERSIGNED: Final = "http://uri.etsi.org/01903#CountersignedSignature"

DIGESTS: Final[dict[str, str]] = {
    f"{MORE}md5": "md5",
    f"{DS}sha1": "sha1",
    f"{MORE}sha224": "sha224",
    f"{ENC}sha256": "sha256",
    f"{MORE}sha384": "sha384",
    f"{ENC}sha512": "sha512",
    f"{MORE_2007}sha3-224": "sha3_224",
    f"{MORE_2007}sha3-256": "sha3_256",
    f"{MORE_2007}sha3-384": "sha3_384",
    f"{MORE_2007}sha3-512": "sha3_512",
}
"""Digest URIs to the names of hashlib."""

DIGEST_URIS: Final[dict[str, str]] = {name: uri for uri, name in DIGESTS.items()}

SIGNATURES: Final[dict[str, tuple[Scheme, str | None]]] = {
    f"{DS}rsa-sha1": ("rsassa_pkcs1v15", "sha1"),
    f"{MORE}rsa-md5": ("rsassa_pkcs1v15", "md5"),
    f"{MORE}rsa-sha224": ("rsassa_pkcs1v15", "sha224"),
    f"{MORE}rsa-sha256": ("rsassa_pkcs1v15", "sha256"),
    f"{MORE}rsa-sha384": ("rsassa_pkcs1v15", "sha384"),
    f"{MORE}rsa-sha512": ("rsassa_pkcs1v15", "sha512"),
    f"{MORE_2007}rsa-pss": ("rsassa_pss", None),  # the digest stands in RSAPSSParams (RFC 9231 §2.3.9)
    f"{MORE_2007}sha1-rsa-MGF1": ("rsassa_pss", "sha1"),
    f"{MORE_2007}sha224-rsa-MGF1": ("rsassa_pss", "sha224"),
    f"{MORE_2007}sha256-rsa-MGF1": ("rsassa_pss", "sha256"),
    f"{MORE_2007}sha384-rsa-MGF1": ("rsassa_pss", "sha384"),
    f"{MORE_2007}sha512-rsa-MGF1": ("rsassa_pss", "sha512"),
    f"{MORE_2007}sha3-224-rsa-MGF1": ("rsassa_pss", "sha3_224"),
    f"{MORE_2007}sha3-256-rsa-MGF1": ("rsassa_pss", "sha3_256"),
    f"{MORE_2007}sha3-384-rsa-MGF1": ("rsassa_pss", "sha3_384"),
    f"{MORE_2007}sha3-512-rsa-MGF1": ("rsassa_pss", "sha3_512"),
    f"{MORE}ecdsa-sha1": ("ecdsa", "sha1"),
    f"{MORE}ecdsa-sha224": ("ecdsa", "sha224"),
    f"{MORE}ecdsa-sha256": ("ecdsa", "sha256"),
    f"{MORE}ecdsa-sha384": ("ecdsa", "sha384"),
    f"{MORE}ecdsa-sha512": ("ecdsa", "sha512"),
    "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-224": ("ecdsa", "sha3_224"),
    "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256": ("ecdsa", "sha3_256"),
    "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-384": ("ecdsa", "sha3_384"),
    "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-512": ("ecdsa", "sha3_512"),
    "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519": ("ed25519", "sha512"),
    "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448": ("ed448", None),
    f"{DS}dsa-sha1": ("dsa", "sha1"),
    "http://www.w3.org/2009/xmldsig11#dsa-sha256": ("dsa", "sha256"),
}
"""Signature URIs to (scheme, digest); no HMAC among them: a signature that anybody could make who verifies it is none."""

SIGNATURE_URIS: Final[dict[tuple[Scheme, str | None], str]] = {meaning: uri for uri, meaning in SIGNATURES.items()}


def is_hmac(uri: str) -> bool:
    """Whether a SignatureMethod asks for a shared secret (RFC 9231 §2.2; XMLDSig §6.3)."""
    return "hmac" in uri.lower()


def tag(prefix: str, name: str) -> str:
    """The tag of an element of the namespaces in PREFIXES, as lxml writes it."""
    return f"{{{PREFIXES[prefix]}}}{name}"
