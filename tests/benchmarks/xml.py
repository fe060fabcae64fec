"""CPU and memory of XML signatures: Kyso beside signxml and the floor, same key, same certificate, same document.

Signing is XAdES B-B, enveloped, from bytes to bytes: Kyso's prepare → sign → complete as a worker does it, its self-check
included; signxml's XAdESSigner by its defaults. The floor is what nobody can go below: parse, canonical form, SHA-256,
one RSA signature; nothing of XAdES, nothing written. `bare_floor` is the same without parsing, which needs a tree first.

All of one size are made in turn by one process, which allocates memory as Kyso's workers do (`api.sandbox.start`): who
frees a tree pays for it at once, else whoever comes next would.

Judging is of a document that signxml signed, so that both can: Kyso's whole report with path and revocation, signxml's
XAdESVerifier told which certificate to expect. Each runs in a process of its own, and what importing took is taken off:

    python -m tests.benchmarks.xml signing FOLDER "2 kB"|"5 MB"
    python -m tests.benchmarks.xml kyso-verify|signxml-verify|kyso-sign|tree FILE ANCHOR
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from api.sandbox.start import ALLOCATION
from tests.benchmarks.signing import cpu, settle

MECHANISM = "rsassa_pkcs1v15_sha256"
SIZES = {"2 kB": (2_000, 200), "5 MB": (5_000_000, 9)}
RUNS = 5
LARGEST = 50_000_000
EXCLUSIVE = {"method": "c14n", "exclusive": True, "with_comments": False}


def document(path: Path, *, size: int) -> Path:
    """A dossier of so many bytes: records of elements with attributes and Vietnamese text."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<dossier xmlns="urn:kyso:demo" xmlns:p="urn:person">\n'
    with path.open("wb") as file:
        written, number = file.write(head.encode()), 0
        while written < size - 200:
            number += 1
            record = (
                f'<record id="r{number}" state="paid">\n  <p:name>Nguyễn Văn {number}</p:name>\n'
                f'  <fee currency="VND">{number * 1000}</fee>\n  <note>Đã nộp lệ phí &amp; nhận biên lai {number}</note>\n'
                "</record>\n"
            )
            written += file.write(record.encode())
        file.write(b"</dossier>\n")
    return path


@dataclass
class Contenders:
    """Everybody with the same key."""

    folder: Path

    def __post_init__(self) -> None:
        from tests.longterm_support import World

        self.world = World()
        self.hand = self.world.hand("rsa2048", MECHANISM)
        self.certificates = [
            one.certificate.public_bytes(Encoding.PEM).decode() for one in (self.hand.signer, self.world.issuing)
        ]

    def floor(self, data: bytes) -> None:
        self.bare_floor(etree.fromstring(data))

    def bare_floor(self, root: etree._Element) -> None:
        digest = hashlib.sha256(etree.tostring(root, **EXCLUSIVE)).digest()
        self.hand.signer.key.sign(digest, padding.PKCS1v15(), hashes.SHA256())

    def kyso(self, source: Path, out: Path, *, sha256: str) -> float:
        """CPU seconds from file to file."""
        with source.open("rb") as file, out.open("w+b") as target:
            return self._signed(file, target, sha256=sha256)

    def kyso_in_memory(self, data: bytes, *, sha256: str) -> float:
        """The same from memory to memory, as the others work; a worker is given its files open, too."""
        with _in_memory(data) as file, _in_memory(b"") as target:
            return self._signed(file, target, sha256=sha256)

    def _signed(self, file: BinaryIO, target: BinaryIO, *, sha256: str) -> float:
        from signer import pipeline
        from verify.fetcher import Offline

        order = self.hand.order(format="XAdES", level="B-B", timestamp_authorities=())
        begin = time.process_time()
        prepared = pipeline.prepare(file, order, out=target, original_sha256=sha256, nonce=1)
        pipeline.complete(prepared, self.hand.value(prepared), out=target, fetcher=Offline())
        return time.process_time() - begin

    def signxml(self, data: bytes) -> bytes:
        from signxml.xades import XAdESSigner

        signed = XAdESSigner().sign(etree.fromstring(data), key=self.hand.signer.key, cert=self.certificates)
        return etree.tostring(signed)

    def lay_trust(self, folder: Path) -> Path:
        """Anchor, issuing CA, signer, and the evidence by which nobody is revoked."""
        folder.mkdir()
        (folder / "root.pem").write_bytes(self.world.root.certificate.public_bytes(Encoding.PEM))
        (folder / "signer.pem").write_text(self.certificates[0])
        (folder / "issuing.pem").write_text(self.certificates[1])
        (folder / "root.crl").write_bytes(self.world.root_list())
        serial = self.hand.signer.certificate.serial_number
        (folder / "signer.ocsp").write_bytes(
            self.world.answer(serial, issuer=self.world.issuing, responder=self.world.responder)
        )
        return folder


