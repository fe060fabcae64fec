"""What the timestamps of an XML signature prove, and what they do not though it stands where it might be proven."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta

import pytest

from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import (
    ENVELOPED,
    EXCLUSIVE,
    SHA256,
    Signed,
    b64,
    canonical,
    canonical_part,
    inserted,
    reference,
    token,
    xades,
)
from verify.document import Limits
from verify.found import FoundSignature, identify
from verify.xml import find

pytestmark = pytest.mark.xades

THEN = people.AT - timedelta(days=1)
LIST = people.trust().crls[0]
VALUES = (
    "<xades:RevocationValues><xades:CRLValues><xades:EncapsulatedCRLValue>"
    f"{b64(LIST)}</xades:EncapsulatedCRLValue></xades:CRLValues></xades:RevocationValues>"
)


def _signed(by: people.Person) -> Signed:
    return xades([reference("", canonical(RECEIPT), transforms=(ENVELOPED, EXCLUSIVE), id_="s-ref")], by=by)


def _found(text: str) -> FoundSignature:
    (found,) = find(io.BytesIO(inserted(RECEIPT, text).encode()), limits=Limits()).signatures
    return found


def _references(name: str) -> str:
    """References of that name to the list, in the namespace of XAdES as far as its prefix says so."""
    prefix = name.rpartition(":")[0]
    return (
        f'<{name} xmlns:{prefix}="urn:forged"><xades:CRLRefs><xades:CRLRef><xades:DigestAlgAndValue>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>'
        f"{b64(hashlib.sha256(LIST).digest())}</ds:DigestValue></xades:DigestAlgAndValue></xades:CRLRef>"
        f"</xades:CRLRefs></{name}>"
    )


def test_references_of_a_name_that_no_timestamp_is_over_prove_nothing():
    """`RefsOnlyTimeStamp` is over CompleteRevocationRefs; an element called FurtherRefs can be put before it at any time."""
    made = _signed(people.signer())
    stamp = made.stamped(token(b"", at=THEN), name="RefsOnlyTimeStamp")
    for name, expected in (("x:CompleteRevocationRefs", True), ("x:FurtherRefs", False)):
        (over,) = _found(made.with_unsigned(_references(name) + stamp + VALUES)).timestamps
        assert expected == (identify(LIST) in over.protects)


def test_a_value_that_is_not_the_signers_proves_no_certificate():
    """The value, and with it its timestamp, was copied from another signature into one that names another certificate:
    the value existed, and says nothing of that certificate."""
    mallory = people.mallory()
    true, forged = _signed(people.signer()), _signed(mallory)
    stolen = Signed(forged.text.replace(b64(forged.value), b64(true.value)), forged.properties, true.value)
    stamp = true.stamped(token(canonical_part(true.text, "ds:SignatureValue"), at=THEN))
    (honest,) = _found(forged.with_unsigned(stamp)).timestamps
    (over,) = _found(stolen.with_unsigned(stamp)).timestamps
    assert identify(mallory.der) in honest.protects
    assert {identify(true.value)} == over.protects
