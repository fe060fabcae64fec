"""A digest that is no longer believed stays so, wherever in a signature it hides."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime

import pytest
from asn1crypto import algos, cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from tests.unit.verify.world import DAY, DEFAULT, NOW, Entity, Network, World, blank_pdf
from verify import engine
from verify.report import SignatureReport

pytestmark = pytest.mark.judging


def judged(pdf: bytes, world: World) -> SignatureReport:
    report = engine.judge(io.BytesIO(pdf), name="a.pdf", trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=Network())
    (one,) = report.signatures
    return one


def encapsulated(pdf: bytes, signer: Entity) -> bytes:
    """The signature of `pdf` made anew, over the SHA-1 of the document as its content; its other digests are SHA-256."""
    start = pdf.rindex(b"/Contents <") + len(b"/Contents <")
    end = pdf.index(b">", start)
    content = hashlib.sha1(pdf[: start - 1] + pdf[end + 1 :]).digest()
    message = cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))
    info = message["content"]["signer_infos"][0]
    values = [
        {"type": one["type"].native, "values": [hashlib.sha256(content).digest()]}
        if one["type"].native == "message_digest"
        else one
        for one in info["signed_attrs"]
    ]
    attributes = cms.CMSAttributes(values)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    info["signed_attrs"] = attributes
    info["signature"] = signer.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
    message["content"]["encap_content_info"]["content"] = content
    value = message.dump(force=True).hex().encode()
    return pdf[:start] + value.ljust(end - start, b"0") + pdf[end:]


def test_a_document_bound_by_sha1_alone(world: World) -> None:
    """`adbe.pkcs7.sha1`: that the SHA-1 is signed by way of SHA-256 makes it no better."""
    pdf = world.sign(blank_pdf(), reserved=40_000)
    assert judged(pdf, world).indication == "TOTAL_PASSED"
    one = judged(encapsulated(pdf, world.signer), world)
    assert (one.intact, one.indication, one.sub_indication) == (
        True, "INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    )  # fmt: skip
    assert one.algorithms is not None
    assert one.algorithms.digest == "sha1"


class _Weak(DummyTimeStamper):
    """Signs its tokens by SHA-1, and names SHA-256 everywhere but in the signature algorithm."""

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        token = await super().async_timestamp(message_digest, md_algorithm)
        info = token["content"]["signer_infos"][0]
        tbs = b"\x31" + info["signed_attrs"].dump()[1:]  # signed as a SET OF
        assert isinstance(self.key, rsa.RSAPrivateKey)
        info["signature"] = self.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
        info["signature_algorithm"] = algos.SignedDigestAlgorithm({"algorithm": "sha1_rsa"})
        return cms.ContentInfo.load(token.dump(force=True))

    key: object = None


class _WeakWorld(World):
    def timestamper(self, when: datetime, *, tsa: Entity | None = None) -> DummyTimeStamper:
        entity = tsa or self.tsa
        stamper = _Weak(entity.asn1, entity.asn1_key, fixed_dt=when)
        stamper.key = entity.key
        return stamper


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_a_token_signed_by_sha1_proves_nothing() -> None:
    """Its imprint and content are SHA-256: what vouches for them is not."""
    world = _WeakWorld()
    one = judged(world.sign(blank_pdf(), stamped=NOW - DAY, reserved=40_000), world)
    (stamp,) = one.timestamps
    assert (stamp.intact, stamp.indication, stamp.sub_indication) == (
        True, "INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    )  # fmt: skip
    assert one.best_signature_time == NOW
