"""Every level and packaging of XML from a real appliance, before the readers that need no Java."""

from __future__ import annotations

import pytest

from tests.hsm_support import need_softhsm
from tests.interop import npm, xml_controls, xml_matrix, xml_peers
from tests.interop.commands import lay_desk
from tests.interop.house import open_house
from tests.interop.xml_cases import SMALL, XmlCase
from tests.interop.xml_matrix import Row

pytestmark = [pytest.mark.xades, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def scripts() -> npm.Tools | None:
    """The readers in JavaScript, where there is Node and a registry."""
    try:
        return npm.build()
    except npm.NodeMissing:
        return None


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, scripts: npm.Tools | None) -> dict[XmlCase, Row]:
    need_softhsm()
    folder = tmp_path_factory.mktemp("interop-xml")
    with open_house(folder) as house:
        document = xml_matrix.write(folder)
        made = xml_matrix.make(house, folder, document, SMALL)
        found = xml_matrix.judge(house, made, lay_desk(house, folder / "desk"), document, scripts=scripts)
    return {row.case: row for row in found}


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_every_reader_accepts_the_xml_that_kyso_signs(rows: dict[XmlCase, Row], case: XmlCase) -> None:
    """No reader finds fault, but where it knows a feature from nobody."""
    assert not rows[case].red


def test_what_is_excused_is_still_a_limit(rows: dict[XmlCase, Row]) -> None:
    """A reader that has learnt a feature is no longer excused from it."""
    asked = {name for row in rows.values() for name in row.said}
    limits = {**xml_controls.LIMITS, **xml_controls.UNKNOWN}
    for (reader, feature), limit in limits.items():
        excused = [row.excused.get(reader, "") for case, row in rows.items() if feature in case.features]
        assert reader not in asked or any(why.startswith(limit.why) for why in excused), (reader, feature)


def test_the_readers_in_javascript_were_asked(scripts: npm.Tools | None) -> None:
    """Without Node the table has two columns less, and says so."""
    if scripts is None:
        pytest.skip("Node, npm or its registry is not here: xml-crypto and xadesjs were not asked")
    assert set(xml_matrix.SCRIPTS) == {"xml-crypto", "xadesjs"}


def test_the_table_tells_red_from_limits(rows: dict[XmlCase, Row]) -> None:
    """A fault shows as RED with its words below the table; a limit as such, with its reason."""
    good = next(iter(rows.values()))
    bad = Row(good.case, {**good.said, "xmlsec1": xml_peers.Said.of(["data and digest do not match"])}, {})
    told = xml_matrix.markdown([bad])
    assert "RED" in told
    assert "do not match" in told
    assert "RED" not in xml_matrix.markdown(list(rows.values()))
