"""Qualifying properties: whose they are, what they say, and which certificate they name."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

import pytest
from asn1crypto import tsp
from asn1crypto import x509 as asn1
from lxml import etree

from tests.unit.verify.xml import xades
from tests.unit.verify.xml.xades import certificate_v1, certificate_v2, data_of, found, signature, signed_properties
from verify.asn1 import raw
from verify.xml import issuer_names, names, profile, signers, stored
from verify.xml.properties import Properties, read

pytestmark = pytest.mark.xades

TIME = "<xades:SigningTime>2026-11-22T09:00:00+07:00</xades:SigningTime>"
FORMAT = (
    '<xades:DataObjectFormat ObjectReference="#r0"><xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat>'
)


def properties(element: etree._Element) -> Properties:
    return read(element, digested=[found(element, "SignedProperties")])


def profile_of(element: etree._Element, *, signer: bytes, manifest: tuple[str, ...] = ()) -> profile.Profile:
    given = properties(element)
    store = stored.read(element, given, base=0)
    return profile.of(
        element,
        given,
        data=data_of(element),
        manifest_ids=manifest,
        binding=signers.binding(given, signer, key_info_signed=False),
        signer_in_key_info=signer in store.key_info,
    )


def test_only_what_a_reference_digested_is_read() -> None:
    """Signed properties that look like those which were digested, but are another element, say nothing."""
    element = signature(signed_properties(TIME))
    twin = copy.deepcopy(found(element, "SignedProperties"))
    assert properties(element).signing_time == datetime(2026, 11, 22, 2, tzinfo=UTC)
    wrapped = read(element, digested=[twin])
    assert wrapped.signing_time is None
    assert wrapped.signed is None
    assert "signed-properties-not-signed" in wrapped.faults


def test_properties_for_another_signature_are_not_read() -> None:
    """Target must name this signature (EN 319 132-1 §4.3.1)."""
    other = properties(signature(signed_properties(TIME), target="#other"))
    assert (other.present, other.signing_time, other.faults) == (False, None, ("target-elsewhere",))


def test_of_two_holders_the_digested_one_counts_and_is_noted() -> None:
    """A second QualifyingProperties is a fault, whatever stands in it; the digested one is still the one that is read."""
    second = (
        f'<ds:Object><xades:QualifyingProperties Target="#sig">{signed_properties("", id_="x")}'
        "</xades:QualifyingProperties></ds:Object>"
    )
    given = properties(signature(signed_properties(TIME), further=second))
    assert given.signing_time is not None
    assert set(given.faults) == {"qualifying-properties-repeated", "signed-properties-repeated"}


def test_a_signature_without_properties_has_none() -> None:
    """Plain XMLDSig: nothing is present and nothing is wrong."""
    element = etree.fromstring(f'<Signature xmlns="{names.DS}"/>')
    assert read(element, digested=()) == Properties()


def test_a_comment_does_not_part_a_text() -> None:
    """Canonical forms leave comments out, so a text in which somebody puts one is still signed, and is one text."""
    der = xades.signer().der
    text = certificate_v2(der).replace("</ds:DigestValue>", "<!-- x --></ds:DigestValue>")
    digest = text.index("<ds:DigestValue>") + len("<ds:DigestValue>") + 4
    parted = text[:digest] + "<!-- y -->" + text[digest:]
    assert signers.binding(properties(signature(signed_properties(parted))), der, key_info_signed=False) == "matched"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2026-11-22T02:00:00Z", datetime(2026, 11, 22, 2, tzinfo=UTC)),
        (" 2026-11-22T02:00:00.1234567+07:00 ", datetime(2026, 11, 21, 19, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T02:00:00", datetime(2026, 11, 22, 2, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_signing_times(stated: str, expected: datetime | None) -> None:
    """xsd:dateTime with and without a zone; anything else is no time."""
    element = signature(signed_properties(f"<xades:SigningTime>{stated}</xades:SigningTime>"))
    assert properties(element).signing_time == expected


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "Cấp chứng thư\\, thử",
        "OU=Q,  CN=Cấp chứng thư\\, thử , O=A;B",
        "C=VN",
    ],
)
def test_another_issuer_is_another_certificate(stated: str) -> None:
    """A name that is not the issuer's, or none at all, does not match."""
    issuer = asn1.Name.build({"common_name": "Cấp chứng thư, thử"})
    assert not issuer_names.same(stated, issuer)


