"""What former signers forbid is refused; what they allow leaves their signatures valid, by pyHanko and by ourselves.

The matrix `signing-permission`: DocMDP × FieldMDP × who locks × existing or new field. The first signature is ours; the
documents differ in what it asks for.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from signer.errors import OrderInvalid, SigningForbidden
from signer.model import FieldPlan, Place
from tests.documents import pdf
from tests.pki import Authority
from tests.readers import poppler
from tests.unit.signer.conftest import Hand
from verify import engine, permissions, policy
from verify.fetcher import Offline
from verify.report import Changes
from verify.trust import Trust

pytestmark = pytest.mark.pades

ALL, INCLUDE, EXCLUDE = FieldMDPAction.ALL, FieldMDPAction.INCLUDE, FieldMDPAction.EXCLUDE
LOCKS = {
    "none": None,
    "all": FieldMDPSpec(ALL),
    "include second": FieldMDPSpec(INCLUDE, ["o2", "moi"]),
    "include other": FieldMDPSpec(INCLUDE, ["o3"]),
    "exclude second": FieldMDPSpec(EXCLUDE, ["o2", "moi"]),
    "exclude other": FieldMDPSpec(EXCLUDE, ["o3"]),
}
LOCKED = {"all", "include second", "exclude other"}
DEFAULT = policy.load("default")


def ours(path: Path) -> list[Changes]:
    """What our verifier says happened after each signature; all must be intact."""
    with path.open("rb") as file:
        report = engine.judge(
            file, name=path.name, trust=Trust(), policy=DEFAULT, at=datetime.now(UTC), fetcher=Offline()
        )
    assert all(signature.intact for signature in report.signatures)
    return [signature.changes for signature in report.signatures]


def pyhanko(path: Path, root: Authority) -> list[bool]:
    """For each signature: does pyHanko find it valid, trusted, and its permissions kept?"""
    context = ValidationContext(trust_roots=[x509.Certificate.load(root.der)], allow_fetching=False)
    with path.open("rb") as file:
        statuses = [
            validate_pdf_signature(signature, context, skip_diff=False)
            for signature in PdfFileReader(file).embedded_regular_signatures
        ]
        return [status.bottom_line and status.docmdp_ok is not False for status in statuses]


@pytest.fixture(scope="session")
def root() -> Authority:
    return Authority.root()


CASES = [
    (level, lock, field, where)
    for level, lock, field, where in itertools.product(
        (None, 1, 2, 3), LOCKS, ("existing", "new"), ("certified", "in the lock")
    )
    if where == "certified" or (level is not None and LOCKS[lock] is not None)
]


def with_boxes(path: Path, case: tuple) -> Path:
    """Two empty boxes, o1 with the lock of the case, and its level if that stands there."""
    level, lock, _, where = case
    update = MDPPerm(level) if where == "in the lock" else None
    box = (50, 600, 300, 680)
    first = SigFieldSpec("o1", on_page=0, box=box, field_mdp_spec=LOCKS[lock], doc_mdp_update_value=update)
    return pdf(path, fields=(first, SigFieldSpec("o2", on_page=0, box=(50, 500, 300, 580))))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_signing_permission(hand: Hand, root: Authority, tmp_path: Path, case: tuple):
    """A second signature is refused exactly where it would break the first; else both validators find both sound.

    `where`: the level stands in the certification, or as /P in the lock of the first signer's field (ISO 32000-2)."""
    level, lock, field, where = case
    document = with_boxes(tmp_path / "a.pdf", case)
    signed, out = tmp_path / "1.pdf", tmp_path / "2.pdf"
    hand.sign(document, signed, field="o1", certify=level if where == "certified" else None)
    order = {"field": "o2"} if field == "existing" else {"field": "moi", "place": Place(1, (50, 300, 300, 380))}
    is_forbidden = level == 1 or lock in LOCKED or (field == "new" and level is not None)
    if is_forbidden:
        with pytest.raises(SigningForbidden) as refused:
            hand.sign(signed, out, **order)
        assert refused.value.facts["reason"] in ("certified-no-changes", "certified-no-new-fields", "field-locked")
        assert b"" == out.read_bytes()
        return
    hand.sign(signed, out, **order)
    assert [True, True] == pyhanko(out, root)
    assert [("allowed", False), ("none", False)] == [(one.kind, one.modified) for one in ours(out)]
    assert [(True, False), (True, True)] == [status for status in poppler(out) if status != (False, False)]


def test_a_certification_comes_first(hand: Hand, tmp_path: Path):
    """After any signature there is nothing left to certify."""
    hand.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf")
    with pytest.raises(SigningForbidden) as refused:
        hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", certify=2)
    assert "certification-not-first" == refused.value.facts["reason"]
    with pytest.raises(OrderInvalid):
        hand.sign(tmp_path / "a.pdf", tmp_path / "3.pdf", certify=4)


