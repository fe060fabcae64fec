"""What a PDF may do to its reader: byte ranges, coverage, revisions, hostile structure, cost."""

from __future__ import annotations

import io
import random
import tempfile
import time
import tracemalloc

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec

from tests.unit.verify.world import DEFAULT, NOW, Network, World, blank_pdf
from verify import engine
from verify.document import Limits, sniff
from verify.errors import (
    DocumentBroken,
    DocumentTooLarge,
    EmptyDocument,
    NotADocument,
    VerifyError,
)
from verify.pdf import check_pages, open_reader
from verify.pdf_signatures import find
from verify.report import Report

pytestmark = pytest.mark.spine


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return world.sign(blank_pdf())


def judge(pdf: bytes, world: World) -> Report:
    return engine.judge(io.BytesIO(pdf), name="a.pdf", trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=Network())


def updated(pdf: bytes, change: object) -> bytes:
    """The document with one more revision, in which `change(writer)` was done."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    change(writer)  # type: ignore[operator]  # any callable
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


class TestGate:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b"%PDF-1.7\n", "PDF"),
            (b"junk\n%PDF-1.4", "PDF"),
            (b"<?xml version='1.0'?><a/>", "XML"),
            (b"\xef\xbb\xbf<a>", "XML"),
            (b"<?xml-stylesheet href='a.xsl'?><a/>", "XML"),
            ("<đơn>".encode(), "XML"),
            ("\ufeff<hồ-sơ loại='1'>".encode("utf-16-le"), "XML"),
        ],
    )
    def test_kind_is_told_by_content(self, data: bytes, kind: str) -> None:
        """Names and types are not asked."""
        assert sniff(io.BytesIO(data)) == kind

    def test_what_is_no_document(self) -> None:
        """Empty and foreign files have their own refusals."""
        with pytest.raises(EmptyDocument):
            sniff(io.BytesIO(b""))
        with pytest.raises(NotADocument):
            sniff(io.BytesIO(b"PK\x03\x04 a word file"))

    def test_limit(self) -> None:
        """A file over the limit is refused before it is parsed."""
        with pytest.raises(DocumentTooLarge):
            open_reader(io.BytesIO(blank_pdf()), limits=Limits(document=100))

    def test_bytes_before_the_header(self, world: World) -> None:
        """Refused where something would be signed, read where something is judged."""
        shifted = b"junk\n" + blank_pdf()
        with pytest.raises(DocumentBroken):
            open_reader(io.BytesIO(shifted), limits=Limits())
        assert judge(shifted, world).verdict == "NO_SIGNATURE"

    def test_page_tree_that_loops(self) -> None:
        """Counting pages ends."""

        def loop(writer: IncrementalPdfFileWriter) -> None:
            pages = writer.root["/Pages"]
            pages["/Kids"].append(generic.IndirectObject(*_reference(writer.root.raw_get("/Pages")), writer))
            writer.update_container(pages["/Kids"])

        reader = open_reader(io.BytesIO(updated(blank_pdf(), loop)), limits=Limits())
        with pytest.raises(DocumentBroken):
            check_pages(reader, limits=Limits())

    def test_truncated(self) -> None:
        """A file cut in half is broken, not a crash."""
        data = blank_pdf()
        with pytest.raises(DocumentBroken):
            open_reader(io.BytesIO(data[: len(data) // 2]), limits=Limits())


def _reference(raw: generic.IndirectObject) -> tuple[int, int]:
    return raw.reference.idnum, raw.reference.generation


class TestByteRange:
    def test_whole_file(self, world: World, signed: bytes) -> None:
        """The sound case, for contrast."""
        assert judge(signed, world).verdict == "TOTAL_PASSED"

    @pytest.mark.parametrize("tail", [b"%% more\n", b"5 0 obj\n<<>>\nendobj\n", b"x"])
    def test_bytes_after_the_last_revision(self, world: World, signed: bytes, tail: bytes) -> None:
        """What no revision accounts for is shown by readers that repair files, so it is forbidden."""
        signature = judge(signed + tail, world).signatures[0]
        assert (signature.changes.kind, signature.changes.modified) == ("forbidden", True)
        assert (signature.indication, signature.sub_indication) == ("TOTAL_FAILED", "FORMAT_FAILURE")

    def test_a_line_end_after_the_last_revision(self, world: World, signed: bytes) -> None:
        """A line end is nothing."""
        assert judge(signed + b"\n", world).verdict == "TOTAL_PASSED"

    def test_hidden_revision(self, world: World, signed: bytes) -> None:
        """A revision that the chain of cross-references skips is forbidden, though a later one follows it."""
        hidden = signed + b"9 0 obj\n<<>>\nendobj\nstartxref\n7\n%%EOF\n"
        with_more = hidden + world.timestamp(signed, NOW)[len(signed) :]
        signature = judge(with_more, world).signatures[0] if _readable(with_more) else None
        assert signature is None or signature.changes.modified

    def test_gap_larger_than_the_value(self, world: World, signed: bytes) -> None:
        """A gap that leaves out more than /Contents is no signature's byte range."""
        start = signed.index(b"/ByteRange [") + len(b"/ByteRange [")
        end = signed.index(b"]", start)
        numbers = [int(part) for part in signed[start:end].split()]
        numbers[2], numbers[3] = numbers[2] + 1, numbers[3] - 1
        body = b" ".join(str(number).encode() for number in numbers).ljust(end - start)
        signature = judge(signed[:start] + body + signed[end:], world).signatures[0]
        assert not signature.intact
        assert signature.sub_indication == "FORMAT_FAILURE"

    def test_range_that_does_not_begin_at_the_first_byte(self, world: World, signed: bytes) -> None:
        """Every byte but the value is covered, from the first on."""
        pdf = signed.replace(b"/ByteRange [0 ", b"/ByteRange [1 ", 1)
        assert judge(pdf, world).signatures[0].sub_indication == "FORMAT_FAILURE"


