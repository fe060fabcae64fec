"""Hostile XML signatures of our own, and honest ones beside them: each is judged as it should be, in bounded time."""

from __future__ import annotations

import pytest

from tests.integration.verify.hostile_xml import collection, judging
from tests.integration.verify.hostile_xml.case import Case
from verify import engine

pytestmark = pytest.mark.xades

KEPT = [case for case in collection.ALL if not case.large]


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    """Children inherit what is imported here."""
    engine.preload()


@pytest.mark.parametrize("case", collection.ALL, ids=lambda case: f"{case.group}-{case.name}")
def test_is_judged_as_expected(case: Case) -> None:
    """Verdict, integrity, scope and sub-indication, or the code of the refusal, are those beside the file; nobody is
    asked for anything; neither time nor memory runs away."""
    judged = judging.judge(case)
    assert judged.differs(case.expected) == [], judged.said
    assert judged.seconds < judging.SECONDS
    assert judged.megabytes < judging.MEGABYTES


@pytest.mark.parametrize("case", KEPT, ids=lambda case: f"{case.group}-{case.name}")
def test_the_file_is_what_the_code_makes(case: Case) -> None:
    """Every file can be made again, byte for byte, by whoever wants to know what is in it."""
    assert (collection.FILES / case.file).read_bytes() == case.content


def test_every_file_has_its_expectation() -> None:
    """`expected.json` says what the code says, and nothing stands in the folder that is not in it."""
    assert collection.EXPECTED.read_text("utf-8") == collection.described()
    assert {path.name for path in collection.FILES.glob("*.xml")} == {case.file for case in KEPT}


def test_only_honest_signatures_cover_all_and_pass() -> None:
    """Of the hostile ones none is expected to pass with FULL scope but those that say why."""
    passing = {
        f"{case.group}-{case.name}"
        for case in collection.ALL
        if case.group != "honest"
        and case.expected.get("verdict") == "TOTAL_PASSED"
        and any(one["scope"] == "FULL" for one in case.expected["signatures"])
    }
    assert passing == HARMLESS


HARMLESS = {
    "covering-archive-that-leaves-out-what-it-stands-behind",
    "covering-comment-beside-a-signed-root",
    "costs-a-role-of-many-words",
    "costs-many-certificates-of-many-names",
    "costs-many-formats-and-many-references",
    "costs-timestamps-that-name-much",
    "covering-signatures-of-one-name",
    "parsing-byte-order-mark",
    "parsing-inclusions-and-stylesheets",
    "parsing-lines-of-windows",
    "parsing-schema-locations",
    "transforms-comment-put-in-later",
    "transforms-prefixes-that-are-none",
    "values-pss-without-salt",
    "wrapping-archive-timestamps-exchanged",
    "wrapping-timestamp-of-another-signature",
}
"""Odd and harmless: what is there was signed, and whatever proves nothing is not counted as a proof."""
