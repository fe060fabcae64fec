"""XML signatures that last, before EU DSS and by it: the same level, and every timestamp over what we say it is over.

    python -m tests.interop.xades_lasting --java [--keep FOLDER]

Kyso makes each level in each packaging and with each kind of key, lifts and renews it, counter-signs it; DSS finds the
level, and the imprint of every timestamp right. What DSS makes Kyso judges, lifts and renews, and DSS judges it again.
What Kyso made DSS lifts and counter-signs, and Kyso judges that; xmlsec1 and the schemas beside both. Without Java there is nothing to show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from signer.model import LEVELS
from signer.xades.plan import XmlPlan
from tests.interop.commands import Setting, main
from tests.interop.java import Job, Tools, summed
from tests.interop.peers import Desk, Said
from tests.interop.xml_peers import Signed, has_schemas, schema, xmlsec1
from tests.longterm_support import World, now
from tests.timestamp_support import pem
from tests.unit.signer.xades.lasting_support import DOCUMENT, XmlHand, judge
from tests.unit.verify.world import Entity

NAME = "document.xml"
PLANS = {
    "enveloped": XmlPlan(),
    "an element": XmlPlan(elements=("p1",)),
    "inclusive C14N": XmlPlan(canonicalization="inclusive"),
    "enveloping": XmlPlan(packaging="enveloping"),
    "detached": XmlPlan(packaging="detached", name=NAME),
}
KEYS = {
    "P-256": ("p256", "ecdsa_sha256"),
    "RSA": ("rsa2048", "rsassa_pkcs1v15_sha256"),
    "PSS": ("rsa2048", "rsassa_pss_sha256"),
    "P-384": ("p384", "ecdsa_sha384"),
}


@dataclass(frozen=True)
class Row:
    """A document, how it came about, and the level that everybody should find."""

    path: Path
    story: str
    level: str
    is_detached: bool = False
    needs_evidence: bool = False
    """Whether something in it holds no revocation data."""


@dataclass
class Bench:
    """One world for all rows; its clock goes with the machine's, since DSS looks at that."""

    folder: Path
    java: Tools
    world: World = field(default_factory=World)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hands = {name: XmlHand.of(self.world, *key) for name, key in KEYS.items()}
        self.desk = Desk(self.folder)
        self.desk.root.write_bytes(pem(self.world.root.der))
        self.desk.issuers.write_bytes(pem(self.world.issuing.der) + pem(self.world.tsa_issuing.der))
        (self.folder / NAME).write_bytes(DOCUMENT)
        for name in ("evidence", "nothing"):
            (self.folder / name / "detached").mkdir(parents=True, exist_ok=True)
            (self.folder / name / "detached" / NAME).write_bytes(DOCUMENT)
        keep_key(self.folder / "signer.p12", self.hands["RSA"].signer, [self.world.issuing, self.world.root])
        keep_key(self.folder / "tsa.p12", self.world.tsa, [self.world.tsa_issuing, self.world.root])

    def tick(self) -> None:
        self.world.at = now()

    def add(self, data: bytes, story: str, level: str, *, is_detached: bool = False, counter: str = "B-LT") -> None:
        """`level` is that of all but counter-signatures, `counter` theirs."""
        path = self.folder / f"{len(self.rows):03}.xml"
        path.write_bytes(data)
        needs_evidence = bool({level, counter} & {"B-B", "B-T"})
        self.rows.append(Row(path, story, level, is_detached, needs_evidence))

    def beside(self, *, is_detached: bool) -> dict[str, bytes]:
        return {NAME: DOCUMENT} if is_detached else {}

    def write_evidence(self) -> None:
        """What DSS needs who asks nobody: answers about everyone as of now."""
        folder, world = self.folder / "evidence", self.world
        self.tick()
        for name, hand in self.hands.items():
            serial = hand.signer.certificate.serial_number
            (folder / f"{name}.ocsp").write_bytes(world.answer(serial, issuer=world.issuing, responder=world.responder))
        tsa = world.tsa.certificate.serial_number
        answer = world.answer(tsa, issuer=world.tsa_issuing, responder=world.tsa_responder)
        (folder / "tsa.ocsp").write_bytes(answer)
        (folder / "root.crl").write_bytes(world.root_list())

    def ask(self, jobs: list[Job]) -> dict[Path, Said]:
        self.write_evidence()
        answers = self.java.ask(
            jobs,
            anchors=[self.desk.root],
            keys=self.folder / "signer.p12",
            evidence=self.folder / "evidence",
        )
        return {job.document: summed(answers[job.reader, job.document]) for job in jobs}


