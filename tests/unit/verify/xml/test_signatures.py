"""Signatures in XML: whose key made the value, and whose certificate it is."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from tests.unit.verify.xml import peer, sealing
from tests.unit.verify.xml.enveloped import EXC, INTACT, SHA1, enveloped, judge, rsa_key_value, signer, x509
from tests.unit.verify.xml.peer import Asked
from verify.xml import names
from verify.xml.canonical import METHODS, canonical

pytestmark = pytest.mark.xades


class TestValues:
    """The mechanism is the one that is named, the key the certificate's."""

    @pytest.mark.parametrize(
        ("kind", "mechanism", "uri"),
        [
            ("rsa2048", "rsassa_pkcs1v15_sha256", f"{names.MORE}rsa-sha256"),
            ("rsa2048", "rsassa_pkcs1v15_sha512", f"{names.MORE}rsa-sha512"),
            ("rsa2048", "rsassa_pss_sha256", f"{names.MORE_2007}sha256-rsa-MGF1"),
            ("p256", "ecdsa_sha256", f"{names.MORE}ecdsa-sha256"),
            ("p384", "ecdsa_sha384", f"{names.MORE}ecdsa-sha384"),
            ("ed25519", "ed25519", "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"),
        ],
    )
    def test_each_mechanism_verifies_and_fails(self, kind, mechanism, uri):
        """A value of the right key is right; the same with one octet changed is not."""
        one = signer(kind)
        options = {"signer": one, "mechanism": mechanism}
        data = sealing.seal(enveloped(method=uri, key_info=x509(one.der)), **options)
        found = sealing.first(data)
        assert INTACT == sealing.failure(found)
        assert mechanism.removesuffix("_sha256").removesuffix("_sha384").removesuffix("_sha512") == (
            found.integrity.algorithms.signature
        )
        wrong = found.value[:-1] + bytes([found.value[-1] ^ 1])
        changed = data.replace(base64.b64encode(found.value), base64.b64encode(wrong))
        assert "SIG_CRYPTO_FAILURE" == sealing.first(changed).integrity.failure

    @pytest.mark.parametrize(
        ("parameters", "digest", "mask", "salt"),
        [
            ("", hashes.SHA256(), hashes.SHA256(), 32),
            (
                f'<p:RSAPSSParams xmlns:p="{names.MORE_2007}"><ds:DigestMethod Algorithm="{names.ENC}sha512"/>'
                f'<p:MaskGenerationFunction Algorithm="{names.MORE_2007}MGF1"><ds:DigestMethod Algorithm="{SHA1}"/>'
                "</p:MaskGenerationFunction><p:SaltLength>20</p:SaltLength><p:TrailerField>1</p:TrailerField>"
                "</p:RSAPSSParams>",
                hashes.SHA512(),
                hashes.SHA1(),
                20,
            ),
        ],
    )
    def test_parameters_of_pss_are_followed(self, parameters, digest, mask, salt):
        """RFC 9231 §2.3.9: digest, mask and salt as they are stated, else by their defaults."""
        uri = f"{names.MORE_2007}rsa-pss"
        markup = enveloped(method=uri).replace(f'"{uri}"/>', f'"{uri}">{parameters}</ds:SignatureMethod>')
        root = etree.fromstring(sealing.seal(markup, value=b"-"))
        info = root.find(f".//{sealing.DS}SignedInfo")
        made = peer.SIGNER.key.sign(canonical(info, method=METHODS[EXC]), padding.PSS(padding.MGF1(mask), salt), digest)
        root.find(f".//{sealing.DS}SignatureValue").text = base64.b64encode(made).decode()
        assert INTACT == sealing.failure(sealing.first(etree.tostring(root)))

    def test_a_shared_secret_is_no_signature(self):
        """HMAC with the public key, which everybody has, verifies for nobody."""
        uri = f"{names.MORE}hmac-sha256"
        root = etree.fromstring(sealing.seal(enveloped(method=uri), value=b"-"))
        info = root.find(f".//{sealing.DS}SignedInfo")
        secret = hmac.HMAC(peer.SIGNER.pem, hashes.SHA256())
        secret.update(canonical(info, method=METHODS[EXC]))
        root.find(f".//{sealing.DS}SignatureValue").text = base64.b64encode(secret.finalize()).decode()
        assert ("SIG_CRYPTO_FAILURE", "hmac") == sealing.failure(sealing.first(etree.tostring(root)))

    def test_a_shortened_secret_is_refused_whatever_it_is_called(self):
        """ds:HMACOutputLength has no place in a signature by a key."""
        markup = enveloped().replace(
            f'"{peer.RSA_SHA256}"/>',
            f'"{peer.RSA_SHA256}"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>',
        )
        assert ("SIG_CRYPTO_FAILURE", "hmac-length") == sealing.failure(sealing.first(sealing.seal(markup)))

    @pytest.mark.parametrize("uri", ["", "urn:none", "http://www.w3.org/2000/09/xmldsig#enveloped-signature"])
    def test_an_unknown_method_is_told(self, uri):
        """It says nothing of the value: undetermined, not failed."""
        data = sealing.seal(enveloped(method=uri))
        assert ("SIG_CRYPTO_FAILURE", "algorithm-unknown") == sealing.failure(sealing.first(data))
        assert "CRYPTO_CONSTRAINTS_FAILURE" == judge(data).signatures[0].sub_indication

    def test_a_value_that_is_no_base64_is_broken(self):
        """Nor is one with anything beside white space in it."""
        data = sealing.seal(enveloped()).replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>!")
        assert ("SIG_CRYPTO_FAILURE", "not-base64") == sealing.failure(sealing.first(data))

    def test_white_space_and_comments_are_no_part_of_a_value(self):
        """They are not, for those who canonicalise; so not for us."""
        data = sealing.seal(enveloped()).replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>\n <!--c-->\t")
        assert INTACT == sealing.failure(sealing.first(data))

    def test_a_digest_is_all_the_text_that_stands_there(self):
        """A comment in a digest does not hide the rest of it."""
        data = sealing.seal(enveloped())
        changed = data.replace(b"<ds:DigestValue>", b"<ds:DigestValue>AAAA<!---->")
        assert "HASH_FAILURE" == sealing.first(changed).integrity.failure

    def test_sha1_is_computed_for_the_policy_to_judge(self):
        """Old signatures are intact, and what they are worth is data of the policy."""
        data = sealing.seal(enveloped(Asked("", [names.ENVELOPED], digest=SHA1)))
        found = sealing.first(data)
        assert INTACT == sealing.failure(found)
        assert "sha1" == found.integrity.algorithms.digest
        assert judge(data).signatures[0].sub_indication != "HASH_FAILURE"


