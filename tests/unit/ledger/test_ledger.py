"""The ledger: what it proves, what it refuses, what it finds when someone meddles."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from api.errors import LedgerBroken, LedgerUnavailable
from api.ledger import Ledger, LedgerState, canonical, verify_export
from api.ledger.line import decode, encode
from api.ledger.merkle import Frontier, leaf_hash, node_hash
from api.store.database import Database, open_database

pytestmark = pytest.mark.spine

NOW = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'kyso.db'}")


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, clock=lambda: NOW)


def use_key(ledger: Ledger, *, signature: str = "sig_1") -> int:
    intent = ledger.append(
        "INTENT", {"caller": "c1", "key": "seal", "document_sha256": "ab" * 32, "signature": signature, "level": "B-B"}
    )
    ledger.append("DONE", {"intent": intent, "signature": signature, "value": "c2ln"})
    return intent


def tamper(database: Database, *statements: str) -> None:
    """Change the database as someone with the file in hand would."""
    with database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS ledger_no_update")
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS ledger_no_delete")
        for statement in statements:
            connection.exec_driver_sql(statement)


def merkle_tree_hash(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word by word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return leaf_hash(entries[0])
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return node_hash(merkle_tree_hash(entries[:split]), merkle_tree_hash(entries[split:]))


def test_the_frontier_makes_the_root_of_rfc_6962() -> None:
    """For every size up to 130 the root kept up line by line equals the recursive definition."""
    entries, frontier = [], Frontier()
    for number in range(130):
        assert merkle_tree_hash(entries) == frontier.root()
        entries.append(str(number).encode())
        frontier = Frontier.from_bytes(frontier.size, frontier.to_bytes()).add(leaf_hash(entries[-1]))
    assert merkle_tree_hash(entries) == frontier.root()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), json_values))
def test_a_line_is_read_back_as_it_was_written(facts: dict[str, object]) -> None:
    """Whatever facts JSON can carry: one spelling, and the same facts again; sorted keys, no spaces."""
    text = encode(7, at=NOW, kind="DONE", facts_json=canonical(facts))
    line = decode(text)
    assert (line.number, line.at, line.kind, line.facts) == (7, NOW, "DONE", facts)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    "facts", [{"a": 1.5}, {"a": 2**53}, {"a": b"bytes"}, {"é": 1}, {"a": "\ud800"}, {"a": {"b": [0.5]}}, {1: 2}]
)
def test_facts_without_one_spelling_are_refused(ledger: Ledger, facts: dict[str, object]) -> None:
    """Nothing is appended that another JSON library could spell differently."""
    with pytest.raises(ValueError, match=r"."):
        ledger.append("DONE", facts)
    assert ledger.state().size == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"at": "2026-11-22T09:00:00.000000Z","facts":{},"kind":"DONE","number":1}',
        '{"at":"2026-11-22T09:00:00Z","facts":{},"kind":"DONE","number":1}',
        '{"at":"2026-11-22T09:00:00.000000","facts":{},"kind":"DONE","number":1}',
        '{"at":"2026-11-22T09:00:00.000000Z","facts":{},"kind":"ODD","number":1}',
        '{"at":"2026-11-22T09:00:00.000000Z","facts":{"a":1,"a":2},"kind":"DONE","number":1}',
        '{"at":"2026-11-22T09:00:00.000000Z","facts":{},"kind":"DONE","number":true}',
        '{"at":"2026-11-22T09:00:00.000000Z","facts":[],"kind":"DONE","number":1}',
        "[]",
        "",
    ],
)
def test_text_that_is_not_canonical_is_no_line(text: str) -> None:
    """A line has one spelling; any other is not one."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_lines_are_numbered_from_one_and_found_by_what_they_are_about(ledger: Ledger) -> None:
    """Numbers without gap; filters by kind, signature, document, key and caller; `since` and `limit` page."""
    assert [use_key(ledger, signature=f"sig_{n}") for n in range(3)] == [1, 3, 5]
    assert [line.number for line in ledger.read(since=2, limit=2)] == [3, 4]
    assert [line.number for line in ledger.read(signature="sig_1")] == [3, 4]
    assert [line.number for line in ledger.read(kind="DONE")] == [2, 4, 6]
    assert [line.number for line in ledger.read(key="seal", caller="c1", document="ab" * 32)] == [1, 3, 5]
    assert ledger.read(key="other") == ()
    assert ledger.read()[1].facts == {"intent": 1, "signature": "sig_0", "value": "c2ln"}


def test_an_intent_is_open_until_a_line_says_what_became_of_it(ledger: Ledger) -> None:
    """DONE, FAILED, REFUSED and IN_DOUBT close an INTENT; COMPLETED speaks of the document, not of the key."""
    numbers = [ledger.append("INTENT", {"key": "seal"}) for _ in range(6)]
    for number, kind in zip(numbers, ("DONE", "FAILED", "REFUSED", "IN_DOUBT", "COMPLETED"), strict=False):
        ledger.append(kind, {"intent": number})
    assert [line.number for line in ledger.open_intents()] == numbers[4:]


