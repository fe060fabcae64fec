"""B-T: a signature that carries a timestamp over its value, obtained in the middle of completion."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter

from signer import pipeline
from signer.errors import TimestampUnavailable
from tests import readers
from tests.documents import pdf
from tests.pki import Authority
from tests.timestamp_support import authority as timestamp_authority
from tests.timestamp_support import tsa_signer
from tests.unit.signer.conftest import Hand
from verify.fetcher import FetchFailed, FetchRequest

pytestmark = pytest.mark.spine


class Tsa:
    """A fetcher behind which one authority answers; the addresses in `down` do not."""

    def __init__(self, *down: str) -> None:
        self._signer = tsa_signer()
        self._authority = timestamp_authority(self._signer)
        self._down = down
        self.asked: list[str] = []

    def fetch(self, request: FetchRequest, /) -> bytes:
        self.asked.append(request.url)
        if request.url in self._down:
            raise FetchFailed(url=request.url)
        assert request.body is not None
        return self._authority.respond(request.body, sign=lambda tbs: self._signer.sign(tbs, "ecdsa_sha256"))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return pdf(tmp_path / "plain.pdf")


@pytest.mark.parametrize(
    ("key", "mechanism"),
    [("rsa2048", "rsassa_pkcs1v15_sha256"), ("p384", "ecdsa_sha384"), ("rsa3072", "rsassa_pss_sha512")],
)
def test_the_timestamp_is_over_the_value(authority: Authority, plain: Path, tmp_path: Path, key: str, mechanism: str):
    """Poppler finds the signature valid, pyHanko the timestamp in it, and the time is the authority's."""
    hand = Hand(authority.signer(f"Người ký {key}", key=key), mechanism, Tsa())
    out = tmp_path / "out.pdf"
    signed = hand.sign(plain, out, level="B-T", timestamp_authorities=("http://tsa.demo/",))
    assert [(True, True)] == readers.poppler(out)
    with out.open("rb") as file:
        (embedded,) = PdfFileReader(file).embedded_signatures
        (stamp,) = extract_tst_data_iter(embedded.signer_info, signed=False)
    digest = hashlib.new(mechanism.rsplit("_", 1)[1], embedded.signer_info["signature"].native).digest()
    assert digest == stamp["encap_content_info"]["content"].parsed["message_imprint"]["hashed_message"].native
    assert signed.timestamp is not None
    assert abs((signed.timestamp - signed.signing_time).total_seconds()) < 60


def test_the_next_authority_is_asked(hand: Hand, plain: Path, tmp_path: Path):
    """An authority that is down costs one try; the next one in order serves."""
    tsa = Tsa("http://first.demo/")
    urls = ("http://first.demo/", "http://second.demo/")
    Hand(hand.signer, fetcher=tsa).sign(plain, tmp_path / "out.pdf", level="B-T", timestamp_authorities=urls)
    assert list(urls) == tsa.asked


def test_without_an_authority_nothing_is_released_and_nothing_is_lost(hand: Hand, plain: Path, tmp_path: Path):
    """With every authority down completion fails; the same value completes the same preparation later."""
    urls, out = ("http://first.demo/",), tmp_path / "out.pdf"
    prepared = hand.prepare(plain, out, level="B-T", timestamp_authorities=urls)
    value = hand.value(prepared)
    with out.open("r+b") as target:
        with pytest.raises(TimestampUnavailable):
            pipeline.complete(prepared, value, out=target, fetcher=Tsa(*urls))
        assert set(out.read_bytes()[prepared.gap_start + 1 : prepared.gap_end - 1]) == {ord("0")}
        pipeline.complete(prepared, value, out=target, fetcher=Tsa())
    assert [(True, True)] == readers.poppler(out)
