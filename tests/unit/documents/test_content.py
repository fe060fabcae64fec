"""Content that deceives a signer is reported, at signing as at judging; ordinary documents are not suspected."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from tests import documents
from tests.documents import pdf
from tests.unit.documents.test_kinds import DEFAULT
from tests.unit.signer.conftest import Hand
from verify import content
from verify.document import Limits
from verify.errors import VerifyError
from verify.pdf import open_reader

pytestmark = pytest.mark.pades


def found(path: Path, *, budget: content.Budget = content.JUDGING) -> set[tuple[str, str]]:
    with path.open("rb") as file:
        reader = open_reader(file, limits=Limits(), tolerance="lenient")
        return {(one.code, str(one.facts["reason"])) for one in content.inspect(file, reader, budget=budget)}


def action(**entries: object):
    def change(document: pikepdf.Pdf) -> None:
        document.Root.OpenAction = document.make_indirect(Dictionary(Type=Name.Action, **entries))

    return change


def widget(document: pikepdf.Pdf, *, flags: int = 4, **entries: object) -> None:
    appearance = document.make_stream(b"/Tx BMC BT /F1 9 Tf (100 VND) Tj ET EMC", Type=Name.XObject, Subtype=Name.Form)
    one = document.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            T="amount",
            Rect=Array([50, 50, 300, 90]),
            F=flags,
            AP=Dictionary(N=appearance),
            **entries,
        )
    )
    document.pages[0].obj.Annots = Array([*document.pages[0].obj.get("/Annots", Array()), one])


def drawing(content_stream: bytes, **extra: object):
    def change(document: pikepdf.Pdf) -> None:
        page = document.pages[0].obj
        page.Contents = document.make_stream(content_stream)
        image = document.make_stream(
            b"\0",
            Type=Name.XObject,
            Subtype=Name.Image,
            Width=1,
            Height=1,
            ColorSpace=Name.DeviceGray,
            BitsPerComponent=8,
        )
        page.Resources = Dictionary(XObject=Dictionary(I1=image), **extra)

    return change


def layer_off(document: pikepdf.Pdf) -> None:
    group = document.make_indirect(Dictionary(Type=Name.OCG, Name="hidden"))
    document.Root.OCProperties = Dictionary(OCGs=Array([group]), D=Dictionary(OFF=Array([group])))


def spare_page(document: pikepdf.Pdf) -> None:
    """A page that is in the file and not in the tree: kept alive from the catalog."""
    document.Root.Spare = document.make_indirect(Dictionary(Type=Name.Page, MediaBox=Array([0, 0, 9, 9])))


def external(document: pikepdf.Pdf) -> None:
    stream = document.make_stream(b"", Type=Name.XObject, Subtype=Name.Image, F="//evil.example/i.jpg")
    document.pages[0].obj.Resources = Dictionary(XObject=Dictionary(I1=stream))


TEXT = b"BT /F1 12 Tf 100 700 Td (You are fired) Tj ET "
SUSPECT = {
    "javascript": (action(S=Name.JavaScript, JS="app.alert(1)"), ("ACTIVE_CONTENT", "javascript")),
    "launch": (action(S=Name.Launch, F="cmd.exe"), ("ACTIVE_CONTENT", "launch")),
    "submit": (action(S=Name.SubmitForm, F="http://x.example"), ("ACTIVE_CONTENT", "submit-form")),
    "import": (action(S=Name.ImportData, F="a.fdf"), ("ACTIVE_CONTENT", "import-data")),
    "goto-remote": (action(S=Name.GoToR, F="other.pdf"), ("ACTIVE_CONTENT", "goto-remote")),
    "goto-embedded": (action(S=Name.GoToE, F="other.pdf"), ("ACTIVE_CONTENT", "goto-embedded")),
    "external-stream": (external, ("EXTERNAL_REFERENCE", "stream")),
    "layer-off": (layer_off, ("HIDDEN_CONTENT", "layer-off")),
    "page-not-shown": (spare_page, ("HIDDEN_CONTENT", "page-not-shown")),
    "value-differs": (lambda one: widget(one, V="999 VND"), ("HIDDEN_CONTENT", "value-differs")),
    "hidden-field": (lambda one: widget(one, flags=2), ("HIDDEN_CONTENT", "annotation-hidden")),
    "image-over-text": (drawing(TEXT + b"q 595 0 0 842 0 0 cm /I1 Do Q"), ("HIDDEN_CONTENT", "text-covered")),
    "box-over-text": (drawing(TEXT + b"1 g 90 690 300 40 re f"), ("HIDDEN_CONTENT", "text-covered")),
    "field-over-field": (
        lambda one: [widget(one, V="100 VND", MK=Dictionary(BG=Array([1]))) for _ in "12"],
        ("HIDDEN_CONTENT", "field-over-field"),
    ),
}
HARMLESS = {
    "plain": lambda one: None,
    "destination": lambda one: one.Root.__setitem__("/OpenAction", Array([one.pages[0].obj, Name.Fit])),
    "link": action(S=Name.URI, URI="https://example.org"),
    "filled-field": lambda one: widget(one, V="100 VND"),
    "image-then-text": drawing(b"q 595 0 0 842 0 0 cm /I1 Do Q " + TEXT),
    "scanned-with-invisible-text": drawing(
        b"BT 3 Tr /F1 12 Tf 100 700 Td (recognised) Tj ET q 595 0 0 842 0 0 cm /I1 Do Q"
    ),
    "transparent-mark": drawing(TEXT + b"q /G1 gs 90 690 300 40 re f Q", ExtGState=Dictionary(G1=Dictionary(ca=0.3))),
    "clipped-box": drawing(TEXT + b"q 0 0 10 10 re W n 0 0 595 842 re f Q"),
}


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "object-streams"])
@pytest.mark.parametrize("kind", SUSPECT)
def test_suspect(kind: str, streams: bool, tmp_path: Path) -> None:
    """Each way to deceive has its code and reason, also where objects are compressed."""
    change, expected = SUSPECT[kind]
    path = documents.changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), change)
    if streams:
        with pikepdf.open(path) as document:
            document.save(tmp_path / "b.pdf", object_stream_mode=pikepdf.ObjectStreamMode.generate)
        path = tmp_path / "b.pdf"
    assert expected in found(path)


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless(kind: str, tmp_path: Path) -> None:
    """What ordinary programs write raises no suspicion."""
    assert found(documents.changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), HARMLESS[kind])) == set()


def test_names_in_disguise(tmp_path: Path) -> None:
    """A name written with #-escapes means what it means."""
    path = documents.changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), SUSPECT["javascript"][0])
    data = path.read_bytes()
    assert data.count(b"/S /JavaScript ") == 1
    path.write_bytes(data.replace(b"/S /JavaScript ", b"/S /J#61vaScript", 1).replace(b"/JS (", b"/J#53(", 1))
    assert "ACTIVE_CONTENT" in {code for code, _ in found(path)}


