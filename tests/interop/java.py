"""The readers that need Java: EU DSS, PDFBox with Bouncy Castle, veraPDF. Built by Maven at the first call.

Optional: `build` raises JavaMissing where Java 17, Maven or the libraries cannot be had, and says which.

>>> tools = build()                                                               # doctest: +SKIP
>>> tools.ask([Job("dss", Path("a.pdf"))], anchors=[Path("root.pem")])
"""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.appliance import ROOT
from tests.interop.peers import Said

PROJECT = Path(__file__).with_name("dss")
BUILD = ROOT / "var" / "interop" / "java"
WARNINGS = " warnings: "
ReaderName = Literal["dss", "pdfbox", "verapdf", "dss-sign"] | str
"""Also `xades-HOW-LEVEL` for DSS as a signer of XML (`DssXadesSigner`): HOW is enveloped, enveloping, detached,
counter or extend, LEVEL is B, T, LT or LTA."""


class JavaMissing(Exception):
    """What is needed for the Java readers is not here; the message says what."""


@dataclass(frozen=True)
class Job:
    """A document for a reader. `beside` is a folder with OCSP responses and lists, for a document without its own, and
    with detached contents under `detached`; for who signs, where the signed file goes."""

    reader: ReaderName
    document: Path
    beside: Path | None = None


@dataclass(frozen=True)
class Finding:
    """What a reader says of one signature, timestamp or document: `good`, `bad` or `unsure`, and its own words."""

    id: str
    verdict: str
    words: str


Answers = dict[tuple[str, Path], tuple[Finding, ...]]


@dataclass(frozen=True)
class Tools:
    """The built readers."""

    classpath: str

    def ask(
        self,
        jobs: Sequence[Job],
        *,
        anchors: Sequence[Path] = (),
        keys: Path | None = None,
        evidence: Path | None = None,
    ) -> Answers:
        """All jobs in one Java process; each answer in the order in which the reader gave it. `keys` is a PKCS #12 file
        with the password `kyso` for who signs, `evidence` a folder as beside a document."""
        lines = "".join(f"{job.reader}\t{job.document}\t{job.beside or ''}\n" for job in jobs)
        command = ["java", "-Djava.awt.headless=true", "-Xmx2g"]
        command += [f"-Dkyso.keys={keys or ''}", f"-Dkyso.evidence={evidence or '.'}"]
        done = subprocess.run(
            [*command, "-cp", self.classpath, "kyso.interop.Main", *anchors],
            input=lines,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the Java readers failed:\n{done.stderr[-3000:]}")
        found: dict[tuple[str, Path], list[Finding]] = defaultdict(list)
        for line in done.stdout.splitlines():
            reader, document, *rest = line.split("\t", 4)
            found[reader, Path(document)].append(Finding(*rest))
        return {key: tuple(value) for key, value in found.items()}


def build() -> Tools:
    """Compile, and fetch what is missing. Raises JavaMissing."""
    for command in ("java", "mvn"):
        if shutil.which(command) is None:
            raise JavaMissing(f"`{command}` is not installed; Debian's packages are openjdk-17-jdk-headless and maven")
    classpath = BUILD / "classpath"
    BUILD.mkdir(parents=True, exist_ok=True)
    goals = ["compile", "dependency:build-classpath", f"-Dmdep.outputFile={classpath}", f"-Dkyso.build={BUILD}"]
    if classpath.exists():
        goals.append("--offline")
    done = subprocess.run(["mvn", "-B", "-q", *goals], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JavaMissing("Maven could not build tests/interop/dss:\n" + done.stdout[-1500:])
    return Tools(f"{BUILD / 'classes'}:{classpath.read_text()}")


def summed(findings: Sequence[Finding], *, expect: str = "") -> Said:
    """One cell of many findings; `expect` is a word that the first must begin with, such as the level."""
    faults = [f"{one.id}: {one.words}" for one in findings if one.verdict != "good"]
    if not findings:
        faults = ["nothing found"]
    elif not findings[0].words.startswith(expect):
        faults.append(f"not {expect}: {findings[0].words}")
    told = [one.words.split(WARNINGS) for one in findings]
    words = ", ".join(dict.fromkeys(words for words, *_ in told))
    return Said.of(faults, words=words, remarks=[remark for _, *remarks in told for remark in remarks])
