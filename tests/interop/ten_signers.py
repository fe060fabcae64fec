"""Ten signers in turn on one giấy giới thiệu, through a real appliance; every reader judges what comes out last.

    python -m tests.interop.ten_signers [--java] [--keep FOLDER]

Certified by the first signer or approved only, at B-B and at B-LTA (then ten document timestamps stand between the
signatures). Boxes, numbers and dates are created by the first signature; the clerk's seals fill them.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from signer.model import Level
from tests.integration.forms.test_ten_signers import STEPS, drawing, later
from tests.interop import matrix, peers
from tests.interop.cases import ALGORITHMS, Case
from tests.interop.commands import Setting, main
from tests.interop.house import House
from tests.interop.java import Job, Tools, summed
from tests.interop.peers import Desk, Said

SIGNS = {"good": "✓ {}", "bad": "✗ RED", "nothing": "–"}
KEYS = [one for one in ALGORITHMS if one.kind in ("rsa2048", "p256", "p384")]
"""Those that every reader knows."""
WAYS: tuple[tuple[Level, int | None], ...] = (("B-B", 2), ("B-B", None), ("B-LTA", 2), ("B-LTA", None))


def signed_by_all(house: House, folder: Path, *, level: Level, certify: int | None) -> Path:
    """The document after the last of ten; keys and paths take turns."""
    current = folder / "giay-gioi-thieu.pdf"
    drawing().write(current, issued=date(2026, 11, 22))
    hands = itertools.cycle(itertools.product(KEYS, ("server", "two-phase")))
    for number, ((name, field, values), (algorithm, path)) in enumerate(zip(STEPS, hands, strict=False), start=1):
        out = folder / f"{level}-{certify}-{number}.pdf"
        order: dict[str, object] = {"field": field, "fill": dict(values), "name": name, "stamp": {}}
        if number == 1:
            order |= {"fields": [asdict(plan) for plan in later()], "certify": certify}
        house.sign(Case(level, algorithm, path), current, out, **order)
        current = out
    return current


def judge(house: House, path: Path, desk: Desk, *, level: Level, java: Tools | None) -> dict[str, Said]:
    """What every reader says of the last document: all ten signatures, and the document timestamps."""
    report = house.verify(path)
    signatures = report["signatures"]
    passed = [one for one in signatures if one["indication"] == "TOTAL_PASSED" and not one["changes"]["modified"]]
    said = {"Kyso": _counted(len(passed), of=len(signatures))}
    said |= {name: read(path, desk) for name, read in peers.READERS.items()}
    if java is not None:
        evidence = desk.evidence if level in matrix.WITHOUT_EVIDENCE else None
        answers = java.ask([Job(reader, path, evidence) for reader in matrix.JAVA.values()], anchors=[desk.root])
        for name, reader in matrix.JAVA.items():
            found = answers[reader, path]
            sound = summed(found)
            good = sum(one.verdict == "good" for one in found)
            said[name] = Said.of(sound.faults, words=f"{good} of {len(found)}", remarks=sound.remarks)
    return said


def _counted(good: int, *, of: int) -> Said:
    return Said.of([] if good == of == len(STEPS) else [f"{good} of {of} signatures"], words=f"{good} of {of}")


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether all is well."""
    told: dict[str, dict[str, Said]] = {}
    for level, certify in WAYS:
        last = signed_by_all(setting.house, setting.folder, level=level, certify=certify)
        name = f"{level}, {'certified' if certify else 'approvals only'}"
        told[name] = judge(setting.house, last, setting.desk, level=level, java=setting.java)
    return _markdown(told), not any(one.faults for said in told.values() for one in said.values())


def _markdown(told: dict[str, dict[str, Said]]) -> str:
    names: Sequence[str] = list(next(iter(told.values())))
    lines = ["| ten signers | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    notes: list[str] = []
    for way, said in told.items():
        cells = [SIGNS[one.verdict].format(one.words).strip() for one in said.values()]
        lines.append(f"| {way} | {' | '.join(cells)} |")
        notes += [f"- {way}: {name}: {fault}" for name, one in said.items() for fault in one.faults]
        notes += [f"- {way}: {name}, a remark: {text}" for name, one in said.items() for text in set(one.remarks)]
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