@pytest.mark.parametrize(
    "stated",
    [
        "CN=Cấp chứng thư\\, thử",
        "cn = CẤP  CHỨNG THƯ\\, THỬ",
        'CN="Cấp chứng thư, thử"',
        "CN=Cấp chứng thư, thử",
        "2.5.4.3=Cấp chứng thư\\, thử",
        "OID.2.5.4.3=\n  Cấp chứng thư\\2C thử\n",
        "CN=C\\E1\\BA\\A5p chứng thư\\, thử",
        "2.5.4.3=#0c19" + "Cấp chứng thư, thử".encode().hex(),
        "whatever=Cấp chứng thư\\, thử",
    ],
)
def test_an_issuer_is_known_in_every_spelling(stated: str) -> None:
    """RFC 1779, 2253 and 4514: escapes, quotes, hexadecimal, case, white space, dotted types, unescaped commas."""
    issuer = asn1.Name.build({"common_name": "Cấp chứng thư, thử"})
    size = len("Cấp chứng thư, thử".encode())
    stated = stated.replace("#0c19", f"#0c{size:02x}")
    assert issuer_names.same(stated, issuer)


def test_an_issuer_is_known_in_either_order() -> None:
    """Some write the most significant part first, RFC 4514 last."""
    name = asn1.Name.build({"country_name": "VN", "organization_name": "Cơ quan", "common_name": "CA"})
    assert issuer_names.same("CN=CA,O=Cơ quan,C=VN", name)
    assert issuer_names.same("C=VN, \n O=Cơ quan, \n CN=CA", name)
    assert not issuer_names.same("CN=CA,O=Cơ quan", name)
    assert not issuer_names.same("O=CA,CN=Cơ quan,C=VN", name)


def test_first_generation_binds_by_digest_issuer_and_serial() -> None:
    """SigningCertificate: all three must be the signer's; a serial number that is none is another's."""
    one = xades.signer()
    issuer, serial = "CN=Cấp chứng thư\\, thử,O=Cơ quan Mẫu (demo),C=VN", one.certificate.serial_number
    for stated, expected in ((serial, "matched"), (serial + 1, "mismatched"), ("...", "mismatched")):
        text = certificate_v1(one.der, issuer=issuer, serial=stated)
        given = properties(signature(signed_properties(text)))
        assert signers.binding(given, one.der, key_info_signed=False) == expected
    other = certificate_v1(one.der, issuer="CN=Ai đó", serial=serial)
    given = properties(signature(signed_properties(other)))
    assert signers.binding(given, one.der, key_info_signed=False) == "mismatched"


def test_second_generation_binds_by_digest_and_der() -> None:
    """SigningCertificateV2: IssuerSerialV2 may be missing; where it is there, it is DER and the signer's."""
    one, other = xades.signer("một"), xades.signer("hai")
    for der, expected in ((one.der, "matched"), (other.der, "mismatched")):
        parsed = asn1.Certificate.load(der)
        value = tsp.IssuerSerial(
            {
                "issuer": [asn1.GeneralName("directory_name", asn1.Name.load(raw(parsed.issuer)))],
                "serial_number": parsed.serial_number,
            }
        ).dump()
        text = certificate_v2(one.der, issuer_serial=xades.b64(value))
        given = properties(signature(signed_properties(text)))
        assert signers.binding(given, one.der, key_info_signed=False) == expected
    for stated, expected in (("", "matched"), ("...", "mismatched"), ("AAAA", "mismatched")):
        given = properties(signature(signed_properties(certificate_v2(one.der, issuer_serial=stated))))
        assert signers.binding(given, one.der, key_info_signed=False) == expected


