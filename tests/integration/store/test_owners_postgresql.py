"""Files that no record names, with a PostgreSQL that says which ones those are."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from api.store.tables import batch_document, signature
from api.workflows.sweeping import APART, Sweeper
from tests.documents import pdf
from tests.http_support import house
from tests.integration.store.test_postgresql import database_of, server  # noqa: F401 - a fixture
from tests.unit.storage import dying

pytestmark = pytest.mark.appliance


def test_what_no_row_names_goes_and_the_rest_stays(tmp_path: Path, server: str) -> None:  # noqa: F811 - the fixture
    """Signed, waiting in a batch, kept beside a signature in XML: each stays. What nobody names goes."""
    home = house(tmp_path / "home", database=database_of(server, "kyso_owners"))
    identity = dying.sign(home, pdf(tmp_path / "a.pdf"))
    waiting, kept, _ = (home.services.blobs.put(io.BytesIO(b"%PDF")) for _ in range(3))
    row = {"batch": "bat_1", "number": 1, "name": "a", "sha256": "0", "size": 1, "blob": waiting}
    order = json.dumps({"kept": {"original": None, "name": None, "detached": [["a.xml", kept]]}})
    named = signature.update().where(signature.c.id == identity).values(order_json=order)
    home.services.database.write(lambda c: c.execute(batch_document.insert().values(row)))
    home.services.database.write(lambda c: c.execute(named))
    sweeper = Sweeper()
    assert [0, 1] == [sweeper.look(home.services, now=now) for now in (0.0, APART)]
    assert 3 == len(list(home.services.blobs.files()))
    assert home.services.blobs.size(waiting)
    assert home.services.blobs.size(kept)
    home.services.database.close()
