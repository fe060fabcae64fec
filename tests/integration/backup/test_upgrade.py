"""Data of the previous release, the way up and the way back: nothing of it is lost, in either direction.

The previous release is its own code, out of the history of this repository, in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.ledger import Ledger
from api.schemas import OrderRequest
from api.store import schema
from api.store.database import open_database
from api.store.encryption import keys
from api.uploads import of_file
from api.workflows import signing, storage
from tests.appliance import ROOT
from tests.documents import pdf
from tests.http_support import House, house

pytestmark = pytest.mark.appliance

PREVIOUS = "f561630"
"""The commit before organisations, encryption at rest, retention and backups."""
AT = "0005_smaller_indexes"
"""Its database's version."""
PARTS = ("api", "hsm", "signer", "verify", "tests", "pyproject.toml")

PROGRAM = """
import io, json, sys
from pathlib import Path
from api.schemas import OrderRequest
from api.store import callers
from api.uploads import of_file
from api.workflows import signing
from tests.http_support import house

home, document, what = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3]
served = house(home)
said = {"documents": {}, "whole": None}
with of_file(io.BytesIO(document), name="a.pdf", folder=served.services.settings.tmp, limit=1 << 30) as upload:
    record = signing.sign(served.services, served.callers["client"], OrderRequest(key="seal"), upload).record
said["signed"] = record.id
table = signing.signatures.table
rows = served.services.database.read(lambda c: [(row.id, row.signed_blob) for row in c.execute(table.select())])
for identity, blob in rows:
    with served.services.blobs.open(blob) as file:
        said["documents"][identity] = file.read().startswith(document)
if what == "whole":
    said["whole"] = served.services.ledger.verify().size
said["key"] = served.secrets["client"]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The former release's code in a folder."""
    git = shutil.which("git")
    command = [git or "git", "-C", str(ROOT), "archive", "--format=tar", PREVIOUS, *PARTS]
    done = subprocess.run(command, capture_output=True, check=False) if git else None
    if done is None or done.returncode != 0:
        pytest.skip(f"the history of the repository is not here (commit {PREVIOUS})")
    folder = tmp_path_factory.mktemp("previous")
    subprocess.run(["tar", "--extract", "--directory", folder], input=done.stdout, check=True)
    return folder


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pdf(tmp_path_factory.mktemp("document") / "plain.pdf")


@pytest.fixture(scope="module")
def begun(previous: Path, document: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A home of the previous release with a signed document, and what it said of it."""
    home = tmp_path_factory.mktemp("former") / "home"
    return home, former(previous, home, document)


def former(previous: Path, home: Path, document: Path, what: str = "") -> dict:
    """What the previous release does with this home: it signs once more, and reads all that is there."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), str(document), what],
        cwd=previous,
        env={"PYTHONPATH": str(previous), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    return json.loads(done.stdout)


def sign(home: House, document: Path) -> str:
    with (
        document.open("rb") as source,
        of_file(source, name="a.pdf", folder=home.services.work, limit=1 << 30) as upload,
    ):
        return signing.sign(home.services, home.callers["client"], OrderRequest(key="seal"), upload).record.id


def test_the_former_releases_data_go_up_and_back(
    previous: Path, begun: tuple[Path, dict], document: Path, tmp_path: Path
) -> None:
    """Signed there; read, encrypted and signed on here; decrypted and brought back: there everything is read and signed
    again, what was signed here too.

    Back by the database's own versions: what was signed meanwhile stays. Lines of kinds that the former release does not
    know are in the ledger all the same, so that it is this release that says whether the ledger is whole."""
    home, before = shutil.copytree(begun[0], tmp_path / "home"), begun[1]
    keys.make(home / "secrets" / "storage.key")
    here = house(home, storage={"key_file": "secrets/storage.key"})
    assert schema.newest() == here.services.database.read(schema.current)
    here.secrets["client"] = before["key"]  # the API key that was made there
    for path in list(storage.store_of(here.services).files()):
        assert storage.store_of(here.services).renew(path)
    answer = here.ask("GET", f"/v1/signatures/{before['signed']}/document")
    assert answer.content.startswith(document.read_bytes()), answer.text
    meanwhile = sign(here, document)
    assert 2 == storage.decrypt(here.services, by="t")
    size = here.services.ledger.verify().size
    here.services.database.go_back(AT)
    here.services.database.close()
    after = former(previous, home, document)
    assert {before["signed"], meanwhile, after["signed"]} == set(after["documents"])
    assert all(after["documents"].values())
    again = open_database(f"sqlite:///{home / 'kyso.db'}")
    assert size + 3 == Ledger(again).verify().size
    again.close()


def test_the_copy_from_before_brings_the_former_release_back_as_it_was(
    previous: Path, begun: tuple[Path, dict], document: Path, tmp_path: Path
) -> None:
    """The other way: the copy that the migration left. There the ledger is whole to the former release, and what was
    signed meanwhile is lost to it."""
    home, before = shutil.copytree(begun[0], tmp_path / "home"), begun[1]
    here = house(home)
    meanwhile = sign(here, document)
    here.services.database.close()
    for name in ("kyso.db-wal", "kyso.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / f"kyso.db.before-{AT}").replace(home / "kyso.db")
    after = former(previous, home, document, "whole")
    assert {before["signed"], after["signed"]} == set(after["documents"])
    assert meanwhile not in after["documents"]
    assert 6 == after["whole"]