def _readable(pdf: bytes) -> bool:
    try:
        find(io.BytesIO(pdf), limits=Limits())
    except VerifyError:
        return False
    return True


class TestCounting:
    def test_one_dictionary_in_two_fields_is_one_signature(self, world: World, signed: bytes) -> None:
        """A second field with the same value does not make a second signature."""

        def second_field(writer: IncrementalPdfFileWriter) -> None:
            form = writer.root["/AcroForm"]
            value = form["/Fields"][0].raw_get("/V")
            field = generic.DictionaryObject(
                {
                    pdf_name("/FT"): pdf_name("/Sig"),
                    pdf_name("/T"): generic.pdf_string("Again"),
                    pdf_name("/V"): generic.IndirectObject(*_reference(value), writer),
                }
            )
            form["/Fields"].append(writer.add_object(field))
            writer.update_container(form["/Fields"])

        assert len(judge(updated(signed, second_field), world).signatures) == 1

    def test_document_timestamp_of_type_sig_is_no_signature(self, world: World, signed: bytes) -> None:
        """Its SubFilter says what it is."""
        stamped = world.timestamp(signed, NOW).replace(b"/Type /DocTimeStamp", b"/Type /Sig         ", 1)
        report = judge(stamped, world)
        assert (len(report.signatures), len(report.timestamps)) == (1, 0)
        assert "TIMESTAMP_MALFORMED" in {warning.code for warning in report.warnings}

    def test_form_that_loops(self, world: World, signed: bytes) -> None:
        """A field that is its own child is visited once."""

        def loop(writer: IncrementalPdfFileWriter) -> None:
            form = writer.root["/AcroForm"]
            field = form["/Fields"][0]
            reference = generic.IndirectObject(*_reference(form["/Fields"].raw_get(0)), writer)
            field[pdf_name("/Kids")] = generic.ArrayObject([reference])
            writer.update_container(field)

        assert len(judge(updated(signed, loop), world).signatures) == 1


