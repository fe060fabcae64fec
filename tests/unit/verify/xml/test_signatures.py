"""Signatures in XML: whose key made the value, what is covered, and that nothing that was moved counts for what it was."""

from __future__ import annotations

import base64
import copy
import io
import random
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from tests.pki import Authority, Signer
from tests.unit.verify.xml import peer, sealing
from tests.unit.verify.xml.peer import Asked
from verify import engine, policy
from verify.fetcher import Offline
from verify.trust import Trust
from verify.xml import names
from verify.xml.canonical import METHODS, canonical

pytestmark = pytest.mark.xades

EXC = names.C14N_EXCLUSIVE
ENVELOPED = Asked("", [names.ENVELOPED, EXC])
SHA1 = f"{names.DS}sha1"
XADES = f'xmlns:xades="{names.XADES_132}"'


def signer(kind: str) -> Signer:
    return Authority.root("Gốc thử").authority("Cấp chứng thư thử").signer(f"Người ký {kind}", key=kind)


def x509(*certificates: bytes) -> str:
    held = "".join(f"<ds:X509Certificate>{base64.b64encode(one).decode()}</ds:X509Certificate>" for one in certificates)
    return f"<ds:X509Data>{held}</ds:X509Data>"


def rsa_key_value(one: Signer) -> str:
    numbers = one.key.public_key().public_numbers()
    modulus, exponent = (
        base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode() for number in (numbers.n, numbers.e)
    )
    return (
        f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>{exponent}</ds:Exponent>"
        "</ds:RSAKeyValue></ds:KeyValue>"
    )


def enveloped(*references: Asked, content: str = "<data>x</data>", **options: str) -> str:
    return f"<root>{content}{peer.template(*(references or (ENVELOPED,)), **options)}</root>"


def judge(data: bytes):
    return engine.judge(
        io.BytesIO(data),
        name="a.xml",
        trust=Trust(),
        policy=policy.load("default"),
        at=datetime(2026, 11, 22, tzinfo=UTC),
        fetcher=Offline(),
    )


INTACT = (None, "")


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


class TestScope:
    """What is covered, and whether that is all."""

    @pytest.mark.parametrize(
        ("markup", "expected"),
        [
            (enveloped(), "FULL"),
            (enveloped(Asked("", [peer.xpath("not(ancestor-or-self::ds:Signature)"), EXC])), "FULL"),
            (enveloped(Asked("#x", [EXC]), content='<a Id="x"/>'), "PARTIAL"),
            (enveloped(Asked("#x", [EXC]), content='<a Id="x"/><b>not signed</b>'), "PARTIAL"),
            (enveloped(Asked("", [names.ENVELOPED, peer.xpath("not(ancestor-or-self::data)"), EXC])), "PARTIAL"),
            (enveloped(objects="<ds:Object>not signed</ds:Object>"), "PARTIAL"),
            (enveloped(ENVELOPED, Asked("#o", [EXC]), objects='<ds:Object Id="o">signed</ds:Object>'), "FULL"),
            (f'<root Id="r"><a/>{peer.template(Asked("#r", [names.ENVELOPED, EXC]))}</root>', "FULL"),
            (peer.template(Asked("#o", [EXC]), objects='<ds:Object Id="o"><a/></ds:Object>'), "FULL"),
            (peer.template(Asked("#o", [names.BASE64]), objects='<ds:Object Id="o">QUJD</ds:Object>'), "FULL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/></ds:Object>'), "FULL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/>text</ds:Object>'), "PARTIAL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/><b/></ds:Object>'), "PARTIAL"),
            (
                peer.template(
                    Asked("#o", [names.BASE64]), objects='<ds:Object Id="o">QUJD<hidden>QUJD</hidden></ds:Object>'
                ),
                "PARTIAL",
            ),
            (peer.template(Asked("#o", [EXC]), objects='<ds:Object Id="o"/><ds:Object>more</ds:Object>'), "PARTIAL"),
        ],
    )
    def test_full_is_the_whole_document_but_for_signatures(self, markup, expected):
        """Everything else is a part, also where content hides in the signature itself."""
        found = sealing.first(sealing.seal(markup))
        assert (INTACT, expected) == (sealing.failure(found), found.scope)

    def test_a_root_that_only_keeps_signatures_is_no_content(self):
        """As in a container of signatures beside their files; any text or element in it is content."""
        files = {"a.xml": b"<a/>", "empty": b""}
        made = peer.template(Asked("a.xml"), Asked("empty"))
        for markup, expected in (
            (f"<all>\n{made}<!-- c --> </all>", "FULL"),
            (f"<all>{made}<b/></all>", "PARTIAL"),
            (f"<all>text{made}</all>", "PARTIAL"),
        ):
            found = sealing.first(sealing.seal(markup, detached=files), detached=files)
            assert (INTACT, expected) == (sealing.failure(found), found.scope)

    def test_what_is_covered_is_named(self):
        """Elements by their ids, files by their names, the document by its root."""
        asked = [Asked("#x", [EXC]), Asked("hồ sơ.pdf")]
        data = sealing.seal(enveloped(*asked, content='<a Id="x"/><b/>'), detached={"hồ sơ.pdf": b"%PDF"})
        found = sealing.first(data, detached={"hồ sơ.pdf": b"%PDF"})
        (said,) = [one.facts for one in found.checks if one.code == "SCOPE"]
        assert {"scope": "PARTIAL", "covers": "a#x, hồ sơ.pdf"} == said

    def test_a_signature_beside_its_files_covers_them(self):
        """All that it names is there: FULL. One is missing: it is not intact, and no file is covered that is not."""
        files = {"a.xml": b"<a/>", "b.bin": b"\x00"}
        data = sealing.seal(peer.template(Asked("a.xml"), Asked("b.bin")), detached=files)
        whole, lacking = sealing.first(data, detached=files), sealing.first(data, detached={"a.xml": b"<a/>"})
        assert (INTACT, "FULL") == (sealing.failure(whole), whole.scope)
        assert (("SIGNED_DATA_NOT_FOUND", "detached-missing"), "PARTIAL") == (sealing.failure(lacking), lacking.scope)

    def test_a_file_that_no_signature_names_is_told(self):
        """Who hands a file in learns that nobody signed it."""
        findings = sealing.read(sealing.seal(enveloped()), detached={"other.pdf": b"%PDF"})
        assert [("DETACHED_NOT_SIGNED", {"name": "other.pdf"})] == [(one.code, one.facts) for one in findings.warnings]