def test_boxes_for_later_come_before_the_first_signature(hand: Hand, root: Authority, tmp_path: Path):
    """Certified or not, the first signer creates boxes that the next one only fills; afterwards no box may be added."""
    plans = (
        FieldPlan("o2", place=Place(1, (50, 500, 300, 580)), label="Ô 2"),
        FieldPlan("so", kind="text", place=Place(1, (50, 400, 150, 420)), max_length=20),
    )
    for level in (None, 2, 3):
        hand.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", certify=level, fields=plans)
        hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf", field="o2", fill=(("so", "15-GT/ĐU"),))
        assert [True, True] == pyhanko(tmp_path / "2.pdf", root)
        assert [False, False] == [one.modified for one in ours(tmp_path / "2.pdf")]
        late = FieldPlan("ngay", kind="date", place=Place(1, (50, 300, 150, 320)))
        with pytest.raises(SigningForbidden):
            hand.sign(tmp_path / "2.pdf", tmp_path / "3.pdf", field="o3", fields=(late,))


def test_a_box_of_the_order_itself_is_signed(hand: Hand, tmp_path: Path):
    """The first signer may sign one of the boxes that the same revision creates."""
    plans = (FieldPlan("o1", place=Place(1, (50, 600, 300, 680))), FieldPlan("o2", place=Place(1, (50, 500, 300, 580))))
    assert "o1" == hand.sign(pdf(tmp_path / "a.pdf"), tmp_path / "1.pdf", field="o1", fields=plans, certify=2).field
    assert "o2" == hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf").field


@pytest.mark.parametrize(
    "plans",
    [
        (FieldPlan("o1"),),
        (FieldPlan("a.b", place=Place(1, (1, 1, 9, 9))),),
        (FieldPlan("a", place=Place(1, (1, 1, 9, 9))), FieldPlan("a", place=Place(1, (1, 1, 9, 9)))),
        (FieldPlan("co-san", place=Place(1, (1, 1, 9, 9))),),
    ],
    ids=["no place", "a full stop in the name", "the same name twice", "a name that is taken"],
)
def test_boxes_that_cannot_be_created(hand: Hand, tmp_path: Path, plans):
    """An order for boxes is refused as a whole."""
    document = pdf(tmp_path / "a.pdf", fields=(SigFieldSpec("co-san", on_page=0, box=(50, 600, 300, 680)),))
    with pytest.raises(OrderInvalid):
        hand.sign(document, tmp_path / "1.pdf", fields=plans, field="co-san")


def test_acrobat_s_level_in_a_lock_counts(hand: Hand, tmp_path: Path):
    """The level of the first signer's lock is written beside FieldMDP, where Acrobat writes it, and read from there."""
    lock = FieldMDPSpec(INCLUDE, ["khac"])
    spec = SigFieldSpec(
        "o1", on_page=0, box=(50, 600, 300, 680), field_mdp_spec=lock, doc_mdp_update_value=MDPPerm.NO_CHANGES
    )
    hand.sign(pdf(tmp_path / "a.pdf", fields=(spec,)), tmp_path / "1.pdf", field="o1")
    with (tmp_path / "1.pdf").open("rb") as file:
        dictionary = PdfFileReader(file).embedded_signatures[0].sig_object
        assert MDPPerm.NO_CHANGES == permissions.permission(dictionary, fields=())
    with pytest.raises(SigningForbidden) as refused:
        hand.sign(tmp_path / "1.pdf", tmp_path / "2.pdf")
    assert "certified-no-changes" == refused.value.facts["reason"]


def test_a_read_only_box_is_not_signed(hand: Hand, tmp_path: Path):
    """The form's author closed it."""

    def close(field: generic.DictionaryObject) -> None:
        field[pdf_name("/Ff")] = generic.NumberObject(1)

    with pytest.raises(SigningForbidden) as refused:
        hand.sign(with_field(tmp_path, close), tmp_path / "1.pdf", field="o1")
    assert "field-read-only" == refused.value.facts["reason"]


def with_field(folder: Path, change) -> Path:
    """A document with the field o1, whose dictionary `change` completes."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    plain = pdf(folder / "plain.pdf", fields=(SigFieldSpec("o1", on_page=0, box=(50, 600, 300, 680)),))
    path = folder / "seeded.pdf"
    with plain.open("rb") as file, path.open("wb") as out:
        writer = IncrementalPdfFileWriter(file)
        field = writer.root["/AcroForm"]["/Fields"][0].get_object()
        change(field)
        writer.update_container(field)
        writer.write(out)
    return path
