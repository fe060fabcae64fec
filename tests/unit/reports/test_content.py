"""What a report tells, and in which order; how the certificate stood at signing time; names that mean harm."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest

from api import locale
from api.reports import certificate, content
from api.reports.text import clean, moment
from tests.unit.reports.samples import AT, SUBJECT, changed, portrait, report, signature, undetermined
from verify.report import Check

pytestmark = pytest.mark.judging

WORDS = locale.words("en")["report"]


def lines(one, *, language="en") -> dict[str, str]:
    return {line.label: line.value for line in content.lines_of(one, now=AT, language=language)}


def test_each_signature_tells_what_the_rules_ask_for():
    """Signer, organisation, signing time, integrity, validity at that time, the certificate's body and period."""
    told = lines(signature(), language="vi")
    assert {
        "Người ký": "Nguyễn Văn An",
        "Cơ quan, tổ chức": "Chi bộ thôn Mẫu",
        "Thời điểm ký số": f"{moment(AT - timedelta(hours=1))} – được dấu thời gian xác nhận",
        "Tính toàn vẹn": "tài liệu không bị thay đổi sau khi ký",
        "Chứng thư tại thời điểm ký": "có hiệu lực, không bị thu hồi",
        "Tổ chức cấp và quản lý chứng thư": "CA Mẫu – Ban Cơ yếu Mẫu",
        "Thời hạn của chứng thư": f"từ {moment(AT - timedelta(days=365))} đến {moment(AT + timedelta(days=365))}",
    } == told


@pytest.mark.parametrize(
    ("one", "tone", "verdict"),
    [
        (signature(), "good", "Hợp lệ"),
        (changed(), "bad", "Không hợp lệ"),
        (undetermined(), "unsure", "Không đủ thông tin xác thực chữ ký"),
    ],
)
def test_one_word_one_colour_one_sentence(one, tone, verdict):
    """The words are those of the rules: hợp lệ, không hợp lệ, không đủ thông tin xác thực chữ ký."""
    told = content.told(report(one), language="vi")
    assert (tone, verdict) == (told.tone, told.verdict)
    assert told.sentence.endswith(".")
    assert told.signatures[0].meaning.endswith(".")


def test_a_change_after_signing_is_called_that():
    """Not "wrongly built", as the sub-indication of the standard would have it."""
    told = content.told(report(changed()), language="en")
    assert "The signature of Nguyễn Văn An is not valid: the document was changed after signing." == told.sentence
    assert "The document was changed after signing." == told.signatures[0].sentence


def revoked(at) -> Check:
    facts = {"subject": SUBJECT, "state": "revoked", "revoked_at": at.isoformat()}
    return Check("REVOCATION", "EN 319 102-1 §5.2.6", "FAILED", facts)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({}, "then_good"),
        ({"checks": (revoked(AT - timedelta(minutes=10)),)}, "then_revoked_later"),
        ({"checks": (revoked(AT - timedelta(days=2)),)}, "then_revoked"),
        ({"checks": ()}, "then_unknown"),
        ({"best_signature_time": AT - timedelta(days=400)}, "then_early"),
        ({"sub_indication": "EXPIRED"}, "then_expired"),
        ({"indication": "TOTAL_FAILED", "checks": ()}, "then_period"),
    ],
)
def test_how_the_certificate_stood_when_it_was_used(change, key):
    """In force, revoked before or after, expired, not yet in force, or not known."""
    told = certificate.then(signature(**change), now=AT, words=WORDS).value
    assert told.startswith(WORDS[key].split("{")[0])


def test_an_expired_certificate_is_told_by_what_is_proven():
    """With a timestamp it was in force; without one nothing says so."""
    one = signature()
    ended = replace(one, signer=replace(one.signer, not_after=AT - timedelta(minutes=5)))
    assert WORDS["then_expired_later"] == certificate.then(ended, now=AT, words=WORDS).value
    unproven = replace(ended, best_signature_time=AT)
    assert WORDS["then_unproven"] == certificate.then(unproven, now=AT, words=WORDS).value


def test_a_time_that_only_the_signer_states_is_called_that():
    """Without a timestamp, the time is the word of the signer's machine."""
    assert "not confirmed by a timestamp" in lines(undetermined())["Signing time"]
    assert "not stated" == lines(undetermined(claimed_time=None))["Signing time"]


def test_warnings_are_sentences_and_each_is_said_once():
    """With how often, where it is more than once."""
    told = content.told(report(signature(), warnings=("HIDDEN_CONTENT", "HIDDEN_CONTENT")), language="en")
    assert ("The document has content that is not shown (2 times)",) == told.warnings


def test_a_hundred_signatures_are_told_and_the_rest_counted():
    """A document with thousands of signatures does not make a report of thousands of pages."""
    told = content.told(report(*(signature(f"s{number}") for number in range(103))), language="en")
    assert (100, True) == (len(told.signatures), told.left_out.startswith("3 more"))


def test_pictures_have_captions_and_descriptions():
    """Whoever does not see a picture is told what it shows; a signature without a place is said to have none."""
    told = content.told(report(changed(), signature("other")), language="en", portrait=portrait())
    (page,) = told.pages
    assert "Page 1 of the document. The frame marks the place of Signature 1." == page.description
    assert (20, 60, 60, 30, "Signature 1") == (
        page.marks[0].x,
        page.marks[0].y,
        page.marks[0].width,
        page.marks[0].height,
        page.marks[0].label,
    )
    first, second = told.comparisons
    assert "change" == first.after.marks[0].kind
    assert (None, "This page did not exist when the document was signed.") == (second.before, second.before_note)
    assert any("Signature 2: nothing is to be seen" in note for note in told.pages_notes)


def test_bytes_that_are_no_picture_of_the_promised_size_are_left_out():
    """The worker read a hostile document: what it sends is not passed on unseen."""
    good = portrait()
    for png in (b"<svg onload=alert(1)>", good.pictures[0].png[:16] + b"\0\0\xff\xff" + good.pictures[0].png[20:]):
        bad = replace(good, pictures=(replace(good.pictures[0], png=png),), compared=())
        assert () == content.told(report(signature()), language="en", portrait=bad).pages


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Nguyễn\u202egpj.exe", "Nguyễn[U+202E]gpj.exe"),
        ("a\x1b[2Jb\x00", "a[U+001B][2Jb[U+0000]"),
        ("hai\ndòng\t x", "hai dòng x"),
        ("zero\u200bwidth\u3164", "zero[U+200B]width[U+3164]"),
        (unicodedata.normalize("NFD", "Nguyễn Thị Ổn"), "Nguyễn Thị Ổn"),
        ("x" * 400, "x" * 300 + "…"),
        ("z" + "\u0336" * 50, "z" + "\u0336" * 3),
    ],
)
def test_names_cannot_steer_the_eye(raw: str, shown: str):
    """Controls and direction marks are shown by number; towers of accents are cut; Vietnamese stays as it is."""
    assert shown == clean(raw)
