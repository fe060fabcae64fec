"""What judging a PDF costs: beside stock pyHanko, by the number of signatures, in memory, and many files at a time.

Both check the same: digests, the value, the path to the same anchor, revocation by the same OCSP answer and list (handed
over, nothing is fetched), and what later revisions changed. Kyso's figure is that of a process that has never met the
certificates: what it remembers from one document to the next is forgotten before each round; `warm_ms` is with it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from asn1crypto import crl, ocsp
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from tests.benchmarks.signing import cpu, settle
from tests.documents import pdf
from tests.longterm_support import Hand, World
from verify import engine, policy
from verify.fetcher import Offline
from verify.remembered import Remembered
from verify.trust import Trust

ROUNDS = 15
SIGNATURES = (1, 5, 20, 50)
FILES = 48
MECHANISM = "rsassa_pkcs1v15_sha256"


class Judge:
    """The anchor and the evidence, for both."""

    def __init__(self, world: World, hand: Hand) -> None:
        self._world = world
        self._answer = world.answer(
            hand.signer.certificate.serial_number, issuer=world.issuing, responder=world.responder
        )
        self._list = world.root_list()
        self._policy = policy.load("default")
        self._loop = asyncio.new_event_loop()

    @property
    def trust(self) -> Trust:
        return Trust(
            anchors=(self._world.root.der,),
            intermediates=(self._world.issuing.der,),
            crls=(self._list,),
            ocsps=(self._answer,),
        )

    def kyso(self, path: Path, *, signatures: int, afresh: bool = True) -> None:
        if afresh:
            _forget()
        with path.open("rb") as file:
            report = engine.judge(
                file,
                name=path.name,
                trust=self.trust,
                policy=self._policy,
                at=self._world.at,
                fetcher=Offline(),
            )
        assert report.verdict == "TOTAL_PASSED", report
        assert len(report.signatures) == signatures

    def pyhanko(self, path: Path, *, signatures: int) -> None:
        with path.open("rb") as file:
            embedded = PdfFileReader(file).embedded_regular_signatures
            assert len(embedded) == signatures
            for one in embedded:
                context = ValidationContext(
                    trust_roots=[self._world.root.asn1],
                    other_certs=[self._world.issuing.asn1],
                    ocsps=[ocsp.OCSPResponse.load(self._answer)],
                    crls=[crl.CertificateList.load(self._list)],
                    revocation_mode="require",
                    moment=self._world.at,
                )
                status = self._loop.run_until_complete(async_validate_pdf_signature(one, context))
                assert status.bottom_line, status.pretty_print_details()


def measure(folder: Path, *, rounds: int = ROUNDS) -> dict[str, object]:
    """Medians of CPU in milliseconds, and what follows from them."""
    world = World()
    hand = world.hand("rsa2048", MECHANISM)
    judge = Judge(world, hand)
    documents = _chain(hand, folder)
    small = documents[1]
    contenders: dict[str, Callable[[], None]] = {
        "kyso": lambda: judge.kyso(small, signatures=1),
        "warm": lambda: judge.kyso(small, signatures=1, afresh=False),
        "pyhanko": lambda: judge.pyhanko(small, signatures=1),
    }
    alone = _medians(contenders, rounds=4 * rounds)
    by_number = _medians(
        {str(n): lambda path=path, n=n: judge.kyso(path, signatures=n) for n, path in documents.items()},
        rounds=max(3, rounds // 3),
    )
    each = {number: value / int(number) for number, value in by_number.items()}
    return {
        **{f"{name}_ms": round(value, 2) for name, value in alone.items()},
        "kyso_over_pyhanko": round(alone["kyso"] / alone["pyhanko"], 3),
        "signatures_ms": {number: round(value, 2) for number, value in by_number.items()},
        "ms_a_signature": {number: round(value, 2) for number, value in each.items()},
        "fifty_over_five_each": round(each["50"] / each["5"], 2),
    }


def memory(folder: Path) -> dict[str, int]:
    """Peak resident memory in MB of a process that judges 100 MB with two signatures, and so compares revisions."""
    world = World()
    hand = world.hand("rsa2048", MECHANISM)
    once, signed = folder / "large.once.pdf", folder / "large.signed.pdf"
    hand.sign(pdf(folder / "large.judged.pdf", ballast=100_000_000), once, level="B-B")
    hand.sign(once, signed, level="B-B")
    (folder / "root.pem").write_bytes(world.root.certificate.public_bytes(Encoding.PEM))
    program = (
        "import sys, json; from pathlib import Path; from datetime import datetime, UTC;"
        "from verify import engine, policy, trust; from verify.fetcher import Offline;"
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024;"
        "held = trust.load([Path(sys.argv[2])]); engine.preload(); before = peak();"
        "report = engine.judge(open(sys.argv[1], 'rb'), name='a', trust=held, policy=policy.load('default'),"
        " at=datetime.now(UTC), fetcher=Offline());"
        "assert [one.intact for one in report.signatures] == [True, True]; print(json.dumps({'before_mb': before, 'peak_mb': peak()}))"
    )
    command = [sys.executable, "-c", program, signed, folder / "root.pem"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def batch(folder: Path) -> dict[str, object]:
    """`kyso verify` of many files: wall time on one core and on all, start-up taken off; of one small file alone."""
    world = World()
    hand = world.hand("rsa2048", MECHANISM)
    chain = _chain(hand, folder, numbers=(1, 10))
    (folder / "root.pem").write_bytes(world.root.certificate.public_bytes(Encoding.PEM))
    files = []
    for number in range(FILES):
        files.append(folder / f"batch-{number}.pdf")
        files[-1].write_bytes(chain[10].read_bytes())
    cores = sorted(os.sched_getaffinity(0))
    single = min(_run(folder, [chain[1]], cores=cores) for _ in range(3))
    start = min(_run(folder, [chain[1]], cores=cores[:1]) for _ in range(3))
    one = min(_run(folder, files, cores=cores[:1]) for _ in range(2)) - start
    every = min(_run(folder, files, cores=cores) for _ in range(2)) - single
    return {
        "files": FILES,
        "cores": len(cores),
        "one_file_s": round(single, 2),
        "one_core_s": round(one, 2),
        "all_cores_s": round(every, 2),
        "speed_up": round(one / every, 2),
    }


def _run(folder: Path, files: list[Path], *, cores: list[int]) -> float:
    """Seconds of one command on these cores."""
    program = Path(sys.executable).with_name("kyso")
    command = [program, "verify", "--offline", "--format", "json", "--trust", folder / "root.pem", *files]
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "KYSO_HOME": str(folder / "empty")},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=False,
    )
    reports = done.stdout.splitlines() if len(files) > 1 else [done.stdout]
    names = [json.loads(report)["document"]["name"] for report in reports]
    assert names == [file.name for file in files], (done.returncode, names, done.stderr)
    return time.perf_counter() - begin


def _chain(hand: Hand, folder: Path, *, numbers: tuple[int, ...] = SIGNATURES) -> dict[int, Path]:
    """A document of 100 kB with so many signatures each."""
    path = pdf(folder / "judged-0.pdf", ballast=100_000)
    found: dict[int, Path] = {}
    for number in range(1, max(numbers) + 1):
        signed = folder / f"judged-{number}.pdf"
        hand.sign(path, signed, level="B-B")
        path = signed
        if number in numbers:
            found[number] = signed
    return found


_REMEMBERED = [one for one in gc.get_objects() if isinstance(one, Remembered)]


def _forget() -> None:
    for one in _REMEMBERED:
        one._known.clear()


def _medians(contenders: dict[str, Callable[[], None]], *, rounds: int) -> dict[str, float]:
    for work in contenders.values():
        work()
    settle()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            samples[name].append(cpu(work))
    return {name: 1000 * statistics.median(values) for name, values in samples.items()}
