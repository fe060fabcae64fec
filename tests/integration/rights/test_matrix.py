"""Every route against every role: allowed exactly where it should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api import auth
from api.store.callers import ROLES
from tests.http_support import House
from tests.integration.rights.matrix import COLUMNS, LOCAL, NOBODY, Endpoint, endpoints, furnished, outcome, table

pytestmark = pytest.mark.appliance

OPEN = ("nothing", "a-session")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> House:
    return furnished(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(scope="module")
def found(home: House) -> tuple[Endpoint, ...]:
    return endpoints(home.app)


@pytest.fixture(scope="module")
def asked(home: House, found: tuple[Endpoint, ...]) -> list[tuple[Endpoint, dict[str, int]]]:
    return [(one, {column: outcome(home, one, column) for column in COLUMNS}) for one in found]


def test_every_route_declares_what_it_needs(found: tuple[Endpoint, ...]) -> None:
    """A route without @needs answers nobody; here stands which one it is."""
    assert [] == [one.mend for one in found if one.need is None]


def test_no_operation_of_the_interface_is_missing(home: House, found: tuple[Endpoint, ...]) -> None:
    """Each operation of the OpenAPI document is among the routes that are tried."""
    described = {(method.upper(), path) for path, methods in home.app.openapi()["paths"].items() for method in methods}
    assert set() == described - {(one.method, one.path) for one in found}


def test_everybody_gets_what_the_declaration_says(asked: list[tuple[Endpoint, dict[str, int]]]) -> None:
    """401 for nobody, 403 for a role without the permission, anything else for one that has it."""
    assert [] == list(_wrong(asked))


def _wrong(asked: list[tuple[Endpoint, dict[str, int]]]) -> Iterator[str]:
    for one, statuses in asked:
        for column, status in statuses.items():
            if one.need in OPEN:
                expected = "an answer"
                good = status < 500 or status == 503
            elif column == NOBODY:
                expected, good = "401", status == 401
            elif not one.allowed(column):
                expected, good = "403", status == 403
            else:
                expected = "let in"
                good = status not in (401, 403) and (status < 500 or status == 503)
            if not good:
                yield f"{one.method} {one.path} as {column}: {expected}, not {status} ({one.where})"


def test_nobody_reads_what_is_open_to_all(asked: list[tuple[Endpoint, dict[str, int]]]) -> None:
    """What needs nothing is answered to somebody without a credential."""
    closed = [
        one.path
        for one, statuses in asked
        if one.need == "nothing" and one.method == "GET" and statuses[NOBODY] in (401, 403)
    ]
    assert [] == closed


def _changes(found: tuple[Endpoint, ...], column: str) -> set[str]:
    """Needs of the calls besides GET that the column may make."""
    return {str(one.need) for one in found if one.method != "GET" and one.need not in OPEN and one.allowed(column)}


def test_an_auditor_changes_nothing(found: tuple[Endpoint, ...]) -> None:
    """An auditor's calls besides GET judge a document or try a rule."""
    assert _changes(found, "auditor") <= {"verify", "see-rights"}


def test_an_operator_neither_signs_nor_sees_documents(found: tuple[Endpoint, ...]) -> None:
    """Nothing of an operator touches a document, a signature or the ledger."""
    needs = {one.need for one in found if one.allowed("operator")} - set(OPEN)
    assert needs <= {"see-keys", "see-all-keys", "see-trust", "see-queue", "unlock"}


def test_backup_can_only_make_backups(found: tuple[Endpoint, ...]) -> None:
    """The key of a backup job opens nothing else."""
    assert {one.need for one in found if one.allowed("backup")} - set(OPEN) <= {"backup"}


@pytest.mark.parametrize("role", ["client", "official", "clerk"])
def test_who_signs_administers_nothing(found: tuple[Endpoint, ...], role: str) -> None:
    """Systems and people who sign change neither callers nor rules, and do not read the ledger."""
    forbidden = auth.WHOLE | {"see-audit", "see-callers", "change-callers", "see-all-signatures", "see-all-keys"}
    assert set() == {one.need for one in found if one.allowed(role)} & forbidden


def test_an_organisations_administrator_is_not_the_appliances(found: tuple[Endpoint, ...]) -> None:
    """Backup, trust, rules, locks: not for somebody who belongs to one organisation."""
    assert set() == {one.need for one in found if one.allowed(LOCAL)} & auth.WHOLE


def test_who_administers_does_not_read_others_documents() -> None:
    """Only an auditor sees what others had signed."""
    assert ["auditor"] == [role for role in ROLES if "see-all-signatures" in auth.PERMISSIONS[role]]


def test_the_table_names_every_route(asked: list[tuple[Endpoint, dict[str, int]]], tmp_path: Path) -> None:
    """The printed matrix has a line for each."""
    told = table(asked)
    assert all(f"{one.method} {one.path} " in told for one, _ in asked)
