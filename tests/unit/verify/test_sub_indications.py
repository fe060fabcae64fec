"""Every sub-indication of EN 319 102-1 §5.1.3, each reached by a signed document made for it.

`pytest -s` prints the table: sub-indication, indication, and the case that reaches it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest
from asn1crypto import algos, cms
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.sign.ades.api import CAdESSignedAttrSpec
from pyhanko.sign.ades.cades_asn1 import SignaturePolicyId, SignaturePolicyIdentifier

from tests.unit.verify.world import (
    DAY,
    DEFAULT,
    NOW,
    Entity,
    World,
    blank_pdf,
    certificate,
    ocsp_response,
    revocation_list,
    rsa_key,
)
from verify import engine, policy
from verify.fetcher import Offline
from verify.policy import Policy
from verify.report import FAILED, SignatureReport
from verify.trust import Anchor, Trust

pytestmark = [pytest.mark.spine, pytest.mark.judging]

PUBLISHED = b"The signature policy, as its publisher has it."
POLICY_OID = "1.3.6.1.4.1.99999.7"

TABLE = (
    *("FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "EXPIRED", "NOT_YET_VALID"),
    *("SIG_CONSTRAINTS_FAILURE", "CHAIN_CONSTRAINTS_FAILURE", "CERTIFICATE_CHAIN_GENERAL_FAILURE"),
    *("CRYPTO_CONSTRAINTS_FAILURE", "POLICY_PROCESSING_ERROR", "SIGNATURE_POLICY_NOT_AVAILABLE"),
    *("TIMESTAMP_ORDER_FAILURE", "NO_SIGNING_CERTIFICATE_FOUND", "NO_CERTIFICATE_CHAIN_FOUND"),
    *("NO_CERTIFICATE_CHAIN_FOUND_NO_POE", "REVOKED_NO_POE", "REVOKED_CA_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED"),
    *("OUT_OF_BOUNDS_NO_POE", "REVOCATION_OUT_OF_BOUNDS_NO_POE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "NO_POE"),
    *("TRY_LATER", "SIGNED_DATA_NOT_FOUND"),
)
"""§5.1.3, tables 5 and 6."""


@dataclass(frozen=True)
class Case:
    """A document, and what it is judged by."""

    pdf: bytes
    trust: Trust
    rules: Policy = DEFAULT
    at: datetime = NOW

    def judged(self) -> SignatureReport:
        report = engine.judge(
            io.BytesIO(self.pdf), name="a.pdf", trust=self.trust, policy=self.rules, at=self.at, fetcher=Offline()
        )
        return report.signatures[-1]


CASES: dict[str, list[Callable[[World], Case]]] = {}


def reaches(sub_indication: str) -> Callable[[Callable[[World], Case]], Callable[[World], Case]]:
    def register(make: Callable[[World], Case]) -> Callable[[World], Case]:
        CASES.setdefault(sub_indication, []).append(make)
        return make

    return register


def rules(**sections: str) -> Policy:
    """The default policy with some sections changed; each is given as TOML."""
    text = "\n".join(f"[{name}]\n{body}" for name, body in sections.items())
    return policy.parse(f'extends = "default"\nname = "changed"\n{text}\n', name="changed")


def revoked(world: World, *, when: datetime, entity: Entity | None = None) -> Trust:
    serial = (entity or world.signer).certificate.serial_number
    return world.trust(crls=(revocation_list(world.root), revocation_list(world.issuing, revoked={serial: when})))


def with_byte_range(pdf: bytes, change: Callable[[list[int]], list[int]]) -> bytes:
    """The last signature's /ByteRange rewritten in its place."""
    found = list(re.finditer(rb"/ByteRange \[([0-9 ]+)\]", pdf))[-1]
    numbers = " ".join(map(str, change([int(number) for number in found.group(1).split()])))
    room = found.end(1) - found.start(1)
    return pdf[: found.start(1)] + numbers.encode().ljust(room) + pdf[found.end(1) :]


