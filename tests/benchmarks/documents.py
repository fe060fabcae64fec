"""What a document's shape costs: 5,000 pages beside the floor, the tenth signature beside the second.

CPU of prepare → sign → complete with one raw C_Sign, as in `tests.benchmarks.signing`.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import signing
from tests.benchmarks.softhsm import Token
from tests.documents import pages, pdf

ROUNDS = 25
SIGNERS = 10


def measure(token: Token, folder: Path) -> dict[str, object]:
    """Medians in milliseconds and the two ratios."""
    out = folder / "documents.out.pdf"
    many = pages(folder / "pages.pdf", 5_000)
    chain = [pdf(folder / "signed-0.pdf", ballast=100_000)]
    for number in range(1, SIGNERS):
        chain.append(folder / f"signed-{number}.pdf")
        signing.kyso(token, chain[-2], chain[-1], sha256=_sha256(chain[-2]))
    known = {path: _sha256(path) for path in (many, chain[1], chain[-1])}
    found = _medians(
        {
            "pages_floor": lambda: signing.floor(token, many, out),
            "pages_kyso": lambda: signing.kyso(token, many, out, sha256=known[many]),
            "second": lambda: signing.kyso(token, chain[1], out, sha256=known[chain[1]]),
            "tenth": lambda: signing.kyso(token, chain[-1], out, sha256=known[chain[-1]]),
        }
    )
    return {
        **{f"{name}_ms": round(value, 2) for name, value in found.items()},
        "pages_over_floor": round(found["pages_kyso"] / found["pages_floor"], 2),
        "tenth_over_second": round(found["tenth"] / found["second"], 2),
    }


def _medians(contenders: dict[str, Callable[[], None]]) -> dict[str, float]:
    for work in contenders.values():
        work()
    signing.settle()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            samples[name].append(signing.cpu(work))
    return {name: 1000 * statistics.median(values) for name, values in samples.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
