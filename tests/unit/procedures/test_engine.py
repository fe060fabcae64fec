"""Which step may come, and why another is refused, by facts alone: no document is read."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from signer import procedures
from signer.errors import SignatureBroken
from signer.procedure_errors import NumberMissing
from signer.procedures import Facts, FieldFacts, SignedFacts, Who
from signer.procedures.engine import Numbering
from tests.unit.procedures.support import DAY, values_for, who_for
from tests.unit.procedures.test_files import FIFTH

pytestmark = pytest.mark.web

FIVE = procedures.parse(FIFTH)
LETTER = procedures.load("chuyen-sinh-hoat-chinh-thuc")


def facts(*signed: str, level: int | None = 2, procedure=FIVE, document: str = "to-trinh") -> Facts:
    """As the document shows them after these fields were signed, the first of which made the others."""
    whole = procedure.documents[document]
    closing = {step.field: tuple(lock for lock in step.locks if lock != "form") for step in whole.steps}
    closed = {name for field in signed for name in closing[field]}
    fields = tuple(
        FieldFacts(
            name,
            "signature" if field.kind == "signature" else "value",
            filled=name in signed,
            open=name not in closed,
            closes=closing.get(name, ()),
        )
        for name, field in whole.fields.items()
    )
    told = tuple(SignedFacts(name, f"{name} (demo)", None, sound=True) for name in signed)
    return Facts(fields, told, level) if signed else Facts()


@pytest.mark.parametrize(
    ("signed", "following", "passed", "complete"),
    [
        ((), ("nhay", "trinh"), (), False),
        (("nhay",), ("trinh",), (), False),
        (("trinh",), ("giua", "cuoi"), ("nhay",), False),
        (("nhay", "trinh"), ("giua", "cuoi"), (), False),
        (("nhay", "trinh", "giua"), ("cuoi",), (), False),
        (("trinh", "cuoi"), ("dau",), ("nhay", "giua"), False),
        (("trinh", "giua", "cuoi", "dau"), (), ("nhay",), True),
    ],
)
def test_what_may_come_next(signed, following, passed, complete):
    """Initials and a whole level may be left out; the person's signature before the seal may not."""
    progress = procedures.state(FIVE, "to-trinh", facts(*signed))
    assert (following, passed, complete) == (progress.next, progress.passed, progress.complete)


def test_levels_that_are_skipped_are_skipped_whole():
    """A superior body that has signed must seal before the letter goes on; one that has not is gone past."""
    progress = procedures.state(
        LETTER, "giay-gioi-thieu", facts("o1_ky", "o3_ky", "o3_dau", procedure=LETTER, document="giay-gioi-thieu")
    )
    assert ("o4-ky", "o5-ky", "o6-ky") == progress.next
    begun = facts("o1_ky", "o3_ky", "o3_dau", "o4_ky", procedure=LETTER, document="giay-gioi-thieu")
    assert ("o4-dau",) == procedures.state(LETTER, "giay-gioi-thieu", begun).next


def code(step: str, *signed: str, who: Who | None = None, fill=None, **changes) -> str | None:
    found = replace(facts(*signed), **changes)
    refused = procedures.refusal(FIVE, step, who=who or who_for(FIVE, step), facts=found, fill=fill)
    return None if refused is None else refused.code


def test_out_of_order():
    """Too early, too late, or beside what was left out."""
    assert "out-of-order" == code("cuoi")
    assert "out-of-order" == code("dau", "trinh")
    assert "out-of-order" == code("nhay", "trinh")
    assert "out-of-order" == code("giua", "trinh", "cuoi")
    assert "out-of-order" == code("dau", "cuoi")  # nobody submitted: not made by this procedure
    assert code("giua", "trinh") is None


def test_done_is_done():
    """The same step twice."""
    assert "step-done" == code("trinh", "trinh")


def test_wrong_role():
    """An official with the seal, a clerk for the secretary, an organisation of another level, another body of that level."""
    assert "wrong-role" == code("dau", "trinh", "cuoi", who=Who("official", "uy-ban-nhan-dan"))
    assert "wrong-role" == code("cuoi", "trinh", who=Who("clerk", "uy-ban-nhan-dan"))
    assert "wrong-role" == code("cuoi", "trinh", who=Who("official", "chi-bo"))
    assert "wrong-role" == code("cuoi", "trinh", who=Who("official", "uy-ban-nhan-dan", "don-vi"))
    assert code("giua", "trinh", who=Who("official", "cap-tren-truc-tiep")) is None


