"""What `kyso cert verify` says to a person, in both languages, and how it answers a wrong call."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api import cli, locale
from api.cli import certificates, console
from api.cli.certificate_report import lines
from api.render import VIETNAM
from api.workflows.documents import CertificateVerdict
from tests.unit.verify.forge import ROOT_AND_LEAF
from verify.certificate_rules import RULES
from verify.report import Check, Warning_

pytestmark = pytest.mark.judging

AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
PATH = ("CN=Nguyễn Văn A,C=VN", "CN=Issuing CA,C=VN", "CN=Root,C=VN")
REVOKED = Check(
    "REVOCATION",
    "EN 319 102-1 §5.2.6",
    "FAILED",
    {"subject": PATH[0], "state": "revoked", "reason": "key_compromise", "revoked_at": "2026-11-01T00:00:00+00:00"},
)
GOOD = Check("CERTIFICATE_PATH", "EN 319 102-1 §5.2.6", "PASSED", {"anchor": PATH[-1], "length": 3})


def said(verdict: CertificateVerdict, language: locale.Language) -> list[str]:
    told = lines(verdict, at=AT, policy="default", language=language, zone=VIETNAM)
    return ["".join(piece.text for piece in line) for line in told]


@pytest.mark.parametrize(
    ("language", "sentence", "reason"),
    [
        ("vi", "✗ Chứng thư không hợp lệ: chứng thư đã bị thu hồi hoặc tạm dừng.", "lộ khóa"),
        ("en", "✗ The certificate is not valid: the certificate is revoked or suspended.", "key compromised"),
    ],
)
def test_the_sentence_comes_first_and_the_reason_is_in_words(language, sentence, reason):
    """Who, why, and since when, in the zone of the reader; the codes stand below for whoever needs them."""
    verdict = CertificateVerdict("INDETERMINATE", "REVOKED_NO_POE", PATH, (GOOD, REVOKED))
    told = said(verdict, language)
    assert told[0] == sentence
    assert told[1].strip() == "INDETERMINATE / REVOKED_NO_POE"
    assert any(reason in line and "01/11/2026 07:00:00 +07:00" in line for line in told)
    assert [line.strip(" └") for line in told if "CN=" in line][:2] == list(PATH[:2])


def test_a_good_certificate_needs_few_words():
    """One line a step, and the anchor marked."""
    told = said(CertificateVerdict("TOTAL_PASSED", None, PATH, (GOOD,)), "vi")
    assert told[0] == "✓ Chứng thư hợp lệ."
    assert any("CN=Root,C=VN  (được tin cậy)" in line for line in told)
    assert told[-1] == "  Xét vào lúc: 22/11/2026 09:00:00 +07:00 · Chính sách: default"


def test_what_more_information_could_mend_is_said_to_be_open():
    """No path, or no revocation data: nobody says "invalid"."""
    for sub_indication in ("TRY_LATER", "NO_CERTIFICATE_CHAIN_FOUND"):
        told = said(CertificateVerdict("INDETERMINATE", sub_indication, (), ()), "en")
        assert told[0].startswith("? The certificate could not be confirmed: ")


def test_warnings_name_the_address():
    warning = Warning_("REVOCATION_UNREACHABLE", {"url": "http://crl.test/a.crl", "subject": PATH[0]})
    told = said(CertificateVerdict("INDETERMINATE", "TRY_LATER", PATH, (), (warning,)), "vi")
    assert any("http://crl.test/a.crl" in line for line in told)


def test_names_do_not_steer_the_terminal():
    told = said(CertificateVerdict("TOTAL_PASSED", None, ("CN=\x1b[2Ja\u202eb",), ()), "en")
    assert not any(char in line for line in told for char in "\x1b\u202e")


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_every_rule_and_every_sub_indication_has_words(language):
    """No code reaches a person alone."""
    tables = locale.words(language)
    assert set(RULES) <= set(tables["details"])
    assert set(tables["certificate"]["reasons"]) >= {
        "REVOKED_NO_POE",
        "REVOKED_CA_NO_POE",
        "OUT_OF_BOUNDS_NO_POE",
        "OUT_OF_BOUNDS_NOT_REVOKED",
        "NOT_YET_VALID",
        "TRY_LATER",
        "CRYPTO_CONSTRAINTS_FAILURE",
        "CHAIN_CONSTRAINTS_FAILURE",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
        "NO_CERTIFICATE_CHAIN_FOUND",
    }


@pytest.mark.parametrize(
    "options",
    [
        ("--initial-policy", "anyPolicy"),
        ("--crl", "/nowhere.crl"),
        ("--crl", "huge.crl"),
        ("--chain", "junk.pem"),
        ("--policy", "nosuch"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_ends_with_64(options, tmp_path: Path, monkeypatch, capsys):
    """One line on standard error; lists that are too large for a worker are refused before one is asked."""
    monkeypatch.setenv("KYSO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    root, leaf = ROOT_AND_LEAF
    Path("root.crt").write_bytes(root.der)
    Path("leaf.crt").write_bytes(leaf.der)
    Path("junk.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA")
    with Path("huge.crl").open("wb") as file:
        file.truncate(certificates.LARGEST_LISTS + 1)
    assert console.USAGE == cli.run(("cert", "verify", "leaf.crt", "--trust", "root.crt", "--offline", *options))
    said = capsys.readouterr()
    assert "" == said.out
    assert 1 == len(said.err.splitlines()), said.err
