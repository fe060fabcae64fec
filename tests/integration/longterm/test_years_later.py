"""Three and eight years later, with every service dead: what Kyso signed is judged with nothing but the document.

The signer's certificate lives two years, that of the first timestamp authority five, OCSP responders for signers one;
authorities stand under another root than signers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli_support import kyso
from tests.documents import pdf
from tests.longterm_support import DAY, OTHER_TSA_URL, Hand, World
from tests.unit.verify import world as small
from verify import engine, policy
from verify.fetcher import Offline
from verify.report import Check, Report, SignatureReport
from verify.trust import Anchor, Trust

pytestmark = [pytest.mark.spine, pytest.mark.judging]

YEAR = timedelta(days=365)
TSA_LIST = "http://crl.demo/tsa-root.crl"
LEVELS = ("B-T", "B-LT", "B-LTA")


@dataclass(frozen=True)
class Files:
    """What was signed in the first year, by level, and what became of the B-LTA by renewal in years four and nine."""

    world: World
    start: datetime
    folder: Path
    tsa_root: small.Entity

    def __getitem__(self, name: str) -> Path:
        return self.folder / f"{name}.pdf"

    def judge(self, name: str, *, years: float, rules: str = "", named: tuple[Anchor, ...] = ()) -> Report:
        changed = policy.parse(f'extends = "default"\nname = "later"\n{rules}\n', name="later")
        trust = Trust((self.world.root.der, self.tsa_root.der), named=named)
        with self[name].open("rb") as file:
            return engine.judge(
                file, name=name, trust=trust, policy=changed, at=self.start + years * YEAR, fetcher=Offline()
            )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Signed and renewed by Kyso, each time when its services were alive."""
    folder, world = tmp_path_factory.mktemp("years"), World()
    start = world.at
    tsa_root = small.certificate("Root of TSAs", ca=True)
    world.responder = small.certificate("Responder", issuer=world.issuing, ocsp_signing=True, end=start + YEAR)
    world.tsa_issuing = small.certificate("TSA CA", issuer=tsa_root, ca=True, crl_url=TSA_LIST)
    world.tsa_responder = small.certificate("TSA responder", issuer=world.tsa_issuing, ocsp_signing=True)
    world.tsa = world.authority("TSA", end=start + 5 * YEAR)
    world.other_tsa = world.authority("TSA 2", end=start + 10 * YEAR)
    hand = both_roots(world.hand("p256", end=start + 2 * YEAR), tsa_root)
    plain = pdf(folder / "plain.pdf")
    for level in LEVELS:
        hand.sign(plain, folder / f"{level}.pdf", level=level)
    for number, name, before in ((4, "renewed", "B-LTA"), (9, "again", "renewed")):
        world.at = start + number * YEAR
        if number == 9:
            world.other_tsa = world.authority("TSA 3", end=start + 13 * YEAR)
        hand.extend(folder / f"{before}.pdf", folder / f"{name}.pdf", "B-LTA", authorities=(OTHER_TSA_URL,))
    world.at = start
    return Files(world, start, folder, tsa_root)


def both_roots(hand: Hand, tsa_root: small.Entity) -> Hand:
    """Trusts the roots of both hierarchies, and reaches the list of the second."""
    world = hand.world
    trust = Trust((world.root.der, tsa_root.der))
    world.trust = lambda: trust  # type: ignore[method-assign]
    hand.net.answers[TSA_LIST] = lambda _: small.revocation_list(tsa_root, issued=world.at, until=world.at + DAY)
    return hand


def only(report: Report) -> SignatureReport:
    assert len(report.signatures) == 1
    return report.signatures[0]


def result(report: Report) -> tuple[str, str | None]:
    return only(report).indication, only(report).sub_indication


def check(signature: SignatureReport, code: str) -> Check:
    return next(one for one in signature.checks if one.code == code and one.outcome == "FAILED")


@pytest.mark.parametrize("years", [0.001, 1.5, 3, 4.9])
def test_lta_passes_while_its_archive_timestamp_can_be_checked(files: Files, years: float) -> None:
    """Signer, and then responder, have ended; the archive timestamp's authority has not."""
    report = files.judge("B-LTA", years=years)
    assert result(report) == ("TOTAL_PASSED", None)
    assert abs(only(report).best_signature_time - files.start) < timedelta(minutes=1)  # type: ignore[operator]


