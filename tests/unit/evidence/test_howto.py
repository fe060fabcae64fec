"""The page in a ZIP of evidence: its very commands, run by a shell in the unpacked ZIP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from api.locale import LANGUAGES
from tests.evidence_support import Carried, carry, commands, judged, run
from tests.longterm_support import World
from tests.unit.evidence.conftest import signed
from tests.unit.verify import world as small
from tests.unit.verify.world import NOW
from verify.trust import Trust

pytestmark = pytest.mark.judging

PAGES = {"vi": "HUONG-DAN.md", "en": "HOW-TO-CHECK.md"}


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    for tool in ("openssl", "pdfsig"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.mark.parametrize("name", ["fetched", "complete"])
def test_every_command_ends_well_and_finds_a_tampered_document(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
):
    """All of them end with status 0. With one octet of the document changed, each that looks at the document fails."""
    carried: Carried = request.getfixturevalue(name)
    folder = carried.unpacked(tmp_path)
    told = commands((folder / PAGES["en"]).read_text())
    assert told == commands((folder / PAGES["vi"]).read_text())
    for tool in ("cms -verify", "ts -verify", "ocsp -respin", "crl -inform", "verify -partial_chain"):
        assert any(f"openssl {tool}" in one for one in told), tool
    assert [] == [one for one in told if run(one, folder)]

    document = bytearray((folder / "document.pdf").read_bytes())
    document[document.index(b"/MediaBox") + 12] ^= 1
    (folder / "document.pdf").write_bytes(document)
    failed = [one for one in told if run(one, folder)]
    looking = ("sha256sum", "openssl cms", "pdfsig", "-data work/timestamp-")
    assert [one for one in told if any(word in one for word in looking)] == [one for one in failed if "cmp" not in one]
    assert any("openssl cms" in one for one in failed)


@pytest.mark.parametrize("part", ["signatures/1.p7s", "timestamps/1.tst", "ocsps/1.ocsp", "crls/1.crl"])
def test_a_part_that_was_exchanged_is_found(part: str, fetched: Carried, tmp_path: Path):
    """Not only by its digest: the command that is about it fails too."""
    folder = fetched.unpacked(tmp_path)
    data = bytearray((folder / part).read_bytes())
    data[-9 if part.startswith(("timestamps", "crls")) else len(data) // 4] ^= 1  # a signature, or what is signed
    (folder / part).write_bytes(data)
    failed = [one for one in commands((folder / PAGES["en"]).read_text()) if run(one, folder)]
    assert any(part in one for one in failed if "sha256sum" not in one), failed


def test_several_signatures_and_none_at_all(tmp_path: Path):
    """Each signature has its own cut of the document; lists that the operator had are as good as fetched ones; a document
    without signatures has evidence of just that."""
    pki = small.World()
    twice = pki.sign(small.blank_pdf(), stamped=NOW)
    twice = pki.sign(twice, field_name="Signature2", signer=small.certificate("Trần B", issuer=pki.issuing))
    carried = carry(twice, trust=pki.trust(), at=NOW)
    folder = carried.unpacked(tmp_path / "twice")
    told = commands((folder / PAGES["en"]).read_text())
    assert 2 == len({one for one in told if "openssl cms" in one})
    assert [] == [one for one in told if run(one, folder)]
    assert carried.report.verdict == judged(carried.zip).verdict == "TOTAL_PASSED"

    carried = carry(small.blank_pdf(), trust=pki.trust(), at=NOW)
    folder = carried.unpacked(tmp_path / "none")
    assert [] == [one for one in commands((folder / PAGES["vi"]).read_text()) if run(one, folder)]
    assert carried.report.verdict == judged(carried.zip).verdict == "NO_SIGNATURE"


def test_a_probabilistic_signature_is_checked_by_openssl_alone(world: World, plain: Path, tmp_path: Path):
    """RSASSA-PSS: pdfsig's library does not know it, so the page does not ask it."""
    carried = carry(signed(world, plain, "B-T", "rsa2048", "rsassa_pss_sha256"), trust=world.trust(), at=world.at)
    folder = carried.unpacked(tmp_path)
    told = commands((folder / PAGES["en"]).read_text())
    assert not any("pdfsig" in one for one in told)
    assert [] == [one for one in told if run(one, folder)]


def test_what_is_not_trusted_or_broken_is_told_so(world: World, stamped: bytes, tmp_path: Path):
    """Without an anchor only integrity can be shown; of a broken signature nothing, and the page says that."""
    folder = carry(stamped, trust=Trust(), at=world.at).unpacked(tmp_path / "untrusted")
    told = commands((folder / PAGES["en"]).read_text())
    assert [True] == ["-noverify" in one for one in told if "openssl cms" in one]
    assert [] == [one for one in told if run(one, folder)]
    broken = bytearray(stamped)
    broken[stamped.index(b"/MediaBox") + 12] ^= 1
    files = carry(bytes(broken), trust=world.trust(), at=world.at, fetcher=world.hand().net).files
    assert "(broken)" in files[PAGES["en"]].decode()
    assert "(đã hỏng)" in files[PAGES["vi"]].decode()
    assert not any("openssl cms" in one for one in commands(files[PAGES["en"]].decode()))


def test_a_name_cannot_smuggle_a_command_into_the_page(world: World, plain: Path, tmp_path: Path):
    """Names come from certificates and documents: none opens a block of commands or a line of its own."""
    hand = world.hand("p256")
    hostile = small.certificate("x\n```sh\ntouch pwned\n```\n", issuer=world.issuing, ocsp_url="http://ocsp.demo/")
    hand.signer = hostile
    out = tmp_path / "hostile.pdf"
    hand.sign(plain, out, level="B-B")
    files = carry(out.read_bytes(), trust=world.trust(), at=world.at, fetcher=hand.net).files
    for language in LANGUAGES:
        page = files[PAGES[language]].decode()
        assert "touch pwned" in page
        assert not any("touch pwned" in one for one in commands(page))