def test_nothing_is_built_on_what_does_not_hold():
    """A signature that is broken, or after which the document was changed."""
    found = facts("trinh")
    broken = replace(found, signatures=(replace(found.signatures[0], sound=False),))
    with pytest.raises(SignatureBroken):
        procedures.require(FIVE, "giua", who=who_for(FIVE, "giua"), facts=broken, fill={})


def test_would_break_a_signature():
    """Certified without changes, certified by another hand before the procedure began, or closed."""
    assert "would-break-signature" == code("giua", "trinh", level=1)
    assert "would-break-signature" == code("trinh", level=2)
    closed = tuple(replace(one, open=one.name != "so") for one in facts("trinh", "cuoi").fields)
    assert "would-break-signature" == code("dau", "trinh", "cuoi", fields=closed)


def test_field_missing():
    """A field that nobody made before the first signature, of another kind, or a box that does not close the number."""
    fields = facts("trinh", "cuoi").fields
    assert "field-missing" == code("dau", "trinh", "cuoi", fields=tuple(one for one in fields if one.name != "so"))
    other = tuple(replace(one, kind="value") if one.name == "dau" else one for one in fields)
    assert "field-missing" == code("dau", "trinh", "cuoi", fields=other)
    loose = tuple(replace(one, closes=()) for one in fields)
    assert "field-missing" == code("dau", "trinh", "cuoi", fields=loose)


def test_number_missing_and_what_is_not_the_step_s():
    """The clerk fills all that the step fills, and nothing else; before consent nobody asks."""
    assert code("dau", "trinh", "cuoi", fill=None) is None
    assert "number-missing" == code("dau", "trinh", "cuoi", fill={})
    assert "number-missing" == code("dau", "trinh", "cuoi", fill={"so": " ", "ngay": DAY})
    assert "number-missing" == code("dau", "trinh", "cuoi", fill={"so": "1", "ngay": "hôm nay"})
    assert "fill-not-of-step" == code("dau", "trinh", "cuoi", fill={"so": "1", "ngay": DAY, "nhay": "x"})
    assert "fill-not-of-step" == code("cuoi", "trinh", fill={"so": "1"})
    assert "step-unknown" == code_of_unknown()


def code_of_unknown() -> str:
    refused = procedures.refusal(FIVE, "khac", who=Who("official", "chi-bo"), facts=Facts())
    assert refused is not None
    return refused.code


def test_the_order_of_a_step():
    """The first makes all fields and certifies; the seal fills, closes, and is over the person's; told as over HTTP."""
    first = procedures.order_for(FIVE, "trinh", facts=Facts(), fill={})
    assert (2, len(FIVE.documents["to-trinh"].fields)) == (first.certify, len(first.fields))
    assert {"dau": ("so", "ngay")} == {plan.name: plan.lock for plan in first.fields if plan.lock}
    seal = procedures.order_for(FIVE, "dau", facts=facts("trinh", "cuoi"), fill=values_for(FIVE, "dau", number=" 7 "))
    assert (None, (), "nha-nuoc", "dau", "cuoi", "B-LTA") == (
        seal.certify,
        seal.fields,
        seal.profile,
        seal.look,
        seal.over,
        seal.level,
    )
    assert Numbering("7", 2026) == seal.numbering
    assert {"field": "dau", "level": "B-LTA", "fill": {"so": "7", "ngay": DAY}, "fields": []} == seal.request()


def test_the_order_over_http_is_the_same_order():
    """What `request` tells is taken by the schema, and gives the same fields."""
    from api.schemas import OrderRequest

    parts = procedures.order_for(FIVE, "trinh", facts=Facts(), fill={})
    order = OrderRequest.model_validate({"key": "khoa", **parts.request()})
    assert (parts.fields, parts.certify, parts.field, parts.level) == (
        order.signer_fields(),
        order.certify,
        order.field,
        order.level,
    )


@pytest.mark.parametrize("number", ["15-GT/ĐU", " 15-gt/đu ", unicodedata.normalize("NFD", "15-GT/ĐU")])
def test_a_number_written_otherwise_is_the_same_number(number: str):
    """The register compares what `numbering` says; the document shows what the clerk wrote."""
    parts = procedures.order_for(FIVE, "dau", facts=facts("trinh", "cuoi"), fill={"so": number, "ngay": "22/11/2026"})
    assert Numbering("15-GT/ĐU", 2026) == parts.numbering
    assert number.strip() == dict(parts.fill)["so"]


def test_a_date_without_a_year_gives_no_number():
    """There is no year to count in."""
    with pytest.raises(NumberMissing):
        procedures.order_for(FIVE, "dau", facts=facts("trinh", "cuoi"), fill={"so": "1", "ngay": "hôm nay"})
