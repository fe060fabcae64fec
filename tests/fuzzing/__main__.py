"""`make fuzz`: many mutations of our seeds and of the corpus, a table of how they ended, and what must be mended.

`python -m tests.fuzzing [COUNT] [ROUND]` runs COUNT mutations (20,000); another ROUND draws others. Findings are
printed as lines of JSON with file and recipe; `python -m tests.fuzzing --again FILE RECIPE` does one of them again.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzzing import runner, seeds
from tests.fuzzing.mutations import Recipe, mutate
from verify import engine

COUNT = 20_000
BATCH = 25
"""Documents that a child reads before another one is forked."""


def campaign(count: int, turn: int) -> int:
    """The number of findings. Every file gets its unchanged run first, then mutations in turn."""
    files = [*seeds.ours(), *seeds.corpus()]
    mutated = [path for path in files if seeds.is_mutated(path)]
    contents = {path: path.read_bytes() for path in files}
    endings: Counter[str] = Counter()
    slowest, largest, found, began = 0.0, 0, 0, time.monotonic()
    for first in range(0, count, BATCH):
        batch = []
        for number in range(first, min(first + BATCH, count)):
            as_it_is = turn == 0 and number < len(files)
            path = files[number] if as_it_is else mutated[number % len(mutated)]
            batch.append((path, Recipe(()) if as_it_is else Recipe.draw(random.Random(f"{turn}:{number}"))))
        outcomes = runner.run_all([mutate(contents[path], recipe) for path, recipe in batch])
        for (path, recipe), outcome in zip(batch, outcomes, strict=True):
            endings[outcome.ended.split(" < ")[0]] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.megabytes)
            if outcome.problem is not None:
                found += 1
                said = {"file": path.name, "recipe": str(recipe), "problem": outcome.problem, "ended": outcome.ended}
                print(runner.line(**said), flush=True)
        if first % (20 * BATCH) == 0:
            print(
                f"# {first + len(batch)} of {count} after {time.monotonic() - began:.0f} s, {found} findings",
                flush=True,
            )
    print(f"\n{count} mutations of {len(files)} files in {time.monotonic() - began:.0f} s")
    print(f"slowest {slowest:.1f} s of CPU, largest {largest} MB, findings {found}")
    for ended, times in endings.most_common(40):
        print(f"{times:7} {ended}")
    return found


def again(name: str, recipe: str) -> int:
    files = {path.name: path for path in (*seeds.ours(), *seeds.corpus())}
    outcome = runner.run(mutate(files[Path(name).name].read_bytes(), Recipe.parse(recipe)))
    print(outcome)
    return int(outcome.problem is not None)


def main(arguments: list[str]) -> int:
    engine.preload()
    if arguments[:1] == ["--again"]:
        return again(arguments[1], arguments[2])
    numbers = [int(argument) for argument in arguments]
    count, turn = (*numbers, *(COUNT, 0)[len(numbers) :])
    return int(campaign(count, turn) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
