"""A ledger that somebody meddled with: six ways, each found on the machine itself and from an export on another one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from api.ledger.line import columns, decode, encode
from api.ledger.merkle import Frontier, leaf_hash
from tests.cli_support import kyso
from tests.integration.ledger.conftest import Copy, World

pytestmark = pytest.mark.appliance


def remade(copy: Copy, change: Callable[[list[str]], list[str]]) -> None:
    """A forger with everything but the keys: lines of his own, numbered, hashed and under a head that fits."""
    with sqlite3.connect(copy.home / "kyso.db") as connection:
        lines = [row[0] for row in connection.execute("SELECT line FROM ledger ORDER BY number")]
    connection.close()
    copy.meddle("DELETE FROM ledger")
    frontier = Frontier()
    with sqlite3.connect(copy.home / "kyso.db") as connection:
        for text in change(lines):
            frontier = frontier.add(leaf_hash(text.encode()))
            line = decode(text)
            values = {
                "number": frontier.size, "line": text, "leaf_hash": leaf_hash(text.encode()), "kind": line.kind,
                **columns(line.facts),
            }  # fmt: skip
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO ledger ({names}) VALUES ({marks})", tuple(values.values()))
        connection.execute(
            "UPDATE ledger_head SET size = ?, frontier = ?, settled = 0", (frontier.size, frontier.to_bytes())
        )
    connection.close()


def renumbered(lines: list[str]) -> list[str]:
    """The lines under the numbers of their places, closing lines following their INTENT."""
    shift, found = {}, []
    for number, text in enumerate(lines, 1):
        line = decode(text)
        shift.setdefault(line.number, number)
        facts = dict(line.facts)
        if "intent" in facts:
            facts["intent"] = shift.get(facts["intent"], facts["intent"])
        made = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        found.append(encode(number, at=line.at, kind=line.kind, facts_json=made))
    return found


def edited(copy: Copy) -> None:
    """Another caller, in the text alone."""
    copy.meddle('UPDATE ledger SET line = replace(line, \'"caller":"test"\', \'"caller":"tess"\') WHERE number = 5')


def deleted(copy: Copy) -> None:
    copy.meddle("DELETE FROM ledger WHERE number = 5")


def swapped(copy: Copy) -> None:
    copy.meddle(*(f"UPDATE ledger SET number = {to} WHERE number = {of}" for of, to in ((5, 999), (6, 5), (999, 6))))


def forked(copy: Copy) -> None:
    """From line 5 on another history, with everything recomputed."""
    remade(copy, lambda lines: [*lines[:4], *(text.replace('"test"', '"tess"') for text in lines[4:])])


def truncated(copy: Copy) -> None:
    """The tail never was, and the head agrees."""
    remade(copy, lambda lines: lines[:15])


def inserted(copy: Copy) -> None:
    """A use that never was, in the middle, everything behind renumbered."""
    remade(copy, lambda lines: renumbered([*lines[:4], lines[2], lines[3], *lines[4:]]))


WAYS = {
    edited: (("line 5 was edited",), ("a line between 1 and 6",)),
    deleted: (("lines 5 to 5 are missing",), ("lines 5 to 5 are missing",)),
    swapped: (("line 5 is another one",), ("line 5 is another one",)),
    forked: (("rewritten: a line between 1 and 6",), ("rewritten: a line between 1 and 6",)),
    truncated: (
        ("was cut: it ends before line 16", "key seal was used for line 17"),
        ("was cut: it ends before line 16",),
    ),
    inserted: (("rewritten: a line between 1 and 6",), ("rewritten: a line between 1 and 6",)),
}


def test_a_whole_ledger_is_proved_here_and_elsewhere(world: World, tmp_path: Path) -> None:
    """Status 0; every checkpoint is met and every use of a key has its line."""
    copy = world.copy(tmp_path)
    copy.run = kyso  # the command itself, in a process of its own
    here, elsewhere = copy.verify("--format", "json"), copy.verify_elsewhere("--format", "json", uses=True)
    for ran in (here, elsewhere):
        assert (0, []) == (ran.status, ran.err), ran
        said = json.loads(ran.out)
        assert (True, 3, [], []) == (said["whole"], said["checkpoints"], said["findings"], said["open"])
        assert world.services.ledger.state().size == said["size"]
        assert 11 == said["uses"]  # eight of the seal, three of the ledger's own key
    assert "the ledger is whole: 22 lines" in copy.verify().out


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_meddling_is_found_here_and_elsewhere(world: World, tmp_path: Path, way: Callable[[Copy], None]) -> None:
    """Status 1 and a sentence with the first bad line; also where only an export, the checkpoints and the key are."""
    copy = world.copy(tmp_path)
    way(copy)
    for ran, sentences in zip((copy.verify(), copy.verify_elsewhere()), WAYS[way], strict=True):
        assert (1, []) == (ran.status, ran.err), ran
        assert ran.out.startswith("the ledger is not whole")
        for sentence in sentences:
            assert sentence in ran.out, ran.out


def test_a_forger_of_the_checkpoints_is_found(world: World, tmp_path: Path) -> None:
    """A checkpoint that was changed, or signed by another key, proves nothing and is named by its place."""
    copy = world.copy(tmp_path)
    notes = copy.home / "checkpoints" / "ledger.checkpoints"
    whole = notes.read_text()
    notes.write_text(whole.replace("\n6\n", "\n5\n", 1))
    ran = copy.verify()
    assert 1 == ran.status
    assert "checkpoint no. 1 in the file bears a wrong signature" in ran.out
    notes.write_text(whole[:20] + whole[21:])
    assert "checkpoint no. 1 in the file" in copy.verify().out
    notes.write_text(whole)
    stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    ran = copy.verify("--format", "json")
    assert 0 == ran.status
    copy.vkey = stranger
    ran = copy.verify("--format", "json")
    assert (1, ["CHECKPOINT_UNKNOWN_KEY"]) == (ran.status, [one["code"] for one in json.loads(ran.out)["findings"]])


def test_the_newest_checkpoints_may_be_lost_but_the_keeper_knows(world: World, tmp_path: Path) -> None:
    """Who cuts the ledger and drops the checkpoints about it still has the keeper's log of uses against him."""
    copy = world.copy(tmp_path)
    truncated(copy)
    notes = copy.home / "checkpoints" / "ledger.checkpoints"
    notes.write_text("\n".join(notes.read_text().split("\n")[:12]))
    ran = copy.verify()
    assert 1 == ran.status
    assert "key seal was used for line 17, and the ledger has no such line" in ran.out


