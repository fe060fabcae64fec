"""What the service does about its own ledger: checkpoints, witnesses, comparisons with the keeper's log of uses."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from api import background
from api.errors import LedgerBroken
from api.ledger.kept import Kept
from api.ledger.note import VerifierKey, read
from api.store.callers import Caller, CallerId
from api.workflows import audit_page, checkpoints, reconciling
from hsm.errors import HsmError
from tests.hsm_support import eventually, signed_attributes
from tests.integration.ledger.conftest import ORIGIN, World, a_world
from tests.unit.ledger.test_examine import verifies

pytestmark = pytest.mark.appliance


def kinds(world: World) -> list[tuple[str, str]]:
    return [(line.kind, str(line.facts.get("caller"))) for line in world.services.ledger.read(limit=1000)]


def codes(world: World) -> list[str]:
    return [one.code for one in reconciling.reconcile(world.services)]


def counted(world: World, code: str) -> float:
    return world.services.metrics.registry.get_sample_value("kyso_ledger_alarms_total", {"code": code}) or 0.0


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_checkpoint_calls_for_no_checkpoint(fresh: World) -> None:
    """Its own use is on record in two lines, which the next one covers; without anything else there is no next one."""
    assert checkpoints.make(fresh.services) is None  # nothing to say yet
    fresh.use(count=2)
    first = checkpoints.make(fresh.services)
    assert first is not None
    assert (ORIGIN, 4) == (first.unverified.origin, first.unverified.size)
    assert [("INTENT", "checkpoint"), ("DONE", "checkpoint")] == kinds(fresh)[4:]
    for _ in range(3):
        assert first == checkpoints.make(fresh.services)
    assert 6 == len(kinds(fresh))
    fresh.use()
    second = checkpoints.make(fresh.services)
    assert second is not None
    assert 8 == second.unverified.size
    key = VerifierKey.parse(fresh.vkey)
    kept = Kept(fresh.services.settings.checkpoint_folder).notes()
    assert [4, 8] == [note.verified((key,)).size for note in kept]
    fresh.services.ledger.verify(known=tuple(checkpoints.state_of(note.unverified) for note in kept))


def test_a_ledger_that_does_not_go_on_from_its_checkpoint_is_not_signed(fresh: World) -> None:
    """The key would contradict itself: it is not used, and it is an alarm."""
    fresh.use(count=2)
    checkpoints.make(fresh.services)
    fresh.use(count=1)
    with sqlite3.connect(fresh.home / "kyso.db") as connection:
        for statement in (
            "DROP TRIGGER ledger_no_update",
            "UPDATE ledger SET leaf_hash = zeroblob(32) WHERE number = 2",
        ):
            connection.execute(statement)
    connection.close()
    before = len(kinds(fresh))
    with pytest.raises(LedgerBroken, match="newest checkpoint"):
        checkpoints.make(fresh.services)
    assert before == len(kinds(fresh))


def test_evidence_waits_for_a_checkpoint_that_another_process_makes(fresh: World) -> None:
    """The folder is another's for a moment; then the line is covered, by one checkpoint and not by two."""
    fresh.use()
    kept = Kept(fresh.services.settings.checkpoint_folder)
    with kept.alone():
        waiting: list[object] = []
        thread = threading.Thread(target=lambda: waiting.append(checkpoints.covering(fresh.services, 2)))
        thread.start()
        thread.join(0.3)
        assert [] == waiting
    thread.join()
    assert [2] == [note.unverified.size for note in kept.notes()]
    covered = checkpoints.covering(fresh.services, 1)
    assert covered is not None
    assert covered == kept.newest() == waiting[0]


def test_the_service_signs_at_its_start_and_at_its_end(tmp_path: Path) -> None:
    """Without anybody asking, and again when it stops; what came in between is covered."""
    with a_world(tmp_path) as world:
        world.use()
        end = background.start(world.services)
        kept = Kept(world.services.settings.checkpoint_folder)
        try:
            eventually(lambda: len(kept.notes()) == 1)
            world.use()
        finally:
            end()
        assert [2, 6] == [note.unverified.size for note in kept.notes()]


