"""A sample of `make fuzz`: mutated documents end in a report or a refusal, within bounds, whatever is done to them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import runner, seeds
from tests.fuzzing.mutations import OPERATIONS, Edit, Recipe, mutate
from verify import engine

pytestmark = pytest.mark.judging

OURS = seeds.ours()
REGRESSIONS = [line.split(" ", 1) for line in (seeds.HERE / "regressions.txt").read_text().splitlines() if line]
EDITS = st.builds(
    Edit,
    operation=st.sampled_from(OPERATIONS),
    place=st.floats(0, 1, exclude_max=True).map(lambda place: round(place, 9) % 1.0),
    variant=st.integers(0, (1 << 16) - 1),
)


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    """Children inherit what is imported here."""
    engine.preload()


@settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(seed=st.sampled_from(OURS), edits=st.lists(EDITS, min_size=1, max_size=6))
def test_mutated_documents_end_well(seed, edits) -> None:
    """No unexpected exception, no crash, no loop and no bomb: hypothesis reduces what breaks this to the least edits."""
    recipe = Recipe(tuple(edits))
    outcome = runner.run(mutate(seed.read_bytes(), recipe))
    assert outcome.problem is None, f"{seed.name} {recipe}: {outcome}"


@pytest.mark.parametrize(
    ("name", "recipe"), REGRESSIONS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(REGRESSIONS)]
)
def test_what_was_found_once(name: str, recipe: str) -> None:
    """Findings of the long run stay mended."""
    outcome = runner.run(mutate((seeds.HERE / name).read_bytes(), Recipe.parse(recipe)))
    assert outcome.problem is None, outcome


@pytest.mark.parametrize("seed", OURS, ids=lambda path: path.stem)
def test_the_seeds_are_documents(seed) -> None:
    """What is mutated can be read before."""
    assert not runner.run(seed.read_bytes()).ended.startswith(("raised", "killed", "refused"))


def test_recipes_can_be_kept() -> None:
    """A finding is a line of text, and gives the same bytes again."""
    recipe = Recipe((Edit("token", 0.25, 7), Edit("swap-objects", 0.123456789, 65535)))
    data = OURS[0].read_bytes()
    assert Recipe.parse(str(recipe)) == recipe
    assert mutate(data, Recipe.parse(str(recipe))) == mutate(data, recipe) != data