def test_settled_lines_are_not_looked_at_again_and_none_is_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """The mark of what is settled moves up to the first open INTENT, never over it."""
    monkeypatch.setattr("api.ledger.log.PAGE", 1)
    for _ in range(3):
        use_key(ledger)
    still_open = ledger.append("INTENT", {})
    use_key(ledger)
    assert [line.number for line in ledger.open_intents()] == [still_open]
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT settled FROM ledger_head").scalar() == still_open - 1
    assert [line.number for line in ledger.open_intents()] == [still_open]
    assert ledger.verify().size == 9
    tamper(database, "UPDATE ledger_head SET settled = 9")
    with pytest.raises(LedgerBroken, match="counted as settled"):
        ledger.verify()


def test_what_is_stored_with_a_line_stands_or_falls_with_it(ledger: Ledger, database: Database) -> None:
    """`also` is in the same transaction: its failure leaves no line, and it knows the number."""
    numbers: list[int] = []
    ledger.append("INTENT", {}, also=lambda _, number: numbers.append(number))

    def fails(_connection: sa.Connection, _number: int) -> None:
        raise LookupError("no such record")

    with pytest.raises(LookupError):
        ledger.append("INTENT", {}, also=fails)
    assert ledger.append("INTENT", {}) == 2
    assert numbers == [1]


def test_threads_share_a_ledger_without_gap_or_loss(ledger: Ledger) -> None:
    """Sixteen threads append at once: every number is handed out once, and the root is right."""
    numbers: list[int] = []

    def work() -> None:
        numbers.extend([ledger.append("INTENT", {}) for _ in range(25)])

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 401))
    assert ledger.verify() == ledger.state() == LedgerState(400, ledger.state().root)


