"""Anchors: what for, from when, until when; pins; two hierarchies side by side; what is distrusted."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import pem

from tests.unit.verify.world import DAY, DEFAULT, NOW, Entity, World, blank_pdf, certificate, revocation_list
from verify import engine, trust, trust_rules
from verify.errors import TrustUnusable
from verify.fetcher import Offline
from verify.report import Report, SignatureReport
from verify.trust import Anchor, Trust
from verify.trust_rules import AnchorRule, Rules

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return world.sign(blank_pdf(), stamped=NOW - DAY)


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    (tmp_path / "root.pem").write_bytes(pem.armor("CERTIFICATE", world.root.der))
    for name, issuer in (("root", world.root), ("issuing", world.issuing)):
        (tmp_path / f"{name}.crl").write_bytes(revocation_list(issuer))
    return tmp_path


def judge(pdf: bytes, believed: Trust, *, at: datetime = NOW) -> Report:
    return engine.judge(io.BytesIO(pdf), name="a", trust=believed, policy=DEFAULT, at=at, fetcher=Offline())


def only(report: Report) -> SignatureReport:
    (one,) = report.signatures
    return one


def rules(folder: Path, text: str) -> None:
    (folder / "trust.toml").write_text(text)


class TestFolder:
    def test_plain_files_are_enough(self, folder: Path, world: World, signed: bytes) -> None:
        """Without trust.toml an anchor is named after its file, believed for all and always."""
        believed = trust.load([folder])
        assert believed.named == (Anchor(world.root.der, "root"),)
        assert believed.named[0].purposes == ("signing", "timestamping")
        assert only(judge(signed, believed)).indication == "TOTAL_PASSED"

    def test_nobody_is_trusted_in_an_empty_folder(self, tmp_path: Path, signed: bytes) -> None:
        """An empty trust store never passes anything."""
        assert trust.load([tmp_path]) == Trust()
        assert only(judge(signed, trust.load([tmp_path]))).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"

    def test_a_pin_that_does_not_fit(self, folder: Path) -> None:
        """A file whose certificate is not the pinned one is refused: somebody exchanged it."""
        rules(folder, f'[anchors.root]\nsha256 = "{"0" * 64}"\n')
        with pytest.raises(TrustUnusable, match="not the certificate that was pinned"):
            trust.load([folder])

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[anchors.rot]\n", "anchors.rot: there is no such file"),
            ("[anchor.root]\n", "unknown key anchor"),
            ("[anchors.root]\npurpose = ['signing']\n", "unknown key anchors.root.purpose"),
            ("[anchors.root]\npurposes = []\n", "anchors.root.purposes"),
            ("[anchors.root]\npurposes = ['signature']\n", "anchors.root.purposes"),
            ("[anchors.root]\nuntil = '31.12.2030'\n", "anchors.root.until"),
            ("[anchors.root]\nsince = '2030-01-01'\nuntil = '2029-01-01'\n", "anchors.root.until: before since"),
            ("[anchors.root]\nsha256 = 'AB'\n", "anchors.root.sha256"),
            ("anchors = 3\n", "anchors: a table"),
            ("[distrusted]\nroot = 'old'\n", "distrusted: a SHA-256"),
            ("[bundle]\nsigners = 'me'\n", "bundle.signers"),
            ("[bundle]\nnewest = -1\n", "bundle.newest"),
            ("[", "this is no TOML"),
        ],
    )
    def test_a_slip_of_the_pen(self, folder: Path, text: str, said: str) -> None:
        """What trust.toml misspells would leave an anchor unnarrowed: it is refused, by the name of the key."""
        rules(folder, text)
        with pytest.raises(TrustUnusable, match=f"trust.toml: {said}"):
            trust.load([folder])

    def test_one_certificate_under_two_names(self, folder: Path, world: World) -> None:
        """A narrowed anchor cannot be widened by a second copy of the file."""
        (folder / "copy.pem").write_bytes(pem.armor("CERTIFICATE", world.root.der))
        assert trust.load([folder]).anchors == (world.root.der,)
        rules(folder, '[anchors.root]\npurposes = ["timestamping"]\n')
        with pytest.raises(TrustUnusable, match="one certificate"):
            trust.load([folder])

    def test_two_files_of_one_name(self, folder: Path, world: World) -> None:
        """A rule that could mean either of two files is refused."""
        (folder / "more").mkdir()
        (folder / "more" / "root.der").write_bytes(world.issuing.der)
        rules(folder, '[anchors.root]\npurposes = ["signing"]\n')
        with pytest.raises(TrustUnusable, match="several files"):
            trust.load([folder])

    def test_rules_are_written_as_they_are_read(self) -> None:
        """What `kyso trust` writes says the same when it is read, to the last character the same each time."""
        told = Rules(
            anchors={
                "a.b": AnchorRule("0" * 64, ("signing",), NOW, NOW + DAY, 'the "state\'s" root, Việt Nam'),
                "c": AnchorRule(),
            },
            distrusted={"f" * 64: "lost"},
            bundle_signers=("e" * 64,),
            bundle_newest=7,
        )
        assert trust_rules.read(trust_rules.write(told)) == told
        assert trust_rules.write(trust_rules.read(trust_rules.write(told))) == trust_rules.write(told)


class TestPurposes:
    def test_an_anchor_for_timestamps_signs_nothing(self, folder: Path, signed: bytes) -> None:
        """The signature has no path; its timestamp still proves its time."""
        rules(folder, '[anchors.root]\npurposes = ["timestamping"]\n')
        signature = only(judge(signed, trust.load([folder])))
        assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
        assert signature.timestamps[0].indication == "TOTAL_PASSED"

    def test_an_anchor_for_signing_stamps_nothing(self, folder: Path, signed: bytes) -> None:
        """The signature passes by itself; its timestamp is not believed and proves nothing."""
        rules(folder, '[anchors.root]\npurposes = ["signing"]\n')
        signature = only(judge(signed, trust.load([folder])))
        assert signature.indication == "TOTAL_PASSED"
        assert signature.timestamps[0].indication == "INDETERMINATE"
        assert signature.best_signature_time == NOW

    def test_two_hierarchies_side_by_side(self, world: World) -> None:
        """Each document passes by its own root, and by no other."""
        other = World()
        lists = tuple(revocation_list(one) for w in (world, other) for one in (w.root, w.issuing))
        both = Trust(anchors=(world.root.der, other.root.der), crls=lists)
        for one, stranger in ((world, other), (other, world)):
            pdf = one.sign(blank_pdf())
            assert only(judge(pdf, both)).indication == "TOTAL_PASSED"
            alone = Trust(anchors=(stranger.root.der,), crls=lists)
            assert only(judge(pdf, alone)).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


class TestWindows:
    def narrowed(self, world: World, stamps: Entity, **window: datetime) -> Trust:
        lists = (revocation_list(world.root), revocation_list(world.issuing), revocation_list(stamps))
        return Trust(
            anchors=(world.root.der, stamps.der),
            crls=lists,
            named=(Anchor(world.root.der, "old", **window),),  # type: ignore[arg-type]  # moments
        )

    def test_a_retired_root_proves_nothing_new(self, world: World) -> None:
        """Without a proof of time, what a retired root vouches for is undetermined, and says why."""
        believed = self.narrowed(world, world.root, until=NOW - DAY)
        signature = only(judge(world.sign(blank_pdf()), believed))
        assert signature.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
        assert any(check.facts.get("reason") == "anchor-retired" for check in signature.checks)

    def test_what_is_proven_older_than_the_retirement_passes(self, world: World) -> None:
        """A timestamp from another, living hierarchy proves the signature, its certificates and lists to be older."""
        stamps = certificate("Stamp Root", ca=True)
        tsa = certificate("Stamps", issuer=stamps, timestamping=True)
        old = World(root=world.root)
        old.tsa = tsa
        lists = (revocation_list(old.root, issued=NOW - 3 * DAY), revocation_list(old.issuing, issued=NOW - 3 * DAY))
        pdf = old.timestamp(old.archive(old.sign(blank_pdf(), stamped=NOW - 3 * DAY), crls=lists), NOW - 2 * DAY)
        assert only(judge(pdf, self.narrowed(old, stamps, until=NOW - DAY))).indication == "TOTAL_PASSED"
        early = self.narrowed(old, stamps, until=NOW - 10 * DAY)
        assert only(judge(pdf, early)).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"

    def test_an_anchor_is_not_believed_before_its_day(self, world: World) -> None:
        """A root that is to be believed from next year on vouches for nothing today."""
        believed = self.narrowed(world, world.root, since=NOW + DAY)
        assert only(judge(world.sign(blank_pdf()), believed)).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"

    def test_until_is_the_last_moment_of_a_day(self, folder: Path) -> None:
        """`until = "2026-11-22"` believes the whole of that day, in UTC."""
        rules(folder, '[anchors.root]\nuntil = "2026-11-22"\n')
        (anchor,) = trust.load([folder]).named
        assert anchor.doubt(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)) is None
        assert anchor.doubt(datetime(2026, 11, 23, tzinfo=UTC)) == "anchor-retired"


class TestDistrust:
    @pytest.mark.parametrize("member", ["root", "issuing", "signer"])
    def test_no_path_may_contain_it(self, folder: Path, world: World, signed: bytes, member: str) -> None:
        """Anchor, issuer or signer: a certificate that is distrusted ends every path."""
        banned = hashlib.sha256(getattr(world, member).der).hexdigest()
        rules(folder, f'[distrusted]\n{banned} = "key lost"\n')
        assert only(judge(signed, trust.load([folder]))).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_a_bundle_cannot_be_named_as_a_file(tmp_path: Path) -> None:
    """Only a folder's trust.toml says whose bundles are believed."""
    (tmp_path / "a.bundle").write_bytes(b"PK")
    with pytest.raises(TrustUnusable, match="imported, not named"):
        trust.load([tmp_path / "a.bundle"])
    with pytest.raises(TrustUnusable):
        trust.load([tmp_path])


def test_a_day_is_a_day() -> None:
    """Days begin and end in UTC; a time needs its offset."""
    assert trust_rules.moment("2026-01-01", end=False) == datetime(2026, 1, 1, tzinfo=UTC)
    assert trust_rules.moment("2026-01-01", end=True) > datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert trust_rules.moment("2026-01-01T07:00:00+07:00", end=True) == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="offset"):
        trust_rules.moment("2026-01-01T07:00:00", end=True)
    assert timedelta(days=1) == DAY
