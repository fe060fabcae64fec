"""A sample of the long run of mutated XML signatures: none ends badly, and none passes for what was not signed."""

from __future__ import annotations

import random

import pytest

from tests.fuzzing import runner, xml
from tests.fuzzing.mutations import Recipe
from tests.fuzzing.xml_mutations import OPERATIONS, draw, mutate
from tests.integration.verify.hostile_xml.case import Case
from verify import engine

pytestmark = pytest.mark.xades

DRAWN = 40
FOUND = (
    ("plain-xmldsig", "flip@0.690104873:55210"),
    ("enveloping-base64", "wrap@0.557020444:12041"),
    ("manifest", "wrap@0.638910027:61899"),
)
"""By the long run, once."""


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    """Children inherit what is imported here."""
    engine.preload()


@pytest.mark.parametrize("seed", xml.SEEDS.values(), ids=xml.SEEDS)
def test_mutated_signatures_end_well(seed: Case) -> None:
    """No unexpected exception, no crash, no loop, no bomb, and no false accept."""
    recipes = [draw(random.Random(f"sample {seed.name} {number}")) for number in range(DRAWN)]
    outcomes = runner.run_all(
        [mutate(seed.content, recipe) for recipe in recipes], examine=lambda data: xml.examine(seed, data)
    )
    bad = [(str(recipe), one) for recipe, one in zip(recipes, outcomes, strict=True) if one.problem is not None]
    assert bad == []


@pytest.mark.parametrize(("name", "recipe"), FOUND, ids=[name for name, _ in FOUND])
def test_what_was_found_once(name: str, recipe: str) -> None:
    """Findings of the long run stay mended."""
    outcome = xml.run(xml.SEEDS[name], Recipe.parse(recipe))
    assert outcome.problem is None, outcome


@pytest.mark.parametrize("seed", xml.SEEDS.values(), ids=xml.SEEDS)
def test_the_seeds_pass(seed: Case) -> None:
    """What is mutated is accepted before: a false accept would show."""
    assert xml.examine(seed, seed.content) == "TOTAL_PASSED"


def test_a_false_accept_is_noticed() -> None:
    """Another document, whole and honestly signed, is not taken for the seed's."""
    one, other = xml.SEEDS["enveloped-p256"], xml.SEEDS["enveloped-rsa"]
    assert xml.examine(one, other.content).startswith("raised false accept")


def test_recipes_can_be_kept() -> None:
    """A finding is a line of text, and gives the same bytes again."""
    seed = xml.SEEDS["parallel"]
    for number in range(len(OPERATIONS) * 4):
        recipe = draw(random.Random(number))
        assert mutate(seed.content, recipe) == mutate(seed.content, Recipe.parse(str(recipe)))
