"""What no reader sees, and what people do to documents, is no attack."""

from __future__ import annotations

import pytest

from tests.unit.verify.attacks.harmless import (
    comment,
    empty_box,
    fill,
    filled,
    highlighted,
    info,
    metadata,
    number_rewritten,
    page_written_again,
    tree_written_again,
    unused_object,
)
from tests.unit.verify.attacks.scene import (
    Edit,
    judge,
    updated,
)
from tests.unit.verify.world import World

pytestmark = pytest.mark.judging


@pytest.mark.parametrize(
    "edit",
    [info, metadata, number_rewritten, page_written_again, tree_written_again, unused_object, filled, highlighted,
     comment, empty_box, fill],
    ids=lambda edit: edit.__name__,
)  # fmt: skip
def test_harmless_rewriting(world: World, signed: bytes, edit: Edit) -> None:
    """What no reader sees, and what people do to documents, does not break the signature before it."""
    one = judge(updated(signed, edit), world)
    assert one is not None
    assert (one.changes.modified, one.changes.kind) == (False, "allowed"), one.changes.details
