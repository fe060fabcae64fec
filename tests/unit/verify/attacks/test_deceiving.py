"""Attacks on signed PDFs, class by class, made here from a signed document; none of them passes as unchanged.

Classes and names follow the literature: shadow attacks (hide, replace, hide-and-replace), incremental saving (ISA),
signature wrapping (SWA), universal forgery (USF), evil annotations (EAA) and sneaky signatures (SSA) on certified
documents.
"""

from __future__ import annotations

import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm

from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.deceiving import ALWAYS, appearances_to_be_made_anew
from tests.unit.verify.attacks.harmless import (
    comment,
    empty_box,
    fill,
    info,
)
from tests.unit.verify.attacks.scene import (
    HIDDEN_TEXT,
    Edit,
    form_xobject,
    judge,
    page_of,
    passes,
    updated,
    write,
)
from tests.unit.verify.world import World

pytestmark = pytest.mark.judging


def test_the_document_itself_passes(world: World, signed: bytes) -> None:
    """However suspicious it looks before, nothing happened after the signature."""
    one = judge(signed, world)
    assert one is not None
    assert (one.indication, one.changes.kind) == ("TOTAL_PASSED", "none")


@pytest.mark.parametrize("edit", ALWAYS, ids=lambda edit: edit.__name__)
def test_a_later_revision_that_deceives(world: World, signed: bytes, edit: Edit) -> None:
    """No rewriting of signed content by a revision passes, with one revision or with a harmless one behind it."""
    attacked = updated(signed, edit)
    assert not passes(attacked, world)
    assert not passes(updated(attacked, info), world)


@pytest.mark.parametrize("edit", ALWAYS, ids=lambda edit: edit.__name__)
def test_a_later_signature_does_not_heal(world: World, signed: bytes, edit: Edit) -> None:
    """Who signs again signs the change as well: for the first signer it stays one."""
    attacked = updated(signed, edit)
    try:
        again = world.sign(attacked, field_name="Sau")
    except Exception:  # noqa: BLE001  pyHanko does not sign all of these
        pytest.skip("cannot be signed again")
    assert not passes(again, world)


def test_appearances_that_readers_are_told_to_make_anew(world: World, signed: bytes) -> None:
    """Only a look at the page tells: every object that was changed may be changed."""
    one = judge(updated(signed, appearances_to_be_made_anew), world)
    assert one is not None
    assert (one.changes.modified, one.changes.details[-1]) == (True, "page-differs 1")


@pytest.mark.parametrize(
    ("edit", "levels"),
    [(comment, {3}), (fill, {2, 3}), (empty_box, {3})],
    ids=["evil annotation", "filling", "sneaky signature"],
)
def test_what_a_certification_permits(
    world: World, certified: dict[MDPPerm, bytes], edit: Edit, levels: set[int]
) -> None:
    """DocMDP 1 permits nothing, 2 filling, 3 comments too; a new visible box is no signature (ISO 32000-1 §12.8.2.2)."""
    permitted = {level.value for level, pdf in certified.items() if passes(updated(pdf, edit), world)}
    assert levels == permitted


@pytest.mark.parametrize("subtype", ["/Stamp", "/FreeText", "/Redact", "/Watermark", "/Square", "/3D", "/Screen"])
@pytest.mark.parametrize("level", list(MDPPerm))
def test_annotations_that_cover(world: World, certified: dict[MDPPerm, bytes], subtype: str, level: MDPPerm) -> None:
    """Evil annotation attack: what hides certified text never passes, whatever annotations are permitted."""

    def cover(writer: IncrementalPdfFileWriter) -> None:
        look = writer.add_object(form_xobject(b"1 g 0 0 595 842 re f " + HIDDEN_TEXT))
        note = writer.add_object(
            entry(Type="/Annot", Subtype=subtype, F=4, Rect=[0, 400, 595, 842], Contents="x", AP={"N": look})
        )
        write(writer, page_of(writer, 1), Annots=[note])

    assert not passes(updated(certified[level], cover), world)
