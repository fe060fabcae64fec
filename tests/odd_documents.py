"""PDFs as the programs of the world write them, byte by byte: each is allowed by ISO 32000, or forgiven by every reader.

A case is a few objects that differ from the plain document of one page, and how they are put into a file.

>>> sorted(CASES)[:2]
['annots-direct-dictionaries', 'annots-empty']
>>> CASES["annots-empty"]().startswith(b"%PDF-1.7")
True
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial

CATALOG = b"<</Type/Catalog/Pages 2 0 R%s>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1%s>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents 4 0 R%s>>"
CONTENT = b"<</Length 25>>\nstream\n0 0 m 100 100 l S 0 0 m n\n\nendstream"
FIELD = b"<</FT/Sig/T(o1)/Type/Annot/Subtype/Widget/Rect[60 60 260 130]/P 3 0 R/F 4%s>>"
WITH_FIELD = b"/AcroForm<</Fields[5 0 R]/SigFlags 1>>"

Objects = Mapping[int, bytes]


def objects(*, catalog: bytes = b"", pages: bytes = b"", page: bytes = b"", more: Objects | None = None) -> Objects:
    """The plain document with entries added to its three dictionaries, and further or other objects."""
    return {1: CATALOG % catalog, 2: PAGES % pages, 3: PAGE % page, 4: CONTENT, **(more or {})}


def with_field(field: bytes = FIELD % b"", *, form: bytes = WITH_FIELD, **more: object) -> Objects:
    return objects(catalog=form, page=b"/Annots[5 0 R]", more={5: field, **more.get("more", {})})


def file(
    parts: Objects,
    *,
    version: bytes = b"1.7",
    trailer: bytes = b"/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]",
    before: bytes = b"",
    after: bytes = b"\n",
    end: bytes = b"\n",
    offsets_from: int = 0,
    entry_end: bytes = b" \n",
    first_free: bytes = b"0000000000 65535 f",
    subsections: bool = False,
) -> bytes:
    """Header, objects in the order given, a table, a trailer. `end` is the end of lines; `entry_end` that of entries."""
    data = before + b"%PDF-" + version + end + b"%\xe2\xe3\xcf\xd3" + end
    at = {}
    for number, body in parts.items():
        at[number] = len(data) - offsets_from
        data += b"%d 0 obj" % number + end + body + end + b"endobj" + end
    start = len(data) - offsets_from
    entries = {0: first_free} | {number: b"%010d 00000 n" % at[number] for number in sorted(parts)}
    size = max(parts) + 1
    data += b"xref" + end
    if subsections:
        for number, entry in entries.items():
            data += b"%d 1" % number + end + entry + entry_end
    else:
        data += b"0 %d" % size + end
        data += b"".join(entries.get(number, b"0000000000 00000 f") + entry_end for number in range(size))
    data += b"trailer" + end + b"<</Size %d/Root 1 0 R%s>>" % (size, trailer) + end
    return data + b"startxref" + end + b"%d" % start + end + b"%%EOF" + after


def streamed(
    parts: Objects, *, compressed: tuple[int, ...] = (), extra: bytes = b"", widths: tuple[int, int, int] = (1, 4, 2)
) -> bytes:
    """The same with a cross-reference stream; the objects `compressed` lie in an object stream."""
    data = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    table: dict[int, tuple[int, int, int]] = {0: (0, 0, 65535)}
    holder, own = max(parts) + 1, max(parts) + 2
    for number, body in parts.items():
        if number in compressed:
            continue
        table[number] = (1, len(data), 0)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    if compressed:
        index, bodies = b"", b""
        for place, number in enumerate(compressed):
            index += b"%d %d " % (number, len(bodies))
            bodies += parts[number] + b" "
            table[number] = (2, holder, place)
        packed = zlib.compress(index + bodies)
        table[holder] = (1, len(data), 0)
        head = b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>"
        data += b"%d 0 obj\n" % holder + head % (len(compressed), len(index), len(packed))
        data += b"\nstream\n" + packed + b"\nendstream\nendobj\n"
    start = len(data)
    table[own] = (1, start, 0)
    rows = b"".join(
        b"".join(value.to_bytes(width, "big") for value, width in zip(table[number], widths, strict=True))
        for number in sorted(table)
    )
    index = b"".join(b"%d 1 " % number for number in sorted(table))
    packed = zlib.compress(rows)
    data += b"%d 0 obj\n<</Type/XRef/Size %d/Root 1 0 R/W[%d %d %d]/Index[%s]/Filter/FlateDecode/Length %d%s>>" % (
        own,
        own + 1,
        *widths,
        index.strip(),
        len(packed),
        extra,
    )
    return data + b"\nstream\n" + packed + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start


def updated(base: bytes, parts: Objects, *, trailer: bytes = b"", free: bytes = b"") -> bytes:
    """An incremental update; `free` are lines of the table for objects that go."""
    before = int(base.rsplit(b"startxref", 1)[1].split()[0])
    size = max(max(parts, default=0) + 1, int(base.rsplit(b"/Size ", 1)[1].split(b"/")[0]))
    data, lines = base, b""
    for number, body in parts.items():
        lines += b"%d 1\n%010d 00000 n \n" % (number, len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n" + free + lines + b"trailer\n<</Size %d/Root 1 0 R/Prev %d%s>>\n" % (size, before, trailer)
    return data + b"startxref\n%d\n%%%%EOF\n" % start


def _tree() -> Objects:
    """Three levels, of which the middle one is a reference to an array; box and turn from above."""
    return {
        1: CATALOG % b"",
        2: b"<</Type/Pages/Kids 6 0 R/Count 1/MediaBox[0 0 595 842]/Rotate 90/Resources<<>>>>",
        6: b"[7 0 R]",
        7: b"<</Type/Pages/Parent 2 0 R/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 7 0 R/Contents 4 0 R>>",
        4: CONTENT,
    }


def _nested(partial_name: bytes = b"(o1)", *, inherited: bytes = b"") -> Objects:
    """A field below another, by whose name it is called."""
    return objects(
        catalog=b"/AcroForm<</Fields[6 0 R]/SigFlags 1>>",
        page=b"/Annots[5 0 R]",
        more={
            6: b"<</T(ky)/Kids[5 0 R]%s>>" % inherited,
            5: b"<<%s/Parent 6 0 R/T%s/Type/Annot/Subtype/Widget/Rect[60 60 260 130]/P 3 0 R/F 4>>"
            % (b"" if inherited else b"/FT/Sig", partial_name),
        },
    )


def _with_widget() -> Objects:
    """A field whose widget is an object of its own."""
    widget = b"<</Type/Annot/Subtype/Widget/Parent 5 0 R/Rect[60 60 260 130]/P 3 0 R/F 4>>"
    return objects(catalog=WITH_FIELD, page=b"/Annots[6 0 R]", more={5: b"<</FT/Sig/T(o1)/Kids[6 0 R]>>", 6: widget})


def _page(body: bytes, *, pages: bytes = PAGES % b"") -> Objects:
    return {1: CATALOG % b"", 2: pages, 3: body, 4: CONTENT}


def _boxed(box: bytes, more: bytes = b"") -> Objects:
    return _page(b"<</Type/Page/Parent 2 0 R/MediaBox%s/Resources<<>>/Contents 4 0 R%s>>" % (box, more))


def _named(name: bytes) -> Objects:
    return with_field(FIELD.replace(b"(o1)", b"%s") % (name, b""))


_TEXT = "Chữ ký số Ô 1"
_LINK = b"<</Type/Annot/Subtype/Link/Rect[10 10 20 20]/Border[0 0 0]>>"

CASES: dict[str, Callable[[], bytes]] = {
    # headers and what stands round the file
    **{
        f"version-{version}": partial(file, objects(), version=version.encode())
        for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.0")
    },
    "version-raised-in-catalog": partial(file, objects(catalog=b"/Version/1.7"), version=b"1.4"),
    "extensions": partial(file, objects(catalog=b"/Extensions<</ADBE<</BaseVersion/1.7/ExtensionLevel 8>>>>")),
    "no-newline-at-the-end": partial(file, objects(), after=b""),
    "newlines-after-the-end": partial(file, objects(), after=b"\r\n\r\n\n"),
    "carriage-returns": partial(file, objects(), end=b"\r", entry_end=b"\r\n"),
    "carriage-returns-and-line-feeds": partial(file, objects(), end=b"\r\n", entry_end=b"\r\n"),
    # trailers
    "no-id": partial(file, objects(), trailer=b""),
    "id-of-one": partial(file, objects(), trailer=b"/ID[<0011>]"),
    "id-of-text": partial(file, objects(), trailer=rb"/ID[(a\(b\)\\\n)(\001\377)]"),
    "id-indirect": partial(file, objects(more={9: b"[<0011><0022>]"}), trailer=b"/ID 9 0 R"),
    "info-direct": partial(file, objects(), trailer=b"/Info<</Title(x)>>"),
    "info-missing": partial(file, objects(), trailer=b"/Info 99 0 R"),
    "info-null": partial(file, objects(), trailer=b"/Info null"),
    "private-entries": partial(file, objects(more={9: b"<</A 1>>"}), trailer=b"/KysoPrivate 9 0 R"),
    # tables
    "table-in-subsections": partial(file, objects(), subsections=True),
    "table-short-lines": partial(file, objects(), entry_end=b"\n"),
    "table-with-a-gap": partial(file, objects(more={40: b"<</A 1>>"}), subsections=True),
    "table-with-free-entries": partial(file, objects(more={40: b"<</A 1>>"})),
    "objects-backwards": lambda: file(dict(reversed(objects().items()))),
    "updated": lambda: updated(file(objects()), {3: PAGE % b"/Rotate 90"}),
    "updated-and-freed": lambda: updated(
        file(objects(more={5: b"<</A 1>>"})),
        {3: PAGE % b""},
        free=b"0 1\n0000000005 65535 f \n5 1\n0000000000 00001 f \n",
    ),
    "updated-with-nothing": lambda: updated(file(objects()), {}, free=b"0 0\n"),
    "stream-table": partial(streamed, objects()),
    "stream-table-narrow": partial(streamed, objects(), widths=(1, 2, 2)),
    "stream-table-all-compressed": partial(streamed, with_field(), compressed=(1, 2, 3, 5)),
    "stream-table-updated-by-table": lambda: updated(streamed(objects()), {3: PAGE % b"/Rotate 90"}),
    # catalog
    "catalog-without-type": lambda: file({**objects(), 1: b"<</Pages 2 0 R>>"}),
    "catalog-with-null": partial(file, objects(catalog=b"/AcroForm null/Names null/Perms null/DSS null")),
    "catalog-page-mode": partial(file, objects(catalog=b"/PageMode/UseOutlines/ViewerPreferences<<>>/Lang(vi)")),
    "catalog-structure-null": partial(file, objects(catalog=b"/MarkInfo<</Marked true>>/StructTreeRoot null")),
    "catalog-structure-bare": partial(
        file, objects(catalog=b"/MarkInfo<</Marked true>>/StructTreeRoot 9 0 R", more={9: b"<</Type/StructTreeRoot>>"})
    ),
    "portfolio": partial(file, objects(catalog=b"/Collection<</Type/Collection/View/H>>")),
    "needs-appearances": partial(file, objects(catalog=b"/AcroForm<</Fields[]/NeedAppearances true>>")),
    # forms
    "form-direct": partial(file, with_field()),
    "form-indirect": partial(file, with_field(form=b"/AcroForm 9 0 R", more={9: b"<</Fields[5 0 R]/SigFlags 1>>"})),
    "form-fields-indirect": partial(file, with_field(form=b"/AcroForm<</Fields 9 0 R>>", more={9: b"[5 0 R]"})),
    "form-without-fields": partial(file, objects(catalog=b"/AcroForm<</DA(/Helv 0 Tf 0 g)>>")),
    "form-fields-null": partial(file, objects(catalog=b"/AcroForm<</Fields null>>")),
    "form-fields-with-null": partial(file, with_field(form=b"/AcroForm<</Fields[null 5 0 R 99 0 R]>>")),
    "form-empty": partial(file, objects(catalog=b"/AcroForm<<>>")),
    "form-indirect-empty": partial(file, objects(catalog=b"/AcroForm 9 0 R", more={9: b"<<>>"})),
    "form-missing-object": partial(file, objects(catalog=b"/AcroForm 99 0 R")),
    "form-without-flags": partial(file, with_field(form=b"/AcroForm<</Fields[5 0 R]>>")),
    "form-flags-zero": partial(file, with_field(form=b"/AcroForm<</Fields[5 0 R]/SigFlags 0>>")),
    # fields
    "field-nested": partial(file, _nested()),
    "field-nested-kind-inherited": partial(file, _nested(inherited=b"/FT/Sig")),
    "field-with-widget": partial(file, _with_widget()),
    "field-without-page": partial(file, with_field((FIELD % b"").replace(b"/P 3 0 R", b""))),
    "field-not-on-page": lambda: file({**with_field(), 3: PAGE % b""}),
    "field-empty-rectangle": partial(file, with_field((FIELD % b"").replace(b"60 60 260 130", b"0 0 0 0"))),
    "field-rectangle-backwards": partial(file, with_field((FIELD % b"").replace(b"60 60 260 130", b"260 130 60 60"))),
    "field-rectangle-of-reals": partial(
        file, with_field((FIELD % b"").replace(b"60 60 260 130", b"60.5 .5 +260. 130.25"))
    ),
    "field-rectangle-indirect": partial(
        file, with_field((FIELD % b"").replace(b"[60 60 260 130]", b" 9 0 R"), more={9: b"[60 60 260 130]"})
    ),
    "field-null-value": partial(file, with_field(FIELD % b"/V null")),
    "field-with-appearance": partial(
        file,
        with_field(
            FIELD % b"/AP<</N 9 0 R>>",
            more={9: b"<</Type/XObject/Subtype/Form/BBox[0 0 200 70]/Length 0>>\nstream\n\nendstream"},
        ),
    ),
    "field-name-utf-16": lambda: file(_named(b"<FEFF" + _TEXT.encode("utf-16-be").hex().upper().encode() + b">")),
    "field-name-utf-8": lambda: file(_named(b"(\xef\xbb\xbf" + _TEXT.encode() + b")"), version=b"2.0"),
    "field-name-pdfdoc": partial(file, _named(b"(Unterschrift f\xfcr \\(A\\))")),
    "field-name-empty": partial(file, _named(b"()")),
    "field-name-missing": partial(file, with_field((FIELD % b"").replace(b"/T(o1)", b""))),
    "field-name-indirect": partial(file, with_field((FIELD % b"").replace(b"(o1)", b" 9 0 R"), more={9: b"(o1)"})),
    "fields-of-one-name": partial(
        file,
        objects(
            catalog=b"/AcroForm<</Fields[5 0 R 6 0 R]>>",
            page=b"/Annots[5 0 R 6 0 R]",
            more={5: FIELD % b"", 6: FIELD % b""},
        ),
    ),
    # annotations
    "annots-indirect": partial(file, objects(page=b"/Annots 9 0 R", more={9: b"[8 0 R]", 8: _LINK})),
    "annots-empty": partial(file, objects(page=b"/Annots[]")),
    "annots-null": partial(file, objects(page=b"/Annots null")),
    "annots-missing-object": partial(file, objects(page=b"/Annots 99 0 R")),
    "annots-with-null": partial(file, objects(page=b"/Annots[null 99 0 R]")),
    "annots-direct-dictionaries": partial(file, objects(page=b"/Annots[%s]" % _LINK)),
    "annots-shared": lambda: file(
        {
            **objects(page=b"/Annots 9 0 R", more={9: b"[]", 6: PAGE % b"/Annots 9 0 R"}),
            2: b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>",
        }
    ),
    # pages
    "page-tree-of-three-levels": lambda: file(_tree()),
    "page-tree-count-wrong": lambda: file({**objects(), 2: b"<</Type/Pages/Kids[3 0 R]/Count 7>>"}),
    "page-tree-count-indirect": lambda: file(
        {**objects(more={9: b"1"}), 2: b"<</Type/Pages/Kids[3 0 R]/Count 9 0 R>>"}
    ),
    "page-tree-without-type": lambda: file({**objects(), 2: b"<</Kids[3 0 R]/Count 1>>"}),
    "page-tree-with-parent-null": partial(file, objects(pages=b"/Parent null")),
    "page-tree-empty-branch": lambda: file(
        {
            **objects(more={6: b"<</Type/Pages/Parent 2 0 R/Kids[]/Count 0>>"}),
            2: b"<</Type/Pages/Kids[6 0 R 3 0 R]/Count 1>>",
        }
    ),
    "page-twice": lambda: file({**objects(), 2: b"<</Type/Pages/Kids[3 0 R 3 0 R]/Count 2>>"}),
    "page-without-parent": partial(file, _page(b"<</Type/Page/MediaBox[0 0 595 842]/Resources<<>>/Contents 4 0 R>>")),
    "page-without-resources": partial(file, _page(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>")),
    "page-without-contents": partial(file, _page(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>")),
    "page-contents-array": lambda: file(
        _page(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents[4 0 R 4 0 R]>>")
    ),
    "page-contents-null": lambda: file(
        _page(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents null>>")
    ),
    "page-without-box": partial(file, _page(b"<</Type/Page/Parent 2 0 R/Resources<<>>/Contents 4 0 R>>")),
    "box-of-reals": partial(file, _boxed(b"[0 0 595.276 841.89]")),
    "box-of-indirect-numbers": lambda: file({**_boxed(b"[0 0 8 0 R 9 0 R]"), 8: b"595", 9: b"842"}),
    "box-indirect": lambda: file({**_boxed(b" 9 0 R"), 9: b"[0 0 595 842]"}),
    "box-negative": partial(file, _boxed(b"[-300 -400 300 400]")),
    "box-backwards": partial(file, _boxed(b"[595 842 0 0]")),
    "box-huge": partial(file, _boxed(b"[0 0 2000000 2000000]")),
    "box-cropped": partial(file, _boxed(b"[0 0 595 842]", b"/CropBox[40 40 300 300]/TrimBox[50 50 290 290]")),
    "box-cropped-beyond": partial(file, _boxed(b"[0 0 595 842]", b"/CropBox[-100 -100 900 900]")),
    "unit": partial(file, _boxed(b"[0 0 595 842]", b"/UserUnit 7.5"), version=b"1.6"),
    **{
        f"turn-{turn}": partial(file, _boxed(b"[0 0 595 842]", b"/Rotate %d" % turn))
        for turn in (90, 180, 270, -90, 450)
    },
    "turn-real": partial(file, _boxed(b"[0 0 595 842]", b"/Rotate 90.0")),
    "turn-indirect": lambda: file({**_boxed(b"[0 0 595 842]", b"/Rotate 9 0 R"), 9: b"270"}),
    # the syntax of objects
    "names-escaped": partial(file, objects(catalog=b"/Kys#6f#20X(1)/Page#4dode/UseNone")),
    "comments": lambda: file({**objects(), 1: b"<<% a comment >>\n/Type/Catalog%\n/Pages 2 0 R>>"}),
    "strings-of-every-kind": partial(file, objects(catalog=rb"/X[(a\(b\)\053\n)<4E6>(a(b)c)()<>]")),
    "numbers-of-every-kind": partial(file, objects(catalog=b"/X[1 -1 +1 1. .5 -.5 0.0000001 4294967296]")),
    "empty-object": partial(file, objects(more={9: b"null"})),
    "whitespace": lambda: file({**objects(), 1: b"<<\x00/Type\t/Catalog\x0c/Pages\r2\n0\r\nR >>"}),
    "unused-stream": partial(file, objects(more={9: b"<</Length 10 0 R>>\nstream\nabc\nendstream", 10: b"3"})),
}

BROKEN: dict[str, Callable[[], bytes]] = {
    "bytes-before": partial(file, objects(), before=b"\r\nMIME\r\n"),
    "bytes-before-not-counted": partial(file, objects(), before=b"MIME\n" * 20, offsets_from=100),
    "bytes-after": partial(file, objects(), after=b"\n<html></html>\n" * 90),
    "cut-off": lambda: file(objects()).partition(b"startxref")[0],
    "page-tree-count-missing": lambda: file({**objects(), 2: b"<</Type/Pages/Kids[3 0 R]>>"}),
    "page-without-type": partial(file, _page(b"<</Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>")),
    "table-capital-letters": lambda: file(objects()).replace(b"65535 f", b"65535 F"),
    "table-wrong": lambda: file(objects()).replace(b"0000000015", b"0000000017"),
    "size-too-small": lambda: file(objects()).replace(b"/Size 5", b"/Size 4"),
}
"""What no strict reader takes: mended by qpdf where the order asks for it, if nobody has signed."""
