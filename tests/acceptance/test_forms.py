"""Forms from outside: a first signer who certifies and prepares boxes by words on the page, a clerk who fills them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import readers
from tests.appliance import ROOT, Appliance
from tests.cli_support import kyso

pytestmark = pytest.mark.pades

BELOW = {"size": [180, 60], "offset": [0, -66]}


@pytest.fixture
def document(tmp_path: Path) -> bytes:
    """A page of text as an office program would print it."""
    program = (
        "import sys; from reportlab.pdfgen.canvas import Canvas; c = Canvas(sys.argv[1]);"
        "c.drawString(72, 700, 'NUMBER'); c.drawString(72, 600, 'SIGNED BY'); c.drawString(330, 600, 'SEAL'); c.save()"
    )
    path = tmp_path / "letter.pdf"
    subprocess.run([ROOT / ".venv" / "bin" / "python", "-c", program, path], check=True)
    return path.read_bytes()


def download(appliance: Appliance, answer, path: Path) -> Path:
    assert answer.status_code == 201, answer.text
    path.write_bytes(appliance.client.get(answer.json()["document"]).content)
    return path


def test_certified_then_filled_and_sealed(appliance: Appliance, document: bytes, tmp_path: Path):
    """Two calls: the official certifies and leaves a number and a box; the seal fills both. Everybody agrees."""
    fields = [
        {"name": "so", "kind": "text", "anchor": {"text": "NUMBER", "size": [80, 16], "offset": [60, -4]}},
        {"name": "ngay", "kind": "date", "place": {"page": 1, "box": [250, 696, 330, 712]}},
        {"name": "dau", "anchor": {"text": "SEAL", **BELOW}},
    ]
    first = appliance.sign(document, certify=2, anchor={"text": "SIGNED BY", **BELOW}, fields=fields)
    path = download(appliance, first, tmp_path / "1.pdf")
    second = appliance.sign(
        path.read_bytes(), key="demo-seal", field="dau", stamp={}, fill={"so": "15-GT/ĐU", "ngay": "2026-11-22"}
    )
    last = download(appliance, second, tmp_path / "2.pdf")
    report = appliance.verify(last.read_bytes())
    assert "TOTAL_PASSED" == report["verdict"], report
    assert ["allowed", "none"] == [signature["changes"]["kind"] for signature in report["signatures"]]
    assert [(True, False), (True, True)] == sorted(readers.poppler(last))
    text = subprocess.run(["pdftotext", "-layout", last, "-"], capture_output=True, text=True, check=True).stdout
    assert "15-GT/ĐU" in text
    assert "22/11/2026" in text

    third = appliance.sign(last.read_bytes(), fork=True)
    assert (422, "signing-forbidden") == (third.status_code, third.json()["code"])
    assert "certified-no-new-fields" == third.json()["facts"]["reason"]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"anchor": {"text": "NOWHERE", **BELOW}}, "anchor-not-found"),
        ({"anchor": {"text": "S", **BELOW}}, "anchor-ambiguous"),
        ({"anchor": {"text": "SEAL", "size": [900, 60]}}, "place-outside-page"),
        ({"fill": {"so": "1"}}, "form-field-not-found"),
        ({"fields": [{"name": "so"}]}, "order-invalid"),
        ({"certify": 4}, "request-invalid"),
        ({"fields": [{"name": "so", "kind": "stamp"}]}, "request-invalid"),
    ],
)
def test_orders_that_do_not_fit(appliance: Appliance, document: bytes, order, code: str):
    """Each has its code, and none uses a key."""
    answer = appliance.sign(document, **order)
    assert code == answer.json()["code"], json.dumps(answer.json(), ensure_ascii=False)
    assert answer.status_code in (400, 422)


def test_the_command_line_certifies_and_fills(appliance: Appliance, document: bytes, tmp_path: Path):
    """`kyso sign` knows what the HTTP order knows; what does not fit is told in a line, without an output."""
    (tmp_path / "letter.pdf").write_bytes(document)
    number = {"name": "so", "kind": "text", "anchor": {"text": "NUMBER", "size": [80, 16], "offset": [60, -4]}}
    (tmp_path / "fields.json").write_text(json.dumps([number, {"name": "dau", "anchor": {"text": "SEAL", **BELOW}}]))
    anchor = json.dumps({"text": "SIGNED BY", **BELOW})
    first = ("--key", "demo-official", "--certify", "2", "--anchor", anchor, "--fields", tmp_path / "fields.json")
    ran = kyso("sign", tmp_path / "letter.pdf", "-o", tmp_path / "1.pdf", *first, home=appliance.home)
    assert 0 == ran.status, ran
    second = ("--key", "demo-seal", "--field", "dau", "--fill", "so=15=GT")
    ran = kyso("sign", tmp_path / "1.pdf", "-o", tmp_path / "2.pdf", *second, home=appliance.home)
    assert 0 == ran.status, ran
    assert [(True, False), (True, True)] == sorted(readers.poppler(tmp_path / "2.pdf"))
    text = subprocess.run(["pdftotext", "-layout", tmp_path / "2.pdf", "-"], capture_output=True, text=True, check=True)
    assert "15=GT" in text.stdout
    for arguments, status in ((("--fill", "so"), 64), (("--fields", tmp_path / "none"), 64), (("--fill", "so=1"), 65)):
        asked = ("-o", tmp_path / "3.pdf", "--key", "demo-seal", *arguments)
        ran = kyso("sign", tmp_path / "2.pdf", *asked, home=appliance.home)
        assert status == ran.status, ran
        assert not (tmp_path / "3.pdf").exists()
