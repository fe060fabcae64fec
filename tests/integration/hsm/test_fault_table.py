"""The fault table as a promise: whatever call fails in whatever way, no wrong signature leaves and work goes on."""

from __future__ import annotations

import pytest

from tests.hsm_support import build_shim, need_softhsm
from tests.integration.hsm.faults import HANG, PIN_ANSWERS, RECOVERY, SIGNING, VIOLENT, Cell, markdown, measure

pytestmark = pytest.mark.pades


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """The table, measured once; shown with `pytest -s`."""
    need_softhsm()
    found = measure(build_shim(tmp_path_factory.mktemp("shim")))
    print("\n" + markdown(found))
    return found


def test_no_wrong_signature_leaves(cells: list[Cell]) -> None:
    """In none of the cells, nor in the signatures after them."""
    assert [cell for cell in cells if cell.wrong] == []


def test_every_fault_was_met(cells: list[Cell]) -> None:
    """Else a cell would prove nothing."""
    assert [(cell.call, cell.fault) for cell in cells if not cell.reached] == []


def test_work_goes_on_within_five_seconds(cells: list[Cell]) -> None:
    """By itself; but for a PIN that the token refused, which takes a person. A hang lasts its limit first."""
    late = [
        cell
        for cell in cells
        if cell.fault not in PIN_ANSWERS
        and (cell.recovered is None or cell.recovered > RECOVERY + (HANG if cell.fault == "a hang" else 0))
    ]
    assert late == []
    assert {cell.state for cell in cells if cell.fault in PIN_ANSWERS} == {"locked"}


def test_at_most_one_try_of_the_pin_is_spent(cells: list[Cell]) -> None:
    """A login that failed is not repeated after a refusal; after a device's error the next one succeeds."""
    assert max(cell.refused_logins for cell in cells) == 1


def test_a_failed_use_is_an_error_of_the_operator_or_no_failure(cells: list[Cell]) -> None:
    """The codes that a request under a fault meets are the promised ones."""
    of_signing = {cell.outcome for cell in cells if cell.call in SIGNING and cell.fault not in VIOLENT}
    assert of_signing == {"token-not-available"}
    violent = {cell.fault: cell.outcome for cell in cells if cell.fault in VIOLENT}
    assert violent == {
        "a flipped bit": "token-signature-wrong",
        "a hang": "signing-interrupted",
        "death before": "signing-interrupted",
        "death after": "signing-interrupted",
    }
