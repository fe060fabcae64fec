"""The way back through every version, on PostgreSQL."""

from __future__ import annotations

import pytest

from api.store import schema
from api.store.database import Database, open_database
from api.store.tables import metadata
from tests.integration.store.test_postgresql import database, server  # noqa: F401 - fixtures

pytestmark = pytest.mark.appliance


def test_every_version_can_be_left_and_reached_again(database: Database) -> None:  # noqa: F811 - the fixture
    """One at a time back to the first, and up again to the schema that the program expects."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    for target in reversed(schema.versions()[:-1]):
        assert 1 == len(database.go_back(target))
        assert target == database.read(schema.current)
    url = database.engine.url.render_as_string(hide_password=False)
    again = open_database(url)
    try:
        with again.engine.connect() as connection:
            assert [] == compare_metadata(MigrationContext.configure(connection), metadata)
    finally:
        again.close()
