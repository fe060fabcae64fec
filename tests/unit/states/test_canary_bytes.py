"""The canary's bytes: DER that other libraries read, that this house's keys for documents sign, and that nobody verifies."""

from __future__ import annotations

import hashlib

import pytest
from asn1crypto import cms

from hsm import canary
from hsm.errors import ShapeRefused
from hsm.shape import DEFAULT_SHAPES, recognise
from tests.hsm_support import signed_attributes

pytestmark = pytest.mark.appliance
M = "ecdsa_sha256"


def test_another_library_reads_them_as_signed_attributes():
    """Two attributes, the second the digest of the sentence; what they are about is no content that CMS knows."""
    read = cms.CMSAttributes.load(canary.TBS, strict=True)
    found = {one["type"].native: one["values"][0] for one in read}
    assert {"content_type", "message_digest"} == set(found)
    assert canary.CONTENT_TYPE == found["content_type"].dotted
    assert hashlib.sha256(canary.SENTENCE).digest() == found["message_digest"].native
    assert canary.TBS == read.dump(force=True)


def test_keys_for_documents_sign_it_and_other_keys_do_not():
    """An authority's key signs timestamps alone, a ledger's checkpoints alone: neither has a canary."""
    assert "canary" == recognise(canary.TBS, shapes=DEFAULT_SHAPES, mechanism=M)
    assert "canary" == recognise(canary.TBS, shapes=("signed-info",), mechanism=M)
    for others in (("tst-attributes",), ("checkpoint",), ("bare-digest",), ()):
        with pytest.raises(ShapeRefused):
            recognise(canary.TBS, shapes=others, mechanism=M)


@pytest.mark.parametrize("place", range(len(canary.TBS)))
def test_nothing_that_differs_in_one_byte_is_signed(place: int):
    """A bit elsewhere is another thing: either no shape at all, or refused for its content type."""
    changed = bytearray(canary.TBS)
    changed[place] ^= 1
    with pytest.raises(ShapeRefused):
        recognise(bytes(changed), shapes=("signed-info",), mechanism=M)


def test_a_document_is_never_signed_under_the_canarys_type():
    """Signed attributes of the canary's type with a document's digest are refused by every key."""
    encoded = cms.ContentType(canary.CONTENT_TYPE).dump()[2:]
    for shapes in (DEFAULT_SHAPES, ("tst-attributes",), ("signed-attributes",)):
        with pytest.raises(ShapeRefused):
            recognise(signed_attributes(b"a contract", content=encoded), shapes=shapes, mechanism=M)
