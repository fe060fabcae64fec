"""Certificates that RFC 5280 §6.1 lets pass or leaves open, and the default policy does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asn1crypto import core, keys, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec

from tests.unit.verify.forge import (
    WITHOUT_REVOCATION,
    Extension,
    Forged,
    access,
    forge,
    judged,
    purposes,
    spki,
    told,
)
from tests.unit.verify.world import DEFAULT, NOW, rsa_key
from verify import policy
from verify.certificate_rules import RULES

pytestmark = pytest.mark.judging

ROOT = forge("Root", ca=True)
CA = forge("CA", issuer=ROOT, ca=True)
USAGE, BASIC, ALTERNATIVE = "2.5.29.15", "2.5.29.19", "2.5.29.17"
OWN_KEY, ISSUER_KEY = "2.5.29.14", "2.5.29.35"


def constraints(name: str) -> Extension:
    base = {"base": x509.GeneralName("dns_name", name)}
    return "2.5.29.30", True, x509.NameConstraints({"permitted_subtrees": [base]}).dump()


def made_optional(extension: Extension) -> Extension:
    return extension[0], False, extension[2]


def made_critical(extension: Extension) -> Extension:
    return extension[0], True, extension[2]


def basic(*, ca: bool) -> Extension:
    return BASIC, True, x509.BasicConstraints({"ca": ca}).dump()


KEY_IDENTIFIER: Extension = (OWN_KEY, True, core.OctetString(b"1" * 20).dump())
POLICY_CONSTRAINTS: Extension = ("2.5.29.36", False, x509.PolicyConstraints({"require_explicit_policy": 9}).dump())
EXPLICIT_CURVE = keys.PublicKeyInfo.load(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
EXPLICIT_CURVE["algorithm"]["parameters"] = keys.ECDomainParameters(
    "specified",
    keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": core.Integer(2**256 - 2**224 + 2**192 + 2**96 - 1)},
            "curve": {"a": b"\x01" * 32, "b": b"\x02" * 32},
            "base": b"\x04" + b"\x03" * 64,
            "order": 2**256 - 1,
        }
    ),
)

LEAVES = {
    "v1": (forge("Leaf", issuer=CA, version="v1"), "CHAIN_CONSTRAINTS_FAILURE certificate-version"),
    "serial zero": (forge("Leaf", issuer=CA, serial=0), "CHAIN_CONSTRAINTS_FAILURE certificate-serial"),
    "serial negative": (forge("Leaf", issuer=CA, serial=-5), "CHAIN_CONSTRAINTS_FAILURE certificate-serial"),
    "serial long": (forge("Leaf", issuer=CA, serial=1 << 180), "CHAIN_CONSTRAINTS_FAILURE certificate-serial"),
    "twice the same": (
        forge("Leaf", issuer=CA, extensions=[basic(ca=False), basic(ca=False)]),
        "CHAIN_CONSTRAINTS_FAILURE duplicate-extension",
    ),
    "critical access": (
        forge("Leaf", issuer=CA, extensions=[made_critical(access("http://x.test/"))]),
        "CHAIN_CONSTRAINTS_FAILURE extension-wrongly-critical",
    ),
    "name constraints": (
        forge("Leaf", issuer=CA, extensions=[constraints("x.test")]),
        "CHAIN_CONSTRAINTS_FAILURE name-constraints-in-leaf",
    ),
    "may certify": (
        forge(
            "Leaf",
            issuer=CA,
            extensions=[(USAGE, True, x509.KeyUsage({"digital_signature", "key_cert_sign"}).dump())],
        ),
        "CHAIN_CONSTRAINTS_FAILURE key-usage-without-ca",
    ),
    "no purposes": (
        forge("Leaf", issuer=CA, extensions=[purposes()]),
        "CHAIN_CONSTRAINTS_FAILURE extended-key-usage-empty",
    ),
    "nameless": (forge("", issuer=CA), "CHAIN_CONSTRAINTS_FAILURE subject-empty"),
    "a CA": (forge("Leaf", issuer=CA, ca=True), "CHAIN_CONSTRAINTS_FAILURE ca-as-signer"),
    "RSA-1024": (forge("Leaf", issuer=CA, key=rsa_key(1024)), "CRYPTO_CONSTRAINTS_FAILURE algorithm-refused"),
    "P-192": (
        forge("Leaf", issuer=CA, key=ec.generate_private_key(ec.SECP192R1())),
        "CRYPTO_CONSTRAINTS_FAILURE algorithm-refused",
    ),
    "explicit curve": (
        forge("Leaf", issuer=CA, public=EXPLICIT_CURVE.dump()),
        "CRYPTO_CONSTRAINTS_FAILURE curve-parameters",
    ),
    "SHA-1": (forge("Leaf", issuer=CA, digest=hashes.SHA1()), "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
}


def test_a_certificate_as_it_should_be() -> None:
    """The certificates of these tests pass where nothing is wrong with them."""
    assert told(judged(forge("Leaf", issuer=CA), CA, root=ROOT)) == "passed"


@pytest.mark.parametrize("wrong", LEAVES)
def test_signers_certificates_that_are_refused(wrong: str) -> None:
    """Each breaks one rule, and the verdict names it."""
    leaf, expected = LEAVES[wrong]
    assert told(judged(leaf, CA, root=ROOT)).startswith(expected)


AUTHORITIES = {
    "v1": (
        lambda: forge("CA", issuer=ROOT, ca=True, version="v1"),
        "CHAIN_CONSTRAINTS_FAILURE certificate-version",
    ),
    "no CA": (lambda: forge("CA", issuer=ROOT), "CERTIFICATE_CHAIN_GENERAL_FAILURE issuer-is-no-ca"),
    "no right": (
        lambda: forge(
            "CA", issuer=ROOT, ca=True, extensions=[(USAGE, True, x509.KeyUsage({"digital_signature"}).dump())]
        ),
        "CERTIFICATE_CHAIN_GENERAL_FAILURE issuer-key-usage",
    ),
    "optional constraints": (
        lambda: forge("CA", issuer=ROOT, ca=True, extensions=[POLICY_CONSTRAINTS]),
        "CHAIN_CONSTRAINTS_FAILURE extension-wrongly-optional",
    ),
    "unknown and critical": (
        lambda: forge("CA", issuer=ROOT, ca=True, extensions=[("1.2.3.4", True, core.Null().dump())]),
        "CERTIFICATE_CHAIN_GENERAL_FAILURE unknown-critical-extension",
    ),
    "critical key identifier": (
        lambda: forge("CA", issuer=ROOT, ca=True, extensions=[KEY_IDENTIFIER], without=[ISSUER_KEY]),
        "CHAIN_CONSTRAINTS_FAILURE extension-wrongly-critical",
    ),
    "RSA-1024": (
        lambda: forge("CA", issuer=ROOT, ca=True, key=rsa_key(1024)),
        "CRYPTO_CONSTRAINTS_FAILURE algorithm-refused",
    ),
}


@pytest.mark.parametrize("wrong", AUTHORITIES)
def test_authorities_that_are_refused(wrong: str) -> None:
    """The same for certificates of CAs."""
    make, expected = AUTHORITIES[wrong]
    authority: Forged = make()
    leaf = forge("Leaf", issuer=authority, without=[ISSUER_KEY])
    assert told(judged(leaf, authority, root=ROOT)).startswith(expected)


class TestAnchors:
    """An anchor is believed as it is; what its certificate says of those below it, and its key, count."""

    def test_weak_key(self) -> None:
        """What a key signed is worth no more than the key."""
        root = forge("Weak", ca=True, key=rsa_key(1024))
        assert told(judged(forge("Leaf", issuer=root), root=root)).startswith("CRYPTO_CONSTRAINTS_FAILURE")

    def test_no_ca(self) -> None:
        """A certificate that says it is no CA's issues nothing, whoever trusts it."""
        root = forge("Signer")
        assert told(judged(forge("Leaf", issuer=root), root=root)).endswith("issuer-is-no-ca")

    def test_trusted_itself(self) -> None:
        """A signer's certificate that is an anchor needs no CA."""
        root = forge("Signer")
        assert told(judged(root, root=root)) == "passed"

    def test_name_constraints(self) -> None:
        """An anchor that says for whom it speaks is held to it."""
        root = forge("Root", ca=True, extensions=[constraints("vn.test")])
        for host, expected in (("a.vn.test", "passed"), ("a.other.test", "name-not-permitted")):
            named = x509.GeneralNames([x509.GeneralName("dns_name", host)])
            leaf = forge("Leaf", issuer=root, extensions=[(ALTERNATIVE, False, named.dump())])
            assert told(judged(leaf, root=root)).endswith(expected)


