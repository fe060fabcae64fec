"""A token from nothing, and a document signed with it, without any service: the command line alone."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pikepdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli_support import Ran, kyso
from tests.documents import changed, pdf
from tests.hsm_support import SOFTHSM, need_softhsm
from tests.pki import Authority

pytestmark = pytest.mark.spine

SETTINGS = """
[modules.desk]
library = "{library}"
token = "kyso-desk"
pin_file = "secrets/desk.pin"
environment = {{ SOFTHSM2_CONF = "{{home}}/softhsm2.conf" }}
"""


@dataclass(frozen=True)
class Desk:
    """A home with one token and the key `clerk` (P-256), certified by a CA of the test."""

    home: Path
    ca: Path

    def kyso(self, *arguments: str | Path) -> Ran:
        return kyso(*arguments, home=self.home)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Made by the commands that an operator would use, in their order."""
    need_softhsm()
    folder = tmp_path_factory.mktemp("desk")
    home = folder / "home"
    for made in (home, home / "secrets", home / "tokens", home / "trust"):
        made.mkdir()
    (home / "kyso.toml").write_text(SETTINGS.format(library=SOFTHSM))
    (home / "softhsm2.conf").write_text(f"directories.tokendir = {home}/tokens\nobjectstore.backend = file\n")
    for name in ("desk.pin", "so.pin"):
        (home / "secrets" / name).write_text("73912846")
        (home / "secrets" / name).chmod(0o600)
    for command in (
        ("token", "init", "--so-pin-file", home / "secrets" / "so.pin"),
        ("key", "create", "clerk", "--algorithm", "p256"),
        ("key", "csr", "clerk", "--subject", "CN=Văn thư (demo),C=VN", "-o", folder / "clerk.csr"),
    ):
        ran = kyso(*command, home=home)
        assert 0 == ran.status, ran
    root = Authority.root("Desk Root CA")
    request = x509.load_pem_x509_csr((folder / "clerk.csr").read_bytes())
    assert request.is_signature_valid
    certificate = root.certify("Văn thư (demo)", request.public_key())
    (folder / "clerk.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (home / "trust" / "root.pem").write_bytes(root.pem)
    ran = kyso("key", "import-cert", "clerk", folder / "clerk.pem", home=home)
    assert 0 == ran.status, ran
    return Desk(home, home / "trust" / "root.pem")


def test_the_key_is_listed_as_the_interface_says(desk: Desk):
    """`key list --format json` has the members that scripts rely on, and `token list` says that all is well."""
    ran = desk.kyso("key", "list", "--format", "json")
    (key,) = json.loads(ran.out)
    assert {"ref", "label", "algorithm", "key_size", "mechanisms", "subject", "issuer", "not_after"} <= key.keys()
    assert ("clerk", "ec", 256, "ecdsa_sha256") == (
        key["ref"],
        key["algorithm"],
        key["key_size"],
        key["mechanisms"][0],
    )
    assert "CN=Văn thư (demo)" in key["subject"]
    (token,) = json.loads(desk.kyso("token", "list", "--format", "json").out)
    assert ("kyso-desk", "operational") == (token["token"], token["state"])


def test_a_document_is_signed_judged_and_on_record(desk: Desk, tmp_path: Path):
    """The signed file passes our own verdict and qpdf, the ledger is whole, and no process is left behind."""
    ran = desk.kyso(
        "sign", pdf(tmp_path / "in.pdf"), "-o", tmp_path / "out.pdf", "--key", "clerk",
        "--page", "1", "--box", "60,60,260,130",
    )  # fmt: skip
    assert 0 == ran.status, ran
    doubt, done = ran.err
    assert "in doubt" in doubt, "a status that could not be checked is told (TT 15/2025 Annex II)"
    assert "signed" in done
    assert (tmp_path / "out.pdf").read_bytes().startswith((tmp_path / "in.pdf").read_bytes())
    subprocess.run(["qpdf", "--check", tmp_path / "out.pdf"], check=True, capture_output=True)
    judged = desk.kyso("verify", tmp_path / "out.pdf", "--format", "json", "--trust", desk.ca)
    report = json.loads(judged.out)
    assert [True] == [signature["intact"] for signature in report["signatures"]]
    assert "Văn thư (demo)" == report["signatures"][0]["signer"]["common_name"]
    # This CA publishes no revocation data: what cannot be checked is not passed (TT 15/2025 Annex II).
    assert ("INDETERMINATE", 2) == (report["verdict"], judged.status)
    audited = desk.kyso("audit", "verify")
    assert 0 == audited.status, audited
    lines = desk.kyso("audit", "export").out.splitlines()
    assert ["INTENT", "DONE", "COMPLETED"] == [json.loads(line)["kind"] for line in lines[-4:-1]]
    left = [path.name for path in (desk.home / "run").iterdir() if path.suffix in (".sock", ".secret")]
    assert [] == [name for name in left if name.endswith(".secret")]


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"no document at all", (), "document-not-recognised"),
        (None, ("--level", "B-T"), "no-timestamp-authority"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_no_file(desk: Desk, tmp_path: Path, content, options, code):
    """Status 65, the code, what to do; the folder holds what it held before."""
    source = tmp_path / "in.pdf"
    source.write_bytes(content) if content is not None else pdf(source)
    ran = desk.kyso("sign", source, "-o", tmp_path / "out.pdf", "--key", "clerk", *options)
    assert 65 == ran.status, ran
    assert [True] == [line.startswith(f"kyso: {code}: ") for line in ran.err], ran
    assert ["in.pdf"] == [path.name for path in tmp_path.iterdir()]


def test_what_could_deceive_is_told(desk: Desk, tmp_path: Path):
    """It is signed, and whoever signed it reads why the document wants a second look."""

    def script(document: pikepdf.Pdf) -> None:
        document.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")

    scripted = changed(tmp_path / "scripted.pdf", pdf(tmp_path / "in.pdf"), script)
    ran = desk.kyso("sign", scripted, "-o", tmp_path / "out.pdf", "--key", "clerk")
    assert 0 == ran.status, ran
    _, told, done = ran.err
    assert "scripts or actions that start by themselves" in told
    assert "(ACTIVE_CONTENT)" in told
    assert "signed" in done


def test_a_key_that_exists_is_not_made_again(desk: Desk):
    """A name stands for one key, so a second key of that name is refused."""
    ran = desk.kyso("key", "create", "clerk", "--algorithm", "p256")
    assert 65 == ran.status
    assert "key-exists" in ran.err[0]