def keep_key(path: Path, entity: Entity, chain: list[Entity]) -> None:
    """As DSS reads them."""
    held = [one.certificate for one in chain]
    secret = serialization.BestAvailableEncryption(b"kyso")
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"key", entity.key, entity.certificate, held, secret))


def ours(bench: Bench) -> None:
    """Every plan at every level; with every key; lifted, renewed twice, signed twice, counter-signed."""
    hand = bench.hands["P-256"]
    for name, plan in PLANS.items():
        is_detached = plan.name is not None
        for level in LEVELS:
            bench.tick()
            made, _ = hand.sign(DOCUMENT, level, plan)
            bench.add(made, f"Kyso, {name}", level, is_detached=is_detached)
            for goal in LEVELS[1:]:
                if LEVELS.index(goal) < LEVELS.index(level) or (goal == level != "B-LTA"):
                    continue
                bench.tick()
                lifted, _ = hand.extend(made, goal, detached=bench.beside(is_detached=is_detached))
                bench.add(lifted, f"Kyso, {name}, {level} lifted", goal, is_detached=is_detached)
        again, _ = hand.extend(lifted, "B-LTA", detached=bench.beside(is_detached=is_detached))
        bench.add(again, f"Kyso, {name}, renewed twice", "B-LTA", is_detached=is_detached)
    for name, other in bench.hands.items():
        bench.tick()
        made, _ = other.sign(DOCUMENT, "B-LTA")
        bench.add(made, f"Kyso, {name}", "B-LTA")
        second, _ = hand.sign(made, "B-LTA")
        bench.add(second, f"Kyso, {name}, and beside it P-256", "B-LTA")
        for level in LEVELS:
            bench.tick()
            (first,) = judge(bench.world, made).signatures
            both, _ = hand.sign(made, level, XmlPlan(countersign=first.id))
            bench.add(both, f"Kyso, {name}, counter-signed at {level}", "B-LTA", counter=level)
            if level == "B-LTA":
                both, _ = other.extend(both, "B-LTA")
                bench.add(both, f"Kyso, {name}, counter-signed, renewed", "B-LTA")


def theirs(bench: Bench) -> None:
    """What DSS makes, and what Kyso makes of that."""
    plain = bench.folder / NAME
    made = [
        (packaging, level, bench.folder / f"dss-{packaging}-{level}.xml")
        for packaging in ("enveloped", "enveloping", "detached")
        for level in LEVELS
    ]
    jobs = [Job(f"xades-{packaging}-{level[2:]}", plain, out) for packaging, level, out in made]
    bench.ask(jobs)
    for packaging, level, path in made:
        is_detached, data = packaging == "detached", path.read_bytes()
        bench.add(data, f"DSS, {packaging}", level, is_detached=is_detached)
        for goal in LEVELS[1:]:
            if LEVELS.index(goal) < LEVELS.index(level) or (goal == level != "B-LTA"):
                continue
            bench.tick()
            beside = bench.beside(is_detached=is_detached)
            lifted, _ = bench.hands["RSA"].extend(data, goal, detached=beside)
            bench.add(lifted, f"DSS, {packaging}, {level} lifted by Kyso", goal, is_detached=is_detached)


