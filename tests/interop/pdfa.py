"""PDF/A stays PDF/A: documents of four kinds, signed with a visible stamp, before and after by veraPDF.

python -m tests.interop.pdfa --java
"""

from __future__ import annotations

import sys
from pathlib import Path

import pikepdf

from tests import documents
from tests.interop.cases import ALGORITHMS, Case
from tests.interop.commands import Setting, main
from tests.interop.java import Finding, Job

KINDS = ("1b", "2b", "3b", "2a")
LEVELS = ("B-B", "B-LTA")
ORDERS: dict[str, dict[str, object]] = {
    "visible stamp": {"place": {"page": 1, "box": (300, 600, 540, 700)}, "reason": "Ký số"},
    "invisible": {},
}


def made(path: Path, kind: str) -> Path:
    """A document that keeps the part and conformance it claims."""
    documents.pdfa(path, part=int(kind[0]))
    return tag(path) if kind.endswith("a") else path


def tag(path: Path) -> Path:
    """Conformance A: a structure tree, of which the only mark on the page is a figure with words for it."""
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        root = document.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructTreeRoot, ParentTreeNextKey=1))
        page = document.pages[0].obj
        figure = document.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.Figure, Alt="Ô vuông", K=0, Pg=page)
        )
        whole = pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.Document, P=root, K=[figure])
        figure.P = document.make_indirect(whole)
        root.K = pikepdf.Array([figure.P])
        root.ParentTree = document.make_indirect(pikepdf.Dictionary(Nums=[0, document.make_indirect([figure])]))
        page.StructParents, page.Tabs = 0, pikepdf.Name.S
        page.Contents = document.make_stream(b"/Figure <</MCID 0>> BDC 0 0 0 rg 100 100 50 50 re f EMC")
        document.Root.StructTreeRoot, document.Root.MarkInfo = root, pikepdf.Dictionary(Marked=True)
        document.Root.Lang = "vi-VN"
        metadata = document.Root.Metadata
        metadata.write(metadata.read_bytes().replace(b"conformance>B<", b"conformance>A<"))
        document.save(path, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return path


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown table, and whether every document is what it claims to be, before and after."""
    if setting.java is None:
        return "kyso: interop: not run: veraPDF needs Java; call it with --java", True
    files: dict[tuple[str, str], Path] = {}
    for kind in KINDS:
        plain = files[kind, "before"] = made(setting.folder / f"{kind}.pdf", kind)
        for level in LEVELS:
            for name, order in ORDERS.items():
                out = files[kind, f"{level}, {name}"] = setting.folder / f"{kind}-{level}-{name}.pdf".replace(" ", "-")
                setting.house.sign(Case(level, ALGORITHMS[0], "server"), plain, out, **order)
    answers = setting.java.ask([Job("verapdf", path) for path in files.values()])
    found = {key: answers["verapdf", path][0] for key, path in files.items()}
    columns = list(dict.fromkeys(what for _, what in files))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| PDF/A-{kind} | " + " | ".join(_cell(found[kind, what], kind) for what in columns) + " |" for kind in KINDS
    ]
    return "\n".join(lines), all(_cell(one, kind).startswith("✓") for (kind, _), one in found.items())


def _cell(found: Finding, kind: str) -> str:
    claimed = found.id == f"PDF/A-{kind}"
    return "✓" if found.verdict == "good" and claimed else f"✗ {found.id} {found.words}"


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
