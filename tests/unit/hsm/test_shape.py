"""What the keeper signs, and that nothing else passes for it."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.errors import ShapeRefused
from hsm.keys import Mechanism
from hsm.shape import LARGEST, Shape, recognise
from tests.hsm_support import OID_DATA, OID_TST_INFO, attribute, signed_attributes, tlv

pytestmark = pytest.mark.spine

CONTENT_TYPE = attribute(bytes.fromhex("2a864886f70d010903"), tlv(0x06, OID_DATA))
MESSAGE_DIGEST = attribute(bytes.fromhex("2a864886f70d010904"), tlv(0x04, bytes(32)))
DS = b"http://www.w3.org/2000/09/xmldsig#"
SIGNED_INFO = (
    b'<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
    b'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>\n'
    b'<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"></ds:SignatureMethod>'
    b'<ds:Reference URI=""><ds:Transforms>'
    b'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>'
    b'<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>'
    b'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
    b"<ds:DigestValue>" + base64.b64encode(bytes(32)) + b"</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)


def refused(tbs: bytes, *shapes: Shape, mechanism: Mechanism = "ecdsa_sha256") -> str:
    """The reason why the bytes are refused."""
    with pytest.raises(ShapeRefused) as caught:
        recognise(tbs, shapes=shapes or ("signed-attributes", "signed-info"), mechanism=mechanism)
    return str(caught.value)


def test_signed_attributes_are_recognised() -> None:
    """What a CMS signer makes is signed."""
    assert recognise(signed_attributes(b"x"), shapes=("signed-attributes",), mechanism="ecdsa_sha256")


def test_a_sealing_key_makes_no_timestamps_and_a_timestamping_key_no_seals() -> None:
    """The content type decides which keys may sign the attributes."""
    stamp = signed_attributes(b"x", content=OID_TST_INFO)
    assert recognise(stamp, shapes=("tst-attributes",), mechanism="ecdsa_sha256") == "tst-attributes"
    assert "content-type" in refused(stamp, "signed-attributes")
    assert "content-type" in refused(signed_attributes(b"x"), "tst-attributes")


@pytest.mark.parametrize(
    ("tbs", "reason"),
    [
        (b"", "neither"),
        (b"hello", "neither"),
        (tlv(0x31, b""), "no content-type"),
        (tlv(0x31, CONTENT_TYPE), "no message-digest"),
        (tlv(0x31, MESSAGE_DIGEST), "no content-type"),
        (tlv(0x31, MESSAGE_DIGEST + CONTENT_TYPE), "DER order"),
        (tlv(0x31, CONTENT_TYPE + CONTENT_TYPE + MESSAGE_DIGEST), "twice"),
        (tlv(0x31, CONTENT_TYPE + MESSAGE_DIGEST) + b"\0", "after the end"),
        (tlv(0x30, CONTENT_TYPE + MESSAGE_DIGEST), "neither"),
        (b"\x31\x80" + CONTENT_TYPE + MESSAGE_DIGEST + b"\0\0", "length"),
        (b"\x31\x82\x00" + bytes([len(CONTENT_TYPE + MESSAGE_DIGEST)]) + CONTENT_TYPE + MESSAGE_DIGEST, "minimal"),
        (tlv(0x31, CONTENT_TYPE + attribute(bytes.fromhex("2a864886f70d010904"), tlv(0x04, bytes(20)))), "SHA-2"),
        (tlv(0x31, CONTENT_TYPE + MESSAGE_DIGEST)[:-1], "frame"),
        (tlv(0x31, CONTENT_TYPE + MESSAGE_DIGEST + tlv(0x30, tlv(0x06, b"\x2b") + tlv(0x31, b""))), "DER order|value"),
    ],
)
def test_other_der_is_refused(tbs: bytes, reason: str) -> None:
    """Each way to deviate from DER SignedAttributes is a refusal."""
    said = refused(tbs)
    assert any(r in said for r in reason.split("|")), said


def test_deep_nesting_is_refused() -> None:
    """An attribute nested a thousand deep costs no recursion error."""
    deep = b"\x05\x00"
    for _ in range(1000):
        deep = tlv(0x30, deep)
    attributes = sorted([CONTENT_TYPE, MESSAGE_DIGEST, attribute(b"\x2b\x01", deep)])
    assert "deep" in refused(tlv(0x31, b"".join(attributes)))


def test_too_many_bytes_are_refused() -> None:
    """The limit holds before anything is parsed."""
    assert "more bytes" in refused(bytes(LARGEST + 1))


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_random_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    """No input makes the walk raise anything but ShapeRefused."""
    for start in (b"", b"\x31", b"<ds:SignedInfo "):
        refused(start + data)


@given(st.integers(min_value=0, max_value=len(SIGNED_INFO) - 1), st.integers(min_value=0, max_value=255))
@settings(max_examples=300)
def test_a_changed_byte_is_refused_or_is_still_one_signedinfo(position: int, octet: int) -> None:
    """What passes after a byte was changed still begins and ends as a SignedInfo in the right namespace."""
    changed = SIGNED_INFO[:position] + bytes([octet]) + SIGNED_INFO[position + 1 :]
    try:
        recognise(changed, shapes=("signed-info",), mechanism="ecdsa_sha256")
    except ShapeRefused:
        return
    assert b"SignedInfo" in changed[:20]
    assert changed.endswith(b"SignedInfo>")
    assert DS in changed


@given(st.binary(min_size=1, max_size=40), st.integers(min_value=0))
@settings(max_examples=300)
def test_der_with_spliced_bytes_is_refused_or_still_whole(junk: bytes, where: int) -> None:
    """Bytes put in anywhere never slip through beside well-formed attributes: the outer length would be wrong."""
    tbs = signed_attributes(b"x")
    where %= len(tbs) + 1
    refused(tbs[:where] + junk + tbs[where:], "signed-attributes")


def test_signedinfo_is_recognised() -> None:
    """A canonical SignedInfo is signed, with a prefix or with the default namespace."""
    assert recognise(SIGNED_INFO, shapes=("signed-info",), mechanism="ecdsa_sha256") == "signed-info"
    plain = SIGNED_INFO.replace(b"ds:", b"").replace(b"xmlns:ds", b"xmlns").replace(b":ds=", b"=")
    assert recognise(plain, shapes=("signed-info",), mechanism="ecdsa_sha256") == "signed-info"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"ecdsa-sha256", b"rsa-sha256", "SignatureMethod"),
        (DS + b'">', b'http://example.com/">', "foreign namespace"),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo>\n", "after the end"),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo><x></x>", "canonical"),
        (b"<ds:SignedInfo ", b'<?xml version="1.0"?><ds:SignedInfo ', "canonical"),
        (b"<ds:Transforms>", b"<!-- --><ds:Transforms>", "canonical"),
        (b'URI=""', b"URI=''", "canonical"),
        (b"></ds:DigestMethod>", b"/>", "canonical"),
        (b"xmlenc#sha256", b"xmldsig#sha1", "SHA-2"),
        (b"#enveloped-signature", b"#unknown", "transform"),
        (b"</ds:Reference>", b"</ds:Reference>text", "text"),
        (b"<ds:DigestValue>", b"<ds:DigestValue>AAAA", "length"),
        (b"ds:DigestMethod", b"ds:Object", "Object"),
        (b"<ds:Transforms>", b'<ds:Transforms onload="x">', "attribute"),
        (b"</ds:SignedInfo>", b"", "cut short"),
    ],
)
def test_other_xml_is_refused(old: bytes, new: bytes, reason: str) -> None:
    """Each way to deviate from a canonical SignedInfo for this mechanism is a refusal."""
    assert old in SIGNED_INFO
    assert reason in refused(SIGNED_INFO.replace(old, new))


def test_bare_digests_are_a_right_of_their_own() -> None:
    """Thirty-two bytes are refused, unless the key has that right and the mechanism that size."""
    digest = hashlib.sha256(b"unseen").digest()
    refused(digest)
    assert recognise(digest, shapes=("bare-digest",), mechanism="ecdsa_sha256") == "bare-digest"
    refused(digest, "bare-digest", mechanism="ecdsa_sha384")
    refused(digest, "bare-digest", mechanism="ed25519")