@pytest.mark.parametrize("years", [3, 8])
def test_b_t_says_why_it_no_longer_can(files: Files, years: float) -> None:
    """Its certificate has ended and nothing in the document says that it had not been revoked."""
    signature = only(files.judge("B-T", years=years))
    assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert check(signature, "CERTIFICATE_PERIOD").facts["not_after"] == (files.start + 2 * YEAR).isoformat()
    assert check(signature, "REVOCATION").facts["state"] == "unknown"
    assert signature.intact


def test_b_lt_lasts_as_long_as_who_vouched_for_it(files: Files) -> None:
    """Evidence that no timestamp covers is worth nothing once its own issuer has ended."""
    assert result(files.judge("B-LT", years=0.9)) == ("TOTAL_PASSED", None)
    signature = only(files.judge("B-LT", years=3))
    assert (signature.indication, signature.sub_indication) == ("INDETERMINATE", "REVOCATION_OUT_OF_BOUNDS_NO_POE")


def test_lta_without_renewal_ends_with_its_authority(files: Files) -> None:
    """Eight years later the only archive timestamp's authority has ended, and the check says so."""
    report = files.judge("B-LTA", years=8)
    assert only(report).indication == "INDETERMINATE"
    assert report.timestamps[0].sub_indication == "OUT_OF_BOUNDS_NOT_REVOKED"


@pytest.mark.parametrize(("name", "years"), [("renewed", 8), ("renewed", 9.5), ("again", 9.5), ("again", 12.5)])
def test_renewals_carry_it_on(files: Files, name: str, years: float) -> None:
    """Each archive timestamp proves the one before; the signature is still that of the first year."""
    report = files.judge(name, years=years)
    assert result(report) == ("TOTAL_PASSED", None)
    assert {stamp.indication for stamp in report.timestamps} == {"TOTAL_PASSED"}
    assert only(report).best_signature_time == files.start


def test_old_root_retired(files: Files) -> None:
    """The signer's root is believed for what is older than its retirement: B-LTA proves that, B-T cannot."""
    retired = (Anchor(files.world.root.der, until=files.start + 3 * YEAR),)
    for name, years in (("B-LTA", 4.9), ("renewed", 8), ("again", 12.5)):
        assert result(files.judge(name, years=years, named=retired)) == ("TOTAL_PASSED", None), name
    expected = ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND_NO_POE")
    assert result(files.judge("B-T", years=4, named=retired)) == expected
    earlier = (Anchor(files.world.root.der, until=files.start - YEAR),)
    assert result(files.judge("renewed", years=8, named=earlier)) == expected


def test_sha_256_newly_forbidden(files: Files) -> None:
    """While only the future is affected all passes; once the archive timestamp's own digest has ended, nothing does."""
    last = f"{files.start + 6 * YEAR:%Y-%m-%d}"
    rules = f'[digests]\nsha256 = "{last}"'
    assert result(files.judge("renewed", years=5.9, rules=rules)) == ("TOTAL_PASSED", None)
    report = files.judge("renewed", years=8, rules=rules)
    assert only(report).indication == "INDETERMINATE"
    assert report.timestamps[-1].sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


def test_by_the_command_line(files: Files, tmp_path: Path) -> None:
    """`kyso verify --at … --offline` through a locked-down worker, with a folder of trust in which a root is retired."""
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "old.pem").write_bytes(files.world.root.certificate.public_bytes(Encoding.PEM))
    (folder / "tsa.pem").write_bytes(files.tsa_root.certificate.public_bytes(Encoding.PEM))
    (folder / "trust.toml").write_text(f'[anchors.old]\nuntil = "{files.start + 3 * YEAR:%Y-%m-%d}"\n')
    at = files.start + 8 * YEAR
    names = ("renewed", "B-LTA", "B-T")
    ran = kyso(
        *("verify", *(files[name] for name in names)),
        *("--trust", folder, "--at", at.isoformat(), "--offline", "--format", "json"),
        home=tmp_path / "home",
    )
    reports = [json.loads(line) for line in ran.out.splitlines()]
    assert [report["verdict"] for report in reports] == ["TOTAL_PASSED", "INDETERMINATE", "INDETERMINATE"], ran.err
    assert {datetime.fromisoformat(report["validated_at"]) for report in reports} == {at}
    assert ran.status == 2