class Witness(BaseHTTPRequestHandler):
    """C2SP tlog-witness, add-checkpoint: it believes a log only if it grew from what it signed last."""

    seen: list[tuple[int, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        head, _, note = body.partition("\n\n")
        old, *proof = head.splitlines()
        checkpoint = read(note).unverified
        size, root = self.server.seen[-1] if self.server.seen else (0, b"")  # type: ignore[attr-defined]  # below
        steps = [base64.b64decode(step) for step in proof]
        grew = size == 0 or verifies(steps, size, checkpoint.size, root, checkpoint.root)
        ok = self.path == "/w/add-checkpoint" and old == f"old {size}" and grew
        self.send_response(200 if ok else 409)
        self.end_headers()
        if ok:
            self.server.seen.append((checkpoint.size, checkpoint.root))  # type: ignore[attr-defined]  # below
            self.wfile.write(f"— witness.test/w {base64.b64encode(bytes(76)).decode()}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def witness() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Witness)
    server.seen = []  # type: ignore[attr-defined]  # what it signed, size and root
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_witness_sees_that_the_log_only_grew(tmp_path: Path, witness: HTTPServer) -> None:
    """It gets each checkpoint with a proof, and its signature is kept with the log's; one that is away is no obstacle."""
    address = f"127.0.0.1:{witness.server_port}"
    wanted = {"key": "ledger", "origin": ORIGIN, "witnesses": [f"http://{address}/w", "http://127.0.0.1:9/gone"]}
    private = {"private": [address, "127.0.0.1:9"]}
    with a_world(tmp_path, checkpoints=wanted, fetch=private) as world:
        for count in (1, 3, 2):
            world.use(count=count)
            checkpoints.make(world.services)
        notes = Kept(world.services.settings.checkpoint_folder).notes()
        assert [2, 10, 16] == [size for size, _ in witness.seen]  # type: ignore[attr-defined]  # see the fixture
        assert [[ORIGIN, "witness.test/w"]] * 3 == [[one.name for one in note.signatures] for note in notes]
        key = VerifierKey.parse(world.vkey)
        assert [2, 10, 16] == [note.verified((key,)).size for note in notes]


def test_the_page_calls_only_that_signed_which_the_ledgers_key_signed(fresh: World) -> None:
    """A checkpoint that somebody changed in its file proves nothing; the line still leads to the ledger's own root."""
    fresh.use()
    checkpoints.make(fresh.services)
    auditor = Caller(CallerId("a"), "auditor", "auditor", ())
    proof = audit_page.prove(fresh.services, auditor, 1)
    assert proof is not None
    assert (True, 2) == (proof.is_good, proof.state.size)
    assert proof.note is not None
    assert audit_page.check(fresh.services, proof.note.text).is_good
    kept = Kept(fresh.services.settings.checkpoint_folder)
    kept.file.write_text(proof.note.text.replace("— kyso.test/ledger ", "— kyso.test/ledger A") + "\n")
    forged = proof.note.text.replace("\n2\n", "\n1\n")
    assert "check_signature" == audit_page.check(fresh.services, forged).word
    proof = audit_page.prove(fresh.services, auditor, 1)
    assert proof is not None
    assert (True, None, 4) == (proof.is_good, proof.note, proof.state.size)


# --- the keeper's log of uses -----------------------------------------------------------------------------------------


def test_what_agrees_is_no_alarm_and_is_looked_at_once(fresh: World) -> None:
    """Each round begins where the last one ended."""
    fresh.use(count=3)
    checkpoints.make(fresh.services)
    assert [] == codes(fresh)
    note = json.loads((fresh.home / "log" / "reconciled.json").read_text())
    assert (4, 8, 0) == (note["modules"]["box"]["uses"], note["lines"], note["alarms"])
    fresh.use()
    assert [] == codes(fresh)


def test_a_use_without_a_line_is_an_alarm(fresh: World) -> None:
    """Somebody with the secret of permits used a key behind the ledger's back: once in the log, counted, and for ever
    in `kyso audit verify`."""
    fresh.use()
    tbs = signed_attributes(b"behind the back")
    fresh.box.sign(fresh.box.token, tbs, key="seal", mechanism="ecdsa_sha256", number=4711)
    assert ["USE_WITHOUT_LINE"] == codes(fresh)
    assert [] == codes(fresh)
    assert (1.0, 1) == (counted(fresh, "USE_WITHOUT_LINE"), reconciling.alarms(fresh.services))


def test_a_line_reused_for_other_bytes_is_an_alarm(fresh: World) -> None:
    """A permit for a number whose INTENT is about something else."""
    number = fresh.services.key_user.intend(
        {"key": "seal", "caller": "c", "mechanism": "ecdsa_sha256", "tbs_sha256": "00" * 32}
    )
    tbs = signed_attributes(b"other bytes")
    fresh.box.sign(fresh.box.token, tbs, key="seal", mechanism="ecdsa_sha256", number=number)
    assert ["USE_DIFFERS"] == codes(fresh)


def test_a_line_that_no_keeper_knows_and_one_that_denies_a_use_are_alarms(fresh: World) -> None:
    """An invented DONE, a DONE with another value, a FAILED over a use that took place."""
    user, seal = fresh.services.key_user, fresh.services.keys.find("seal")
    invented = user.intend({"key": "seal", "caller": "c", "mechanism": "ecdsa_sha256", "tbs_sha256": "00" * 32})
    user.done(invented, value=b"invented", facts={"key": "seal"})
    assert ["LINE_WITHOUT_USE"] == codes(fresh)
    for close in (
        lambda number: user.done(number, value=b"another", facts={"key": "seal"}),
        lambda number: user.failed(number, code="x", facts={"key": "seal"}),
    ):
        tbs = signed_attributes(str(close).encode())
        digest = hashlib.sha256(tbs).hexdigest()
        number = user.intend({"key": "seal", "caller": "c", "mechanism": "ecdsa_sha256", "tbs_sha256": digest})
        user.sign(seal, mechanism="ecdsa_sha256", tbs=tbs, number=number)
        close(number)
    assert ["USE_DIFFERS", "USE_DENIED"] == codes(fresh)


def test_a_log_that_was_cut_or_replaced_is_an_alarm(fresh: World) -> None:
    """The keeper's chain does not show a missing tail; who counted the uses does, and then the lines miss their uses."""
    fresh.use(count=3)
    assert [] == codes(fresh)
    fresh.box.stop()
    log = fresh.box.path / "box.uses"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-2]))
    fresh.box.start()
    fresh.use()
    assert ["USE_LOG_REPLACED"] == codes(fresh)  # as many uses as before, but the third is another
    fresh.box.stop()
    log.unlink()
    fresh.box.start()
    assert ["USE_LOG_REPLACED"] == codes(fresh)


def test_while_a_keeper_is_away_nothing_moves_on(fresh: World) -> None:
    """The comparison is made when it is back."""
    fresh.use(count=2)
    fresh.box.stop()
    fresh.services.keys.tokens["box"] = type(fresh.box.token)(fresh.box.path / "s", patience=0.1)
    with pytest.raises(HsmError):
        reconciling.reconcile(fresh.services)
    assert not (fresh.home / "log" / "reconciled.json").read_text()
    fresh.box.start()
    eventually(lambda: fresh.box.token.status().state == "operational")
    assert [] == codes(fresh)
    assert 4 == json.loads((fresh.home / "log" / "reconciled.json").read_text())["lines"]
