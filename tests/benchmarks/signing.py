"""CPU of one PAdES B-B signature: Kyso's core, stock pyHanko and the floor, in turn, with the same key.

The floor is what nobody can go below: copy the file, SHA-256 of it, one C_Sign. All three sign in this process, so that
the CPU counted is all there is; what the keeper and HTTP add is measured by `http`.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.pkcs11 import PKCS11Signer

from signer import pipeline
from signer.model import SignatureValue, SignOrder
from tests.benchmarks.softhsm import LABEL, Token
from tests.documents import pdf
from verify.fetcher import Offline

SIZES = {"100 kB": (100_000, 60), "10 MB": (10_000_000, 15), "100 MB": (100_000_000, 7)}
MECHANISM = "rsassa_pkcs1v15_sha256"


def floor(token: Token, source: Path, out: Path) -> None:
    """Copy, hash, sign."""
    shutil.copyfile(source, out)
    with out.open("rb") as file:
        token.sign(hashlib.file_digest(file, "sha256").digest())


def kyso(token: Token, source: Path, out: Path, *, sha256: str) -> None:
    """prepare → sign → complete, the digest of the upload known as it is in the service."""
    order = SignOrder(
        certificate=token.signer.der, chain=token.signer.chain, mechanism=MECHANISM, signing_time=datetime.now(UTC)
    )
    with source.open("rb") as document, out.open("w+b") as target:
        prepared = pipeline.prepare(document, order, out=target, original_sha256=sha256, nonce=1)
        value = SignatureValue(token.sign(prepared.tbs), MECHANISM)
        pipeline.complete(prepared, value, out=target, fetcher=Offline())


class Stock:
    """pyHanko as its documentation has it: PKCS11Signer and PdfSigner."""

    def __init__(self, token: Token) -> None:
        self._loop = asyncio.new_event_loop()
        self._signer = PKCS11Signer(
            token.session,
            cert_label=LABEL,
            key_label=LABEL,
            ca_chain=[x509.Certificate.load(member) for member in token.signer.chain],
        )

    def sign(self, source: Path, out: Path) -> None:
        metadata = PdfSignatureMetadata(
            field_name="Signature1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
        )
        with source.open("rb") as document, out.open("w+b") as target:
            signer = PdfSigner(metadata, signer=self._signer)
            self._loop.run_until_complete(signer.async_sign_pdf(IncrementalPdfFileWriter(document), output=target))


def settle() -> None:
    """Leave what is loaded to no collector, as the parent of workers does before it forks."""
    gc.collect()
    gc.freeze()


def cpu(work: Callable[[], None]) -> float:
    """CPU seconds of one call, all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(token: Token, folder: Path) -> list[dict[str, object]]:
    """One row a size: medians in milliseconds and the two ratios."""
    stock, rows = Stock(token), []
    for label, (size, rounds) in SIZES.items():
        source, out = pdf(folder / "document.pdf", ballast=size), folder / "out.pdf"
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        contenders: dict[str, Callable[[], None]] = {
            "floor": lambda: floor(token, source, out),  # noqa: B023 - called within this turn of the loop
            "kyso": lambda: kyso(token, source, out, sha256=sha256),  # noqa: B023
            "pyhanko": lambda: stock.sign(source, out),  # noqa: B023
        }
        for work in contenders.values():
            work()
        settle()
        samples = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, work in contenders.items():
                samples[name].append(cpu(work))
        medians = {name: 1000 * statistics.median(values) for name, values in samples.items()}
        rows.append(
            {
                "size": label,
                "rounds": rounds,
                **{f"{name}_ms": round(value, 2) for name, value in medians.items()},
                "pyhanko_over_kyso": round(medians["pyhanko"] / medians["kyso"], 2),
                "kyso_over_floor": round(medians["kyso"] / medians["floor"], 2),
            }
        )
    return rows


def memory(source: Path, out: Path) -> dict[str, int]:
    """Peak resident memory of a process that signs `source` once, in MB; the key is in memory, not on a token."""
    program = (
        "import json, sys; from pathlib import Path;"
        "from tests.pki import Authority; from tests.unit.signer.conftest import Hand;"
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024;"
        "hand = Hand(Authority.root().authority().signer()); before = peak();"
        "hand.sign(Path(sys.argv[1]), Path(sys.argv[2])); print(json.dumps({'before_mb': before, 'peak_mb': peak()}))"
    )
    done = subprocess.run([sys.executable, "-c", program, source, out], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
