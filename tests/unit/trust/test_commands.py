"""`kyso trust` and `kyso policy` as an operator types them, and what HTTP shows of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import pem
from cryptography.hazmat.primitives import serialization

from api import cli
from api.cli import console
from api.policies import Policies, reserved
from tests.unit.verify.world import World, certificate, revocation_list
from verify.errors import PolicyUnusable

pytestmark = pytest.mark.judging

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
def files(tmp_path: Path, world: World) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("root", "issuing", "signer"):
        (folder / f"{name}.pem").write_bytes(pem.armor("CERTIFICATE", getattr(world, name).der))
    (folder / "root.crl").write_bytes(revocation_list(world.root))
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("KYSO_LANG", "en")
    monkeypatch.setattr(console.out, "width", 200)

    def run(*arguments: object, typed: str = "", home: str = "home") -> tuple[int, str, str]:
        monkeypatch.setenv("KYSO_HOME", str(tmp_path / home))
        monkeypatch.setattr("typer.prompt", lambda *_, **__: typed)
        status = cli.run(list(map(str, arguments)))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def pin(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


class TestAdding:
    def test_the_pin_is_shown_and_asked_for(self, run: Run, files: Path, world: World) -> None:
        """Whoever types the first eight of the published SHA-256 has compared it; the anchor keeps it as its pin."""
        digits = pin(world.root.der)
        status, _, err = run("trust", "add", files / "root.pem", "--title", "National", typed=digits[:8].upper())
        assert status == 0
        assert " ".join(digits[place : place + 4] for place in range(0, 64, 4)) in err
        (anchor,) = json.loads(run("trust", "list", "--format", "json")[1])["anchors"]
        assert (anchor["name"], anchor["sha256"], anchor["title"]) == ("root", digits, "National")

    @pytest.mark.parametrize("typed", ["", "y", "yes", "00000000"])
    def test_yes_is_no_confirmation(self, run: Run, files: Path, typed: str) -> None:
        """What does not match adds nothing."""
        status, out, err = run("trust", "add", files / "root.pem", typed=typed)
        assert (status, out) == (console.USAGE, "")
        assert "not added" in err
        assert json.loads(run("trust", "list", "--format", "json")[1])["anchors"] == []

    def test_a_pin_that_is_given_is_compared(self, run: Run, files: Path, world: World) -> None:
        """Scripts give the published SHA-256, as people copy it; another file is not added."""
        digits = pin(world.root.der)
        colons = ":".join(digits[place : place + 2] for place in range(0, 64, 2)).upper()
        assert run("trust", "add", files / "issuing.pem", "--sha256", colons)[0] == console.USAGE
        assert run("trust", "add", files / "root.pem", "--sha256", colons, "--until", "2035-12-31")[0] == 0
        shown = run("trust", "list")[1]
        assert "2035-12-31" in shown
        assert "root" in shown

    @pytest.mark.parametrize(
        "more", [("--purpose", "sealing"), ("--until", "soon"), ("--from", "1.1.2020"), ("--sha256", "abc")]
    )
    def test_a_wrong_option_is_said_before_anything_is_asked(
        self, run: Run, files: Path, more: tuple[str, str]
    ) -> None:
        """Status 64 names the option."""
        status, _, err = run("trust", "add", files / "root.pem", *more)
        assert status == console.USAGE
        assert more[0] in err
        assert "SHA-256 " not in err

    def test_what_helps_needs_no_pin(self, run: Run, files: Path) -> None:
        """Intermediates and lists are not trusted: they come without asking."""
        assert run("trust", "add", files / "issuing.pem", "--intermediate")[0] == 0
        assert run("trust", "add", files / "root.crl")[0] == 0
        shown = json.loads(run("trust", "list", "--format", "json")[1])
        assert (len(shown["intermediates"]), len(shown["crls"]), shown["anchors"]) == (1, 1, [])
        assert "no trust anchor" in run("trust", "list")[2]

    def test_changing_retiring_removing(self, run: Run, files: Path, world: World) -> None:
        """A root is retired, keeps its pin, and goes when it must."""
        run("trust", "add", files / "root.pem", "--sha256", pin(world.root.der), "--name", "g1")
        assert run("trust", "set", "g1", "--until", "2025-12-31", "--purpose", "signing")[0] == 0
        (anchor,) = json.loads(run("trust", "list", "--format", "json")[1])["anchors"]
        assert anchor["until"].startswith("2025-12-31T23:59:59")
        assert anchor["purposes"] == ["signing"]
        assert run("trust", "remove", "g1")[0] == 0
        assert run("trust", "remove", "g1")[0] == console.REFUSED
        assert run("trust", "set", "g1", "--until", "2025-12-31")[0] == console.REFUSED

    def test_distrust(self, run: Run, world: World) -> None:
        """A ban is kept with its reason."""
        assert run("trust", "distrust", pin(world.signer.der), "--why", "key lost")[0] == 0
        assert json.loads(run("trust", "list", "--format", "json")[1])["distrusted"] == [pin(world.signer.der)]


def test_a_bundle_goes_to_a_closed_network(run: Run, files: Path, world: World, tmp_path: Path) -> None:
    """Exported here, refused there without its pin, installed with it, and shown."""
    publisher = certificate("Publisher")
    (files / "publisher.pem").write_bytes(pem.armor("CERTIFICATE", publisher.der))
    (files / "publisher.key").write_bytes(
        publisher.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    policies = tmp_path / "home" / "policies"
    policies.mkdir(parents=True)
    (policies / "ours.toml").write_text('extends = "vietnam"\n[revocation]\nmax_age_hours = 24\n')
    run("trust", "add", files / "root.pem", "--sha256", pin(world.root.der))
    by = ("--key-file", files / "publisher.key", "--certificate", files / "publisher.pem")
    file = tmp_path / "x.bundle"
    status, out, _ = run("trust", "export-bundle", file, *by, "--number", 5)
    assert status == 0
    assert pin(publisher.der) in out
    status, _, err = run("trust", "import-bundle", file, home="there")
    assert (status, pin(publisher.der) in err) == (console.USAGE, True)
    assert run("trust", "import-bundle", file, "--signer", pin(world.root.der), home="there")[0] == console.REFUSED
    assert not (tmp_path / "there" / "trust" / "offline.bundle").exists()
    assert run("trust", "import-bundle", file, "--signer", pin(publisher.der), home="there")[0] == 0
    shown = json.loads(run("trust", "list", "--format", "json", home="there")[1])
    assert (shown["bundles"][0]["number"], shown["anchors"][0]["source"]) == (5, "bundle")
    assert "max_age_hours = 24" in run("policy", "show", "ours", home="there")[1]
    run("trust", "export-bundle", file, *by, "--number", 4)
    assert run("trust", "import-bundle", file, home="there")[0] == console.REFUSED


@pytest.mark.parametrize("more", [(), ("--key", "a", "--key-file", "b"), ("--key-file", "b")])
def test_a_bundle_needs_one_signer(run: Run, tmp_path: Path, more: tuple[str, ...]) -> None:
    """No key, two keys, or a key without its certificate: a wrong call."""
    assert run("trust", "export-bundle", tmp_path / "x.bundle", *more)[0] == console.USAGE


class TestPolicies:
    def test_list_shows_own_and_broken_ones(self, run: Run, tmp_path: Path) -> None:
        """A file in KYSO_HOME/policies is offered at once; a broken one says what is wrong with it."""
        folder = tmp_path / "home" / "policies"
        folder.mkdir(parents=True)
        (folder / "strict.toml").write_text('extends = "default"\n[signatures]\nrsassa_pkcs1v15 = "refused"\n')
        (folder / "broken.toml").write_text('extends = "default"\n[revocation]\nsinger = "skip"\n')
        (folder / "default.toml").write_text('extends = "fresh"\n')
        found = {one["name"]: one for one in json.loads(run("policy", "list", "--format", "json")[1])}
        assert found["strict"]["usable"]
        assert "unknown key revocation.singer" in found["broken"]["error"]
        assert found["vietnam"]["title"]["vi"].startswith("Việt Nam")
        assert not found["pkits"]["documents"]
        policies = Policies(folder, tmp_path / "home" / "trust")
        assert policies.load("default").fresh_evidence == ()
        assert reserved(folder) == ("default.toml",)
        assert "default.toml" in run("policy", "list")[2]

    def test_a_file_is_checked_before_it_is_used(self, run: Run, tmp_path: Path) -> None:
        """`policy check` says the key that is wrong, or the hash that reports will show."""
        file = tmp_path / "ours.toml"
        file.write_text('extends = "vietnam"\n')
        status, out, _ = run("policy", "check", file)
        assert (status, "ours" in out) == (0, True)
        file.write_text('extends = "vietnam"\n[outcomes]\nchanges_forbidden = "IGNORED"\n')
        status, _, err = run("policy", "check", file)
        assert status == console.REFUSED
        assert "outcomes.changes_forbidden" in err

    @pytest.mark.parametrize("name", ["../default", "/etc/passwd", "none", ""])
    def test_no_name_leads_out_of_the_folder(self, tmp_path: Path, name: str) -> None:
        """A name is a name, never a path."""
        with pytest.raises(PolicyUnusable):
            Policies(tmp_path / "policies", tmp_path / "trust").load(name)

    def test_what_a_worker_is_told(self, tmp_path: Path) -> None:
        """The program's own by name, any other as its whole text."""
        folder = tmp_path / "policies"
        folder.mkdir()
        (folder / "ours.toml").write_text('extends = "fresh"\n')
        policies = Policies(folder, tmp_path)
        assert policies.shipped("vietnam") == "vietnam"
        assert policies.shipped("ours") == policies.load("ours").text