def measure(folder: Path) -> dict[str, object]:
    """Medians of CPU in milliseconds, and the ratios that count."""
    contenders = Contenders(folder)
    signing = [_alone("signing", folder, label) for label in SIZES]
    return {"signing": signing, "judging": _judging(contenders), "memory_50_mb": _memory(contenders)}


def _signing(folder: Path, label: str) -> dict[str, object]:
    contenders, (size, rounds) = Contenders(folder), SIZES[label]
    data = document(contenders.folder / "source.xml", size=size).read_bytes()
    sha256, tree = hashlib.sha256(data).hexdigest(), etree.fromstring(data)
    medians = _medians(
        {
            "floor": lambda: cpu(lambda: contenders.floor(data)),
            "bare_floor": lambda: cpu(lambda: contenders.bare_floor(tree)),
            "kyso": lambda: contenders.kyso_in_memory(data, sha256=sha256),
            "signxml": lambda: cpu(lambda: contenders.signxml(data)),
        },
        rounds=rounds,
    )
    return {
        "size": label,
        "rounds": rounds,
        **{f"{name}_ms": round(value, 2) for name, value in medians.items()},
        "signxml_over_kyso": round(medians["signxml"] / medians["kyso"], 2),
        "kyso_over_floor": round(medians["kyso"] / medians["floor"], 2),
        "kyso_over_bare_floor": round(medians["kyso"] / medians["bare_floor"], 2),
    }


def _judging(contenders: Contenders) -> dict[str, object]:
    """5 MB, each run in a new process, the two in turn."""
    source = document(contenders.folder / "judged.source.xml", size=SIZES["5 MB"][0])
    signed = contenders.folder / "judged.xml"
    signed.write_bytes(contenders.signxml(source.read_bytes()))
    trust = contenders.lay_trust(contenders.folder / "trust")
    runs = {name: [] for name in ("kyso-verify", "signxml-verify")}
    for _ in range(RUNS):
        for name, found in runs.items():
            found.append(_alone(name, signed, trust))
    cpu_ms = {name: statistics.median(one["cpu_ms"] for one in found) for name, found in runs.items()}
    peak = {name: statistics.median(one["beyond_mb"] for one in found) for name, found in runs.items()}
    return {
        "runs": RUNS,
        "kyso_ms": round(cpu_ms["kyso-verify"], 1),
        "signxml_ms": round(cpu_ms["signxml-verify"], 1),
        "kyso_over_signxml": round(cpu_ms["kyso-verify"] / cpu_ms["signxml-verify"], 3),
        "kyso_mb": round(peak["kyso-verify"], 1),
        "signxml_mb": round(peak["signxml-verify"], 1),
        "tree_mb": _alone("tree", signed, trust)["beyond_mb"],
        "kyso_over_signxml_memory": round(peak["kyso-verify"] / peak["signxml-verify"], 3),
    }