def test_one_thread_that_fails_does_not_take_the_others_lines_with_it(ledger: Ledger) -> None:
    """In a shared transaction each piece that is sound is stored, each that is not raises in its own thread."""
    outcomes: list[object] = []
    start = threading.Barrier(12)

    def fails(_connection: sa.Connection, _number: int) -> None:
        raise LookupError

    def work(also: Callable[[sa.Connection, int], None] | None) -> None:
        start.wait()
        for _ in range(10):
            try:
                outcomes.append(ledger.append("INTENT", {}, also=also))
            except LookupError:
                outcomes.append(None)

    threads = [threading.Thread(target=work, args=(fails if n % 3 == 0 else None,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(None) == 40
    assert sorted(number for number in outcomes if number) == list(range(1, 81))
    assert ledger.verify().size == 80


def swap(a: int, b: int) -> tuple[str, ...]:
    return tuple(
        f"UPDATE ledger SET number = {after} WHERE number = {before}" for before, after in ((a, 999), (b, a), (999, b))
    )


RENUMBERED = encode(3, at=NOW, kind="INTENT", facts_json="{}")
HASH = leaf_hash(RENUMBERED.encode()).hex()


@pytest.mark.parametrize(
    ("what", "statements", "finding"),
    [
        ("edited", ("UPDATE ledger SET line = replace(line, 'seal', 'sealX') WHERE number = 3",), "line 3 was edited"),
        (
            "edited with its hash",
            (f"UPDATE ledger SET line = '{RENUMBERED}', leaf_hash = x'{HASH}', signature = NULL, document = NULL, "
             "key = NULL, caller = NULL WHERE number = 3",),
            "do not make the ledger's root",
        ),
        ("index edited", ("UPDATE ledger SET intent = 5 WHERE number = 2",), "index of line 2"),
        ("hash edited", ("UPDATE ledger SET leaf_hash = zeroblob(32) WHERE number = 2",), "line 2 was edited"),
        ("deleted", ("DELETE FROM ledger WHERE number = 3",), "line 3 is missing"),
        ("reordered", swap(2, 4), "line 2 says that it is line 4"),
        ("cut", ("DELETE FROM ledger WHERE number > 4",), "missing behind 4"),
        ("emptied", ("DELETE FROM ledger",), "missing behind 0"),
        ("head moved back", ("UPDATE ledger_head SET size = 4, frontier = substr(frontier, 1, 32)",), "behind the"),
        ("added", ("INSERT INTO ledger SELECT 7, line, leaf_hash, kind, 0, '', '', '', '' FROM ledger WHERE number=6",),
         "behind the ledger's head"),
        ("head edited", ("UPDATE ledger_head SET frontier = zeroblob(64)",), "do not make the ledger's root"),
        ("head broken", ("UPDATE ledger_head SET frontier = x'00'",), "does not fit"),
        ("head gone", ("DELETE FROM ledger_head",), "has no head"),
    ],
)  # fmt: skip
def test_meddling_is_found(
    ledger: Ledger, database: Database, what: str, statements: tuple[str, ...], finding: str
) -> None:
    """Edited, deleted, reordered, added and cut lines, and edited heads, each named."""
    for _ in range(3):
        use_key(ledger)
    assert ledger.verify().size == 6
    tamper(database, *statements)
    with pytest.raises(LedgerBroken, match=finding):
        ledger.verify()


def test_a_line_that_cannot_be_read_is_a_broken_ledger(ledger: Ledger, database: Database) -> None:
    """Reading meets an edited line: LedgerBroken, no decoder's error."""
    use_key(ledger)
    tamper(database, "UPDATE ledger SET line = 'x', intent = NULL")
    with pytest.raises(LedgerBroken):
        ledger.read()
    with pytest.raises(LedgerBroken):
        ledger.open_intents()


def test_lines_cannot_be_changed_by_mistake(ledger: Ledger, database: Database) -> None:
    """The table itself refuses UPDATE and DELETE."""
    use_key(ledger)
    for statement in ("UPDATE ledger SET kind = 'FAILED'", "DELETE FROM ledger"):
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            database.engine.connect() as connection,
            connection.begin(),
        ):
            connection.exec_driver_sql(statement)
    assert ledger.verify().size == 2


def rebuilt(database: Database, keep: int) -> None:
    """A forger with the database in hand: cut the log and compute a matching head."""
    frontier = Frontier()
    with database.engine.connect() as connection:
        for row in connection.exec_driver_sql(f"SELECT leaf_hash FROM ledger WHERE number <= {keep} ORDER BY number"):
            frontier = frontier.add(row[0])
    tamper(
        database,
        f"DELETE FROM ledger WHERE number > {keep}",
        f"UPDATE ledger_head SET size = {keep}, frontier = x'{frontier.to_bytes().hex()}'",
    )


def test_a_state_noted_elsewhere_uncovers_a_forged_head(ledger: Ledger, database: Database) -> None:
    """A log cut or rewritten together with its head is in order by itself, and not against what was noted before."""
    use_key(ledger)
    early = ledger.verify()
    use_key(ledger)
    late = ledger.verify(known=(early,))
    rebuilt(database, 3)
    assert ledger.verify(known=(early,)).size == 3
    with pytest.raises(LedgerBroken, match="it had 4 lines"):
        ledger.verify(known=(early, late))
    ledger.append("FAILED", {"intent": 3})
    with pytest.raises(LedgerBroken, match="not those that were noted"):
        ledger.verify(known=(early, late))


def test_an_export_can_be_checked_without_the_database(ledger: Ledger) -> None:
    """The file agrees with the database's state; every single meddling with it is found."""
    for _ in range(4):
        use_key(ledger)
    file = io.BytesIO()
    state = ledger.export(file)
    assert verify_export(io.BytesIO(file.getvalue()), known=(state,)) == state == ledger.verify()

    lines = file.getvalue().splitlines(keepends=True)
    forged = {
        "edited": [*lines[:2], lines[2].replace(b"seal", b"sea1"), *lines[3:]],
        "deleted": [*lines[:2], *lines[3:]],
        "reordered": [lines[1], lines[0], *lines[2:]],
        "cut with the end": lines[:5],
        "cut before the end": [*lines[:5], lines[-1]],
        "added": [*lines[:-1], lines[-2], lines[-1]],
        "empty": [],
        "not text": [b"\xff\xfe\n", *lines],
    }
    for what, content in forged.items():
        with pytest.raises(LedgerBroken):
            pytest.fail(f"{what}: {verify_export(io.BytesIO(b''.join(content)))}")
    other = LedgerState(4, "00" * 32)
    with pytest.raises(LedgerBroken, match="not those that were noted"):
        verify_export(io.BytesIO(file.getvalue()), known=(other,))
    with pytest.raises(LedgerBroken, match="forked"):
        verify_export(io.BytesIO(file.getvalue()), known=(state, LedgerState(state.size, "00" * 32)))


def test_a_read_only_database_takes_no_line(ledger: Ledger, tmp_path: Path) -> None:
    """LedgerUnavailable, and reading goes on."""
    use_key(ledger)
    frozen = Ledger(open_database(f"sqlite:///file:{tmp_path / 'kyso.db'}?mode=ro&uri=true"))
    with pytest.raises(LedgerUnavailable) as caught:
        frozen.append("INTENT", {})
    assert caught.value.code == "ledger-unavailable"
    assert frozen.verify().size == 2


def test_a_locked_database_takes_no_line_and_recovers(ledger: Ledger, tmp_path: Path, database: Database) -> None:
    """Another process sits on the write lock: LedgerUnavailable after the wait, also for those queued behind; then
    everything goes on by itself."""
    impatient = Ledger(open_database(f"sqlite:///{tmp_path / 'kyso.db'}", busy_seconds=0.2))
    refused: list[LedgerUnavailable] = []

    def try_it() -> None:
        try:
            impatient.append("INTENT", {})
        except LedgerUnavailable as error:
            refused.append(error)

    with database.engine.connect() as blocker:
        blocker.execution_options(kyso_writes=True)
        with blocker.begin():
            threads = [threading.Thread(target=try_it) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert len(refused) == 5
    assert impatient.append("INTENT", {}) == 1
