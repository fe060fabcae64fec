"""A cross-reference table that was hidden in what is signed and comes into force afterwards."""

from __future__ import annotations

import io
import re

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from tests.unit.verify.attacks.scene import HIDDEN_TEXT, LETTER, SIGNED_TEXT, judge
from tests.unit.verify.world import World
from verify.document import Limits
from verify.pdf import open_reader

pytestmark = pytest.mark.judging


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def prepared(hidden: bytes) -> tuple[bytes, int]:
    """A page to sign whose document carries a stream that nobody shows, and the number of the page's content."""
    writer = PdfFileWriter(stream_xrefs=False)
    contents = writer.add_object(generic.StreamObject(stream_data=SIGNED_TEXT))
    writer.insert_page(PageObject(contents=contents, media_box=LETTER))
    writer.root[pdf_name("/Hidden")] = writer.add_object(generic.StreamObject(stream_data=hidden))
    append_signature_field(writer, SigFieldSpec("Một", on_page=0, box=(50, 50, 250, 110)))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue(), contents.idnum


def signed_with_hidden_table(world: World) -> tuple[bytes, int]:
    """What the attacker can do who knows how long a signature will be; and where the hidden table stands."""
    _, number = prepared(b"")
    other = b"%d 0 obj\n<</Length %d>>\nstream\n%s\nendstream\nendobj\n" % (number, len(HIDDEN_TEXT), HIDDEN_TEXT)
    place = previous = 0
    for _ in range(3):
        table = b"xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size 30/Root 1 0 R/Prev %010d>>\n" % (number, place, previous)
        plain, _ = prepared(other + table)
        signed = world.sign(plain, field_name="Một", reserved=20_000)
        place, previous = signed.index(other), int(re.findall(rb"startxref\s+(\d+)", signed)[-1])
    return signed, signed.index(table)


def continued(signed: bytes, previous: int) -> bytes:
    """One more revision with an object that nobody refers to, going on from the table at `previous`."""
    number = 30
    body = signed + b"\n%d 0 obj\n<</Producer (x)>>\nendobj\n" % number
    place = body.rindex(b"%d 0 obj" % number)
    table = b"xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size 31/Root 1 0 R/Prev %d>>\n" % (number, place, previous)
    return body + table + b"startxref\n%d\n%%%%EOF\n" % len(body)


def shown(pdf: bytes) -> bytes:
    reader = open_reader(io.BytesIO(pdf), limits=Limits(), tolerance="lenient")
    return bytes(reader.root["/Pages"]["/Kids"][0]["/Contents"].data)


def test_a_hidden_table_in_the_chain_is_a_change(world: World) -> None:
    """The last revision is harmless beside the one before it, which no signer saw and no byte of which is new."""
    signed, hidden = signed_with_hidden_table(world)
    harmless = continued(signed, int(re.findall(rb"startxref\s+(\d+)", signed)[-1]))
    assert shown(signed) == shown(harmless) == SIGNED_TEXT
    attacked = continued(signed, hidden)
    assert shown(attacked) == HIDDEN_TEXT
    verdicts = []
    for pdf in (signed, harmless, attacked):
        one = judge(pdf, world)
        assert one is not None
        verdicts.append((one.indication, one.changes.modified))
    assert verdicts == [("TOTAL_PASSED", False), ("TOTAL_PASSED", False), ("TOTAL_FAILED", True)]


@pytest.mark.parametrize("mode", [pikepdf.ObjectStreamMode.generate, pikepdf.ObjectStreamMode.disable])
def test_linearised_documents_keep_their_two_sections(world: World, mode: pikepdf.ObjectStreamMode) -> None:
    """Their first-page section stands before the main one, and readers begin with it."""
    pdf, out = pikepdf.new(), io.BytesIO()
    for _ in range(3):
        pdf.add_blank_page(page_size=(595, 842)).Contents = pdf.make_stream(SIGNED_TEXT)
    pdf.save(out, linearize=True, object_stream_mode=mode)
    one = judge(world.archive(world.sign(out.getvalue())), world)
    assert one is not None
    assert (one.indication, one.changes.kind) == ("TOTAL_PASSED", "allowed")
