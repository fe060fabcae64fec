"""A page as it will be: with the signature in the place that is looked at, drawn by a worker; nothing is signed by it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.session_support import desk

pytestmark = pytest.mark.web

PLACE = {"page": 1, "box": [300, 100, 480, 170]}


def test_a_page_is_drawn_as_it_will_be(tmp_path: Path):
    """Where the signature goes the picture differs from the page, and nowhere else; no key is used, nothing is kept, and
    a place over a field, another's certificate and a document that was sent back are refused."""
    one = desk(tmp_path)
    session = one.asked(one.papers(2))
    shown = _picture(one.page("GET", session, "/documents/d1/pages/1?width=595").content)
    answer = one.page("POST", session, "/documents/d1/preview?width=595", json={"key": "seal", "place": PLACE})
    assert (200, "image/webp") == (answer.status_code, answer.headers["content-type"]), answer.text
    scale = shown.height / 842
    left, bottom, right, top = (side * scale for side in PLACE["box"])  # type: ignore[union-attr]
    box = tuple(map(round, (left, shown.height - top, right, shown.height - bottom)))
    preview = _picture(answer.content)
    assert preview.size == shown.size
    assert preview.crop(box).tobytes() != shown.crop(box).tobytes()
    above = (0, 0, shown.width, box[1] - 4)
    assert preview.crop(above).tobytes() == shown.crop(above).tobytes()
    assert 0 == one.house.token.signed
    assert "waiting" == one.show(session)["documents"][0]["state"]
    over = {"key": "seal", "place": {"page": 7, "box": [0, 0, 100, 100]}}
    assert "place-outside-page" == one.page("POST", session, "/documents/d1/preview", json=over).json()["code"]
    assert 404 == one.page("POST", session, "/documents/d1/preview", json={"key": "none", "place": PLACE}).status_code
    one.page("POST", session, "/documents/d2/return", json={"reason": "Sai"})
    assert 409 == one.page("POST", session, "/documents/d2/preview", json={"key": "seal", "place": PLACE}).status_code


def _picture(octets: bytes) -> Image.Image:
    return Image.open(io.BytesIO(octets)).convert("RGB")
