"""Mutated XML signatures: never an exception, a crash or a loop, and never one that passes for what was not signed.

The seeds are honest signatures by people who are trusted, so that a false accept shows. A signature that is still called
intact must have the SignedInfo of one of the seed's, and if it passes its signer and signing time. If it is said to cover the whole document,
that must be the seed's, signatures apart; this is found out by lxml alone, and by nothing that judges.

    python -m tests.fuzzing.xml [COUNT] [ROUND]              # 20,000; another ROUND draws others
    python -m tests.fuzzing.xml --again SEED RECIPE
"""

from __future__ import annotations

import io
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cache

from lxml import etree

from tests.fuzzing import runner, seeds
from tests.fuzzing.mutations import Recipe
from tests.fuzzing.xml_mutations import DS, XADES, draw, mutate
from tests.integration.verify.hostile_xml import collection, people
from tests.integration.verify.hostile_xml.case import Case
from tests.unit.verify.world import DEFAULT
from verify import engine
from verify import xml as reader
from verify.document import Limits
from verify.errors import VerifyError
from verify.fetcher import Offline

COUNT = 20_000
BATCH = 50
LARGEST = 60_000
SEEDS = {case.name: case for case in collection.ALL if case.group == "honest"}
Signed = tuple[tuple[str, str] | None, bytes | None, datetime | None]


@cache
def every() -> dict[str, Case]:
    """With the signed files of the corpus, if it is there: nobody trusts their signers, but they last, and are older."""
    found = dict(SEEDS)
    for path in sorted((seeds.CORPUS / "xml").glob("*.xml")):
        if path.stat().st_size <= LARGEST:
            found[path.name] = Case(path.name, "corpus", "", path.read_bytes, {})
    return found


def examine(seed: Case, data: bytes) -> str:
    """How the document ended; "raised false accept" for one that must not pass."""
    detached = {name: io.BytesIO(octets) for name, octets in seed.detached.items()}
    try:
        report = engine.judge(
            io.BytesIO(data),
            name="fuzzed",
            trust=people.trust(),
            policy=DEFAULT,
            at=people.AT,
            fetcher=Offline(),
            detached=detached,
        )
        found = reader.find(io.BytesIO(data), limits=Limits(), detached=detached).signatures
    except VerifyError as error:
        return f"refused {error.code}"
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        return runner.raised(error)
    for one, told in zip(found, report.signatures, strict=True):
        if not told.intact:
            continue
        if one.tbs not in {tbs for tbs, *_ in signed(seed)}:
            return "raised false accept: another signature than was made"
        if told.indication == "TOTAL_PASSED" and (one.tbs, one.signer, one.claimed_time) not in signed(seed):
            return "raised false accept: another signer or time"
        if told.scope == "FULL" and content(data) != content(seed.content):
            return "raised false accept: FULL over other content"
    return report.verdict


def signed(seed: Case) -> frozenset[Signed]:
    """What the signatures of the seed are."""
    return _signed(seed.name)


@cache
def _signed(name: str) -> frozenset[Signed]:
    seed = every()[name]
    detached = {name: io.BytesIO(octets) for name, octets in seed.detached.items()}
    found = reader.find(io.BytesIO(seed.content), limits=Limits(), detached=detached).signatures
    return frozenset((one.tbs, one.signer, one.claimed_time) for one in found)


def content(data: bytes) -> bytes:
    """The canonical document without signatures; of a document that is a signature, its objects in any order, but for
    properties and lists."""
    tree = etree.ElementTree(etree.fromstring(data, etree.XMLParser(resolve_entities=False)))
    root = tree.getroot()
    if root.tag == f"{{{DS}}}Signature":
        own = (f"{{{XADES}}}QualifyingProperties", f"{{{DS}}}Manifest")
        held = [_innermost(one) for one in root.findall(f"{{{DS}}}Object") if all(one.find(tag) is None for tag in own)]
        return b"".join(
            sorted("".join(one.itertext()).encode() if _is_base64(one) else _canonical(one) for one in held)
        )
    for one in list(root.iter(f"{{{DS}}}Signature")):
        if one.getparent() is not None:
            _without(one)
    return _canonical(tree)


def _innermost(holder: etree._Element) -> etree._Element:
    """An object around nothing but an object adds nothing to it."""
    while len(holder) == 1 and holder[0].tag == f"{{{DS}}}Object" and not (holder.text or holder[0].tail):
        holder = holder[0]
    return holder


def _is_base64(holder: etree._Element) -> bool:
    """Of such an object the text is signed, whatever its attributes say."""
    return len(holder) == 0 and bool(re.fullmatch(r"[A-Za-z0-9+/=\s]+", holder.text or ""))


def _without(element: etree._Element) -> None:
    """Takes an element away and leaves the text behind it."""
    before, parent = element.getprevious(), element.getparent()
    if before is not None:
        before.tail = (before.tail or "") + (element.tail or "")
    else:
        parent.text = (parent.text or "") + (element.tail or "")
    parent.remove(element)


def _canonical(part: etree._Element | etree._ElementTree) -> bytes:
    return etree.tostring(part, method="c14n", exclusive=True, with_comments=False, with_tail=False)


def campaign(count: int, turn: int) -> int:
    """The number of findings."""
    endings: Counter[str] = Counter()
    slowest, largest, findings, began = 0.0, 0, 0, time.monotonic()
    names = sorted(every())
    for first in range(0, count, BATCH):
        seed = every()[names[first // BATCH % len(names)]]
        recipes = [draw(random.Random(f"xml {turn}:{number}")) for number in range(first, min(first + BATCH, count))]
        outcomes = runner.run_all([mutate(seed.content, recipe) for recipe in recipes], examine=_of(seed))
        for recipe, outcome in zip(recipes, outcomes, strict=True):
            endings[outcome.ended.split(" < ")[0]] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.megabytes)
            if outcome.problem is not None:
                findings += 1
                print(runner.line(file=seed.name, recipe=str(recipe), problem=outcome.problem), flush=True)
    print(f"\n{count} mutations of {len(names)} XML signatures in {time.monotonic() - began:.0f} s")
    print(f"slowest {slowest:.1f} s of CPU, largest {largest} MB, findings {findings}")
    for ended, times in endings.most_common():
        print(f"{times:7} {ended}")
    return findings


def _of(seed: Case) -> Callable[[bytes], str]:
    return lambda data: examine(seed, data)


def run(seed: Case, recipe: Recipe) -> runner.Outcome:
    """One mutation in a child of its own."""
    return runner.run(mutate(seed.content, recipe), examine=_of(seed))


def main(arguments: list[str]) -> int:
    engine.preload()
    if arguments[:1] == ["--again"]:
        outcome = run(every()[arguments[1]], Recipe.parse(arguments[2]))
        print(outcome)
        return int(outcome.problem is not None)
    numbers = [int(argument) for argument in arguments]
    count, turn = (*numbers, *(COUNT, 0)[len(numbers) :])
    return int(campaign(count, turn) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
