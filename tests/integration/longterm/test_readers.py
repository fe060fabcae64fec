"""What others make of B-LT and B-LTA: pyHanko's own validation, OpenSSL on the document timestamp, Poppler."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.ades import ades_lta_validation, simulate_future_ades_lta_validation
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from tests import readers
from tests.documents import pdf
from tests.longterm_support import Hand, World

pytestmark = [pytest.mark.spine, pytest.mark.pades]

ALGORITHMS = [
    ("p256", "ecdsa_sha256"),
    ("rsa2048", "rsassa_pkcs1v15_sha256"),
    ("rsa3072", "rsassa_pss_sha256"),
]


@pytest.fixture(params=ALGORITHMS, ids=[mechanism for _, mechanism in ALGORITHMS])
def hand(request: pytest.FixtureRequest) -> Hand:
    return World().hand(*request.param)


@pytest.fixture
def archived(hand: Hand, tmp_path: Path) -> Path:
    out = tmp_path / "out.pdf"
    hand.sign(pdf(tmp_path / "plain.pdf"), out)
    return out


def _spec(world: World) -> PdfSignatureValidationSpec:
    """pyHanko's validation with our anchor, revocation data required, and nobody to ask."""
    return PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=SimpleTrustManager.build([world.root.asn1]),
                revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
            ),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
            ),
            local_knowledge=LocalKnowledge(known_certs=[world.root.asn1]),
        )
    )


def test_pyhanko_finds_it_valid_from_the_store_alone(hand: Hand, archived: Path):
    """pyHanko's classic validation, revocation required, with the evidence of /DSS and without a network."""
    with archived.open("rb") as file:
        reader = PdfFileReader(file)
        context = DocumentSecurityStore.read_dss(reader).as_validation_context(
            {"trust_roots": [hand.world.root.asn1], "revocation_mode": "require", "allow_fetching": False}
        )
        (signature,) = reader.embedded_regular_signatures
        status = asyncio.run(async_validate_pdf_signature(signature, context, context))
    assert status.bottom_line, status.pretty_print_details()


def test_pyhanko_finds_the_archive_valid_now_and_in_years(hand: Hand, archived: Path):
    """pyHanko's AdES validation with archive data passes, and so it does for a time when all certificates have ended."""
    with archived.open("rb") as file:
        (signature,) = PdfFileReader(file).embedded_regular_signatures
        now = asyncio.run(ades_lta_validation(signature, _spec(hand.world)))
    assert AdESPassed.OK == now.ades_subindic, now.failure_msg
    with archived.open("rb") as file:
        (signature,) = PdfFileReader(file).embedded_regular_signatures
        later = datetime(2038, 1, 1, tzinfo=UTC)
        then = asyncio.run(
            simulate_future_ades_lta_validation(signature, _spec(hand.world), future_validation_time=later)
        )
    assert AdESPassed.OK == then.ades_subindic, then.failure_msg


def test_openssl_verifies_the_document_timestamp(hand: Hand, archived: Path, tmp_path: Path):
    """`openssl ts -verify` over the bytes that the timestamp covers, with the anchor and the authority's issuer."""
    with archived.open("rb") as file:
        (stamp,) = PdfFileReader(file).embedded_timestamp_signatures
        first, second = stamp.byte_range[1], stamp.byte_range[2]
        token = tmp_path / "token.tst"
        token.write_bytes(_content_info(stamp.pkcs7_content))
    data = archived.read_bytes()
    covered = tmp_path / "covered"
    covered.write_bytes(data[:first] + data[second:])
    anchor, issuer = tmp_path / "ca.pem", tmp_path / "issuer.pem"
    anchor.write_bytes(hand.world.root.certificate.public_bytes(serialization.Encoding.PEM))
    issuer.write_bytes(hand.world.tsa_issuing.certificate.public_bytes(serialization.Encoding.PEM))
    command = ["openssl", "ts", "-verify", "-token_in", "-in", token, "-data", covered, "-CAfile", anchor]
    done = subprocess.run([*command, "-untrusted", issuer], capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr, done.stderr


def test_poppler_and_qpdf_find_nothing_wrong(archived: Path):
    """The signature is valid for Poppler (Debian 12's knows no document timestamps), and the file is sound for qpdf."""
    assert (True, False) == readers.poppler(archived)[0]
    assert "" == readers.qpdf(archived)


def _content_info(padded: bytes) -> bytes:
    """The DER without the zeros behind it."""
    octets = padded[1] & 0x7F
    return padded[: 2 + octets + int.from_bytes(padded[2 : 2 + octets], "big")]
