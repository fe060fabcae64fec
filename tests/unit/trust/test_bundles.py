"""Bundles: what is signed is what is believed; every change, and every step back, is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from api.policies import Policies
from api.trust import TrustFolder
from api.workflows import bundle_signing
from api.workflows.trusting import INSTALLED, TrustStore
from tests.unit.verify.world import DAY, NOW, Entity, World, blank_pdf, certificate, revocation_list
from verify import bundle, engine, policy, trust
from verify.bundle import MANIFEST, SIGNATURE, BundleRefused
from verify.errors import TrustUnusable
from verify.fetcher import Offline
from verify.trust_rules import AnchorRule

pytestmark = pytest.mark.judging

OURS = 'extends = "default"\nname = "ours"\n'


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def publisher() -> Entity:
    return certificate("Publisher of trust")


def pin(entity: Entity) -> str:
    return hashlib.sha256(entity.der).hexdigest()


def signing(entity: Entity) -> Callable[[bytes], bytes]:
    def sign(manifest: bytes) -> bytes:
        assert isinstance(entity.key, ec.EllipticCurvePrivateKey)
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        return bundle_signing.sign_detached(
            manifest,
            certificate=entity.der,
            mechanism="ecdsa_sha256",
            sign=lambda tbs: entity.key.sign(tbs, algorithm),  # type: ignore[call-arg, arg-type]  # an EC key, see above
        )

    return sign


@pytest.fixture(scope="module")
def contents(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A folder with one narrowed anchor, an issuer and lists, and a policy of the operator's."""
    store = TrustStore(tmp_path_factory.mktemp("source"))
    store.add(world.root.der, name="root-g2", rule=AnchorRule(pin(world.root), title="Gốc G2"))
    store.add_intermediates((world.issuing.der,))
    store.add_crls((revocation_list(world.root), revocation_list(world.issuing)))
    return store.contents({"ours": policy.parse(OURS).text})


def made(contents: dict[str, bytes], publisher: Entity, *, number: int = 7, days: int = 90) -> bytes:
    return bundle.write(
        contents,
        number=number,
        issued=NOW - DAY,
        expires=NOW - DAY + timedelta(days=days),
        title="for the provinces",
        sign=signing(publisher),
    )


@pytest.fixture(scope="module")
def good(contents: dict[str, bytes], publisher: Entity) -> bytes:
    return made(contents, publisher)


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The same container with other files."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


class TestCarried:
    def test_a_closed_network_judges_the_same(
        self, good: bytes, publisher: Entity, world: World, tmp_path: Path
    ) -> None:
        """What was exported here passes there, with nothing but the bundle and its pin."""
        TrustStore(tmp_path).install(good, signer=pin(publisher), now=NOW)
        believed = TrustFolder(tmp_path).current()
        report = engine.judge(
            io.BytesIO(world.sign(blank_pdf())),
            name="a",
            trust=believed,
            policy=policy.load("default"),
            at=NOW,
            fetcher=Offline(),
        )
        assert report.verdict == "TOTAL_PASSED"
        assert not report.warnings
        assert believed.named[0].title == "Gốc G2"
        assert believed.bundles[0].number == 7
        assert Policies(tmp_path / "none", tmp_path).load("ours") == policy.parse(OURS)

    def test_an_overdue_bundle_is_said(self, good: bytes, publisher: Entity, world: World, tmp_path: Path) -> None:
        """After its last day its anchors are still believed, and every report says that it is overdue."""
        TrustStore(tmp_path).install(good, signer=pin(publisher), now=NOW)
        report = engine.judge(
            io.BytesIO(world.sign(blank_pdf())),
            name="a",
            trust=TrustStore(tmp_path).current(),
            policy=policy.load("default"),
            at=NOW + 120 * DAY,
            fetcher=Offline(),
        )
        assert "TRUST_OUTDATED" in {warning.code for warning in report.warnings}

    def test_the_same_contents_are_the_same_bytes(self, contents: dict[str, bytes], publisher: Entity) -> None:
        """Two who make the same bundle can compare digests."""
        assert made(contents, publisher) == made(dict(reversed(contents.items())), publisher)

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
    def test_openssl_agrees(self, good: bytes, tmp_path: Path) -> None:
        """Whoever has no Kyso checks the signature with openssl and the digests with a ZIP reader."""
        with zipfile.ZipFile(io.BytesIO(good)) as archive:
            archive.extractall(tmp_path)
        command = ["openssl", "cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in", SIGNATURE]
        done = subprocess.run([*command, "-content", MANIFEST, "-out", os.devnull], cwd=tmp_path, check=False)
        assert done.returncode == 0
        for path, digest in json.loads((tmp_path / MANIFEST).read_bytes())["files"].items():
            assert hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() == digest


def _flip(files: dict[str, bytes]) -> None:
    files["trust/root-g2.cer"] = files["trust/root-g2.cer"][:-1] + bytes([files["trust/root-g2.cer"][-1] ^ 1])


