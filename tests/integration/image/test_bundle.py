"""The offline bundle: with no network at all it becomes a program that verifies, and damage to it is noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.appliance import ROOT
from tests.documents import pdf

pytestmark = [
    pytest.mark.appliance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.environ.get("TEST_IMAGE") != "all", reason="takes minutes and Debian's archive: make test-image"
    ),
]

WITHOUT_NETWORK = ("unshare", "--net")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked bundle, made as `make bundle` makes it."""
    if os.geteuid() != 0:
        pytest.skip("a network of its own takes root")
    folder = tmp_path_factory.mktemp("bundle")
    command = [sys.executable, ROOT / "docker" / "bundle" / "make.py", "--output", folder]
    if shutil.which("apt-get") is None:
        command.append("--without-debian")
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode and any(
        sign in done.stderr for sign in ("Temporary failure", "Could not fetch", "Failed to fetch")
    ):
        pytest.skip(f"the packages cannot be had here: {done.stderr[-300:]}")
    assert 0 == done.returncode, done.stderr
    (tar,) = folder.glob("*.tar")
    subprocess.run(["tar", "--extract", "--file", tar, "--directory", folder], check=True)
    tar.unlink()
    return folder / tar.stem


def offline(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where there is no interface but loopback, and that one down."""
    return subprocess.run(
        [*WITHOUT_NETWORK, *command],
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHON": sys.executable,
            "LANG": "C.UTF-8",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_it_installs_and_verifies_without_a_network(bundle: Path, tmp_path: Path):
    """Every wheel comes from the bundle, against its hash; the program that results tells its version and reads a
    document in a locked-down worker."""
    installed = offline(bundle / "install.sh", "--only-python", tmp_path / "kyso")
    assert 0 == installed.returncode, installed.stderr
    assert installed.stdout.startswith("kyso ")
    kyso = tmp_path / "kyso" / "bin" / "kyso"
    document = pdf(tmp_path / "plain.pdf")
    told = offline(kyso, "verify", document, "--format", "json", KYSO_HOME=str(tmp_path / "home"), KYSO_LANG="en")
    assert 3 == told.returncode, told.stderr  # it has no signature
    assert [] == json.loads(told.stdout)["signatures"]
    assert not (tmp_path / "kyso" / "bin" / "pip").exists()


def test_apt_finds_all_that_is_needed_in_it(bundle: Path, tmp_path: Path):
    """On a machine where nothing is installed apt could install from the bundle alone: nothing is missing."""
    if not (bundle / "debian" / "Packages").exists():
        pytest.skip("a bundle without Debian packages")
    (tmp_path / "status").touch()
    found = offline(bundle / "install.sh", "--try-packages", "-o", f"Dir::State::status={tmp_path / 'status'}")
    assert 0 == found.returncode, found.stderr
    planned = [line.split()[1] for line in found.stdout.splitlines() if line.startswith("Inst ")]
    assert {"python3-venv", "libseccomp2", "fonts-liberation2", "ca-certificates", "libc6"} <= set(planned)
    assert len(planned) == len(list((bundle / "debian").glob("*.deb")))


def test_the_bill_of_materials_lists_what_is_in_it(bundle: Path):
    """A component for each wheel and each Debian package, in CycloneDX."""
    bill = json.loads((bundle / "sbom.cdx.json").read_text())
    kinds = [component.get("purl", "").partition("/")[0] for component in bill["components"]]
    assert ("CycloneDX", "1.6") == (bill["bomFormat"], bill["specVersion"])
    assert len(list((bundle / "debian").glob("*.deb"))) == kinds.count("pkg:deb")
    wheels = {wheel.name.split("-")[0].lower() for wheel in (bundle / "wheels").glob("*.whl")}
    assert len(wheels) <= kinds.count("pkg:pypi") + 1  # Kyso itself is what the bill is for
    named = {component["name"].lower().replace("-", "_").replace(".", "_") for component in bill["components"]}
    assert wheels - {"kyso"} <= named


def test_damage_is_noticed(bundle: Path, tmp_path: Path):
    """A bundle in which one byte has changed installs nothing."""
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns("debian"))
    wheel = next((copy / "wheels").glob("asn1crypto-*.whl"))
    content = bytearray(wheel.read_bytes())
    content[1000] ^= 1
    wheel.write_bytes(content)
    refused = offline(copy / "install.sh", "--only-python", tmp_path / "kyso")
    assert 69 == refused.returncode
    assert "damaged" in refused.stderr
    assert not (tmp_path / "kyso").exists()
