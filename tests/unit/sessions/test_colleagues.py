"""To whom a document may be passed on: those of the official's own organisation, and by which name that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.session_support import desk

pytestmark = pytest.mark.web


def test_the_people_of_ones_organisation_the_highest_first(tmp_path: Path):
    """By name and post, clerks last, without the person who asks; whom it was passed on to is told by name."""
    one = desk(tmp_path, directory=True)
    session = one.asked(one.papers(2), person="p3", organisation="A", role="clerk")
    told = one.page("GET", session, "/people").json()["people"]
    expected = [("Nguyễn Văn Mẫu", "Bí thư"), ("Trần Thị Ví Dụ", "Phó Bí thư")]
    assert expected == [(person["name"], person["title"]) for person in told]
    passed = {"person": told[1]["id"], "reason": "Đi công tác"}
    assert 200 == one.page("POST", session, "/documents/d1/reassign", json=passed).status_code
    assert 200 == one.page("POST", session, "/documents/d2/reassign", json={**passed, "person": "p1"}).status_code
    outcomes = [document["outcome"]["reassigned_name"] for document in one.show(session)["documents"]]
    assert ["Trần Thị Ví Dụ", "Nguyễn Văn Mẫu"] == outcomes


def test_nobody_is_told_where_the_directory_knows_no_organisation(tmp_path: Path):
    """And a system or another session's page learns of nobody."""
    one = desk(tmp_path)
    session = one.asked()
    assert {"people": []} == one.page("GET", session, "/people").json()
    assert "session-not-found" == one.house.ask("GET", f"/v1/sessions/{session}/people").json()["code"]