def _add(files: dict[str, bytes]) -> None:
    files["trust/mine.cer"] = certificate("Mine", ca=True).der


def _drop(files: dict[str, bytes]) -> None:
    files.pop(next(path for path in files if path.startswith("trust/crls/")))


def _renumber(files: dict[str, bytes]) -> None:
    files[MANIFEST] = files[MANIFEST].replace(b'"number":7', b'"number":8')


def _sign_anew(files: dict[str, bytes]) -> None:
    files[SIGNATURE] = signing(certificate("Publisher of trust"))(files[MANIFEST])


def _unsigned(files: dict[str, bytes]) -> None:
    files.pop(SIGNATURE)


def _swap(files: dict[str, bytes]) -> None:
    one, other = (path for path in files if path.startswith("trust/crls/"))
    files[one], files[other] = files[other], files[one]


def _escape(files: dict[str, bytes]) -> None:
    files["trust/../../etc/x.cer"] = b"x"


class TestTampered:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (_flip, "digest"),
            (_add, "files"),
            (_drop, "files"),
            (_renumber, "signature"),
            (_sign_anew, "signer"),
            (_unsigned, "no-manifest"),
            (_swap, "digest"),
            (_escape, "file-name"),
        ],
    )
    def test_is_refused_and_nothing_is_written(
        self, good: bytes, publisher: Entity, tmp_path: Path, change: Callable[[dict[str, bytes]], None], reason: str
    ) -> None:
        """One bit, a file more, less or exchanged, another number, signer or none: the folder stays as it was."""
        with pytest.raises(BundleRefused) as refusal:
            TrustStore(tmp_path).install(repacked(good, change), signer=pin(publisher), now=NOW)
        assert refusal.value.facts["reason"] == reason
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("bad", [b"", b"PK\x05\x06" + bytes(18), b"hello"])
    def test_what_is_no_bundle(self, publisher: Entity, tmp_path: Path, bad: bytes) -> None:
        """Anything else under that name is refused."""
        with pytest.raises(BundleRefused):
            TrustStore(tmp_path).install(bad, signer=pin(publisher), now=NOW)

    @pytest.mark.parametrize("where", ["before", "behind", "comment"])
    def test_bytes_that_no_file_accounts_for(self, good: bytes, publisher: Entity, tmp_path: Path, where: str) -> None:
        """Two readers of one ZIP must see the same: nothing stands before, behind or in its comment."""
        extra = {"before": b"#!/bin/sh\n" + good, "behind": good + b"more", "comment": good[:-2] + b"\x04\x00more"}[
            where
        ]
        with pytest.raises(BundleRefused):
            TrustStore(tmp_path).install(extra, signer=pin(publisher), now=NOW)

    def test_every_cut_is_refused(self, good: bytes, publisher: Entity) -> None:
        """A file that arrived in part never opens."""
        for length in range(0, len(good) - 1, max(1, len(good) // 200)):
            with pytest.raises(BundleRefused):
                bundle.open_(good[:length], signers=(pin(publisher),))

    def test_every_flipped_octet_is_refused_or_changes_nothing(self, good: bytes, publisher: Entity) -> None:
        """Whatever still opens has the very contents that were signed."""
        whole = bundle.open_(good, signers=(pin(publisher),))
        for place in range(0, len(good), max(1, len(good) // 300)):
            changed = good[:place] + bytes([good[place] ^ 0x01]) + good[place + 1 :]
            try:
                assert bundle.open_(changed, signers=(pin(publisher),)).files == whole.files
            except BundleRefused:
                continue

    def test_an_installed_bundle_is_checked_again(self, good: bytes, publisher: Entity, tmp_path: Path) -> None:
        """Who changes the installed file afterwards gets no trust at all, not another one."""
        TrustStore(tmp_path).install(good, signer=pin(publisher), now=NOW)
        (tmp_path / INSTALLED).write_bytes(repacked(good, _add))
        with pytest.raises(BundleRefused):
            trust.load([tmp_path])


class TestOrder:
    def test_no_way_back(self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path) -> None:
        """An older number is refused, also after the installed file was taken away."""
        store = TrustStore(tmp_path)
        store.install(made(contents, publisher, number=8), signer=pin(publisher), now=NOW)
        for _ in range(2):
            with pytest.raises(BundleRefused, match="8 was installed before"):
                store.install(made(contents, publisher, number=7), signer=None, now=NOW)
            (tmp_path / INSTALLED).unlink(missing_ok=True)

    def test_one_number_is_one_bundle(self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path) -> None:
        """The same bundle again changes nothing; another one of the same number is refused."""
        store, first = TrustStore(tmp_path), made(contents, publisher)
        for _ in range(2):
            store.install(first, signer=pin(publisher), now=NOW)
        with pytest.raises(BundleRefused):
            store.install(made(contents, publisher, days=91), signer=None, now=NOW)
        assert (tmp_path / INSTALLED).read_bytes() == first

    def test_the_next_one_needs_no_pin(self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path) -> None:
        """Whoever was pinned once may send the next; somebody else may not."""
        store = TrustStore(tmp_path)
        store.install(made(contents, publisher, number=1), signer=pin(publisher), now=NOW)
        assert store.install(made(contents, publisher, number=2), signer=None, now=NOW).manifest.number == 2
        with pytest.raises(BundleRefused, match="not pinned"):
            store.install(made(contents, certificate("Somebody"), number=3), signer=None, now=NOW)

    def test_an_expired_one_is_not_installed(
        self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path
    ) -> None:
        """What should have been replaced already is no news."""
        with pytest.raises(BundleRefused, match="expired"):
            TrustStore(tmp_path).install(made(contents, publisher, days=1), signer=pin(publisher), now=NOW)

    def test_a_bundle_that_trusts_nobody(self, publisher: Entity, tmp_path: Path) -> None:
        """It would make every verdict undetermined: refused, and the old one stays."""
        with pytest.raises(BundleRefused, match="no anchor"):
            TrustStore(tmp_path).install(made({}, publisher), signer=pin(publisher), now=NOW)

    @pytest.mark.parametrize("text", ["", 'extends = "default"\nname = "other"\n', "[nonsense]\n"])
    def test_its_policies_are_read_first(
        self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path, text: str
    ) -> None:
        """A policy in it that cannot be used keeps the whole bundle out."""
        with pytest.raises(BundleRefused, match="policy ours"):
            TrustStore(tmp_path).install(
                made({**contents, "policies/ours.toml": text.encode()}, publisher), signer=pin(publisher), now=NOW
            )

    def test_no_name_of_the_programs_own(self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path) -> None:
        """A bundle cannot say what `default` means."""
        own = {**contents, "policies/default.toml": OURS.encode()}
        with pytest.raises(BundleRefused, match="program's own"):
            TrustStore(tmp_path).install(made(own, publisher), signer=pin(publisher), now=NOW)

    def test_a_failed_write_leaves_the_old_one(
        self, contents: dict[str, bytes], publisher: Entity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that fails before the last step leaves the bundle that was there, whole and usable."""
        store, first = TrustStore(tmp_path), made(contents, publisher, number=1)
        store.install(first, signer=pin(publisher), now=NOW)
        real = Path.replace

        def fails(self: Path, target: Path) -> Path:
            if Path(target).name == INSTALLED:
                raise OSError(28, "No space left on device")
            return real(self, target)

        monkeypatch.setattr(Path, "replace", fails)
        with pytest.raises(OSError, match="No space"):
            store.install(made(contents, publisher, number=2), signer=None, now=NOW)
        monkeypatch.undo()
        assert (tmp_path / INSTALLED).read_bytes() == first
        assert store.current().bundles[0].number == 1
        assert store.install(made(contents, publisher, number=2), signer=None, now=NOW).manifest.number == 2
        assert not list(tmp_path.glob(".*.part"))


class TestStore:
    def test_adding_and_removing(self, world: World, tmp_path: Path) -> None:
        """An anchor comes with its pin and goes without leaving anything."""
        store = TrustStore(tmp_path)
        store.add(world.root.der, name="root", rule=AnchorRule(pin(world.root), purposes=("signing",)))
        assert store.current().named[0].purposes == ("signing",)
        for name in ("root", "again"):
            with pytest.raises(TrustUnusable):
                store.add(world.root.der, name=name, rule=AnchorRule())
        store.remove("root")
        assert store.current().anchors == ()
        with pytest.raises(TrustUnusable, match="no anchor is called root"):
            store.remove("root")

    @pytest.mark.parametrize("name", ["../root", "", "a/b", ".hidden", "x" * 81])
    def test_names_are_names_of_files(self, world: World, tmp_path: Path, name: str) -> None:
        """A name never leads out of the folder."""
        with pytest.raises(TrustUnusable):
            TrustStore(tmp_path / "trust").add(world.root.der, name=name, rule=AnchorRule())

    def test_an_anchor_of_the_bundle_is_distrusted_not_removed(
        self, good: bytes, publisher: Entity, world: World, tmp_path: Path
    ) -> None:
        """What came signed is not cut out; a ban outlives the next bundle."""
        store = TrustStore(tmp_path)
        store.install(good, signer=pin(publisher), now=NOW)
        with pytest.raises(TrustUnusable, match="distrust it"):
            store.remove("root-g2")
        store.distrust(pin(world.root), why="key lost")
        assert store.current().serving("signing").anchors == ()

    def test_a_running_service_notices(self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next look, two seconds later at most, sees what was added; a folder that broke trusts nobody."""
        monkeypatch.setattr("api.trust.LOOKED_AT", -1.0)
        watched = TrustFolder(tmp_path)
        assert watched.current().anchors == ()
        TrustStore(tmp_path).add(world.root.der, name="root", rule=AnchorRule())
        assert watched.current().anchors == (world.root.der,)
        (tmp_path / "trust.toml").write_text("[anchors.rot]\n")
        for _ in range(2):
            with pytest.raises(Exception, match="there is no such file"):
                watched.current()