class TestWaived:
    def test_every_code_that_is_waived_is_a_rule(self) -> None:
        """A policy that waives a rule which does not exist has a mistake in it."""
        for name in policy.names():
            assert set(policy.load(name).waived) <= {*RULES, "crl-number"}, name

    def test_default_waives_what_is_harmless(self) -> None:
        """Certificates without key identifiers are met in the field, and pass; under every rule they do not."""
        leaf = forge("Leaf", issuer=CA, without=[ISSUER_KEY])
        assert told(judged(leaf, CA, root=ROOT)) == "passed"
        strict = replace(WITHOUT_REVOCATION, waived=())
        assert told(judged(leaf, CA, root=ROOT, policy=strict)).endswith("key-identifier-missing")

    def test_default_waives_no_more_than_that(self) -> None:
        """What the default does not apply is written down here as well."""
        assert set(DEFAULT.waived) == {"basic-constraints-optional", "crl-number", "key-identifier-missing"}


class TestInherited:
    def test_dsa_is_refused_even_with_parameters_from_above(self) -> None:
        """No policy for documents knows DSA."""
        own = dsa.generate_private_key(1024)
        public = own.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        leaf = forge("Leaf", issuer=CA, public=public)
        assert told(judged(leaf, CA, root=ROOT)).startswith("CRYPTO_CONSTRAINTS_FAILURE algorithm-refused dsa")

    def test_what_was_found_out_under_one_policy_is_not_believed_under_another(self) -> None:
        """Answers are remembered for the rules that led to them, not for an object that has gone."""
        leaf = forge("Leaf", issuer=CA, key=rsa_key(1024))
        lax = replace(WITHOUT_REVOCATION, signatures={**DEFAULT.signatures, "rsassa_pkcs1v15": ((1024, None),)})
        for _ in range(2):
            assert told(judged(leaf, CA, root=ROOT, policy=lax)) == "passed"
            assert told(judged(leaf, CA, root=ROOT)) != "passed"

    def test_inputs_of_path_validation_count_each_time(self) -> None:
        """The same path passes without and fails with an explicit policy."""
        leaf = forge("Leaf", issuer=CA)
        strict = replace(WITHOUT_REVOCATION, paths=replace(WITHOUT_REVOCATION.paths, explicit_policy=True))
        for _ in range(2):
            assert told(judged(leaf, CA, root=ROOT)) == "passed"
            assert told(judged(leaf, CA, root=ROOT, policy=strict)).endswith("no-acceptable-policy")


def test_period_counts_in_whole_seconds() -> None:
    """The last second of a certificate is its own, to its end."""
    leaf = forge("Leaf", issuer=CA, end=NOW)
    assert told(judged(leaf, CA, root=ROOT, at=NOW.replace(microsecond=999_999))) == "passed"


def test_key_of_the_certificate_is_no_key_at_all() -> None:
    """A public key that cannot be read is a finding, not an error."""
    broken = bytearray(spki(CA.key))
    broken[-10:] = b"\xff" * 10
    leaf = forge("Leaf", issuer=CA, public=bytes(broken))
    assert told(judged(leaf, CA, root=ROOT)).startswith("CRYPTO_CONSTRAINTS_FAILURE algorithm-unknown")