def _memory(contenders: Contenders) -> dict[str, float]:
    """Peak resident memory beyond the imports, to sign 50 MB and to judge what came out."""
    source, out = document(contenders.folder / "large.xml", size=LARGEST), contenders.folder / "large.out.xml"
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    contenders.kyso(source, out, sha256=sha256)
    trust = contenders.folder / "trust"
    return {
        "sign_mb": _alone("kyso-sign", source, trust)["beyond_mb"],
        "verify_mb": _alone("kyso-verify", out, trust)["beyond_mb"],
    }


def _in_memory(data: bytes) -> BinaryIO:
    """A file with these bytes that is on no disc."""
    file = os.fdopen(os.memfd_create("bench"), "w+b")
    file.write(data)
    file.flush()
    file.seek(0)
    return file


def _medians(contenders: dict[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    for work in contenders.values():
        work()
    settle()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            samples[name].append(work())
    return {name: 1000 * statistics.median(values) for name, values in samples.items()}


def _alone(what: str, path: Path, trust: Path | str) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, what, path, trust]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ALLOCATION})
    if done.returncode:
        raise RuntimeError(f"{what} of {path.name}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def _kyso_verify(path: Path, trust: Path) -> Callable[[], None]:
    from datetime import UTC, datetime

    from verify import engine, policy
    from verify.fetcher import Offline
    from verify.trust import Trust

    engine.preload()
    der = {one.stem: _der(one) for one in trust.glob("*.pem")}
    held = Trust(
        anchors=(der["root"],),
        intermediates=(der["issuing"],),
        crls=((trust / "root.crl").read_bytes(),),
        ocsps=((trust / "signer.ocsp").read_bytes(),),
    )

    def work() -> None:
        with path.open("rb") as file:
            rules, at = policy.load("default"), datetime.now(UTC)
            report = engine.judge(file, name=path.name, trust=held, policy=rules, at=at, fetcher=Offline())
        assert [one.intact for one in report.signatures] == [True], report
        assert report.signatures[0].scope == "FULL", report

    return work


def _signxml_verify(path: Path, trust: Path) -> Callable[[], None]:
    from signxml.xades import XAdESVerifier

    certificate = (trust / "signer.pem").read_text()

    def work() -> None:
        XAdESVerifier().verify(path.read_bytes(), x509_cert=certificate)

    return work


def _kyso_sign(path: Path, trust: Path) -> Callable[[], None]:
    contenders = Contenders(trust.parent)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    contenders.kyso(document(trust.parent / "warm.xml", size=2_000), trust.parent / "warm.out.xml", sha256=_warm(trust))

    def work() -> None:
        contenders.kyso(path, trust.parent / "alone.out.xml", sha256=sha256)

    return work


def _warm(trust: Path) -> str:
    return hashlib.sha256(document(trust.parent / "warm.xml", size=2_000).read_bytes()).hexdigest()


def _der(path: Path) -> bytes:
    from asn1crypto import pem

    return pem.unarmor(path.read_bytes())[2]


def _tree(path: Path, trust: Path) -> Callable[[], None]:
    """What lxml needs for the tree alone, below which nobody can go who canonicalises with it."""

    def work() -> None:
        etree.parse(path)

    return work


WORKS = {"tree": _tree, "kyso-verify": _kyso_verify, "signxml-verify": _signxml_verify, "kyso-sign": _kyso_sign}


def main(what: str, path: str, trust: str) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # as in a document worker, like ALLOCATION; everybody here has it
    if what == "signing":
        print(json.dumps(_signing(Path(path), trust)))
        return
    work = WORKS[what](Path(path), Path(trust))
    before = _peak()
    begin = time.process_time()
    work()
    cpu_ms = 1000 * (time.process_time() - begin)
    print(json.dumps({"cpu_ms": cpu_ms, "beyond_mb": round(_peak() - before, 1)}))


def _peak() -> float:
    """MB; ru_maxrss would count what the process was that started this one."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
