"""Documents of procedures signed through all their steps, and judged by our verifier, Poppler and pyHanko."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer import procedures
from signer.errors import SignatureBroken, SigningForbidden
from signer.procedure_errors import OutOfOrder, ProcedureError, StepDone
from tests.readers import poppler
from tests.unit.procedures.support import DAY, facts_of, hand_of, made, take, values_for, who_for
from tests.unit.procedures.test_files import FIFTH
from tests.unit.signer.test_anchors import page_with
from tests.unit.signer.test_filling import shown, value
from tests.unit.signer.test_permissions import ours

pytestmark = pytest.mark.web


def all_sound(path: Path, count: int) -> None:
    """Each signature is intact, and nothing was changed that it forbids, by our verifier; intact by Poppler.

    pyHanko takes a locked field that is older than the revision before for a changed one, so it is not asked here."""
    assert [False] * count == [one.modified for one in ours(path)]
    statuses = [status for status in poppler(path) if status != (False, False)]  # empty boxes
    assert count == len(statuses)
    assert all(valid for valid, _ in statuses)


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    words = (("Số văn bản", 60, 780), ("Người trình", 60, 700), ("Cấp giữa", 60, 500), ("Cấp cuối", 120, 300))
    return page_with(tmp_path / "to-trinh.pdf", *words)


def test_a_fifth_procedure_is_a_file(submission: Path):
    """A text that the program never saw is signed through all its steps; each order by another order is refused."""
    procedure = procedures.parse(FIFTH)
    steps = [step.name for step in procedure.documents["to-trinh"].steps]
    for at, step in enumerate(steps):
        facts = facts_of(submission)
        for early in steps[at + 1 :]:
            refused = procedures.refusal(procedure, early, who=who_for(procedure, early), facts=facts)
            may = early in procedures.state(procedure, "to-trinh", facts).next
            assert may == (refused is None)
            assert may or refused.code == "out-of-order"
        take(procedure, step, submission)
        with pytest.raises(StepDone):
            take(procedure, step, submission)
    assert procedures.state(procedure, "to-trinh", facts_of(submission)).complete
    all_sound(submission, len(steps))
    assert ("15-GT/ĐU", "22/11/2026") == (str(value(submission, "so")), str(value(submission, "ngay")))
    assert "15-GT/ĐU" in shown(submission)


def test_a_document_changed_after_a_signature_is_refused(submission: Path):
    """The document itself shows it, so nobody is asked to consent."""
    procedure = procedures.parse(FIFTH)
    take(procedure, "trinh", submission)
    data = submission.read_bytes()
    assert data.count(b"BT /F1 12 Tf 60 780 Td") == 1
    submission.write_bytes(data.replace(b"BT /F1 12 Tf 60 780 Td", b"BT /F1 12 Tf 60 781 Td"))
    with pytest.raises(SignatureBroken):
        take(procedure, "cuoi", submission)


def test_a_letter_goes_from_origin_to_destination(tmp_path: Path):
    """Two levels are skipped; number and date of each body are the clerk's, closed by its seal; the member's data are
    closed by the first signature."""
    procedure = procedures.load("chuyen-sinh-hoat-chinh-thuc")
    letter = made(tmp_path, procedure, "giay-gioi-thieu", {"ho_ten": "Trần Thị Ví Dụ (demo)", "so_the": "00.000001"})
    steps = ("o1-ky", "o3-ky", "o3-dau", "o4-ky", "o4-dau", "o6-ky", "o6-dau", "o7-ky")
    for step in steps:
        parts = take(procedure, step, letter, fill=values_for(procedure, step, number=f"{step[1]}-GT/ĐU"))
        assert (parts.numbering is not None) == step.endswith("-dau")
    progress = procedures.state(procedure, "giay-gioi-thieu", facts_of(letter))
    assert (steps, ("o2-ky", "o5-ky", "o5-dau"), True) == (progress.done, progress.passed, progress.complete)
    all_sound(letter, len(steps))
    assert "3-GT/ĐU" == str(value(letter, "o3_so"))
    assert not [one.name for one in facts_of(letter).fields if one.kind == "value" and one.open]
    with pytest.raises(OutOfOrder):
        take(procedure, "o2-ky", letter)


@pytest.mark.parametrize("closed", ["ho_ten", "o3_so"])
def test_what_was_closed_stays_as_it_is(tmp_path: Path, closed: str):
    """Neither the member's name nor a number that was given is changed by who signs later, whatever they order."""
    procedure = procedures.load("chuyen-sinh-hoat-chinh-thuc")
    letter = made(tmp_path, procedure, "giay-gioi-thieu", {"ho_ten": "Trần Thị Ví Dụ (demo)"})
    for step in ("o1-ky", "o3-ky", "o3-dau"):
        take(procedure, step, letter)
    with pytest.raises(ProcedureError) as refused:
        take(procedure, "o6-ky", letter, fill={closed: "khác"})
    assert "fill-not-of-step" == refused.value.code
    with pytest.raises(SigningForbidden) as forbidden:
        hand_of("o6-ky").sign(letter, tmp_path / "x.pdf", field="o6_ky", fill=((closed, "khác"),))
    assert "field-locked" == forbidden.value.facts["reason"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("chuyen-sinh-hoat-chinh-thuc", "quyet-dinh"),
        ("lay-y-kien-noi-cu-tru", "phieu-nhan-xet"),
        ("thu-nop-dang-phi", "bien-lai"),
        ("thu-nop-dang-phi", "bao-cao"),
    ],
)
def test_every_document_is_signed_from_its_template(tmp_path: Path, name: str, document: str):
    """In order, by the step's own role, to the end."""
    procedure = procedures.load(name)
    path = made(tmp_path, procedure, document, {"noi_ban_hanh": "Đảng ủy xã Mẫu (demo)"})
    steps = [step.name for step in procedure.documents[document].steps]
    for step in steps:
        take(procedure, step, path)
    assert procedures.state(procedure, document, facts_of(path)).complete
    all_sound(path, len(steps))
    assert DAY[:4] in shown(path) or document == "bien-lai"
