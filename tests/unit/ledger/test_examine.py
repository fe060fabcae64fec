"""What an examination tells: every kind of damage with its first bad line, in a database and in an export."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from api.ledger import Examination, Ledger, LedgerState, examine_export
from api.ledger.line import encode
from api.ledger.merkle import Frontier, leaf_hash
from api.store.database import open_database
from tests.unit.ledger.test_ledger import NOW, use_key

pytestmark = pytest.mark.appliance


def texts(count: int) -> list[str]:
    return [encode(number, at=NOW, kind="FAILED", facts_json="{}") for number in range(1, count + 1)]


def states(lines: list[str]) -> dict[int, LedgerState]:
    frontier, found = Frontier(), {0: Frontier().state()}
    for line in lines:
        frontier = frontier.add(leaf_hash(line.encode()))
        found[frontier.size] = frontier.state()
    return found


def examined(lines: list[str], *known: LedgerState) -> Examination:
    examination = Examination(known)
    for line in lines:
        examination.add(line)
    examination.finish()
    return examination


LINES = texts(12)
KNOWN = (states(LINES)[4], states(LINES)[8], states(LINES)[12])
EDITED = LINES[5].replace("FAILED", "DONE")


@pytest.mark.parametrize(
    ("what", "lines", "finding"),
    [
        ("edited", [*LINES[:5], EDITED, *LINES[6:]], ("FORKED", 5, 8)),
        ("spoiled", [*LINES[:5], LINES[5][:-1], *LINES[6:]], ("LINE_EDITED", 6, 0)),
        ("deleted", [*LINES[:5], *LINES[6:]], ("LINES_MISSING", 6, 6)),
        ("two deleted", [*LINES[:5], *LINES[7:]], ("LINES_MISSING", 6, 7)),
        ("swapped", [*LINES[:5], LINES[6], LINES[5], *LINES[7:]], ("LINE_MOVED", 6, 0)),
        ("swapped far", [*LINES[:2], LINES[8], *LINES[3:8], LINES[2], *LINES[9:]], ("LINE_MOVED", 3, 0)),
        ("repeated", [*LINES[:5], LINES[4], *LINES[5:]], ("LINE_MOVED", 6, 0)),
        ("made anew", [*LINES[:9], *(one.replace("FAILED", "DONE") for one in LINES[9:])], ("FORKED", 9, 12)),
        ("inserted, the rest renumbered",
         [*LINES[:5], *(encode(number, at=NOW, kind="FAILED" if number > 6 else "DONE", facts_json="{}")
                        for number in range(6, 14))], ("FORKED", 5, 8)),
        ("cut", LINES[:9], ("CUT", 10, 12)),
        ("emptied", [], ("CUT", 1, 12)),
    ],
)  # fmt: skip
def test_damage_is_told_with_its_first_line(what: str, lines: list[str], finding: tuple[str, int, int]) -> None:
    """The first finding names the kind of damage and where it is, or between which lines it must be."""
    first = examined(lines, *KNOWN).findings[0]
    assert finding == (first.code, first.line, first.until), what


def test_a_whole_log_meets_all_that_was_noted() -> None:
    """No finding, and each state counted."""
    examination = examined(LINES, *KNOWN)
    assert ([], 3) == (examination.findings, examination.met)


def test_two_roots_for_one_size_are_a_fork_by_themselves() -> None:
    """A log that showed two faces is found out by its checkpoints alone."""
    examination = examined(LINES, *KNOWN, LedgerState(8, "00" * 32))
    assert "STATES_FORKED" == examination.findings[0].code


def test_open_intents_are_told() -> None:
    """An INTENT without a line that closes it stays in `open`."""
    lines = [
        encode(1, at=NOW, kind="INTENT", facts_json="{}"),
        encode(2, at=NOW, kind="INTENT", facts_json="{}"),
        encode(3, at=NOW, kind="DONE", facts_json='{"intent":1}'),
    ]
    assert [2] == list(examined(lines).open)


def test_an_export_may_begin_later(tmp_path: Path) -> None:
    """Pieces fit together by the frontier in their first line: a later checkpoint proves it, an earlier one is told as
    not looked at, and a forged frontier is found."""
    ledger = Ledger(open_database(f"sqlite:///{tmp_path / 'kyso.db'}"))
    noted = {}
    for _ in range(6):
        use_key(ledger)
        noted[ledger.state().size] = ledger.state()
    file = io.BytesIO()
    assert noted[12] == ledger.export(file, since=5)
    known = (noted[4], noted[8], noted[12])
    examination, state = examine_export(io.BytesIO(file.getvalue()), known=known)
    assert ([], 2, 1, noted[12]) == (examination.findings, examination.met, examination.beyond, state)
    first, _, rest = file.getvalue().partition(b"\n")
    forged = first[:13] + b"00" * 64 + first[13 + 128 :]
    assert (len(first), b'{"frontier":"') == (len(forged), forged[:13])
    examination, _ = examine_export(io.BytesIO(forged + b"\n" + rest), known=known)
    assert {"FORKED", "ROOT_DIFFERS"} <= {one.code for one in examination.findings}
    examination, _ = examine_export(io.BytesIO(b'{"frontier":"00","since":5}\n' + rest), known=known)
    assert "EXPORT_CUT" == examination.findings[0].code
    with pytest.raises(ValueError, match="12 lines"):
        ledger.export(io.BytesIO(), since=13)


def test_consistency_proofs_are_those_of_the_rfc(tmp_path: Path) -> None:
    """RFC 6962 §2.1.3: the examples of a tree of seven, and every other size verifies by §2.1.2's own algorithm."""
    ledger = Ledger(open_database(f"sqlite:///{tmp_path / 'kyso.db'}"))
    for _ in range(13):
        ledger.append("FAILED", {})
    tree = ledger.tree
    # The RFC's names: c, d, g, l; i, j, k
    assert [tree.root(2, 3), tree.root(3, 4), tree.root(0, 2), tree.root(4, 7)] == tree.consistency(3, 7)
    assert [tree.root(4, 7)] == tree.consistency(4, 7)
    assert [tree.root(4, 6), tree.root(6, 7), tree.root(0, 4)] == tree.consistency(6, 7)
    for new in range(1, 14):
        for old in range(1, new + 1):
            assert verifies(tree.consistency(old, new), old, new, tree.root(0, old), tree.root(0, new)), (old, new)
    with pytest.raises(ValueError, match="shorter"):
        tree.consistency(5, 4)


def verifies(path: list[bytes], old: int, new: int, old_root: bytes, new_root: bytes) -> bool:
    """RFC 9162 §2.1.4.2, step by step."""
    from api.ledger.merkle import node_hash

    if old == new:
        return path == [] and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(step, fr), node_hash(step, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, step)
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == new_root and sn == 0
