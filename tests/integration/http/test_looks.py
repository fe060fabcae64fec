"""Looks over HTTP and by the command line: real workers behind their lock-down draw what real keys sign."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests import readers
from tests.appliance import Appliance, running
from tests.cli_support import kyso
from tests.looks_support import hand, page, seal

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    with running(tmp_path_factory.mktemp("looks") / "home") as found:
        yield found


def test_a_person_then_the_seal_then_the_clerk(appliance: Appliance, tmp_path: Path):
    """Two by HTTP, one by `kyso sign`; all three hold, and each is seen."""
    picture = base64.b64encode(hand()).decode()
    first = appliance.sign(
        page(tmp_path / "a.pdf").read_bytes(),
        profile="dang/nguoi-ky",
        images={"signature": picture},
        place={"page": 1, "box": [330, 120, 500, 200]},
    )
    assert 201 == first.status_code, first.text
    folder = appliance.home / "pictures" / "demo-official"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seal.png").write_bytes(seal())
    document = appliance.client.get(first.json()["document"]).content
    second = appliance.sign(document, profile="dang/dau")
    assert 201 == second.status_code, second.text
    (tmp_path / "b.pdf").write_bytes(appliance.client.get(second.json()["document"]).content)
    (tmp_path / "seal.png").write_bytes(seal())
    look = (
        "--profile",
        "nha-nuoc/sao-y",
        "--seal-image",
        tmp_path / "seal.png",
        "--look",
        "link=https://kyso.example/",
    )
    done = kyso(
        "sign", tmp_path / "b.pdf", "-o", tmp_path / "c.pdf", "--key", "demo-official", *look, home=appliance.home
    )
    assert 0 == done.status, done.err
    assert [True] * 3 == [holds for holds, _ in readers.poppler(tmp_path / "c.pdf")]
    report = appliance.client.post(
        "/v1/verifications", files={"document": ("c.pdf", (tmp_path / "c.pdf").read_bytes(), "application/pdf")}
    ).json()
    assert ["allowed", "allowed", "none"] == [one["changes"]["kind"] for one in report["signatures"]]


def test_a_bomb_is_refused_where_it_is_read(appliance: Appliance, tmp_path: Path):
    """100 megapixels: by the header, with a sentence; the appliance goes on."""
    from tests.unit.stamp.test_images import header

    bomb = base64.b64encode(header(10_000, 10_000)).decode()
    place = {"page": 1, "box": [330, 120, 500, 200]}
    document = page(tmp_path / "a.pdf").read_bytes()
    answer = appliance.sign(document, profile="dang/nguoi-ky", images={"signature": bomb}, place=place)
    assert (422, "picture-too-large") == (answer.status_code, answer.json()["code"])
    assert "10000 × 10000 px" in answer.json()["detail"]
