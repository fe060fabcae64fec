"""CPU of one PAdES B-LTA signature of 100 kB with warm caches: Kyso's core beside stock pyHanko, same key, same answers.

Authorities and responders answer from this process; what their signatures cost is taken off both sides. pyHanko works as
its documentation has it: PdfSigner with `use_pades_lta`, revocation data fetched for each document through a context
whose fetchers answer from memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from pathlib import Path

from asn1crypto import crl, ocsp, tsp
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signer import pipeline
from signer.model import SignatureValue
from tests.documents import pdf
from tests.longterm_support import CRL_URL, TSA_URL, Hand, World, sign_with
from verify.fetcher import FetchRequest

ROUNDS = 30
MECHANISM = "rsassa_pkcs1v15_sha256"


class Warm:
    """A fetcher whose responders' answers are known; timestamps are made, and their cost is counted apart."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._known: dict[FetchRequest, bytes] = {}
        self.spent = 0.0

    def fetch(self, request: FetchRequest, /) -> bytes:
        if request.kind != "timestamp" and request in self._known:
            return self._known[request]
        begin = time.process_time()
        answer = self._hand.net.fetch(request)
        self.spent += time.process_time() - begin
        self._known[request] = answer
        return answer


class _Stamper(TimeStamper):
    """pyHanko's client of the same authority."""

    def __init__(self, warm: Warm) -> None:
        super().__init__()
        self._warm = warm

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        return tsp.TimeStampResp.load(self._warm.fetch(FetchRequest("timestamp", TSA_URL, req.dump())))


def kyso(hand: Hand, warm: Warm, source: Path, out: Path, *, sha256: str) -> None:
    """prepare → sign → complete, as a worker does it."""
    with source.open("rb") as document, out.open("w+b") as target:
        prepared = pipeline.prepare(document, hand.order(), out=target, original_sha256=sha256, nonce=1)
        value = SignatureValue(sign_with(hand.signer.key, prepared.tbs, MECHANISM), MECHANISM)
        signed = pipeline.complete(prepared, value, out=target, fetcher=warm, grounds=hand.grounds)
    assert signed.level == "B-LTA"


class Stock:
    def __init__(self, hand: Hand, warm: Warm) -> None:
        world = hand.world
        self._loop = asyncio.new_event_loop()
        self._world, self._stamper = world, _Stamper(warm)
        registry = SimpleCertificateStore.from_certs([world.issuing.asn1])
        self._signer = SimpleSigner(hand.signer.asn1, hand.signer.asn1_key, registry)
        answers = [
            world.answer(entity.certificate.serial_number, issuer=issuer, responder=responder)
            for entity, issuer, responder in (
                (hand.signer, world.issuing, world.responder),
                (world.tsa, world.tsa_issuing, world.tsa_responder),
            )
        ]
        self._ocsps = [ocsp.OCSPResponse.load(der) for der in answers]
        self._crls = [crl.CertificateList.load(hand.net.fetch(FetchRequest("crl", CRL_URL)))]

    def sign(self, source: Path, out: Path) -> None:
        context = ValidationContext(
            trust_roots=[self._world.root.asn1],
            other_certs=[self._world.issuing.asn1, self._world.tsa_issuing.asn1],
            ocsps=self._ocsps,
            crls=self._crls,
            revocation_mode="require",
        )
        metadata = PdfSignatureMetadata(
            field_name="Signature1",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            embed_validation_info=True,
            use_pades_lta=True,
            validation_context=context,
        )
        signer = PdfSigner(metadata, signer=self._signer, timestamper=self._stamper)
        with source.open("rb") as document, out.open("w+b") as target:
            self._loop.run_until_complete(signer.async_sign_pdf(IncrementalPdfFileWriter(document), output=target))


def measure(folder: Path, *, rounds: int = ROUNDS) -> dict[str, object]:
    """Medians in milliseconds of CPU, and pyHanko's share of which Kyso needs."""
    world = World()
    hand = world.hand("rsa2048", MECHANISM)
    source, out = pdf(folder / "longterm.pdf", ballast=100_000), folder / "longterm.out.pdf"
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    ours, theirs = Warm(hand), Warm(hand)
    stock = Stock(hand, theirs)
    contenders = {
        "kyso": (ours, lambda: kyso(hand, ours, source, out, sha256=sha256)),
        "pyhanko": (theirs, lambda: stock.sign(source, out)),
    }
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 2):
        for name, (warm, work) in contenders.items():
            begin, before = time.process_time(), warm.spent
            work()
            if turn >= 2:
                samples[name].append(time.process_time() - begin - (warm.spent - before))
    medians = {name: 1000 * statistics.median(values) for name, values in samples.items()}
    return {
        "rounds": rounds,
        **{f"{name}_ms": round(value, 2) for name, value in medians.items()},
        "kyso_over_pyhanko": round(medians["kyso"] / medians["pyhanko"], 3),
    }
