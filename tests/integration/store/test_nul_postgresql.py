"""An address that holds a NUL, which PostgreSQL takes in no text: refused, and no error of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.http_support import house
from tests.integration.store.test_postgresql import server  # noqa: F401 - a fixture

pytestmark = pytest.mark.appliance

ADDRESSES = (
    "/v1/signatures/sig_%00",
    "/v1/batches/bat_%00",
    "/v1/changes/chg_%00",
    "/v1/audit?caller=a%00b",
    "/v1/rights/%00",
    "/v1/people/%00",
)


def test_no_address_with_a_nul_reaches_the_database(tmp_path: Path, server: str) -> None:  # noqa: F811 - the fixture
    """Paths and queries alike, for whoever may ask."""
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE kyso_nul")
    admin.dispose()
    home = house(tmp_path / "home", database=server.replace("/postgres?", "/kyso_nul?"))
    found = {address: home.ask("GET", address, name="administrator").status_code for address in ADDRESSES}
    assert {400, 404} >= set(found.values()), found
