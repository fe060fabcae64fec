"""Documents that are mutated: small ones of our own in `seeds/`, and the corpus where it is.

`python -m tests.fuzzing.seeds` makes ours anew, with other keys: each shows another part of the readers something to
misread (several revisions, stamps, evidence, forms, object streams, encryption, tags, scripts).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, append_signature_field

from tests import documents
from tests.unit.verify.world import DAY, NOW, World, blank_pdf, revocation_list

HERE = Path(__file__).parent / "seeds"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LARGEST = 120_000
"""Bytes of a seed: larger files spend the time on copying."""


def ours() -> list[Path]:
    return sorted(HERE.glob("*.pdf"))


def corpus() -> list[Path]:
    """All of the corpus, if it is there; packed bombs are for the table of attacks."""
    found = [path for kind in ("pdf", "xml", "attacks") for path in sorted((CORPUS / kind).glob("*.*"))]
    return [path for path in found if path.suffix in {".pdf", ".xml"}]


def is_mutated(path: Path) -> bool:
    """Which of them are worth mutating; the others are read as they are."""
    return path.suffix == ".pdf" and 0 < path.stat().st_size <= LARGEST


def _updated(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    writer, out = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False), io.BytesIO()
    change(writer)
    writer.write(out)
    return out.getvalue()


def _form(writer: IncrementalPdfFileWriter) -> None:
    append_signature_field(writer, SigFieldSpec("Ký", on_page=0, box=(50, 50, 250, 110)))
    look = generic.StreamObject(stream_data=b"/Tx BMC EMC")
    look.update({pdf_name("/Subtype"): pdf_name("/Form"), pdf_name("/BBox"): _numbers(0, 0, 200, 20)})
    field = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/Widget"),
            pdf_name("/FT"): pdf_name("/Tx"),
            pdf_name("/T"): pdf_string("số"),
            pdf_name("/V"): pdf_string("15"),
            pdf_name("/Rect"): _numbers(50, 700, 250, 720),
            pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): writer.add_object(look)}),
        }
    )
    reference = writer.add_object(field)
    writer.root["/AcroForm"]["/Fields"].append(reference)
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Annots"].append(reference)
    writer.update_container(page)
    writer.update_container(writer.root["/AcroForm"]["/Fields"])


def _fill(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][1].get_object()
    field[pdf_name("/V")] = pdf_string("16")
    writer.update_container(field)


def _comment(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Contents"): pdf_string("Đã xem"),
            pdf_name("/DA"): pdf_string("/Helv 9 Tf"),
            pdf_name("/Rect"): _numbers(300, 300, 400, 340),
        }
    )
    page[pdf_name("/Annots")] = generic.ArrayObject([*page.get("/Annots", ()), writer.add_object(note)])
    writer.update_container(page)


def _numbers(*values: int) -> generic.ArrayObject:
    return generic.ArrayObject(map(generic.NumberObject, values))


def _streams(pdf: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


def make() -> dict[str, bytes]:
    """Every seed by its name."""
    world = World()
    lists = (revocation_list(world.root), revocation_list(world.issuing))
    form = _updated(blank_pdf(), _form)
    signed = world.sign(form, field_name="Ký")
    stamped = world.sign(blank_pdf(), stamped=NOW - DAY)
    certified = {"certify": True, "docmdp_permissions": MDPPerm.ANNOTATE}
    with tempfile.TemporaryDirectory() as folder:
        plain = documents.pdf(Path(folder) / "plain.pdf", pages=2)
        tagged = documents.tagged(Path(folder) / "tagged.pdf", plain).read_bytes()
        linear = documents.linearised(Path(folder) / "linear.pdf", plain).read_bytes()
        encrypted = documents.encrypted(Path(folder) / "encrypted.pdf", plain).read_bytes()
        hybrid = documents.hybrid(Path(folder) / "hybrid.pdf").read_bytes()
        xfa = documents.xfa(Path(folder) / "xfa.pdf", plain, dynamic=False).read_bytes()
    return {
        "signed-filled-signed": world.sign(_updated(signed, _fill), field_name="Hai"),
        "archived": world.timestamp(world.archive(stamped, crls=lists), NOW),
        "certified-commented": _updated(world.sign(blank_pdf(), **certified), _comment),
        "object-streams": world.sign(_streams(form), field_name="Ký"),
        "tagged": world.sign(tagged),
        "linearised": linear,
        "encrypted": encrypted,
        "hybrid": hybrid,
        "xfa": xfa,
    }


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for seed, content in make().items():
        (HERE / f"{seed}.pdf").write_bytes(content)
        print(f"{seed}: {len(content)} bytes")
