"""Rules on procedures, where officials sign: a session's signature says which procedure it is a step of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.sessions.test_procedures import FIRST, LETTER, asked, letter
from tests.session_support import desk

pytestmark = pytest.mark.appliance


def test_a_rule_names_the_procedures_that_a_key_signs_in(tmp_path: Path) -> None:
    """A step of the procedure is signed, and its INTENT says which one it was; another procedure, and a document without
    one, are refused with the rule's code."""
    one = desk(tmp_path, directory=True)

    def rule(*procedures: str) -> None:
        text = {"callers": "*", "keys": "*", "procedures": procedures}
        assert 200 == one.house.ask("PUT", "/v1/rights/thu", name="administrator", json=text).status_code

    def outcome() -> dict:
        session = asked(one, letter(one, "giấy.pdf"), FIRST, organisation="A1", person="p2")
        assert 202 == one.consent(session, "other").status_code
        while one.work():
            pass
        return one.show(session)["documents"][0]

    rule("chuyen-sinh-hoat-*")
    assert "signed" == outcome()["state"]
    (line,) = one.house.services.ledger.read(kind="INTENT", limit=10)
    assert LETTER == line.facts["procedure"]
    rule("thu-dang-phi")
    assert ("failed", "right-procedure") == tuple(outcome()["outcome"][name] for name in ("state", "code"))
    assert 1 == len(one.house.services.ledger.read(kind="INTENT", limit=10))