def test_the_first_form_has_digests_in_its_own_namespace() -> None:
    """TS 101 903 V1.1.1 declares DigestMethod and DigestValue itself; in later forms those are nobody's."""
    der = xades.signer().der
    text = certificate_v2(der).replace("ds:Digest", "xades:Digest").replace("CertificateV2>", "Certificate>")
    element = signature(signed_properties(text))
    assert properties(element).certificates[0].digest is None
    oldest = etree.tostring(element).replace(names.XADES_132.encode(), names.XADES_111.encode())
    given = properties(etree.fromstring(oldest))
    assert given.version == "1.1.1"
    assert signers.binding(given, der, key_info_signed=False) == "matched"


def test_the_named_certificate_is_tried_first_wherever_it_stands() -> None:
    """The certificate that is named by digest comes before those of KeyInfo, also when it stands in CertificateValues;
    without a name KeyInfo decides, and a certificate that is only kept is nobody's signer."""
    one, other = xades.signer("một").der, xades.signer("hai").der
    named = properties(signature(signed_properties(certificate_v2(one))))
    assert list(signers.candidates(named, key_info=[other], further=[one])) == [one, other]
    nameless = properties(signature(signed_properties()))
    assert list(signers.candidates(nameless, key_info=[other], further=[one])) == [other]


def test_a_signed_key_info_names_the_signer_too() -> None:
    """EN 319 132-1 §4.1: without the property, a ds:KeyInfo that is signed itself binds the certificate in it."""
    one = xades.signer().der
    given = properties(signature(signed_properties()))
    assert signers.binding(given, one, key_info_signed=True) == "matched"
    assert signers.binding(given, one, key_info_signed=False) == "absent"


def test_what_a_signature_says_of_itself() -> None:
    """Policy, roles, place, commitment and format come out as plain values."""
    policy = (
        "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>"
        '<xades:Identifier Qualifier="OIDAsURN">urn:oid:1.2.3</xades:Identifier></xades:SigPolicyId>'
        f"<xades:SigPolicyHash>{xades.digest(b'policy')}</xades:SigPolicyHash><xades:SigPolicyQualifiers>"
        "<xades:SigPolicyQualifier><xades:SPURI>http://policy.example/</xades:SPURI></xades:SigPolicyQualifier>"
        "</xades:SigPolicyQualifiers></xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
    )
    roles = (
        "<xades:SignerRoleV2><xades:ClaimedRoles><xades:ClaimedRole> Bí thư\n chi bộ </xades:ClaimedRole>"
        "</xades:ClaimedRoles></xades:SignerRoleV2>"
    )
    place = "<xades:SignatureProductionPlaceV2><xades:City>Hà Nội</xades:City></xades:SignatureProductionPlaceV2>"
    commitment = (
        "<xades:CommitmentTypeIndication><xades:CommitmentTypeId><xades:Identifier>urn:approval</xades:Identifier>"
        "</xades:CommitmentTypeId><xades:ObjectReference>#r0</xades:ObjectReference></xades:CommitmentTypeIndication>"
    )
    given = properties(signature(signed_properties(TIME, policy, place, roles, data=[FORMAT, commitment])))
    assert given.policy is not None
    assert (given.policy.identifier, given.policy.digest_algorithm) == ("1.2.3", "sha256")
    assert given.policy.uri == "http://policy.example/"
    assert given.claimed_roles == ("Bí thư chi bộ",)
    assert given.place == (("City", "Hà Nội"),)
    assert [(one.identifier, one.references) for one in given.commitments] == [("urn:approval", ("#r0",))]
    assert [(one.reference, one.mime_type) for one in given.formats] == [("r0", "text/xml")]