class TestSigner:
    """Which of the certificates signed is told by the key, and by what is signed."""

    def test_the_certificate_whose_key_verifies_is_the_signers(self):
        """In whatever order they stand."""
        one = signer("rsa2048")
        data = sealing.seal(enveloped(key_info=x509(peer.SIGNER.der, one.der)), signer=one)
        found = sealing.first(data)
        assert (INTACT, one.der) == (sealing.failure(found), found.signer)

    def test_no_certificate_and_no_key_is_nobody(self):
        """Not tampered, only without a signer."""
        data = sealing.seal(enveloped(key_info="<ds:KeyName>me</ds:KeyName>"))
        assert ("NO_SIGNING_CERTIFICATE_FOUND", "certificate-missing") == sealing.failure(sealing.first(data))
        assert "INDETERMINATE" == judge(data).signatures[0].indication

    def test_a_bare_key_makes_it_sound_and_nobodys(self):
        """The value is right by the key that is stated; whose it is nobody knows."""
        data = sealing.seal(enveloped(key_info=rsa_key_value(peer.SIGNER)))
        assert INTACT == sealing.failure(sealing.first(data))
        report = judge(data).signatures[0]
        assert ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND") == (report.indication, report.sub_indication)
        other = sealing.seal(enveloped(key_info=rsa_key_value(signer("rsa2048"))))
        assert "SIG_CRYPTO_FAILURE" != sealing.first(data).integrity.failure != sealing.first(other).integrity.failure

    def test_another_key_beside_the_certificate_verifies_nothing(self):
        """Who swaps the certificate for a victim's and states his own key is told to have done so."""
        mine = signer("rsa2048")
        data = sealing.seal(enveloped(key_info=rsa_key_value(mine) + x509(peer.SIGNER.der)), signer=mine)
        assert ("SIG_CRYPTO_FAILURE", "key-value-differs") == sealing.failure(sealing.first(data))
        assert "TOTAL_FAILED" == judge(data).verdict

    def test_another_key_beside_the_right_one_is_told(self):
        """The value is the certificate's; the signature still says two things of its key."""
        key_info = rsa_key_value(signer("rsa2048")) + x509(peer.SIGNER.der)
        found = sealing.first(sealing.seal(enveloped(key_info=key_info)))
        assert INTACT == sealing.failure(found)
        assert ("key-value-differs",) == found.constraints

    def test_the_same_key_beside_the_certificate_is_nothing_to_tell(self):
        found = sealing.first(sealing.seal(enveloped(key_info=rsa_key_value(peer.SIGNER) + x509(peer.SIGNER.der))))
        assert (INTACT, ()) == (sealing.failure(found), found.constraints)


def test_parallel_signatures_are_found_and_leave_each_other_valid():
    """Each by the filter that leaves out all of them; names that two have are told apart."""
    asked = Asked("", [peer.xpath("not(ancestor-or-self::ds:Signature)"), EXC])
    data = sealing.seal(f"<root>x{peer.template(asked)}{peer.template(asked)}</root>")
    found = sealing.read(data).signatures
    assert [("sig", INTACT), ("sig~2", INTACT)] == [(one.id, sealing.failure(one)) for one in found]


def test_a_report_tells_references_and_scope():
    """Plain XMLDSig is judged by the same engine: its format, its level, a check for each reference."""
    report = judge(sealing.seal(enveloped()))
    (one,) = report.signatures
    assert ("XML", "XMLDSIG", "XML-NOT-ETSI", True) == (report.document.format, one.format, one.level, one.intact)
    assert ["PASSED"] == [check.outcome for check in one.checks if check.code == "REFERENCE"]
    assert ["PASSED"] == [check.outcome for check in one.checks if check.code == "SCOPE"]


def test_a_changed_document_has_failed():
    """One letter of the content."""
    report = judge(sealing.seal(enveloped()).replace(b"<data>x<", b"<data>y<"))
    assert ("TOTAL_FAILED", "HASH_FAILURE") == (report.verdict, report.signatures[0].sub_indication)


def test_a_document_without_signatures_passes_nothing():
    assert "NO_SIGNATURE" == judge(b"<root/>").verdict