class TestWrapping:
    """What was moved is not what was signed."""

    @pytest.mark.parametrize(
        ("type_", "moved"),
        [
            (names.TYPE_OBJECT, '<ds:Object Id="t">QUJD</ds:Object>'),
            (names.TYPE_MANIFEST, '<ds:Manifest Id="t"/>'),
            (names.TYPE_SIGNATURE_PROPERTIES, '<ds:SignatureProperties Id="t"/>'),
            (names.TYPE_SIGNED_PROPERTIES, f'<xades:SignedProperties {XADES} Id="t"/>'),
            (f"{names.XADES_111}SignedProperties", f'<xades:SignedProperties {XADES} Id="t"/>'),
        ],
    )
    def test_a_part_of_the_signature_elsewhere_is_not_it(self, type_, moved):
        """A reference that means a part of the signature leads to that part, or nowhere."""
        holder = f"<ds:Object><wrapper><ds:Object>{moved}</ds:Object></wrapper></ds:Object>"
        found = sealing.first(sealing.seal(enveloped(ENVELOPED, Asked("#t", [EXC], type=type_), objects=holder)))
        assert ("SIGNED_DATA_NOT_FOUND", "stands-elsewhere") == sealing.failure(found)

    def test_content_that_was_moved_is_named_and_is_not_the_document(self):
        """The classical attack: what was signed hangs somewhere, and something else stands in its place."""
        data = sealing.seal(enveloped(Asked("#x", [EXC]), content='<order Id="x">1</order>'))
        moved = data.replace(b'<order Id="x">1</order>', b'<order Id="evil">999</order>').replace(
            b"</ds:KeyInfo>", b'</ds:KeyInfo><ds:Object><order Id="x">1</order></ds:Object>'
        )
        found = sealing.first(moved)
        assert (INTACT, "PARTIAL") == (sealing.failure(found), found.scope)

    def test_content_that_was_doubled_is_nobodys(self):
        """Nor is the first of two with one id taken, nor the last."""
        data = sealing.seal(enveloped(Asked("#x", [EXC]), content='<order Id="x">1</order>'))
        doubled = data.replace(b"<root>", b'<root><order Id="x">999</order>')
        assert ("SIGNED_DATA_NOT_FOUND", "id-ambiguous") == sealing.failure(sealing.first(doubled))

    @pytest.mark.parametrize("part", ["SignedInfo", "SignatureValue", "SignatureMethod", "CanonicalizationMethod"])
    def test_parts_that_stand_twice_or_not_at_all_are_no_signature(self, part):
        """Nobody chooses one of two."""
        root = etree.fromstring(sealing.seal(enveloped()))
        element = root.find(f".//{sealing.DS}{part}")
        element.addnext(etree.fromstring(etree.tostring(element)))
        assert ("FORMAT_FAILURE", part) == sealing.failure(sealing.first(etree.tostring(root)))
        for one in root.findall(f".//{sealing.DS}{part}"):
            one.getparent().remove(one)
        assert ("FORMAT_FAILURE", part) == sealing.failure(sealing.first(etree.tostring(root)))

    def test_a_signature_that_signs_nothing_is_none(self):
        """A ds:SignedInfo without references: an empty list is a failure, not a pass."""
        found = sealing.first(sealing.seal(enveloped().replace(ENVELOPED.markup(), "")))
        assert ("FORMAT_FAILURE", "Reference") == sealing.failure(found)