class TestChanges:
    def test_second_signature_is_allowed(self, world: World, signed: bytes) -> None:
        """Signing again changes nothing for the first signer."""
        report = judge(world.sign(signed, field_name="Second"), world)
        assert [(s.changes.kind, s.changes.modified) for s in report.signatures] == [
            ("allowed", False),
            ("none", False),
        ]
        assert report.verdict == "TOTAL_PASSED"

    def test_evidence_and_timestamp_are_allowed(self, world: World, signed: bytes) -> None:
        """A security store and a document timestamp are what archiving is made of."""
        report = judge(world.timestamp(world.archive(signed), NOW), world)
        assert report.signatures[0].changes.kind == "allowed"

    def test_replaced_page_content_is_forbidden(self, world: World, signed: bytes) -> None:
        """What a reader sees of the page has changed."""

        def replace(writer: IncrementalPdfFileWriter) -> None:
            page = writer.root["/Pages"]["/Kids"][0]
            page[pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=b"BT (Other) Tj ET"))
            writer.update_container(page)

        signature = judge(updated(signed, replace), world).signatures[0]
        assert (signature.intact, signature.changes.kind, signature.changes.modified) == (True, "forbidden", True)
        assert signature.indication == "TOTAL_FAILED"

    def test_signature_dictionary_rewritten_later_is_forbidden(self, world: World, signed: bytes) -> None:
        """The reason shown may not be exchanged, though the value still verifies."""

        def spoof(writer: IncrementalPdfFileWriter) -> None:
            value = writer.root["/AcroForm"]["/Fields"][0]["/V"]
            value[pdf_name("/Reason")] = generic.pdf_string("something else")
            writer.update_container(value)

        signature = judge(updated(signed, spoof), world).signatures[0]
        assert signature.changes.modified
        assert signature.indication == "TOTAL_FAILED"

    def test_certified_without_changes(self, world: World) -> None:
        """After a certification that allows nothing, even a further signature is forbidden."""
        certified = world.sign(blank_pdf(), certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
        pdf = updated(
            certified, lambda writer: fields.append_signature_field(writer, SigFieldSpec("Empty", box=(9, 9, 90, 90)))
        )
        assert judge(certified, world).verdict == "TOTAL_PASSED"
        assert judge(pdf, world).signatures[0].changes.modified

    def test_locked_field(self, world: World) -> None:
        """FieldMDP: a field that the signature locked may not be filled afterwards."""
        lock = FieldMDPSpec(FieldMDPAction.INCLUDE, fields=["Number"])

        def form(writer: IncrementalPdfFileWriter) -> None:
            fields.append_signature_field(writer, SigFieldSpec("Signature1", field_mdp_spec=lock))
            text = generic.DictionaryObject(
                {
                    pdf_name("/FT"): pdf_name("/Tx"),
                    pdf_name("/T"): generic.pdf_string("Number"),
                    pdf_name("/V"): generic.pdf_string("1"),
                }
            )
            writer.root["/AcroForm"]["/Fields"].append(writer.add_object(text))
            writer.update_container(writer.root["/AcroForm"])

        def fill(writer: IncrementalPdfFileWriter) -> None:
            for item in writer.root["/AcroForm"]["/Fields"]:
                field = item.get_object()
                if field.get("/T") == "Number":
                    field[pdf_name("/V")] = generic.pdf_string("2")
                    writer.update_container(field)

        signed = world.sign(updated(blank_pdf(), form))
        assert judge(signed, world).verdict == "TOTAL_PASSED"
        changes = judge(updated(signed, fill), world).signatures[0].changes
        assert (changes.kind, changes.modified) == ("forbidden", True)
        assert "locked-field-changed Number" in changes.details[-1]

    def test_cost_is_linear_in_signatures(self, world: World) -> None:
        """Each step between two revisions is compared once, so eight signatures cost about four times what two do."""
        pdf = blank_pdf()
        costs = {}
        for number in range(1, 9):
            pdf = world.sign(pdf, field_name=f"S{number}")
            if number in {2, 8}:
                start = time.process_time()
                assert judge(pdf, world).verdict == "TOTAL_PASSED"
                costs[number] = time.process_time() - start
        assert costs[8] < 12 * costs[2]


def test_memory_does_not_grow_with_the_document(world: World) -> None:
    """Forty megabytes are digested in a few."""
    page = b"%" + b"x" * 20_000_000 + b"\n"
    with tempfile.TemporaryFile() as file:
        file.write(world.sign(blank_pdf(text=page, pages=2)))
        tracemalloc.start()
        report = engine.judge(file, name="big.pdf", trust=world.trust(), policy=DEFAULT, at=NOW, fetcher=Network())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert report.verdict == "TOTAL_PASSED"
    assert peak < 12_000_000


@pytest.mark.parametrize("seed", range(6))
def test_mutated_documents_end_in_a_report_or_a_refusal(world: World, signed: bytes, seed: int) -> None:
    """Whatever is flipped, cut or repeated, nothing but a VerifyError comes out, and nothing changed passes."""
    chance = random.Random(seed)
    base = world.sign(signed, field_name="Two", stamped=NOW)
    start = base.rindex(b"/Contents <") + len(b"/Contents ")
    gap = slice(start, base.index(b">", start) + 1)
    for _ in range(25):
        data = bytearray(base)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    del data[place : place + chance.randint(1, 40)]
                case _:
                    data[place:place] = data[place : place + chance.randint(1, 40)]
        try:
            report = judge(bytes(data), world)
        except VerifyError:
            continue
        covered = data[: gap.start] == base[: gap.start] and data[gap.stop :] == base[gap.stop :]
        assert covered or report.verdict != "TOTAL_PASSED"
