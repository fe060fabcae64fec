"""The DER writer agrees with asn1crypto, which was written by somebody else."""

from __future__ import annotations

import pytest
from asn1crypto import algos, core
from hypothesis import given
from hypothesis import strategies as st

from signer import der

pytestmark = pytest.mark.spine

MECHANISMS = {
    "rsassa_pkcs1v15_sha256": ("rsassa_pkcs1v15", "sha256"),
    "rsassa_pkcs1v15_sha512": ("rsassa_pkcs1v15", "sha512"),
    "rsassa_pss_sha256": ("rsassa_pss", "sha256"),
    "rsassa_pss_sha384": ("rsassa_pss", "sha384"),
    "ecdsa_sha256": ("ecdsa", "sha256"),
    "ecdsa_sha384": ("ecdsa", "sha384"),
    "ed25519": ("ed25519", None),
}


@given(st.integers(min_value=-(2**160), max_value=2**160))
def test_integers_are_written_in_the_shortest_form(value: int):
    """Every integer, negative serial numbers included, is encoded as asn1crypto encodes it."""
    assert core.Integer(value).dump() == der.integer(value)


@given(st.binary(max_size=70_000))
def test_lengths_are_definite_and_shortest(value: bytes):
    """Short and long lengths are encoded as asn1crypto encodes them."""
    assert core.OctetString(value).dump() == der.octet_string(value)


@given(
    st.integers(0, 2),
    st.integers(0, 39),
    st.lists(st.integers(min_value=0, max_value=2**70), max_size=12),
)
def test_object_identifiers_of_any_arc(first: int, second: int, rest: list[int]):
    """Arcs of any size are written in base 128."""
    dotted = ".".join(map(str, (first, second, *rest)))
    assert core.ObjectIdentifier(dotted).dump() == der.oid(dotted)


def test_set_of_is_sorted_by_encoding():
    """DER wants the members of a SET OF in ascending order, whatever order they come in."""
    members = (b"\x04\x02bb", b"\x04\x01c", b"\x04\x02aa")
    assert b"\x31\x0b\x04\x01c\x04\x02aa\x04\x02bb" == der.set_of(*members)


@pytest.mark.parametrize(("mechanism", "expected"), MECHANISMS.items())
def test_signature_algorithms_say_what_was_done(mechanism: str, expected: tuple[str, str | None]):
    """The AlgorithmIdentifier of each mechanism is read back as the scheme and digest it stands for."""
    parsed = algos.SignedDigestAlgorithm.load(der.signature_algorithm(mechanism), strict=True)
    scheme, digest = expected
    assert scheme == parsed.signature_algo
    assert digest is None or digest == parsed.hash_algo


def test_pss_parameters_name_the_digest_everywhere():
    """PSS carries the digest, MGF1 with the same digest, and a salt as long as the digest (RFC 4056)."""
    parsed = algos.SignedDigestAlgorithm.load(der.signature_algorithm("rsassa_pss_sha384"), strict=True)
    parameters = parsed["parameters"].native
    assert "sha384" == parameters["hash_algorithm"]["algorithm"]
    assert "sha384" == parameters["mask_gen_algorithm"]["parameters"]["algorithm"]
    assert 48 == parameters["salt_length"]