class TestManifests:
    """Lists of references that are signed as such."""

    def manifest(self, *entries: Asked) -> str:
        listed = "".join(one.markup() for one in entries)
        return f'<ds:Object><ds:Manifest Id="m">{listed}</ds:Manifest></ds:Object>'

    def test_each_entry_is_checked(self):
        """Right, missing and changed ones are told apart; only the manifest itself decides on intact."""
        entries = [Asked("a.xml", id="e1"), Asked("b.xml"), Asked("c.xml")]
        files = {"a.xml": b"<a/>", "b.xml": b"<b/>", "c.xml": b"<c/>"}
        reference = Asked("#m", [EXC], type=names.TYPE_MANIFEST)
        data = sealing.seal(peer.template(reference, objects=self.manifest(*entries)), detached=files)
        findings = sealing.read(data, detached={"a.xml": b"<a/>", "c.xml": b"<changed/>"})
        (found,) = findings.signatures
        assert INTACT == sealing.failure(found)
        assert ["", "detached-missing", "digest"] == sealing.reasons(found, "MANIFEST_ENTRY")
        assert ["MANIFEST_ENTRY_NOT_VERIFIED"] * 2 == [one.code for one in findings.warnings]
        assert (("manifest-entry",), "PARTIAL") == (found.constraints, found.scope)

    def test_missing_entries_alone_are_a_warning(self):
        """Files that are not at hand prove nothing against the signature."""
        data = sealing.seal(
            peer.template(Asked("#m", [EXC], type=names.TYPE_MANIFEST), objects=self.manifest(Asked("a.xml")))
        )
        found = sealing.first(data)
        assert (INTACT, ()) == (sealing.failure(found), found.constraints)

    def test_a_manifest_that_changed_breaks_the_signature(self):
        reference = Asked("#m", [EXC], type=names.TYPE_MANIFEST)
        data = sealing.seal(peer.template(reference, objects=self.manifest(Asked("a.xml"))))
        assert "HASH_FAILURE" == sealing.first(data.replace(b"a.xml", b"b.xml")).integrity.failure

    def test_a_manifest_that_is_not_signed_lists_nothing(self):
        """Its entries are nobody's, whatever their digests."""
        found = sealing.first(sealing.seal(enveloped(objects=self.manifest(Asked("", [names.ENVELOPED])))))
        assert [] == sealing.reasons(found, "MANIFEST_ENTRY")


