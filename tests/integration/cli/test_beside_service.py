"""The command line beside a running appliance: it uses the service's processes, and one bad file never ends a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.appliance import Appliance
from tests.cli_support import kyso
from tests.documents import pdf

pytestmark = pytest.mark.spine


@pytest.fixture(scope="module")
def signed(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed at B-T by `kyso sign`, in the sample's first box."""
    out = tmp_path_factory.mktemp("signed") / "out.pdf"
    ran = kyso(
        "sign", appliance.home / "demo" / "giay-gioi-thieu.pdf", "-o", out,
        "--key", "demo-official", "--level", "B-T", "--field", "o1_chi_uy", home=appliance.home,
    )  # fmt: skip
    assert 0 == ran.status, ran
    return out


def test_a_signature_at_b_t_passes(appliance: Appliance, signed: Path):
    """Status 0 is for a document whose every signature passed; the text says so in a sentence."""
    ran = kyso("verify", signed, "--trust", appliance.home / "demo" / "ca.pem", home=appliance.home)
    assert 0 == ran.status, ran
    assert "Nguyễn Văn Mẫu (demo)" in ran.out


def test_several_files_are_reported_in_order_and_a_bad_one_does_not_end_the_run(
    appliance: Appliance, signed: Path, tmp_path: Path
):
    """JSON Lines, one report a file in the order given, whatever each of them is."""
    broken = bytearray(signed.read_bytes())
    broken[300] ^= 1
    (tmp_path / "broken.pdf").write_bytes(broken)
    (tmp_path / "none.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    files = [signed, tmp_path / "none.pdf", tmp_path / "missing.pdf", pdf(tmp_path / "plain.pdf"), signed]
    ran = kyso("verify", *files, "--format", "json", home=appliance.home)
    verdicts = [json.loads(line)["verdict"] for line in ran.out.splitlines()]
    assert ["TOTAL_PASSED", "UNREADABLE", "UNREADABLE", "NO_SIGNATURE", "TOTAL_PASSED"] == verdicts
    assert 4 == ran.status
    assert 1 == kyso("verify", tmp_path / "broken.pdf", *files, home=appliance.home).status


def test_a_wrong_policy_or_trust_is_no_fault_of_the_document(appliance: Appliance, signed: Path, tmp_path: Path):
    """What the call names and cannot be used is told as that, with 64, and without a report on the document."""
    (tmp_path / "none.pem").write_text("no certificate")
    for options, code in (
        (("--policy", "nope"), "policy-unusable"),
        (("--trust", tmp_path / "none.pem"), "trust-unusable"),
    ):
        ran = kyso("verify", signed, *options, home=appliance.home)
        assert (64, "") == (ran.status, ran.out)
        assert [True] == [line.startswith(f"kyso: {code}: ") for line in ran.err], ran


def test_the_statuses_of_single_files(appliance: Appliance, signed: Path, tmp_path: Path):
    """3 without a signature, 4 for what is no document, 2 where nobody is trusted."""
    (tmp_path / "text.pdf").write_bytes(b"text")
    (tmp_path / "trust").mkdir()
    assert 3 == kyso("verify", pdf(tmp_path / "plain.pdf"), home=appliance.home).status
    assert 4 == kyso("verify", tmp_path / "text.pdf", home=appliance.home).status
    assert 2 == kyso("verify", signed, "--trust", tmp_path / "trust", home=appliance.home).status


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (("--key", "demo-revoked"), 65, "certificate-revoked"),
        (("--key", "nobody"), 65, "key-not-found"),
        (("--key", "demo-official", "--page", "9", "--box", "1,1,99,99"), 65, "place-outside-page"),
        (("--key", "demo-locked"), 69, "token-locked"),
        (("--key", "demo-tsa-down"), 69, "timestamp-unavailable"),
    ],
)
def test_an_order_that_fails_ends_with_its_status(appliance: Appliance, tmp_path: Path, options, status, code):
    """65 where this order is refused, 69 where a token or an authority is away; no file either way."""
    out = tmp_path / "out.pdf"
    ran = kyso("sign", pdf(tmp_path / "in.pdf"), "-o", out, "--level", "B-T", *options, home=appliance.home)
    assert status == ran.status, ran
    assert [True] == [line.startswith(f"kyso: {code}: ") for line in ran.err], ran
    assert not out.exists()


def test_openssl_accepts_our_timestamp(appliance: Appliance, tmp_path: Path):
    """`kyso timestamp` writes a token over the file that `openssl ts -verify` takes."""
    (tmp_path / "minutes.txt").write_text("biên bản")
    ran = kyso("timestamp", tmp_path / "minutes.txt", "-o", tmp_path / "minutes.tsr", home=appliance.home)
    assert 0 == ran.status, ran
    checked = subprocess.run(
        ["openssl", "ts", "-verify", "-data", tmp_path / "minutes.txt", "-in", tmp_path / "minutes.tsr", "-token_in",
         "-CAfile", appliance.home / "demo" / "ca.pem",
         "-untrusted", appliance.home / "trust" / "intermediates" / "demo-issuing.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == checked.returncode, checked.stderr


@pytest.mark.parametrize(
    ("name", "status", "conclusion"),
    [
        ("demo-official", 0, ("TOTAL_PASSED", None)),
        ("demo-revoked", 2, ("INDETERMINATE", "REVOKED_NO_POE")),
        ("demo-unknown-ca", 2, ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")),
    ],
)
def test_a_certificate_is_judged(appliance: Appliance, tmp_path: Path, name, status, conclusion):
    """`kyso cert verify` finds path and revocation of one certificate; EN 319 102-1 §5.2.6 names the conclusions."""
    certificate = tmp_path / "person.pem"
    certificate.write_bytes((appliance.home / "demo" / "certificates" / f"{name}.pem").read_bytes())
    ran = kyso(
        "cert", "verify", certificate, "--trust", appliance.home / "trust", "--format", "json", home=appliance.home
    )
    found = json.loads(ran.out)
    assert conclusion == (found["indication"], found["sub_indication"])
    assert status == ran.status


def test_an_api_key_made_here_opens_the_service_until_it_is_revoked(appliance: Appliance):
    """`kyso caller create`, `list` and `revoke` act on the running service."""
    made = json.loads(
        kyso("caller", "create", "--name", "Thử", "--key", "demo-*", "--format", "json", home=appliance.home).out
    )
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    assert 200 == appliance.client.get("/v1/keys", headers=headers).status_code
    listed = json.loads(kyso("caller", "list", "--format", "json", home=appliance.home).out)
    assert made["api_key"] not in json.dumps(listed)
    (identity,) = [one["id"] for one in listed if one["name"] == "Thử"]
    assert 0 == kyso("caller", "revoke", identity, home=appliance.home).status
    assert 65 == kyso("caller", "revoke", identity, home=appliance.home).status
