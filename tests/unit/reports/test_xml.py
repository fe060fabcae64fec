"""What reports tell of XML: what is covered, what is missing, whom a signature confirms, in both languages."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from api import render
from api.locale import LANGUAGES, Language
from api.reports import content, html, xml
from signer.xades.plan import DetachedContent, ProductionPlace, XmlPlan
from tests.longterm_support import World
from tests.unit.signer.xades.lasting_support import DETACHED, DOCUMENT, PLAIN, XmlHand
from verify import engine, policy
from verify.errors import VerifyError
from verify.fetcher import Offline
from verify.report import Report

pytestmark = pytest.mark.xades


@pytest.fixture(scope="module")
def hand() -> XmlHand:
    return XmlHand.of(World())


def judged(hand: XmlHand, document: bytes, detached: dict[str, bytes] | None = None) -> Report:
    return engine.judge(
        io.BytesIO(document),
        name="a.xml",
        trust=hand.world.trust(),
        policy=policy.load("default"),
        at=hand.world.at,
        fetcher=Offline(),
        detached={name: io.BytesIO(data) for name, data in (detached or {}).items()},
    )


def lines(report: Report, *, language: Language = "en", number: int = 0) -> dict[str, str]:
    told = content.told(report, language=language)
    return {line.label: line.value for line in told.signatures[number].lines}


def test_what_is_covered_is_named(hand: XmlHand):
    """The whole document, an element, files by name, the content inside the signature."""
    for plan, detached, words in (
        (PLAIN, {}, "the whole document"),
        (XmlPlan(elements=("p1",)), {}, "the part phần#p1 of the document"),
        (XmlPlan(detached=(DetachedContent("phụ lục.bin"),)), DETACHED, "the whole document; the file phụ lục.bin"),
        (XmlPlan(packaging="detached", name="đơn.xml"), {"đơn.xml": DOCUMENT}, "the file đơn.xml"),
    ):
        document, _ = hand.sign(DOCUMENT, "B-B", plan)
        assert words == lines(judged(hand, document, detached))["Covers"]
    document, _ = hand.sign(DOCUMENT, "B-B", XmlPlan(packaging="enveloping"))
    assert "inside the signature" in lines(judged(hand, document))["Covers"]


def test_what_is_missing_is_named_and_not_called_changed(hand: XmlHand):
    """Whoever verifies without the file reads which one to fetch."""
    document, _ = hand.sign(DOCUMENT, "B-B", XmlPlan(detached=(DetachedContent("phụ lục.bin"),)))
    told = lines(judged(hand, document), language="vi")
    assert "tệp phụ lục.bin; hãy kiểm tra lại cùng với tệp này" == told["Còn thiếu"]
    assert "toàn bộ tài liệu" == told["Phần được ký"]
    assert "chưa xét được: không có nội dung đã ký" == told["Tính toàn vẹn"]


def test_a_part_is_never_called_the_whole(hand: XmlHand):
    """In the sentence, the advice and the line on integrity."""
    document, _ = hand.sign(DOCUMENT, "B-LTA", XmlPlan(elements=("p1",)))
    report = judged(hand, document)
    for language in LANGUAGES:
        told = content.told(report, language=language)
        assert told.sentence == render.summary(report, language=language)
        assert ("một phần" if language == "vi" else "only a part") in told.sentence
    assert "what the signature covers was not changed after signing" == lines(report)["Integrity"]


def test_a_counter_signature_stands_under_the_one_it_confirms(hand: XmlHand):
    """Its heading names the other, it is moved in, and its advice says nothing of the document."""
    document, done = hand.sign(DOCUMENT, "B-T")
    document, _ = hand.sign(document, "B-T", XmlPlan(countersign=done.field))
    told = content.told(judged(hand, document), language="en")
    assert [0, 1] == [one.depth for one in told.signatures]
    assert told.signatures[1].heading.startswith("Signature 2 (confirms Signature 1)")
    assert "the signature that it confirms" == {one.label: one.value for one in told.signatures[1].lines}["Covers"]
    page = html.page(told)
    assert 'class="signature unsure within-1"' in page or 'class="signature good within-1"' in page


def test_what_a_signer_states_is_called_a_statement(hand: XmlHand):
    """Role, place and purpose, the latter in words."""
    plan = XmlPlan(roles=("Thủ quỹ",), production_place=ProductionPlace(city="Hà Nội"), commitment="approval")
    document, _ = hand.sign(DOCUMENT, "B-B", plan)
    told = lines(judged(hand, document), language="vi")
    assert ("Thủ quỹ", "Hà Nội", "duyệt nội dung") == (
        told["Vai trò do người ký ghi"],
        told["Nơi ký do người ký ghi"],
        told["Ý nghĩa chữ ký do người ký ghi"],
    )


def test_levels_are_explained(hand: XmlHand):
    """The technical data names the level as the standard does, and says what it means."""
    document, _ = hand.sign(DOCUMENT, "B-LTA")
    technical = content.told(judged(hand, document), language="en").technical[0]
    told = {line.label: line.value for line in technical.lines}
    assert told["Level"].startswith("XAdES-BASELINE-LTA – with what proves it later")
    assert "Id of the signature" in told


def test_foreign_signatures_are_told_without_an_error(hand: XmlHand, corpus: Path):
    """Every XML of the corpus, with its parts, lists and old forms, in both languages; nothing deceives a terminal."""
    for path in sorted((corpus / "xml").glob("*.xml"))[::6]:
        try:
            report = judged(hand, path.read_bytes())
        except VerifyError:
            continue
        for one in report.signatures:
            for language in LANGUAGES:
                shown = [xml.coverage(one, language=language), xml.missing(one, language=language)]
                assert all(text.isprintable() for text in shown if text is not None)
