"""An order asks for a look over HTTP: by profile, with its own pictures or those of its key, or by an office's profile."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from api.workflows import looks
from signer.stamp import images
from tests.http_support import House, house
from tests.looks_support import hand, page, seal
from tests.unit.stamp.test_profiles import OWN

pytestmark = pytest.mark.web

PLACE = {"page": 1, "box": [330, 120, 500, 200]}


def encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()


@pytest.fixture
def home(tmp_path: Path) -> House:
    return house(tmp_path / "home")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One for all that is refused."""
    return house(tmp_path_factory.mktemp("untouched") / "home")


def ask(home: House, path: Path, *, headers: dict[str, str] | None = None, **order: object):
    files = {"document": ("a.pdf", path.read_bytes(), "application/pdf")}
    body = {"order": json.dumps({"key": "seal", **order})}
    return home.ask("POST", "/v1/signatures", files=files, data=body, headers=headers)


def test_a_look_with_its_picture(home, tmp_path):
    """Made; the picture is in the document, and in the store stands its digest alone."""
    source = page(tmp_path / "a.pdf")
    answer = ask(home, source, profile="dang/nguoi-ky", images={"signature": encoded(hand())}, place=PLACE)
    assert 201 == answer.status_code, answer.text
    stored = b"".join(file.read_bytes() for file in home.services.settings.home.glob("kyso.db*"))
    assert hashlib.sha256(hand()).hexdigest().encode() in stored
    assert hand()[60:120] not in stored
    assert encoded(hand())[60:120].encode() not in stored
    document = home.ask("GET", answer.json()["document"]).content
    assert b"/SMask" in document


def test_the_pictures_of_a_key_lie_on_the_machine(home, tmp_path):
    """Used with that key, where the order brings none; a link to another file is not followed."""
    source = page(tmp_path / "a.pdf")
    assert "picture-missing" == ask(home, source, profile="dang/sao-y").json()["code"]
    folder = home.services.settings.home / "pictures" / "seal"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere.png").write_bytes(seal())
    (folder / "seal.png").symlink_to(tmp_path / "elsewhere.png")
    assert "picture-missing" == ask(home, source, profile="dang/sao-y").json()["code"]
    (folder / "seal.png").unlink()
    (folder / "seal.png").write_bytes(seal())
    assert 201 == ask(home, source, profile="dang/sao-y").status_code


def test_an_office_has_a_profile_of_its_own(home, tmp_path):
    """Under a name of its own: ours cannot be replaced. The ledger says which text was in force."""
    source, folder = page(tmp_path / "a.pdf"), home.services.settings.home / "profiles"
    folder.mkdir()
    (folder / "co-quan-mau.toml").write_text(OWN)
    (folder / "dang.toml").write_text(OWN.replace("co-quan-mau", "dang"))
    own = ask(home, source, profile="co-quan-mau/duyet", look={"number": "7"}, place=PLACE)
    assert 201 == own.status_code, own.text
    said = home.services.ledger.read(signature=own.json()["id"], limit=1)[0].facts
    assert ("co-quan-mau/duyet", hashlib.sha256(OWN.encode()).hexdigest()) == (said["profile"], said["profile_sha256"])
    assert "profile-unknown" == ask(home, source, profile="dang/duyet", place=PLACE).json()["code"]
    (folder / "co-quan-mau.toml").write_text(OWN + "colour = 1\n")
    broken = ask(home, source, profile="co-quan-mau/duyet", place=PLACE)
    assert (500, "profile-invalid") == (broken.status_code, broken.json()["code"])
    assert "looks.duyet.colour" == broken.json()["facts"]["where"]


REFUSED = {
    "colour": ({"profile": "dang/nguoi-ky", "images": {"signature": encoded(seal())}}, "picture-colour"),
    "no profile": ({"images": {"signature": encoded(hand())}}, "request-invalid"),
    "not base64": ({"profile": "dang/nguoi-ky", "images": {"signature": "*"}}, "request-invalid"),
    "too large": ({"profile": "dang/nguoi-ky", "images": {"signature": encoded(bytes(600_000))}}, "request-invalid"),
    "a path": ({"profile": "../../etc/dang"}, "request-invalid"),
    "a value of ours": ({"profile": "dang/gop-y", "look": {"signer": "Khác"}}, "request-invalid"),
    "a link that runs": ({"profile": "dang/so-hoa", "look": {"link": "javascript:1"}}, "request-invalid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_an_order_is_said(untouched, tmp_path, name):
    """In Vietnamese, with a code; no key was used."""
    order, code = REFUSED[name]
    answer = ask(untouched, page(tmp_path / "a.pdf"), place=PLACE, headers={"Accept-Language": "vi"}, **order)
    assert (code, True) == (answer.json()["code"], answer.status_code in (400, 422))
    assert "INTENT" not in untouched.kinds()
    if name == "colour":
        assert "màu" in answer.json()["detail"]
        assert "0 %" in answer.json()["detail"]


def test_an_idempotency_key_is_bound_to_the_picture(home, tmp_path):
    """The same order with another picture is another order."""
    source, headers = page(tmp_path / "a.pdf"), {"Idempotency-Key": "1"}
    order = {"profile": "dang/nguoi-ky", "place": PLACE}
    first = ask(home, source, headers=headers, images={"signature": encoded(hand())}, **order)
    again = ask(home, source, headers=headers, images={"signature": encoded(hand())}, **order)
    assert first.json()["id"] == again.json()["id"]
    other = ask(home, source, headers=headers, images={"signature": encoded(hand(width=430))}, **order)
    assert "idempotency-key-reused" == other.json()["code"]


def test_both_sides_know_the_same_bound():
    """What the edge lets in is what the signer takes."""
    from api.schema_looks import LARGEST_IMAGE

    assert LARGEST_IMAGE == images.MOST_BYTES
    assert looks._PROFILE_BYTES >= 64 * 1024
