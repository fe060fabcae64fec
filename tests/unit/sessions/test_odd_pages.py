"""Sessions about documents whose pages begin below zero, are larger than readers count, or show nothing."""

from __future__ import annotations

import base64

import pikepdf
import pytest

from tests.looks_support import hand, page
from tests.session_support import Desk, desk

pytestmark = pytest.mark.web

LOOK = {"profile": "dang/nguoi-ky"}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = desk(tmp_path_factory.mktemp("desk"))
    folder = made.house.services.settings.home / "pictures" / "seal"
    folder.mkdir(parents=True)
    (folder / "signature.png").write_bytes(hand())
    return made


def paper(one: Desk, **changes: object) -> list[tuple[str, bytes]]:
    return [("trang.pdf", page(one.folder / "trang.pdf", **changes).read_bytes())]


@pytest.mark.parametrize("turn", [0, 90])
def test_a_page_that_begins_below_zero_is_like_any_other(one: Desk, turn: int):
    """People see it from its lower left corner; the field lies where they put it."""
    session = one.asked(paper(one, MediaBox=[-500, -400, 95, 442], Rotate=turn), each={"order": LOOK})
    put = one.page("PUT", session, "/documents/d1/place", json={"page": 1, "box": [40, 50, 190, 116]})
    assert 200 == put.status_code, put.text
    one.consent(session)
    assert one.work()
    (one.folder / "signed.pdf").write_bytes(one.page("GET", session, "/documents/d1?signed=1").content)
    with pikepdf.open(one.folder / "signed.pdf") as document:
        box = [float(side) for side in document.pages[0].Annots[0].Rect]
    assert pytest.approx([-460, -350, -310, -284] if turn == 0 else [-21, -360, 45, -210]) == box


ODD = {
    "huge": {"MediaBox": [0, 0, 9_999_999, 9_999_999]},
    "far away": {"MediaBox": [9_999_000, 0, 9_999_595, 842]},
}


@pytest.mark.parametrize("kind", ODD)
def test_a_page_beyond_counting_is_not_signed(one: Desk, kind: str):
    """Refused with a code, in words, and with what to tell the hotline; no key was used, and the document is as it was."""
    session = one.asked(paper(one, **ODD[kind]), each={"order": LOOK})
    put = one.page("PUT", session, "/documents/d1/place", json={"page": 1, "box": [40, 50, 190, 116]})
    assert 200 == put.status_code, put.text
    used = one.house.token.signed
    one.consent(session)
    while one.work():
        pass
    shown = one.show(session)["documents"][0]
    assert ("failed", "place-outside-page") == (shown["outcome"]["state"], shown["outcome"]["code"])
    assert shown["outcome"]["support_code"]
    assert used == one.house.token.signed
    assert "document-not-ready" == one.page("GET", session, "/documents/d1?signed=1").json()["code"]


def test_an_order_of_a_session_brings_no_pictures(one: Desk):
    """They would have to be kept until somebody consents; those of the key lie on the machine."""
    order = LOOK | {"images": {"signature": base64.b64encode(hand()).decode()}}
    answer = one.post(paper(one), each={"order": order})
    assert (400, "images") == (answer.status_code, answer.json()["facts"]["field"])


def test_a_picture_of_a_huge_page_is_no_larger_than_others(one: Desk):
    """It is drawn at the width that was asked for."""
    session = one.asked(paper(one, MediaBox=[0, 0, 14_400, 14_400]))
    picture = one.page("GET", session, "/documents/d1/pages/1?width=400")
    assert 200 == picture.status_code
    assert len(picture.content) < 60_000