def test_an_implied_policy_names_none() -> None:
    """SignaturePolicyImplied is no policy that could be known or unknown; a broken one is one that nobody knows."""
    holder = "<xades:SignaturePolicyIdentifier>{}</xades:SignaturePolicyIdentifier>"
    implied = properties(signature(signed_properties(holder.format("<xades:SignaturePolicyImplied/>"))))
    assert (implied.policy, implied.policy_implied) == (None, True)
    broken = properties(signature(signed_properties(holder.format(""))))
    assert broken.policy is not None
    assert (broken.policy.identifier, broken.policy.digest) == ("", b"")


BASELINE = {"level": profile.BASELINE, "missing": (), "short": ()}


def test_the_baseline_and_what_falls_short_of_it() -> None:
    """EN 319 132-1 §6.3: with time, certificate, KeyInfo and a described object it is baseline B; each that is missing
    makes it a BES, a policy an EPES, and a description of nothing is no profile of ETSI's."""
    der = xades.signer().der
    certificate = certificate_v2(der)

    def level(
        *signed: str, data: tuple[str, ...] = (FORMAT,), key_info: bytes | None = der
    ) -> tuple[str, tuple[str, ...]]:
        given = profile_of(signature(signed_properties(*signed, data=data), key_info=key_info), signer=der)
        return given.level, given.short

    implied = "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyImplied/></xades:SignaturePolicyIdentifier>"
    assert level(TIME, certificate) == (profile.BASELINE, ())
    assert level(certificate) == (profile.BES, ("signing-time",))
    assert level(certificate, implied) == (profile.EPES, ("signing-time",))
    assert level(TIME, certificate, key_info=None) == (profile.BES, ("key-info",))
    assert level(TIME, certificate, data=()) == (profile.BES, ("data-object-format",))
    assert level(TIME, certificate_v2(der, uri=' URI="x"')) == (profile.BES, ("signing-certificate-uri",))
    assert level(TIME) == (profile.NONE, ())
    described = FORMAT.replace("MimeType", "Description")
    assert level(TIME, certificate, data=(described,)) == (profile.BES, ("mime-type",))
    nothing = FORMAT.replace("#r0", "#r7")
    assert level(TIME, certificate, data=(nothing,)) == (profile.NONE, ("data-object-format-reference",))
    empty = '<xades:DataObjectFormat ObjectReference="#r0"/>'
    assert level(TIME, certificate, data=(empty,)) == (profile.NONE, ("data-object-format-empty",))


def test_what_is_said_twice_is_missing() -> None:
    """A property that may stand there once, and stands there twice, is a lack that acceptance weighs."""
    der = xades.signer().der
    element = signature(signed_properties(TIME, TIME, certificate_v2(der), data=[FORMAT]), key_info=der)
    assert profile_of(element, signer=der).missing == ("properties-once",)


def test_a_description_must_not_contradict_its_object() -> None:
    """§5.2.4: where the ds:Object states a MIME type, DataObjectFormat states the same."""
    der = xades.signer().der
    text = signed_properties(TIME, certificate_v2(der), data=[FORMAT])
    element = signature(text, key_info=der, objects='<ds:Object Id="o" MimeType="text/plain">A</ds:Object>')
    given = properties(element)
    data = (xades.written(b"A", id="r0", target="o"), *data_of(element)[1:])
    found_ = profile.of(element, given, data=data, manifest_ids=(), binding="matched", signer_in_key_info=True)
    assert (found_.level, found_.short) == (profile.NONE, ("data-object-format-differs",))


def test_references_in_signed_manifests_may_be_described() -> None:
    """§5.2.4: ObjectReference may name a ds:Reference of a signed manifest."""
    der = xades.signer().der
    described = FORMAT + FORMAT.replace("#r0", "#m1")
    element = signature(signed_properties(TIME, certificate_v2(der), data=[described]), key_info=der)
    assert profile_of(element, signer=der).level == profile.NONE
    assert profile_of(element, signer=der, manifest=("m1",)).level == profile.BASELINE
    assert profile_of(element, signer=der, manifest=("m1", "m2")).short == ("data-object-format",)