@pytest.mark.parametrize(
    ("reason", "old", "new"),
    [
        ("bytes-behind-trailer", b"%%EOF", b"%%EOF\n9 0 obj\n<<>>\nendobj"),
        ("object-header", b"1 0 obj", b"1 0 obx"),
        ("stream-length", b"/Length 18", b"/Length 11"),
    ],
)
def test_ambiguous(reason: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    """Bytes that two readers may take differently are told, or the file is refused."""
    path = pdf(tmp_path / "a.pdf")
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    try:
        reasons = found(path)
    except VerifyError:
        return
    assert ("AMBIGUOUS_PARSE", reason) in reasons


def test_warned_when_signing_and_when_judging(hand: Hand, tmp_path: Path) -> None:
    """The warnings travel with the prepared signature, the signed file, and the report."""
    from datetime import UTC, datetime

    from verify import engine
    from verify.fetcher import Offline
    from verify.trust import Trust

    source = documents.changed(tmp_path / "a.pdf", pdf(tmp_path / "plain.pdf"), SUSPECT["javascript"][0])
    assert hand.sign(source, tmp_path / "out.pdf").warnings == ("ACTIVE_CONTENT",)
    with (tmp_path / "out.pdf").open("rb") as file:
        report = engine.judge(file, name="a", trust=Trust(), policy=DEFAULT, at=datetime.now(UTC), fetcher=Offline())
    assert [one.code for one in report.warnings if one.code == "ACTIVE_CONTENT"] == ["ACTIVE_CONTENT"]


def test_a_large_document_is_searched_and_says_so(tmp_path: Path) -> None:
    """Beyond the budget objects are not read one by one; scripts are found even so."""
    source = documents.pages(tmp_path / "many.pdf", 900)
    path = documents.changed(tmp_path / "a.pdf", source, SUSPECT["javascript"][0])
    assert found(path, budget=content.SIGNING) == {("ACTIVE_CONTENT", "javascript"), ("CONTENT_NOT_READ", "objects")}


def _warned(path: Path) -> set[str]:
    try:
        return {code for code, _ in found(path)}
    except VerifyError:
        return {"REFUSED"}


def test_agreement_on_the_corpus(corpus: Path) -> None:
    """Classes of known attacks are flagged; signed documents of ordinary programs hardly ever are."""
    entries = json.loads((corpus / "attacks.json").read_text())["entries"]
    asked: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    wanted = {
        "active": {"ACTIVE_CONTENT", "EXTERNAL_REFERENCE", "REFUSED"},
        "masking": {"AMBIGUOUS_PARSE", "HIDDEN_CONTENT", "REFUSED"},
    }
    for entry in entries:
        if not entry["file"].endswith(".pdf"):
            continue
        codes = _warned(corpus / entry["file"])
        kind = "hidden" if "HIDDEN_CONTENT" in entry["expected"] else entry["class"]
        if kind in wanted or kind == "hidden":
            asked[kind] += 1
            agreed[kind] += bool(codes & wanted.get(kind, {"HIDDEN_CONTENT"}))
        elif kind in {"mdp", "byterange"} and entry["expected"].startswith(("ACCEPT", "NO_SIG")):
            asked["controls"] += 1
            agreed["controls"] += not codes
    for path in sorted((corpus / "pdf").glob("*.pdf")):
        codes = _warned(path)
        if "REFUSED" not in codes:
            asked["ordinary"] += 1
            agreed["ordinary"] += not codes
    print("\nagreement:", {kind: f"{agreed[kind]}/{asked[kind]}" for kind in asked})
    assert agreed["active"] >= 0.9 * asked["active"]
    assert agreed["masking"] >= 0.8 * asked["masking"]
    assert agreed["hidden"] >= 0.75 * asked["hidden"]
    assert agreed["controls"] == asked["controls"]
    assert agreed["ordinary"] >= 0.85 * asked["ordinary"]
