"""The parts of the set-up: answers, the configuration that is written, what is checked, what is noted."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import settings
from api.setting_up import answers as answering
from api.setting_up import checks, configuration, offer
from api.setting_up.answers import Answers, AnswersUnusable
from api.setting_up.configuration import ConfigurationEdited
from api.setting_up.record import Record
from api.setting_up.steps import Setup
from api.store.encryption.keys import StorageKeyMissing
from tests.hsm_support import SOFTHSM, need_softhsm

pytestmark = pytest.mark.appliance
GIVEN = {"module": "hsm", "library": "/usr/lib/p11.so", "token": "kyso"}


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("modul = 1", "module"),
        ('module = "hsm"\nlibrary = "/p11.so"', "token"),
        ('module = "hsm"\nlibrary = "/p11.so"\ntoken = "t"\npin = "on paper"', "pin"),
        ('module = "hsm"\nlibrary = "/p11.so"\ntoken = "t"\npin_value = "123456"', "pin_value"),
        ('module = "../x"\nlibrary = "/p11.so"\ntoken = "t"', "module"),
        ("[[", "answers.toml"),
    ],
)
def test_an_answer_that_is_wrong_is_named_by_its_question_and_never_repeated(tmp_path: Path, text: str, question: str):
    """An unknown question, a missing one, a wrong one: told by name, and what was answered is not (it may be a PIN)."""
    file = tmp_path / "answers.toml"
    file.write_text(text)
    with pytest.raises(AnswersUnusable) as caught:
        answering.read(file)
    assert question in str(caught.value)
    assert "123456" not in str(caught.value)


def test_two_keys_of_one_name_or_purpose_are_refused():
    """One key for timestamps, one for checkpoints, and each name once."""
    seal = {"ref": "a", "purpose": "seal"}
    for keys in ([seal, seal], [{"ref": "a", "purpose": "timestamps"}, {"ref": "b", "purpose": "timestamps"}]):
        with pytest.raises(AnswersUnusable, match="keys"):
            answering.of({**GIVEN, "keys": keys})


def test_what_is_written_is_read_as_settings(tmp_path: Path):
    """The file is TOML that the service starts with, whatever stands in names and paths."""
    given = {
        **GIVEN,
        "token": 'Kho "khóa" \\ 1',
        "environment": {"CONF": "{home}/x"},
        "timestamp_authorities": ["http://tsa.test/"],
        "fetch_allowed": ["ocsp.test"],
        "origin": "https://ky.test",
    }
    text = configuration.text_of(answering.of(given))
    (tmp_path / "kyso.toml").write_text(text)
    found = settings.load(tmp_path)
    assert given["token"] == found.modules["hsm"].token
    assert ("checkpoint",) == found.keys["ledger"].shapes
    assert "ledger" == found.checkpoints.key
    assert ("http://tsa.test/",) == found.timestamping.authorities
    assert tomllib.loads(text)["server"]["origin"] == "https://ky.test"


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="ko-") as folder:
        yield Path(folder)


def test_keepers_apart_and_their_service_are_set_up_from_one_set_of_answers(near: Path):
    """The keepers' file names who may ask, and has the PIN's place; the service's names what they offer, and has neither PIN
    nor library of its own choosing. The folder that both meet in tells no secret."""
    keepers, service = near / "k", near / "s"
    for home in (keepers, service):
        home.mkdir()
    person = (
        '\n[keys.lead]\nholder = "person"\n[keys.lead.activation]\nrp_id = "ky.test"\norigins = ["https://ky.test"]\n'
    )
    chosen = answering.of({**GIVEN, "peers": ["root"], "environment": {"CONF": "x"}})
    (keepers / "kyso.toml").write_text(configuration.text_of(chosen) + person)
    theirs = settings.load(keepers)
    assert ("keepers", (0,), "secrets/hsm.pin") == (
        chosen.part,
        theirs.keepers.peers,
        str(theirs.modules["hsm"].pin_file),
    )
    assert (None, None) == (theirs.storage.key_file, theirs.checkpoints)
    with pytest.raises(offer.OfferUnusable):
        answering.about(keepers)
    theirs.make_folders()
    offer.leave(theirs)
    file = keepers / "run" / offer.FILE
    assert (0o640, False) == (file.stat().st_mode & 0o777, "pin" in file.read_text())
    chosen = answering.of({"storage_kept_by": "Chánh Văn phòng", **answering.about(keepers)})
    (service / "kyso.toml").write_text(configuration.text_of(chosen))
    ours = settings.load(service)
    assert ("service", keepers) == (chosen.part, ours.keepers.apart)
    assert (None, None) == (ours.modules["hsm"].pin_file, ours.modules["hsm"].pin_credential)
    assert theirs.keys == ours.keys
    assert ("ledger", "tsa") == (ours.checkpoints.key, ours.authority.key)
    assert ("secrets/storage.key", "Chánh Văn phòng") == (str(ours.storage.key_file), ours.storage.kept_by)
    with pytest.raises(AnswersUnusable, match="keepers"):
        answering.of({**GIVEN, "peers": ["root"], "keepers": "/k"})


def test_a_storage_key_that_was_made_and_is_gone_is_never_replaced(tmp_path: Path):
    """Another one would hide the loss; until its making is noted it may be made again."""
    (tmp_path / "kyso.toml").write_text('[storage]\nkey_file = "secrets/storage.key"\n')
    found, record = settings.load(tmp_path), Record(tmp_path / "setup.json")
    work = Setup(tmp_path, record, answering.of(GIVEN), tools=None, pins=None)
    assert ("made", "there") == (work._storage(found).did, work._storage(found).did)
    key = tmp_path / "secrets" / "storage.key"
    key.unlink()
    with pytest.raises(StorageKeyMissing):
        work._storage(found)
    assert not key.exists()


def test_an_edited_file_is_never_ours(tmp_path: Path):
    """Absent: written. Ours of an earlier answer: written anew. Anything else: refused, with the difference."""
    file = tmp_path / "kyso.toml"
    assert configuration.require_ours(file, "a = 1\n", known="")
    file.write_text("a = 1\n")
    assert not configuration.require_ours(file, "a = 1\n", known="")
    assert configuration.require_ours(file, "a = 2\n", known=configuration.mark("a = 1\n"))
    with pytest.raises(ConfigurationEdited, match=r"\+a = 2"):
        configuration.require_ours(file, "a = 2\n", known=configuration.mark("a = 0\n"))


def test_a_library_is_tried_in_a_process_of_its_own(tmp_path: Path):
    """One that is missing, no library, or named by a relative path is a finding, and harms nobody; SoftHSM works."""
    need_softhsm()
    (tmp_path / "tokens").mkdir()
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    environment = {"SOFTHSM2_CONF": str(tmp_path / "conf")}
    for bad in ("/no/such.so", "p11.so", "/usr/lib/x86_64-linux-gnu/libc.so.6", __file__):
        check, _ = checks.library(Path(bad), environment=environment)
        assert not check.is_well
        assert check.must
    assert checks.library(SOFTHSM, environment=environment)[0].is_well


def test_what_a_machine_lacks_is_found(tmp_path: Path):
    """A clock of another year, a disk without room, workers that cannot be locked down."""
    from datetime import UTC, datetime

    def fails() -> bool:
        raise OSError

    assert not checks.clock(datetime(1999, 1, 1, tzinfo=UTC)).is_well
    assert not checks.disk(tmp_path / "new" / "home", least=1 << 60).is_well
    assert not checks.sandbox(fails).is_well
    assert not checks.sandbox(lambda: False).is_well


def test_a_note_that_cannot_be_read_is_begun_anew_and_never_finished(tmp_path: Path):
    """Rubbish in the note is no completed set-up."""
    file = tmp_path / "setup.json"
    for text in ("", "[1]", "{"):
        file.write_text(text)
        record = Record(file)
        assert not record.finished
        assert record.answers is None
        record.answered(Answers(**GIVEN).model_dump(mode="json"))
        record.done("token")
        assert Record(file).has("token")
        record.finish()
        assert Record(file).finished