def with_cms(pdf: bytes, change: Callable[[cms.SignedData], None]) -> bytes:
    """The last signature's CMS rewritten in its place; what is signed stays as it was."""
    found = list(re.finditer(rb"/Contents <([0-9a-fA-F]+)>", pdf))[-1]
    info = cms.ContentInfo.load(bytes.fromhex(found.group(1).decode()))
    change(info["content"])
    written = info.dump().hex().encode()
    return pdf[: found.start(1)] + written.ljust(found.end(1) - found.start(1), b"0") + pdf[found.end(1) :]


def epes(world: World) -> bytes:
    """A signature that follows a policy, named by identifier and digest."""
    digest = {
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "digest": hashlib.sha256(b"?").digest(),
    }
    identifier = SignaturePolicyIdentifier(
        name="signature_policy_id", value=SignaturePolicyId({"sig_policy_id": POLICY_OID, "sig_policy_hash": digest})
    )
    spec = CAdESSignedAttrSpec(signature_policy_identifier=identifier)
    return world.sign(blank_pdf(), cades_signed_attr_spec=spec)


@reaches("FORMAT_FAILURE")
def byte_range_that_leaves_out_the_first_byte(world: World) -> Case:
    return Case(with_byte_range(world.sign(blank_pdf()), lambda old: [1, *old[1:]]), world.trust())


@reaches("HASH_FAILURE")
def one_letter_of_the_page_changed(world: World) -> Case:
    return Case(world.sign(blank_pdf()).replace(b"(Kyso)", b"(Kysa)", 1), world.trust())


@reaches("SIG_CRYPTO_FAILURE")
def value_made_with_another_key(world: World) -> Case:
    forged = Entity(world.signer.certificate, ec.generate_private_key(ec.SECP256R1()))
    return Case(world.sign(blank_pdf(), signer=forged), world.trust())


@reaches("REVOKED")
def signed_over_a_timestamp_newer_than_the_revocation(world: World) -> Case:
    """A document timestamp that the signature covers proves that it was made later."""
    pdf = world.sign(world.timestamp(blank_pdf(), NOW - 5 * DAY))
    return Case(pdf, revoked(world, when=NOW - 10 * DAY))


@reaches("EXPIRED")
def signed_over_a_timestamp_newer_than_the_certificates_end(world: World) -> Case:
    signer = certificate("Expired", issuer=world.issuing, end=NOW - 60 * DAY)
    return Case(world.sign(world.timestamp(blank_pdf(), NOW - 30 * DAY), signer=signer), world.trust())


@reaches("NOT_YET_VALID")
def stamped_before_the_certificate_began(world: World) -> Case:
    signer = certificate("Young", issuer=world.issuing, begin=NOW - 10 * DAY)
    return Case(world.sign(blank_pdf(), signer=signer, stamped=NOW - 30 * DAY), world.trust())


@reaches("NOT_YET_VALID")
def judged_before_the_certificate_begins(world: World) -> Case:
    signer = certificate("Tomorrow", issuer=world.issuing, begin=NOW + DAY)
    return Case(world.sign(blank_pdf(), signer=signer), world.trust())


@reaches("SIG_CONSTRAINTS_FAILURE")
def no_timestamp_where_the_policy_asks_for_one(world: World) -> Case:
    return Case(world.sign(blank_pdf()), world.trust(), rules(outcomes='time_not_proven = "INDETERMINATE"'))


@reaches("CHAIN_CONSTRAINTS_FAILURE")
def signed_by_a_ca(world: World) -> Case:
    return Case(world.sign(blank_pdf(), signer=certificate("Sub CA", issuer=world.issuing, ca=True)), world.trust())


