"""Writes the files anew, judges each, and prints what differs from what is expected."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.integration.verify.hostile_xml import collection, judging
from verify import engine


def main(asked: list[str]) -> int:
    collection.write()
    engine.preload()
    console = Console(width=200)
    table = Table("case", "verdict", "seconds", "MB", "differs")
    wrong = 0
    for case in collection.ALL:
        if asked and not any(word in f"{case.group}-{case.name}" for word in asked):
            continue
        judged = judging.judge(case)
        differs = judged.differs(case.expected)
        wrong += bool(differs)
        said = judged.said.get("verdict") or judged.said.get("refused") or judged.said.get("raised")
        reasons = [str(one["failed"]) for one in judged.said.get("signatures", ()) if differs]
        told = "; ".join(differs + reasons)
        table.add_row(f"{case.group}-{case.name}", str(said), f"{judged.seconds:.2f}", str(judged.megabytes), told)
    console.print(table)
    console.print(f"{wrong} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
