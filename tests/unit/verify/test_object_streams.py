"""Objects that stand in object streams: what becomes of them is told by no table of a later revision."""

from __future__ import annotations

import io
from collections.abc import Callable

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tests.unit.signer.test_filling import entry
from tests.unit.verify.attacks.scene import HIDDEN_TEXT, SIGNED_TEXT, judge, updated
from tests.unit.verify.world import DAY, NOW, World
from verify.document import Limits
from verify.pdf import open_reader

pytestmark = pytest.mark.judging

Attach = Callable[[IncrementalPdfFileWriter, generic.IndirectObject], None]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    """Two pages whose dictionaries stand in an object stream, and a content that neither shows; signed on the first."""
    pdf = pikepdf.new()
    for text in (SIGNED_TEXT, SIGNED_TEXT):
        page = pdf.add_blank_page(page_size=(595, 842))
        page.Contents = pdf.make_stream(text)
    pdf.Root.Hidden = pdf.make_stream(HIDDEN_TEXT)
    out = io.BytesIO()
    pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return world.sign(out.getvalue(), stamped=NOW - DAY)


def evidence(writer: IncrementalPdfFileWriter, stream: generic.IndirectObject) -> None:
    writer.root[pdf_name("/DSS")] = entry(Certs=[stream])
    writer.update_root()


def private_entry(writer: IncrementalPdfFileWriter, stream: generic.IndirectObject) -> None:
    writer.set_custom_trailer_entry(pdf_name("/Private"), stream)


def nothing(writer: IncrementalPdfFileWriter, stream: generic.IndirectObject) -> None:
    writer.root[pdf_name("/Version")] = pdf_name("/1.7")
    writer.update_root()


def rewritten(pdf: bytes, attach: Attach) -> bytes:
    """The object stream once more under its number, in which the second page has the hidden content."""
    reader = open_reader(io.BytesIO(pdf), limits=Limits())
    number = next(iter(reader.xrefs.get_xref_data(0).obj_streams_used))
    stream = reader.get_object(generic.Reference(number, 0, reader))
    shown = reader.root["/Pages"]["/Kids"][1].raw_get("/Contents").idnum
    hidden = reader.root.raw_get("/Hidden").idnum
    was = b"/Contents %d 0 R" % shown
    text = stream.data.replace(was, (b"/Contents %d 0 R" % hidden).ljust(len(was)))
    assert text != stream.data
    assert len(text) == len(stream.data)

    def edit(writer: IncrementalPdfFileWriter) -> None:
        values = entry(Type="/ObjStm", N=int(stream["/N"]), First=int(stream["/First"]))
        writer.objects[0, number] = generic.StreamObject(values, stream_data=text)
        attach(writer, generic.IndirectObject(number, 0, writer))

    return updated(pdf, edit)


@pytest.mark.parametrize("attach", [evidence, private_entry, nothing], ids=lambda one: one.__name__)
def test_an_object_stream_that_is_written_again_is_a_change(world: World, signed: bytes, attach: Attach) -> None:
    """Whatever else the stream is said to be: every reader shows another page, and no table names its object."""
    attacked = rewritten(signed, attach)
    assert "Mallory" in _text(attacked)
    assert "Mallory" not in _text(signed)
    one = judge(attacked, world)
    assert one is not None
    assert (one.indication, one.changes.modified) == ("TOTAL_FAILED", True)


def test_new_object_streams_are_no_change(world: World, signed: bytes) -> None:
    """Evidence and a timestamp that come in streams of their own, over a document that has some."""
    longer = world.timestamp(world.archive(signed), NOW - DAY)
    one = judge(longer, world)
    assert one is not None
    assert (one.indication, one.changes.modified) == ("TOTAL_PASSED", False)


def _text(pdf: bytes) -> str:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return opened.pages[1].Contents.read_bytes().decode("latin-1")
