"""Encrypted documents on the command line and over HTTP: signed, judged and extended with their password, by workers."""

from __future__ import annotations

import json
import os
import pty
import sys
from pathlib import Path

import httpx
import pytest

from tests import documents
from tests.appliance import ROOT, Appliance
from tests.cli_support import Ran, kyso

pytestmark = pytest.mark.pades

PASSWORD = "mật khẩu 7f3a"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("locked")
    (made / "password").write_text(f"{PASSWORD}\nanother line\n", "utf-8")
    (made / "wrong").write_text("falsch\n", "utf-8")
    documents.encrypted(made / "locked.pdf", documents.pdf(made / "plain.pdf"), user=PASSWORD)
    return made


@pytest.fixture(scope="module")
def signed(appliance: Appliance, folder: Path) -> Path:
    """By `kyso sign` at B-LT, which writes evidence into the encrypted document."""
    out = folder / "signed.pdf"
    arguments = ("sign", folder / "locked.pdf", "-o", out, "--key", "demo-official", "--level", "B-LT")
    ran = kyso(*arguments, "--password-file", folder / "password", home=appliance.home)
    assert 0 == ran.status, ran
    return out


def verify(appliance: Appliance, *arguments: object) -> Ran:
    anchor = appliance.home / "demo" / "ca.pem"
    return kyso("verify", *map(str, arguments), "--trust", anchor, "--format", "json", home=appliance.home)


def posted(appliance: Appliance, path: str, document: Path, **fields: str) -> httpx.Response:
    files = {"document": ("a.pdf", document.read_bytes(), "application/pdf")}
    return appliance.client.post(path, files=files, data=fields)


def test_the_command_line_judges_with_the_password(appliance: Appliance, folder: Path, signed: Path) -> None:
    """Passed with it; with another the document cannot be read: status 4, `document-encrypted`."""
    ran = verify(appliance, signed, "--password-file", folder / "password")
    report = json.loads(ran.out)
    assert (0, "PAdES-BASELINE-LT") == (ran.status, report["signatures"][0]["level"])
    ran = verify(appliance, signed, "--password-file", folder / "wrong")
    assert (4, "document-encrypted") == (ran.status, json.loads(ran.out)["warnings"][0]["code"])


def test_the_command_line_extends_with_the_password(appliance: Appliance, folder: Path, signed: Path) -> None:
    """To B-LTA, over what was there; without the password nothing is written."""
    out = folder / "archived.pdf"
    arguments = ("extend", signed, "-o", out, "--level", "B-LTA")
    ran = kyso(*arguments, home=appliance.home)
    assert (65, False) == (ran.status, out.exists())
    assert "document-encrypted" in ran.err[-1]
    ran = kyso(*arguments, "--password-file", folder / "password", home=appliance.home)
    assert 0 == ran.status, ran
    assert out.read_bytes().startswith(signed.read_bytes())
    ran = verify(appliance, out, "--password-file", folder / "password")
    assert (0, "PAdES-BASELINE-LTA") == (ran.status, json.loads(ran.out)["signatures"][0]["level"])


def test_http_judges_and_extends_with_the_password(appliance: Appliance, signed: Path, folder: Path) -> None:
    """`options.password` of a verification, the part `password` of an extension; 422 without or with a wrong one, in
    the caller's language."""
    options = json.dumps({"password": PASSWORD})
    report = posted(appliance, "/v1/verifications", signed, options=options)
    assert (200, "TOTAL_PASSED") == (report.status_code, report.json()["verdict"])
    extended = posted(appliance, "/v1/extensions", signed, level="B-LTA", password=PASSWORD)
    assert (200, "B-LTA") == (extended.status_code, extended.headers["kyso-level"])
    for wrong in ({}, {"password": "falsch"}):
        for answer in (
            posted(appliance, "/v1/verifications", signed, options=json.dumps(wrong)),
            posted(appliance, "/v1/extensions", signed, level="B-LTA", **wrong),
            appliance.sign((folder / "locked.pdf").read_bytes(), **wrong),
        ):
            assert (422, "document-encrypted") == (answer.status_code, answer.json()["code"])
            assert "falsch" not in answer.text
    files = {"document": ("a.pdf", signed.read_bytes(), "application/pdf")}
    answer = appliance.client.post("/v1/verifications", files=files, headers={"Accept-Language": "vi"})
    assert "mật khẩu" in answer.json()["detail"]