def test_later_pieces_of_an_export_are_proved_by_the_same_checkpoints(world: World, tmp_path: Path) -> None:
    """`--since` begins where an archived piece ended; a changed line in it is found."""
    copy = world.copy(tmp_path)
    piece = tmp_path / "piece.jsonl"
    assert 0 == copy.run("audit", "export", "--since", "10", "-o", piece, home=copy.home).status
    options = ("--checkpoints", copy.home / "checkpoints" / "ledger.checkpoints")
    ran = copy.verify("--export", piece, *options)
    assert 0 == ran.status, ran
    assert "1 checkpoints are about lines before the export's first" in ran.out
    piece.write_text(piece.read_text().replace('"test"', '"tess"', 1))
    ran = copy.verify("--export", piece, *options)
    assert (1, True) == (ran.status, "a line between 11 and 14" in ran.out), ran.out


@pytest.mark.parametrize(
    "options",
    [
        ("--key", "nonsense"),
        ("--checkpoints", "no such file"),
        ("--uses", "no such file"),
        ("--known", "12"),
        ("--export", "no such file"),
    ],
)
def test_a_wrong_call_is_64(world: World, tmp_path: Path, options: tuple[str, str]) -> None:
    """Nothing was looked at, so that nothing is said about the ledger."""
    assert 64 == world.copy(tmp_path).verify(*options).status


def test_findings_are_told_in_vietnamese(world: World, tmp_path: Path) -> None:
    """The default language of the command line."""
    copy = world.copy(tmp_path)
    deleted(copy)
    ran = copy.verify("--lang", "vi")
    assert "nhật ký không nguyên vẹn" in ran.out
    assert "thiếu các dòng từ 5 đến 5" in ran.out