@reaches("CERTIFICATE_CHAIN_GENERAL_FAILURE")
def certificate_that_began_after_its_ca_had_ended(world: World) -> Case:
    authority = certificate("Old CA", issuer=world.root, ca=True, end=NOW - 100 * DAY)
    signer = certificate("Late", issuer=authority, begin=NOW - 50 * DAY)
    trust = Trust((world.root.der,), (authority.der,), (revocation_list(world.root), revocation_list(authority)))
    return Case(world.sign(blank_pdf(), signer=signer), trust)


@reaches("CRYPTO_CONSTRAINTS_FAILURE")
def key_of_1024_bits(world: World) -> Case:
    signer = certificate("Weak", issuer=world.issuing, key=rsa_key(1024))
    return Case(world.sign(blank_pdf(), signer=signer), world.trust())


@reaches("POLICY_PROCESSING_ERROR")
def names_another_document_than_the_policy_that_is_known(world: World) -> Case:
    known = f'known = ["{POLICY_OID} sha256:{hashlib.sha256(PUBLISHED).hexdigest()}"]'
    return Case(epes(world), world.trust(), rules(signature_policies=known))


@reaches("SIGNATURE_POLICY_NOT_AVAILABLE")
def follows_a_policy_that_nobody_here_knows(world: World) -> Case:
    return Case(epes(world), world.trust(), rules(outcomes='signature_policy_unknown = "INDETERMINATE"'))


@reaches("TIMESTAMP_ORDER_FAILURE")
def timestamped_before_what_it_covers(world: World) -> Case:
    """The signature covers a document timestamp that is newer than the signature's own timestamp."""
    return Case(world.sign(world.timestamp(blank_pdf(), NOW - DAY), stamped=NOW - 30 * DAY), world.trust())


@reaches("NO_SIGNING_CERTIFICATE_FOUND")
def no_certificate_in_the_signature(world: World) -> Case:
    def strip(data: cms.SignedData) -> None:
        data["certificates"] = cms.CertificateSet([])

    return Case(with_cms(world.sign(blank_pdf()), strip), world.trust())


@reaches("NO_CERTIFICATE_CHAIN_FOUND")
def nobody_is_trusted(world: World) -> Case:
    return Case(world.sign(blank_pdf()), Trust())


@reaches("NO_CERTIFICATE_CHAIN_FOUND_NO_POE")
def anchor_retired_and_no_proof_from_before(world: World) -> Case:
    trust = world.trust()
    retired = Trust(trust.anchors, crls=trust.crls, named=(Anchor(world.root.der, until=NOW - 10 * DAY),))
    return Case(world.sign(blank_pdf()), retired)


@reaches("REVOKED_NO_POE")
def revoked_and_no_timestamp(world: World) -> Case:
    return Case(world.sign(blank_pdf()), revoked(world, when=NOW - 10 * DAY))


@reaches("REVOKED_NO_POE")
def timestamped_only_after_the_revocation(world: World) -> Case:
    return Case(world.sign(blank_pdf(), stamped=NOW - 5 * DAY), revoked(world, when=NOW - 10 * DAY))


@reaches("REVOKED_CA_NO_POE")
def issuing_ca_revoked(world: World) -> Case:
    lists = revocation_list(world.root, revoked={world.issuing.certificate.serial_number: NOW - 20 * DAY})
    return Case(world.sign(blank_pdf()), world.trust(crls=(lists, revocation_list(world.issuing))))


@reaches("OUT_OF_BOUNDS_NOT_REVOKED")
def expired_and_known_not_to_have_been_revoked(world: World) -> Case:
    signer = certificate("Short", issuer=world.issuing, end=NOW - 2 * DAY)
    listed = revocation_list(world.issuing, issued=NOW - 3 * DAY)
    return Case(world.sign(blank_pdf(), signer=signer), world.trust(crls=(revocation_list(world.root), listed)))


