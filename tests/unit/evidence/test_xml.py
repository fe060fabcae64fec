"""Evidence of XML: the ZIP holds what the signature refers to, and its page has xmlsec1 and openssl check all of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from api.evidence import manifest, xmlsec
from api.evidence.reading import open_
from api.refusals import EvidenceUnusable
from signer.xades.plan import DetachedContent, XmlPlan
from tests.evidence_support import Carried, carry, commands, judged, run
from tests.longterm_support import World
from tests.unit.evidence.test_howto import PAGES
from tests.unit.signer.xades.lasting_support import DETACHED, DOCUMENT, PLAIN, XmlHand
from verify.dissected import IdAttribute, Node
from verify.xml.names import XADES_132

pytestmark = pytest.mark.xades

BESIDE = XmlPlan(detached=(DetachedContent("phụ lục.bin"),))
ALONE = XmlPlan(packaging="detached", name="đơn.xml")


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    for tool in ("openssl", "xmlsec1"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def carried(world: World, document: bytes, *, detached: dict[str, bytes] | None = None) -> Carried:
    return carry(document, trust=world.trust(), at=world.at, fetcher=world.hand().net, detached=detached)


P256, RSA = ("p256", "ecdsa_sha256"), ("rsa2048", "rsassa_pkcs1v15_sha256")


@pytest.mark.parametrize(
    ("key", "level", "plan", "detached"),
    [
        (P256, "B-LTA", PLAIN, {}),
        (RSA, "B-T", BESIDE, DETACHED),
        (P256, "B-T", ALONE, {"đơn.xml": DOCUMENT}),
        (P256, "B-B", XmlPlan(packaging="enveloping"), {}),
        (P256, "B-T", XmlPlan(elements=("p1",), canonicalization="inclusive"), {}),
    ],
    ids=["enveloped-LTA", "with-a-file", "beside", "enveloping", "an-element"],
)
def test_every_command_ends_well_and_finds_a_tampered_document(
    world: World, tmp_path: Path, *, key: tuple[str, str], level: str, plan: XmlPlan, detached: dict[str, bytes]
):
    """All end with status 0; with the document or a file beside it changed, xmlsec1's fails. The same judgement elsewhere."""
    signed, _ = XmlHand.of(world, *key).sign(DOCUMENT, level, plan)
    made = carried(world, signed, detached=detached)
    assert "TOTAL_PASSED" == made.report.verdict
    folder = made.unpacked(tmp_path)
    told = commands((folder / PAGES["en"]).read_text())
    assert told == commands((folder / PAGES["vi"]).read_text())
    assert 1 == sum("xmlsec1 --verify" in one for one in told)
    assert (level != "B-B") == any("openssl ts -verify" in one for one in told)
    assert any("openssl verify" in one for one in told)
    assert [] == [one for one in told if run(one, folder)]
    assert "TOTAL_PASSED" == judged(made.zip).verdict

    target = folder / ("detached/1" if detached else "document.xml")
    content = target.read_bytes()
    target.write_bytes(content.replace("Nguyễn".encode(), "Nguyên".encode()) if b"Nguy" in content else content + b".")
    failed = [one for one in told if run(one, folder)]
    if plan.packaging == "enveloping" and content == target.read_bytes():
        return  # the document is in there as base64
    assert any("xmlsec1" in one for one in failed), failed


def test_signatures_are_told_apart(world: World, tmp_path: Path):
    """Parallel signatures and a counter-signature: each command is about its own; of a broken one there is none."""
    hand = XmlHand.of(world)
    first, done = hand.sign(DOCUMENT, "B-T")
    second, _ = XmlHand.of(world, "rsa2048", "rsassa_pkcs1v15_sha256").sign(first, "B-B")
    third, _ = hand.sign(second, "B-B", XmlPlan(countersign=done.field))
    made = carried(world, third)
    folder = made.unpacked(tmp_path)
    told = commands((folder / PAGES["en"]).read_text())
    ours = [one for one in told if "xmlsec1" in one]
    assert 3 == len(ours) == len({one.rpartition("[")[2] for one in ours})
    assert [] == [one for one in told if run(one, folder)]
    broken = third.replace("Nguyễn".encode(), "Nguyên".encode())
    files = carried(world, broken).files
    assert 2 == files[PAGES["en"]].decode().count("(broken)")


def test_a_zip_with_its_contents_exchanged_is_refused(world: World):
    """Each file is the one that the manifest names, numbered in order, one name for each."""
    signed, _ = XmlHand.of(world).sign(DOCUMENT, "B-B", BESIDE)
    made = carried(world, signed, detached=DETACHED)
    with open_(BytesIO(made.zip)) as opened:
        assert DETACHED == {name: file.read() for name, file in opened.detached.items()}
        said = opened.manifest
    with pytest.raises(EvidenceUnusable), open_(BytesIO(made.zip.replace(bytes(range(256)), bytes(256), 1))):
        pass
    assert said.detached == (manifest.DetachedPart("detached/1", "phụ lục.bin"),)
    assert b'"detached"' not in replace_detached(said).encoded()


def replace_detached(said: manifest.Manifest) -> manifest.Manifest:
    """The manifest of a document that refers to nothing: as it was before there was XML."""
    fields = {name: getattr(said, name) for name in said.__struct_fields__}
    return manifest.Manifest(**fields | {"detached": ()})


@pytest.mark.parametrize(
    "node",
    [
        Node("", 1, (IdAttribute("Id", "urn:x\n", "a"),), (), unnamed=False),
        Node("", 1, (IdAttribute("Id", "urn:x", "a b"),), (), unnamed=False),
        Node("", 1, (IdAttribute("Id;ls", "urn:x", "a"),), (), unnamed=False),
        Node("", 1, (), ("a.pdf\n",), unnamed=False),
        Node("", 1, (), ("never-handed-in.pdf",), unnamed=False),
        Node("", 1, (), (), unnamed=True),
    ],
)
def test_what_a_shell_could_take_amiss_gets_no_command(node: Node):
    """Names and URIs come from the document."""
    assert xmlsec.verify(node, files={"a.pdf\n": "detached/1"}, key=()) is None


def test_what_the_document_names_is_one_word(tmp_path: Path):
    """A URI with quotes and dollar signs is quoted as a whole."""
    uri = "a'$(touch${IFS}pwned)'.pdf"
    node = Node("", 2, (IdAttribute("Id", XADES_132, "SignedProperties"),), (uri,), unnamed=False)
    command = xmlsec.verify(node, files={uri: "detached/1"}, key=("--insecure",))
    assert command is not None
    run(command, tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_algorithms_that_xmlsec_does_not_know_get_no_command(world: World):
    """RSASSA-PSS: the page says that these programs cannot check it."""
    signed, _ = XmlHand.of(world, "rsa2048", "rsassa_pss_sha256").sign(DOCUMENT, "B-B")
    made = carried(world, signed)
    assert "TOTAL_PASSED" == made.report.verdict
    assert not any("xmlsec1" in one for one in commands(made.files[PAGES["en"]].decode()))
    assert not xmlsec.is_known(replace(made.report.signatures[0], algorithms=None))
