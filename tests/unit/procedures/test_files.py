"""The files of procedures: those that come with the program, and what is refused in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer import procedures
from signer.procedures import Facts, ProcedureInvalid, ProcedureUnknown
from signer.procedures.templates import TEMPLATES

pytestmark = pytest.mark.web

FIFTH = Path(__file__).with_name("fifth.toml").read_text("utf-8")
FOUR = ("chuyen-sinh-hoat-chinh-thuc", "chuyen-sinh-hoat-tam-thoi", "lay-y-kien-noi-cu-tru", "thu-nop-dang-phi")


def test_the_four_procedures_are_there():
    """Each is read, every document has a template that can be made, and each begins with one step."""
    assert FOUR == procedures.names()
    for name in FOUR:
        procedure = procedures.load(name)
        for document in procedure.documents.values():
            assert document.template in TEMPLATES
            assert (document.steps[0].name,) == procedures.state(procedure, document.name, Facts()).next


def test_what_is_not_checked_says_so():
    """Every file names what was recalled or inferred as unverified."""
    assert all("unverified" in procedures.load(name).text for name in FOUR)


def test_the_seal_is_the_clerk_s_and_comes_last_in_its_body():
    """With number and date, which it closes, over the person's signature; the last signature of a document is lasting."""
    for name in FOUR:
        for document in procedures.load(name).documents.values():
            assert "B-LTA" == document.steps[-1].level
            for step in document.steps:
                assert ("dau" == step.look) == ("clerk" == step.role)
                if step.role == "clerk":
                    assert {step.number, step.date} == set(step.fill) <= set(step.locks)
                    assert step.over is not None
                    assert step == [one for one in document.steps if one.body == step.body][-1]


@pytest.mark.parametrize("name", ["", "fifth", "../fifth", "chuyen-sinh-hoat"])
def test_no_procedure_of_that_name(name: str):
    """Names are those of the files, and nothing is read by another."""
    with pytest.raises(ProcedureUnknown):
        procedures.load(name)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("", "x" * 70_000, "size"),
        ('source = "tests"', "source =", "toml"),
        ('source = "tests"', "", "top"),
        ('source = "tests"', 'source = "tests"\nsoruce = "x"', "top"),
        ('name = "xac-nhan-mau"', 'name = "../mau"', "name"),
        ('profile = "nha-nuoc"', 'profile = "khac"', "look"),
        ('look = "ky-nhay"', 'look = "khac"', "steps.nhay.look"),
        ('role = "clerk"', 'role = "boss"', "role"),
        ('level = "B-LTA"', 'level = "B-B"', "level"),
        ('body = "giua"', 'body = "khac"', "steps.giua.body"),
        ('field = "giua"', 'field = "cuoi"', "steps"),
        ('field = "giua"', 'field = "so"', "fields"),
        ('name = "giua"', 'name = "cuoi"', "documents"),
        ('over = "cuoi"', 'over = "trinh"', "steps.dau.over"),
        ('over = "cuoi"', 'over = "dau"', "steps.dau.over"),
        ('fill = ["so", "ngay"]', 'fill = ["ngay"]', "steps.dau.number"),
        ('fill = ["so", "ngay"]', 'fill = ["so", "trinh"]', "steps.dau.fill"),
        ('date = "ngay"', 'date = "so"', "steps.dau.date"),
        ('date = "ngay"', "", "steps.dau.date"),
        ('locks = ["so", "ngay"]', 'locks = ["so", "trinh"]', "steps.dau.locks"),
        ('levels = ["don-vi"]', "levels = []", "bodies"),
        ('kind = "date"', 'kind = "date"\nmax_length = 3', "max_length"),
        ("width = 150", "width = -1", "width"),
        ("width = 150", "width = nan", "width"),
        ('text = "Số văn bản"', 'text = " "', "text"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_place(old: str, new: str, where: str):
    """A misspelt or contradictory rule would be no rule."""
    with pytest.raises(ProcedureInvalid) as refused:
        procedures.parse(FIFTH.replace(old, new, 1) if old else FIFTH + new)
    assert where in str(refused.value.facts["where"])


def test_a_document_whose_steps_can_all_be_left_out_is_none():
    """It would be complete before anybody signed."""
    skipped = FIFTH.replace('levels = ["don-vi"]', 'levels = ["don-vi"]\nskip = "allowed"')
    with pytest.raises(ProcedureInvalid):
        procedures.parse(
            skipped.replace('levels = ["uy-ban-nhan-dan"]', 'levels = ["uy-ban-nhan-dan"]\nskip = "allowed"')
        )
