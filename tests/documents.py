"""PDFs for tests, made on the spot: plain, with fields, with object streams, turned, large, and every odd kind.

`pdf` draws; the others take a plain one and make of it what some program in the world would have written.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field


def pdf(
    path: Path,
    *,
    pages: int = 1,
    fields: tuple[SigFieldSpec, ...] = (),
    object_streams: bool = False,
    rotate: int = 0,
    ballast: int = 0,
) -> Path:
    """Write a PDF of A4 pages to `path`; `ballast` bytes of incompressible stream make it as large as wanted."""
    writer = PdfFileWriter(stream_xrefs=object_streams)
    for _ in range(pages):
        contents = writer.add_object(generic.StreamObject(stream_data=b"0 0 m 100 100 l S\n"))
        page = PageObject(contents=contents, media_box=(0, 0, 595, 842))
        if rotate:
            page[pdf_name("/Rotate")] = generic.NumberObject(rotate)
        writer.insert_page(page)
    if ballast:
        writer.add_object(generic.StreamObject(stream_data=os.urandom(ballast)))
    for field in fields:
        append_signature_field(writer, field)
    buffer = io.BytesIO()
    writer.write(buffer)
    path.write_bytes(buffer.getvalue())
    return path


def pages(path: Path, count: int, *, object_streams: bool = False) -> Path:
    """`count` pages in one flat page tree, about 1.2 kB each."""
    writer = PdfFileWriter(stream_xrefs=object_streams)
    root = writer.root["/Pages"]
    kids = generic.ArrayObject()
    for _ in range(count):
        contents = writer.add_object(generic.StreamObject(stream_data=b"0 0 m 100 100 l S\n" * 55))
        page = PageObject(contents=contents, media_box=(0, 0, 595, 842))
        page[pdf_name("/Parent")] = writer.root.raw_get("/Pages")
        kids.append(writer.add_object(page))
    root[pdf_name("/Kids")] = kids
    root[pdf_name("/Count")] = generic.NumberObject(count)
    with path.open("wb") as file:
        writer.write(file)
    return path


def large(path: Path, size: int) -> Path:
    """A PDF of `size` bytes and one page, written without holding it in memory: a stream of zeros, sparse on disk."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    )
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        offsets = []
        for number, body in enumerate(objects, start=1):
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        offsets.append(file.tell())
        file.write(b"4 0 obj\n<</Type/EmbeddedFile/Length %d>>\nstream\n" % size)
        file.seek(size, os.SEEK_CUR)
        file.write(b"\nendstream\nendobj\n")
        start = file.tell()
        file.write(b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
        file.write(b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start)
    return path


def encrypted(
    path: Path,
    source: Path,
    *,
    user: str = "",
    owner: str = "chủ",
    bits: int = 256,
    aes: bool = True,
    allow: pikepdf.Permissions | None = None,
) -> Path:
    """`source` under a password: RC4 (bits=128, aes=False), AES-128 or AES-256."""
    revision = {256: 6, 128: 4 if aes else 3, 40: 2}[bits]
    with pikepdf.open(source) as document:
        document.save(
            path,
            encryption=pikepdf.Encryption(
                owner=owner,
                user=user,
                R=revision,
                aes=aes and bits > 40,
                metadata=bits > 40 and aes,
                allow=allow or pikepdf.Permissions(modify_assembly=True),
            ),
        )
    return path


def linearised(path: Path, source: Path) -> Path:
    with pikepdf.open(source) as document:
        document.save(path, linearize=True)
    return path


def changed(path: Path, source: Path, change: Callable[[pikepdf.Pdf], None]) -> Path:
    """`source` as `change` leaves it."""
    with pikepdf.open(source) as document:
        change(document)
        document.save(path)
    return path


def hybrid(path: Path) -> Path:
    """A hybrid-reference file (ISO 32000-1 §7.5.8.4): object 5 stands in an object stream that only /XRefStm names."""
    body = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    offsets = {}
    inside = b"<</Producer(hybrid)>>"
    stream = b"5 0 " + inside
    for number, text in (
        (1, b"<</Type/Catalog/Pages 2 0 R>>"),
        (2, b"<</Type/Pages/Kids[3 0 R]/Count 1>>"),
        (3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"),
        (4, b"<</Type/ObjStm/N 1/First 4/Length %d>>\nstream\n%s\nendstream" % (len(stream), stream)),
    ):
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    rows = b"\x02\x00\x00\x00\x04\x00" + b"\x01" + len(body).to_bytes(4) + b"\x00"
    hidden = len(body)
    head = b"<</Type/XRef/Size 7/W[1 4 1]/Index[5 2]/Length %d>>" % len(rows)
    body += b"6 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (head, rows)
    start = len(body)
    body += b"xref\n0 7\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offsets[n] for n in range(1, 5))
    body += b"0000000000 00000 f \n%010d 00000 n \n" % hidden
    body += b"trailer\n<</Size 7/Root 1 0 R/Info 5 0 R/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n" % (hidden, start)
    path.write_bytes(body)
    return path


def tagged(path: Path, source: Path) -> Path:
    """A document with a structure tree, as an office suite writes it."""

    def change(document: pikepdf.Pdf) -> None:
        root = document.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructTreeRoot, ParentTreeNextKey=1))
        element = document.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.Document, P=root, K=pikepdf.Array())
        )
        root.K = pikepdf.Array([element])
        root.ParentTree = document.make_indirect(
            pikepdf.Dictionary(Nums=pikepdf.Array([0, document.make_indirect(pikepdf.Array([element]))]))
        )
        page = document.pages[0].obj
        page.StructParents = 0
        page.Tabs = pikepdf.Name.S
        document.Root.StructTreeRoot = root
        document.Root.MarkInfo = pikepdf.Dictionary(Marked=True)
        document.Root.Lang = "vi-VN"

    return changed(path, source, change)


_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>{part}</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def pdfa(path: Path, *, part: int) -> Path:
    """PDF/A-1b, -2b or -3b: a colour profile, the metadata that says so, and nothing that is forbidden."""
    profile = Path(pikepdf.__file__).parent / "pdfa" / "data" / "sRGB.icc"
    with pikepdf.new() as document:
        document.add_blank_page(page_size=(595, 842))
        document.pages[0].obj.Contents = document.make_stream(b"0 0 0 rg 100 100 50 50 re f")
        metadata = document.make_stream(_XMP.format(part=part).encode())
        metadata.Type, metadata.Subtype = pikepdf.Name.Metadata, pikepdf.Name.XML
        document.Root.Metadata = metadata
        colours = document.make_stream(profile.read_bytes(), N=3)
        document.Root.OutputIntents = pikepdf.Array(
            [
                pikepdf.Dictionary(
                    Type=pikepdf.Name.OutputIntent,
                    S=pikepdf.Name.GTS_PDFA1,
                    OutputConditionIdentifier="sRGB",
                    DestOutputProfile=colours,
                )
            ]
        )
        document.save(
            path,
            force_version="1.4" if part == 1 else "1.7",
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            deterministic_id=True,
        )
    return path


def xfa(path: Path, source: Path, *, dynamic: bool) -> Path:
    def change(document: pikepdf.Pdf) -> None:
        form = document.make_stream(b'<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"/>')
        document.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array(), XFA=form)
        if dynamic:
            document.Root.NeedsRendering = True

    return changed(path, source, change)


def qpdf_check(path: Path, *, password: str = "") -> str:
    """What `qpdf --check` says against the file; empty for nothing."""
    command = ["qpdf", "--check", *([f"--password={password}"] if password else []), path]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
