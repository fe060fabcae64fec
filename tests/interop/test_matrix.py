"""Every level × algorithm × path from a real appliance, before the readers that need no Java."""

from __future__ import annotations

import pytest

from tests.hsm_support import need_softhsm
from tests.interop import controls, matrix, peers
from tests.interop.cases import CASES, Case
from tests.interop.commands import lay_desk
from tests.interop.house import open_house
from tests.interop.matrix import Row

pytestmark = [pytest.mark.pades, pytest.mark.timeout(600)]  # forty documents, seven readers, in one set-up


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Row]:
    need_softhsm()
    folder = tmp_path_factory.mktemp("interop")
    with open_house(folder) as house:
        made = matrix.make(house, folder)
        found = matrix.judge(house, made, lay_desk(house, folder / "desk"))
    return {row.case: row for row in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_reader_accepts_what_kyso_signs(rows: dict[Case, Row], case: Case):
    """No reader finds fault, but where it knows the algorithm from nobody; and every reader had something to look at."""
    row = rows[case]
    assert not row.red
    silent = {name for name, said in row.said.items() if said.verdict == "nothing"}
    assert silent == ({"openssl ts"} if case.level == "B-B" else set())


def test_what_is_excused_is_still_a_limit(rows: dict[Case, Row]):
    """A reader that has learnt an algorithm is no longer excused from it."""
    met = {(name, row.case.algorithm.kind) for row in rows.values() for name in row.excused}
    assert met == {limit for limit in controls.LIMITS if limit[0] in peers.READERS}


def test_the_table_tells_red_from_limits(rows: dict[Case, Row]):
    """A fault shows as RED with its words below the table; a limit as such, with its reason."""
    good = next(iter(rows.values()))
    bad = Row(good.case, {**good.said, "pdfsig": peers.Said.of(["nothing signed"])}, frozenset())
    told = matrix.markdown([bad])
    assert "RED" in told
    assert "nothing signed" in told
    assert "RED" not in matrix.markdown(list(rows.values()))