def by_both(bench: Bench) -> list[str]:
    """What one of the two made and the other lifted or counter-signed; what DSS refused."""
    told = []
    sources = [row for row in bench.rows if row.story.startswith("Kyso") and row.story.count(",") == 1]
    made = [
        (row, how, Job(f"xades-{how}-LTA" if how == "extend" else f"xades-{how}-B", row.path, path))
        for row in sources
        for how in ("extend", "counter")
        for path in [bench.folder / f"{how}-{row.path.name}"]
    ]
    for one in ("extend", "counter"):
        chosen = [(row, job) for row, how, job in made if how == one]
        said = bench.ask([job for _, job in chosen])
        for row, job in chosen:
            assert job.beside is not None
            if said[job.document].verdict != "good":
                told += [f"- {row.story}, {row.level}: {one} by DSS: {fault}" for fault in said[job.document].faults]
                continue
            data = job.beside.read_bytes()
            is_counter = one == "counter"
            bench.add(
                data,
                f"{row.story}, {row.level} {'counter-signed' if is_counter else 'lifted'} by DSS",
                row.level if is_counter else "B-LTA",
                is_detached=row.is_detached,
                counter="B-B" if is_counter else "B-LT",
            )
            if is_counter:
                bench.tick()
                lifted, _ = bench.hands["RSA"].extend(data, "B-LTA", detached=bench.beside(is_detached=row.is_detached))
                story = f"{row.story}, {row.level} counter-signed by DSS, lifted by Kyso"
                bench.add(lifted, story, "B-LTA", is_detached=row.is_detached)
    return told


def cells(bench: Bench) -> Iterator[tuple[Row, dict[str, Said]]]:
    """What Kyso and DSS say of each row."""
    jobs = [
        Job("dss", row.path, bench.folder / ("evidence" if row.needs_evidence else "nothing")) for row in bench.rows
    ]
    bench.write_evidence()
    answers = bench.java.ask(jobs, anchors=[bench.desk.root])
    bench.tick()
    for row in bench.rows:
        signed = Signed(row.path, {NAME: bench.folder / NAME} if row.is_detached else {})
        report = judge(
            bench.world,
            row.path.read_bytes(),
            detached=bench.beside(is_detached=row.is_detached),
            fetcher=bench.hands["RSA"].net if row.needs_evidence else None,
        )
        level = str(report.signatures[0].level).replace("XAdES-BASELINE-", "B-")
        words = f"{level} {report.verdict}"
        kyso = Said.of([] if words == f"{row.level} TOTAL_PASSED" else [words], words=words)
        dss = summed(answers["dss", row.path], expect=f"{row.level} TOTAL_PASSED")
        knows_it = "PSS" not in row.story  # xmlsec1 of Debian 12 has no sha256-rsa-MGF1
        others = {"xmlsec1": xmlsec1(signed, bench.desk) if knows_it else Said("nothing")}
        if has_schemas():
            others["XSD"] = schema(signed, bench.desk)
        yield row, {"Kyso": kyso, "DSS": dss, **others}


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether every cell is good."""
    if setting.java is None:
        return "Without Java there is nothing to show.", True
    folder = setting.folder / "xades"
    folder.mkdir(exist_ok=True)
    return show(Bench(folder, setting.java))


def show(bench: Bench) -> tuple[str, bool]:
    """The table of one bench."""
    ours(bench)
    theirs(bench)
    notes = by_both(bench)
    rows = list(cells(bench))
    names = list(rows[0][1])
    lines = ["| document | level | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for row, said in rows:
        cell = {"good": "✓ {}", "bad": "✗ RED", "nothing": "–"}
        shown = " | ".join(cell[one.verdict].format(one.words).strip() for one in said.values())
        lines.append(f"| {row.story} | {row.level} | {shown} |")
        notes += [
            f"- {row.path.name} {row.story}: {name}: {fault}" for name, one in said.items() for fault in one.faults
        ]
    return "\n".join([*lines, "", *notes]), not notes


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