@reaches("OUT_OF_BOUNDS_NO_POE")
def expired_before_the_timestamp(world: World) -> Case:
    signer = certificate("Expired", issuer=world.issuing, end=NOW - 60 * DAY)
    return Case(world.sign(blank_pdf(), signer=signer, stamped=NOW - 30 * DAY), world.trust())


@reaches("REVOCATION_OUT_OF_BOUNDS_NO_POE")
def responder_whose_own_certificate_has_ended(world: World) -> Case:
    responder = certificate("Responder", issuer=world.issuing, ocsp_signing=True, end=NOW + 2 * DAY)
    said = ocsp_response(world.signer, issuer=world.issuing, responder=responder, until=NOW + 20 * DAY)
    trust = Trust((world.root.der,), crls=(revocation_list(world.root),), ocsps=(said,))
    return Case(world.sign(blank_pdf()), trust, at=NOW + 5 * DAY)


@reaches("CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
def digest_no_longer_believed_and_no_timestamp(world: World) -> Case:
    lists = tuple(revocation_list(one, issued=NOW - 2 * DAY) for one in (world.root, world.issuing))
    return Case(world.sign(blank_pdf()), world.trust(crls=lists), rules(digests='sha256 = "2026-11-21"'))


@reaches("NO_POE")
def evidence_that_no_timestamp_covers(world: World) -> Case:
    """The anchor was retired, the signature is proven to be older, its evidence is not (building block §5.6.2.2)."""
    other = World()
    mixed = World(root=world.root)
    mixed.issuing, mixed.signer, mixed.tsa = world.issuing, world.signer, other.tsa
    lists = tuple(revocation_list(one, issued=NOW - 29 * DAY) for one in (world.root, world.issuing))
    pdf = mixed.archive(mixed.sign(blank_pdf(), stamped=NOW - 30 * DAY), crls=lists)
    retired = (Anchor(world.root.der, until=NOW - 10 * DAY),)
    trust = Trust((world.root.der, other.root.der), (other.root.der,), (revocation_list(other.root),), named=retired)
    return Case(pdf, trust)


@reaches("TRY_LATER")
def nothing_is_known_of_the_signers_revocation(world: World) -> Case:
    return Case(world.sign(blank_pdf()), world.trust(crls=(revocation_list(world.root),)))


@reaches("SIGNED_DATA_NOT_FOUND")
def document_ends_before_what_was_signed(world: World) -> Case:
    """The byte range goes beyond the end of the file: whether what is missing was cut off, nobody can say."""
    return Case(with_byte_range(world.sign(blank_pdf()), lambda old: [*old[:3], old[3] + 500]), world.trust())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def reached(sub_indication: str, signature: SignatureReport) -> bool:
    """In the signature's own result; what only a building block returns (§5.6.2.4 step 2), in that block's check."""
    blocks = {check.facts.get("sub_indication") for check in signature.checks if check.outcome == "FAILED"}
    return sub_indication == signature.sub_indication or (sub_indication == "NO_POE" and sub_indication in blocks)


@pytest.mark.parametrize("sub_indication", TABLE)
def test_sub_indication_is_reached(world: World, sub_indication: str) -> None:
    """Each sub-indication has cases, each of which ends in it, failed or undetermined as the standard's tables say."""
    assert CASES.get(sub_indication), f"nothing reaches {sub_indication}"
    for make in CASES[sub_indication]:
        signature = make(world).judged()
        failed = sub_indication in FAILED
        assert reached(sub_indication, signature), (make.__name__, signature.sub_indication, signature.checks)
        assert signature.indication == ("TOTAL_FAILED" if failed else "INDETERMINATE"), make.__name__
        print(f"\n{sub_indication:38}{signature.indication:15}{make.__name__.replace('_', ' ')}", end="")


def test_the_table_is_that_of_the_standard() -> None:
    """Nothing is registered that the standard does not know, and what fails is what its table 5 names."""
    assert set(CASES) == set(TABLE)
    assert set(TABLE) >= FAILED