def test_no_password_is_left_behind(appliance: Appliance, signed: Path, folder: Path) -> None:
    """Prepared over HTTP at B-LTA and signed by command: no file of the running appliance has the password, nor its log."""
    answer = appliance.sign((folder / "locked.pdf").read_bytes(), level="B-LTA", password=PASSWORD)
    assert 201 == answer.status_code, answer.text
    marks = [PASSWORD.encode(), json.dumps(PASSWORD)[1:-1].encode()]
    files = [path for path in appliance.home.rglob("*") if path.is_file()]
    assert (appliance.home / "kyso.db") in files
    files.append(appliance.home.with_suffix(".log"))
    assert [] == [path for path in files if any(mark in path.read_bytes() for mark in marks)]
    assert b"7f3a" not in b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in appliance.processes("api"))


def test_it_can_be_asked_for(appliance: Appliance, signed: Path) -> None:
    """`--password` asks on the terminal and shows nothing of what is typed."""
    anchor = appliance.home / "demo" / "ca.pem"
    arguments = ["verify", str(signed), "--trust", str(anchor), "--password"]
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.environ |= {"KYSO_LANG": "en", "KYSO_HOME": str(appliance.home)}
        os.execv(sys.executable, [sys.executable, "-c", "from api.cli import main; main()", *arguments])
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            if b"Password of the document" not in shown and b"Password of the document" in shown + data:
                os.write(terminal, f"{PASSWORD}\n".encode())
            shown += data
    except OSError:  # how a terminal says that its other side is closed
        pass
    finally:
        os.close(terminal)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()
    assert b"7f3a" not in shown


def test_damage_is_mended_when_asked(appliance: Appliance, tmp_path: Path) -> None:
    """A document without its cross-reference table: refused, and with `--repair` signed."""
    broken, out = tmp_path / "broken.pdf", tmp_path / "out.pdf"
    whole = documents.pdf(tmp_path / "plain.pdf").read_bytes()
    broken.write_bytes(whole[: whole.rindex(b"startxref")])
    arguments = ("sign", broken, "-o", out, "--key", "demo-official")
    ran = kyso(*arguments, home=appliance.home)
    assert (65, False) == (ran.status, out.exists())
    assert "document-broken" in ran.err[-1]
    ran = kyso(*arguments, "--repair", home=appliance.home)
    assert 0 == ran.status, ran
    assert 0 == verify(appliance, out).status


def test_extending_knows_the_head(appliance: Appliance, tmp_path: Path) -> None:
    """A file on which the appliance built a later signature is stale to `kyso extend` too; the later one is not, and
    with what comes of it is one head."""
    one, two, out = tmp_path / "1.pdf", tmp_path / "2.pdf", tmp_path / "out.pdf"
    first = appliance.sign(documents.pdf(tmp_path / "a.pdf").read_bytes()).json()
    one.write_bytes(appliance.client.get(first["document"]).content)
    second = appliance.sign(one.read_bytes()).json()
    two.write_bytes(appliance.client.get(second["document"]).content)
    ran = kyso("extend", one, "-o", out, "--level", "B-LT", home=appliance.home)
    assert (65, False) == (ran.status, out.exists()), ran
    assert "stale-document" in ran.err[-1]
    ran = kyso("extend", two, "-o", out, "--level", "B-LT", home=appliance.home)
    assert 0 == ran.status, ran
    assert 201 == appliance.sign(out.read_bytes()).status_code
    assert "stale-document" == appliance.sign(two.read_bytes()).json()["code"]
