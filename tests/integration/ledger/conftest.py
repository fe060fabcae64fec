"""A ledger with real uses of real keys: a SoftHSM token, a keeper, checkpoints signed by a key of their own."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from api import cli
from api.composition import compose
from api.ledger.kept import NOTES
from api.services import Services
from api.settings import Settings
from api.workflows import checkpoints
from hsm.launch import KeyConfig
from tests.cli_support import Ran
from tests.hsm_support import Box, a_box, signed_attributes

ORIGIN = "kyso.test/ledger"
TOML = """
[modules.box]
library = "{library}"
token = "box"

[keys.seal]
canary = "off"

[keys.ledger]
shapes = ["checkpoint"]

[checkpoints]
key = "ledger"
origin = "kyso.test/ledger"
"""


def here(*arguments: str | Path, home: Path) -> Ran:
    """A command in this process: as `kyso`, without the second that a start takes."""
    out, err = io.StringIO(), io.StringIO()
    given = {"KYSO_HOME": str(home), "KYSO_LANG": "en"}
    with patch.dict(os.environ, given), redirect_stdout(out), redirect_stderr(err):
        status = cli.run([str(argument) for argument in arguments])
    return Ran(status, out.getvalue(), err.getvalue().splitlines())


@dataclass
class World:
    """A service without HTTP, whose home can be copied for somebody to meddle with."""

    box: Box
    services: Services
    signed: int = 0

    @property
    def home(self) -> Path:
        return self.services.settings.home

    @property
    def vkey(self) -> str:
        return checkpoints.verifier_key(self.services).text

    def use(self, key: str = "seal", *, count: int = 1) -> None:
        """Uses of a key, as the timestamp authority makes them."""
        info = self.services.keys.find(key)
        for _ in range(count):
            self.signed += 1
            tbs = signed_attributes(b"%d" % self.signed)
            facts = {"caller": "test", "level": "test"}
            self.services.key_user.once(info, mechanism=info.mechanisms[0], tbs=tbs, facts=facts)

    def copy(self, folder: Path) -> Copy:
        """Database, checkpoints and the keeper's log, as they are now, in a home of their own."""
        home = folder / "home"
        (home / "log").mkdir(parents=True)
        (home / "kyso.toml").write_text(TOML.format(library=self.box.library))
        source, target = (sqlite3.connect(one) for one in (self.home / "kyso.db", home / "kyso.db"))
        with source, target:
            source.backup(target)
        source.close()
        target.close()
        shutil.copytree(self.services.settings.checkpoint_folder, home / "checkpoints")
        shutil.copy(self.box.path / "box.uses", home / "log" / "keeper-box.uses")
        return Copy(home, self.vkey)


@dataclass
class Copy:
    """A copy of a home, and what an auditor does with it."""

    home: Path
    vkey: str
    run: Callable[..., Ran] = here
    elsewhere: Path = field(init=False)

    def __post_init__(self) -> None:
        self.elsewhere = self.home.parent / "another machine"
        self.elsewhere.mkdir()

    def meddle(self, *statements: str) -> None:
        """Change the database as someone with the file in hand would."""
        with sqlite3.connect(self.home / "kyso.db") as connection:
            for trigger in ("ledger_no_update", "ledger_no_delete"):
                connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def verify(self, *options: str | Path) -> Ran:
        """`kyso audit verify` on this home, with the key that the auditor noted."""
        return self.run("audit", "verify", "--key", self.vkey, *options, home=self.home)

    def verify_elsewhere(self, *options: str | Path, uses: bool = False) -> Ran:
        """The same with nothing but copies: an export, the checkpoints, the key; no home, no database."""
        exported = self.elsewhere / "ledger.jsonl"
        ran = self.run("audit", "export", "-o", exported, home=self.home)
        assert 0 == ran.status, ran
        shutil.copy(self.home / "checkpoints" / NOTES, self.elsewhere)
        logs = ()
        if uses:
            shutil.copy(self.home / "log" / "keeper-box.uses", self.elsewhere)
            logs = ("--uses", self.elsewhere / "keeper-box.uses")
        where = ("--export", exported, "--checkpoints", self.elsewhere / NOTES, "--key", self.vkey, *logs)
        return self.run("audit", "verify", *where, *options, home=self.elsewhere / "no home")


@contextmanager
def a_world(folder: Path, **sections: object) -> Iterator[World]:
    """Keys `seal` and `ledger` behind a keeper, a ledger without a line; `sections` change the settings."""
    with a_box(keys={"ledger": KeyConfig(shapes=("checkpoint",))}) as box:
        box.make_token()
        box.start()
        box.create("seal", "p256")
        box.create("ledger", "ed25519")
        (folder / "kyso.toml").write_text(TOML.format(library=box.library))
        settings = Settings(home=folder, **sections)  # type: ignore[arg-type]  # a test's own sections
        services = compose(settings, permit_secret=box.secret, tokens={"box": box.token})
        yield World(box, services)
        services.database.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """A ledger to meddle with."""
    (tmp_path / "world").mkdir()
    with a_world(tmp_path / "world") as world:
        yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Eight uses of a seal in three stretches, each with its checkpoint. Not to be changed."""
    with a_world(tmp_path_factory.mktemp("world")) as world:
        for count in (3, 3, 2):
            world.use(count=count)
            assert checkpoints.make(world.services) is not None
        yield world
