"""A signer with its key in memory, and a hand that takes a document through prepare → sign → complete."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from signer import pipeline
from signer.model import Prepared, SignatureValue, Signed, SignOrder
from tests.pki import Authority, Signer
from verify.fetcher import Fetcher, Offline

HANOI = timezone(timedelta(hours=7))


@dataclass
class Hand:
    """Signs documents as a workflow would, one call a signature."""

    signer: Signer
    mechanism: str = "rsassa_pkcs1v15_sha256"
    fetcher: Fetcher = field(default_factory=Offline)

    def order(self, **changes) -> SignOrder:
        plain = SignOrder(
            certificate=self.signer.der,
            chain=self.signer.chain,
            mechanism=self.mechanism,
            signing_time=datetime.now(HANOI).replace(microsecond=0),
        )
        return replace(plain, **changes)

    def prepare(self, source: Path, out: Path, **changes) -> Prepared:
        with source.open("rb") as document, out.open("w+b") as target:
            digest = hashlib.file_digest(document, "sha256").hexdigest()
            return pipeline.prepare(
                document, self.order(**changes), out=target, original_sha256=digest, nonce=0x1122334455667788
            )

    def value(self, prepared: Prepared) -> SignatureValue:
        return SignatureValue(self.signer.sign(prepared.tbs, prepared.order.mechanism), prepared.order.mechanism)

    def sign(self, source: Path, out: Path, **changes) -> Signed:
        prepared = self.prepare(source, out, **changes)
        with out.open("r+b") as target:
            return pipeline.complete(prepared, self.value(prepared), out=target, fetcher=self.fetcher)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.root().authority()


@pytest.fixture(scope="session")
def hand(authority: Authority) -> Hand:
    return Hand(authority.signer())
