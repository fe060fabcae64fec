"""A field that is planned with a lock closes others once it is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.errors import OrderInvalid, SigningForbidden
from signer.model import FieldPlan, Place
from tests.documents import pdf
from tests.pki import Authority
from tests.unit.signer.conftest import Hand
from tests.unit.signer.test_permissions import ours, pyhanko

pytestmark = pytest.mark.web

ROOT = Authority.root()
HAND = Hand(ROOT.signer(key="p256"), "ecdsa_sha256")
NUMBER = FieldPlan("so", kind="text", place=Place(1, (50, 400, 150, 420)))


def box(name: str, bottom: int, *lock: str) -> FieldPlan:
    return FieldPlan(name, place=Place(1, (50, bottom, 300, bottom + 60)), lock=lock)


def test_a_signature_closes_the_fields_that_its_plan_names(tmp_path: Path):
    """The clerk fills the number and closes it by the same signature; who signs later cannot write another one."""
    plans = (box("o1", 700), box("o2", 600, "so"), box("o3", 500), NUMBER)
    HAND.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="o1", certify=2, fields=plans)
    HAND.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="o2", fill=(("so", "15"),))
    with pytest.raises(SigningForbidden) as refused:
        HAND.sign(tmp_path / "2.pdf", tmp_path / "x.pdf", field="o3", fill=(("so", "16"),))
    assert "field-locked" == refused.value.facts["reason"]
    HAND.sign(tmp_path / "2.pdf", tmp_path / "3.pdf", field="o3")
    assert [True] * 3 == pyhanko(tmp_path / "3.pdf", ROOT)
    assert [False] * 3 == [one.modified for one in ours(tmp_path / "3.pdf")]


def test_the_first_signer_s_own_box_may_have_a_lock(tmp_path: Path):
    """The field is created, locks and is signed in one revision."""
    plans = (box("o1", 700, "so"), box("o2", 600), NUMBER)
    HAND.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="o1", certify=2, fields=plans, fill=(("so", "15"),))
    with pytest.raises(SigningForbidden):
        HAND.sign(tmp_path / "1.pdf", tmp_path / "x.pdf", field="o2", fill=(("so", "16"),))
    HAND.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="o2")
    assert [True, True] == pyhanko(tmp_path / "2.pdf", ROOT)


def test_only_a_signature_closes_fields(tmp_path: Path):
    """A text with a lock is refused."""
    plan = FieldPlan("so", kind="text", place=Place(1, (50, 400, 150, 420)), lock=("ngay",))
    with pytest.raises(OrderInvalid):
        HAND.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", fields=(plan,))


def test_a_closed_field_that_nobody_touched_is_not_changed(tmp_path: Path):
    """Its appearance is older than the revision before, and in no revision since: the verifier finds no change."""
    plans = (box("o1", 700, "so"), *(box(f"o{number}", 700 - 70 * number) for number in (2, 3, 4)), NUMBER)
    HAND.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="o1", certify=2, fields=plans, fill=(("so", "15"),))
    for number in (2, 3, 4):
        HAND.sign(tmp_path / f"{number - 1}.pdf", tmp_path / f"{number}.pdf", field=f"o{number}")
    assert [("allowed", False)] * 3 + [("none", False)] == [
        (one.kind, one.modified) for one in ours(tmp_path / "4.pdf")
    ]