class TestCounterSignatures:
    """A signature in another one's unsigned properties is over that one's value, or over nothing that counts."""

    def document(self, reference: Asked, *, extra: str = "", type_: str = "") -> str:
        counter = peer.template(reference, objects=extra, id_="counter")
        properties = (
            f'<ds:Object><xades:QualifyingProperties {XADES} Target="#main"><xades:UnsignedProperties>'
            f"<xades:UnsignedSignatureProperties><xades:CounterSignature>{counter}</xades:CounterSignature>"
            "</xades:UnsignedSignatureProperties></xades:UnsignedProperties></xades:QualifyingProperties></ds:Object>"
        )
        main = peer.template(ENVELOPED, objects=properties, id_="main")
        return f"<root>x{main.replace('<ds:SignatureValue>', '<ds:SignatureValue Id=@v@>', 1)}</root>".replace(
            "@v@", '"v"'
        )

    def sealed(self, markup: str) -> bytes:
        """The main signature first, whose value the other one is over."""
        once = sealing.seal(markup)
        return sealing.seal(once.decode())

    @pytest.mark.parametrize("type_", [None, names.TYPE_COUNTERSIGNED])
    def test_it_is_over_the_value_in_which_it_stands(self, type_):
        """With the type of the standard or without one."""
        findings = sealing.read(self.sealed(self.document(Asked("#v", [EXC], type=type_))))
        main, counter = findings.signatures
        assert (INTACT, INTACT) == (sealing.failure(main), sealing.failure(counter))
        assert ("main", "counter", "main", "PARTIAL") == (main.id, counter.id, counter.parent, counter.scope)

    def test_one_over_something_else_is_none(self):
        """Its value is right, and it says nothing of the signature in which it stands."""
        extra = '<ds:Object Id="o">QUJD</ds:Object>'
        asked = Asked("#o", [names.BASE64], type=names.TYPE_COUNTERSIGNED)
        counter = sealing.read(self.sealed(self.document(asked, extra=extra))).signatures[1]
        assert ("SIGNED_DATA_NOT_FOUND", "countersigned-value") == sealing.failure(counter)

    def test_one_over_a_value_that_was_brought_along_is_none(self):
        """A ds:SignatureValue of its own, whatever its id."""
        extra = '<ds:Object><ds:SignatureValue Id="w">QUJD</ds:SignatureValue></ds:Object>'
        counter = sealing.read(self.sealed(self.document(Asked("#w", [EXC]), extra=extra))).signatures[1]
        assert ("SIGNED_DATA_NOT_FOUND", "countersigned-value") == sealing.failure(counter)

    def test_a_signature_elsewhere_is_one_of_its_own(self):
        """In the content of another one it is nobody's counter-signature."""
        inner = peer.template(Asked("#i", [EXC]), objects='<ds:Object Id="i"/>', id_="inner")
        data = sealing.seal(peer.template(Asked("#o", [EXC]), objects=f'<ds:Object Id="o">{inner}</ds:Object>'))
        assert [("sig", None), ("inner", None)] == [(one.id, one.parent) for one in sealing.read(data).signatures]


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


def content_of(root: etree._Element) -> bytes:
    """What a reader takes from the document: all of it but the signatures; of a signature, what is in its objects."""
    method = METHODS[EXC]
    if root.tag != names.tag("ds", "Signature"):
        return canonical(root, method=method, without=list(root.iter(names.tag("ds", "Signature"))))
    inside = (one for holder in root.findall(names.tag("ds", "Object")) for one in holder)
    return b"".join(canonical(one, method=method) for one in inside)


MADE = (
    enveloped(content="<order><to>A</to><sum>1</sum></order>"),
    enveloped(
        Asked("", [peer.xpath("not(ancestor-or-self::ds:Signature)"), EXC]),
        content="<order><sum>1</sum></order><note/>",
    ),
    f'<root Id="r"><order><sum>1</sum></order>{peer.template(Asked("#r", [names.ENVELOPED, EXC]))}</root>',
    peer.template(Asked("#o", [EXC], type=names.TYPE_OBJECT), objects='<ds:Object Id="o"><sum>1</sum></ds:Object>'),
    peer.template(Asked("#i", [EXC]), objects='<ds:Object><sum Id="i">1</sum></ds:Object>'),
)


@pytest.mark.parametrize("number", range(len(MADE)))
def test_whatever_is_moved_nothing_else_is_called_signed(number):
    """Elements removed, doubled, moved, renamed, given other ids, at random: a signature that is intact and covers the
    whole document covers what was signed."""
    signed, chance = sealing.seal(MADE[number]), random.Random(number)
    expected, unharmed = content_of(etree.fromstring(signed)), 0
    for _ in range(300):
        root = etree.fromstring(signed)
        for _ in range(chance.randint(1, 3)):
            harm(root, chance)
        findings = sealing.read(etree.tostring(root))
        if any(one.integrity.intact and one.scope == "FULL" for one in findings.signatures):
            assert expected == content_of(root), etree.tostring(root)
            unharmed += 1
    assert 0 < unharmed < 300


def harm(root: etree._Element, chance: random.Random) -> None:
    elements = list(root.iter("{*}*"))
    one, other = chance.choice(elements), chance.choice(elements)
    match chance.randrange(6):
        case 0 if one.getparent() is not None:
            one.getparent().remove(one)
        case 1:
            other.append(copy.deepcopy(one))
        case 2 if one not in (other, *other.iterancestors()):
            other.insert(0, one)
        case 3:
            one.text = (one.text or "") + "x"
        case 4:
            one.set(chance.choice(["Id", "ID", "id"]), chance.choice(["o", "i", "r", "sig", "other"]))
        case 5:
            one.tag = chance.choice([other.tag, "other"])
