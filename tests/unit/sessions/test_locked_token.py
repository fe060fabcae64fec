"""A token that is locked: the official is told at once, with what to say to whom, and tries again when it is mended."""

from __future__ import annotations

import pytest

from tests.session_support import desk

pytestmark = pytest.mark.web


def test_a_locked_token_is_told_at_once_and_tried_again_later(tmp_path):
    """The document has failed with a code, a support code and the hotline in the session; nothing is half done; when the
    token is open the same consent goes on."""
    one = desk(tmp_path, sessions={"hotline": "0200 000 000 (demo)"})
    session = one.asked()
    one.house.token.state = "locked"
    one.consent(session)
    while one.work():
        pass
    shown = one.show(session)
    (document,) = shown["documents"]
    assert ("failed", "token-locked") == (document["state"], document["outcome"]["code"])
    assert document["outcome"]["support_code"]
    assert ("partly", "0200 000 000 (demo)") == (shown["state"], shown["hotline"])
    assert 0 == one.house.token.signed
    one.house.token.state = "operational"
    assert 202 == one.page("POST", session, "/continue").status_code
    while one.work():
        pass
    assert "done" == one.show(session)["state"]
    assert 1 == one.house.token.signed
