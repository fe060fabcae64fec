"""Bytes around a signature: incremental saving (ISA), wrapping (SWA) and forged values (USF); none of them passes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.unit.verify.attacks.harmless import (
    fill,
)
from tests.unit.verify.attacks.scene import (
    passes,
    shadow_ready,
    updated,
)
from tests.unit.verify.world import World

pytestmark = pytest.mark.judging


def body_only(pdf: bytes) -> bytes:
    """ISA: new objects without a table."""
    return pdf + b"\n4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n"


def body_and_marker(pdf: bytes) -> bytes:
    return body_only(pdf) + b"%%EOF\n"


def body_and_table_without_trailer(pdf: bytes) -> bytes:
    return body_only(pdf) + b"xref\n4 1\n%010d 00000 n \nstartxref\n%d\n%%%%EOF\n" % (len(pdf) + 1, len(pdf) + 60)


def comment_bytes(pdf: bytes) -> bytes:
    return pdf + b"% Pay 9000\n"


def table_only(pdf: bytes, rows: bytes) -> bytes:
    """A revision that consists of its cross-reference table."""
    previous = re.findall(rb"startxref\s+(\d+)", pdf)[-1]
    size, root = re.findall(rb"/Size (\d+)", pdf)[-1], re.findall(rb"/Root (\d+ \d+ R)", pdf)[-1]
    trailer = b"trailer\n<</Size %s/Root %s/Prev %s>>\n" % (size, root, previous)
    return pdf + b"xref\n" + rows + trailer + b"startxref\n%d\n%%%%EOF\n" % len(pdf)


def cover_freed(pdf: bytes) -> bytes:
    """Shadow attack "hide": the cover's object is free from now on."""
    cover = re.search(rb"/Cover (\d+) 0 R", pdf)
    assert cover is not None
    return table_only(pdf, b"%s 1\n0000000000 00001 f \n" % cover[1])


def contents_elsewhere(pdf: bytes) -> bytes:
    """The number of the page's content leads to another object of the same signed bytes."""
    contents = re.search(rb"/Contents (\d+) 0 R", pdf)
    assert contents is not None
    other = pdf.index(b"Tj ET", pdf.index(b"Tj ET", pdf.index(b"Mallory") + 40))
    start = pdf.rindex(b" obj", 0, other)
    start = pdf.rindex(b"\n", 0, start) + 1
    return table_only(pdf, b"%s 1\n%010d 00000 n \n" % (contents[1], start))


def second_document(pdf: bytes) -> bytes:
    return pdf + shadow_ready()


def second_document_before(pdf: bytes) -> bytes:
    return shadow_ready() + pdf


def _gap(pdf: bytes) -> tuple[int, int]:
    start = pdf.rindex(b"/Contents <") + len(b"/Contents ")
    return start, pdf.index(b">", start) + 1


def _byte_range(pdf: bytes, new: bytes) -> bytes:
    found = list(re.finditer(rb"/ByteRange \[[^\]]*\]\s*", pdf))[-1]
    room = found.end() - found.start()
    return pdf[: found.start()] + new.ljust(room)[: max(room, len(new))] + pdf[found.end() :]


def wrapped(pdf: bytes) -> bytes:
    """SWA: the second signed part moves to the end; its place is taken by other objects."""
    start, end = _gap(pdf)
    tail = pdf[end:]
    other = b">>\nendobj\n4 0 obj\n<</Length 5>>\nstream\nq Q q\nendstream\nendobj\n"
    moved = pdf[:end] + other + b"%" * 50 + b"\n" + tail
    return _byte_range(moved, b"/ByteRange [0 %d %d %d]" % (start, len(moved) - len(tail), len(tail)))


def gap_widened(pdf: bytes) -> bytes:
    """Bytes beside the value, inside what is not signed."""
    start, end = _gap(pdf)
    wider = pdf[:end] + b" /Reason (Pay 9000) " + pdf[end:]
    tail = len(pdf) - end
    return _byte_range(wider, b"/ByteRange [0 %d %d %d]" % (start, len(wider) - tail, tail))


def second_contents(pdf: bytes) -> bytes:
    start, end = _gap(pdf)
    return pdf[: start - 10] + b"/Contents <00>" + pdf[start - 10 : end] + pdf[end:]


def value_in_a_comment(pdf: bytes) -> bytes:
    start, end = _gap(pdf)
    return pdf[:start] + b"%" + pdf[start + 1 : end] + pdf[end:]


FORGED_RANGES = (
    b"", b"/ByteRange null", b"/ByteRange []", b"/ByteRange [0 0 0 0]", b"/ByteRange [0 1 1 1]", b"/ByteRange [0]",
    b"/ByteRange [0 -1 2 3]", b"/ByteRange [0 10 20 99999999]", b"/ByteRange [a b c d]", b"/ByteRange [0.0 1 2 3]",
    b"/ByteRange [-0 4294967296 1 1]", b"/ByteRange [0 9 9 9 9 9]", b"/ByteRange 5", b"/ByteRange (0 1 2 3)",
    b"/ByteRange [0 100 50 100]", b"/ByteRange [10 90 200 300]",
)  # fmt: skip
FORGED_VALUES = (
    b"<>",
    b"<00>",
    b"null",
    b"()",
    b"<" + b"00" * 40 + b">",
    b"[]",
    b"5 0 R",
    b"true",
    b"(abc)",
    b"<3080>",
)


@pytest.mark.parametrize(
    "attack",
    [
        body_only, body_and_marker, body_and_table_without_trailer, comment_bytes, second_document,
        second_document_before, cover_freed, contents_elsewhere, wrapped, gap_widened, second_contents, value_in_a_comment,
    ],
    ids=lambda attack: attack.__name__,
)  # fmt: skip
def test_bytes_around_a_signature(world: World, signed: bytes, attack: Callable[[bytes], bytes]) -> None:
    """Nothing that no signature covers and no revision accounts for passes."""
    assert not passes(attack(signed), world)


@pytest.mark.parametrize("forged", FORGED_RANGES, ids=range(len(FORGED_RANGES)))
def test_forged_byte_ranges(world: World, signed: bytes, forged: bytes) -> None:
    """USF: a byte range that is missing or senseless makes no valid signature."""
    assert not passes(_byte_range(signed, forged), world)


@pytest.mark.parametrize("forged", FORGED_VALUES, ids=range(len(FORGED_VALUES)))
def test_forged_values(world: World, signed: bytes, forged: bytes) -> None:
    """USF: neither does a value that is missing, empty or no signature, whether or not its room is kept."""
    start, end = _gap(signed)
    assert not passes(signed[:start] + forged.ljust(end - start) + signed[end:], world)
    assert not passes(signed[:start] + forged + signed[end:], world)


def test_a_revision_left_out_of_the_chain(world: World, signed: bytes) -> None:
    """The last table goes on from before the signature: what is shown is not what was signed."""
    plain = shadow_ready()
    attacked = updated(signed, fill)
    earlier = re.findall(rb"startxref\s+(\d+)", plain)[-1]
    last = list(re.finditer(rb"/Prev (\d+)", attacked))[-1]
    attacked = attacked[: last.start(1)] + earlier.ljust(len(last[1])) + attacked[last.end(1) :]
    assert not passes(attacked, world)
