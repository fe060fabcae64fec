"""Paths: the search is bounded, the rules of our own hold, hostile certificates end in a finding."""

from __future__ import annotations

import time
from pathlib import Path as FilePath

import pytest
from asn1crypto import pem
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.verify.world import DAY, DEFAULT, NOW, Entity, World, certificate, revocation_list, rsa_key
from verify import chain, trust
from verify.errors import TrustUnusable
from verify.trust import Trust

pytestmark = pytest.mark.spine


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def rejected(entity: Entity, world: World) -> str:
    paths = list(chain.build(entity.der, pool=[world.issuing.der], trust=Trust((world.root.der,))))
    assert paths
    with pytest.raises(chain.PathRejected) as caught:
        chain.check(paths[0], policy=DEFAULT, role="signer")
    return f"{caught.value.sub_indication} {caught.value.reason}"


def test_search_among_a_hundred_intermediates_is_bounded() -> None:
    """root ← {100 CAs of one name and key, each issued by all} ← leaf: seconds, not minutes."""
    root = certificate("Root", ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    tangle = Entity(certificate("Tangle", ca=True, key=key).certificate, key)
    pool = [certificate("Tangle", issuer=tangle, ca=True, key=key).der for _ in range(100)]
    leaf = certificate("Leaf", issuer=tangle)
    start = time.process_time()
    assert list(chain.build(leaf.der, pool=pool, trust=Trust((root.der,)))) == []
    assert time.process_time() - start < 2


def test_search_among_distinct_keys_is_bounded() -> None:
    """The same with different keys that certify each other in a ring."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(12)]
    entities = [Entity(certificate("Ring", ca=True, key=key).certificate, key) for key in keys]
    pool = [certificate("Ring", issuer=issuer, ca=True, key=key).der for issuer in entities for key in keys]
    leaf = certificate("Leaf", issuer=entities[0])
    start = time.process_time()
    assert list(chain.build(leaf.der, pool=pool, trust=Trust((certificate("Root", ca=True).der,)))) == []
    assert time.process_time() - start < 2


def test_path_over_an_intermediate(world: World) -> None:
    """The pool only helps; the anchor ends the path."""
    (path,) = chain.build(world.signer.der, pool=[world.issuing.der], trust=Trust((world.root.der,)))
    assert path.subjects == ("CN=Nguyễn Văn A,C=VN", "CN=Issuing CA,C=VN", "CN=Root,C=VN")


def test_name_alone_makes_no_path(world: World) -> None:
    """A CA of the right name with another key issued nothing."""
    impostor = certificate("Issuing CA", issuer=world.root, ca=True)
    assert list(chain.build(world.signer.der, pool=[impostor.der], trust=Trust((world.root.der,)))) == []


def test_leaf_is_no_issuer(world: World) -> None:
    """What a signer's certificate issued is rejected, by us before anybody else."""
    child = certificate("Child", issuer=world.signer)
    paths = list(chain.build(child.der, pool=[world.signer.der, world.issuing.der], trust=Trust((world.root.der,))))
    with pytest.raises(chain.PathRejected):
        chain.check(paths[0], policy=DEFAULT, role="signer")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (rsa_key(1024), "CRYPTO_CONSTRAINTS_FAILURE"),
        (ec.generate_private_key(ec.SECP192R1()), "CRYPTO_CONSTRAINTS_FAILURE"),
    ],
)
def test_weak_keys(world: World, key: object, reason: str) -> None:
    """RSA below 2048 bits and P-192 are refused."""
    assert rejected(certificate("Weak", issuer=world.issuing, key=key), world).startswith(reason)  # type: ignore[arg-type]


def test_ca_as_signer(world: World) -> None:
    """A CA does not sign documents."""
    assert rejected(certificate("CA", issuer=world.issuing, ca=True), world).endswith("ca-as-signer")


@pytest.mark.parametrize("junk", [b"", b"\x30\x00", b"\x30\x82\xff\xff", b"not a certificate"])
def test_junk_in_the_pool_is_left_out(world: World, junk: bytes) -> None:
    """Unreadable certificates neither help nor harm."""
    assert list(chain.build(world.signer.der, pool=[junk, world.issuing.der], trust=Trust((world.root.der,))))
    assert list(chain.build(junk, pool=[], trust=Trust((world.root.der,)))) == []


class TestTrustFiles:
    def test_folder_with_anchors_intermediates_and_lists(self, world: World, tmp_path: FilePath) -> None:
        """PEM and DER, and a subfolder whose certificates only help."""
        (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", world.root.der))
        (tmp_path / "intermediates").mkdir()
        (tmp_path / "intermediates" / "issuing.der").write_bytes(world.issuing.der)
        (tmp_path / "list.pem").write_bytes(pem.armor("X509 CRL", revocation_list(world.root)))
        (tmp_path / "notes.txt").write_text("not read")
        loaded = trust.load([tmp_path])
        assert loaded.anchors == (world.root.der,)
        assert loaded.intermediates == (world.issuing.der,)
        assert len(loaded.crls) == 1

    @pytest.mark.parametrize(
        "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"]
    )
    def test_file_that_is_none(self, tmp_path: FilePath, content: bytes) -> None:
        """An anchor that cannot be read is refused, not skipped."""
        file = tmp_path / "anchor.pem"
        file.write_bytes(content)
        with pytest.raises(TrustUnusable):
            trust.load([file])

    def test_missing_file(self, tmp_path: FilePath) -> None:
        """So is one that is not there."""
        with pytest.raises(TrustUnusable):
            trust.load([tmp_path / "nowhere.pem"])


def test_certificates_that_were_never_valid_together(world: World) -> None:
    """A leaf that began after its CA had ended has no path."""
    ended = certificate("Ended CA", issuer=world.root, ca=True, end=NOW - 100 * DAY)
    leaf = certificate("Late", issuer=ended, begin=NOW - 50 * DAY)
    (path,) = chain.build(leaf.der, pool=[ended.der], trust=Trust((world.root.der,)))
    with pytest.raises(chain.PathRejected):
        chain.check(path, policy=DEFAULT, role="signer")
