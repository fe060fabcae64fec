"""The documents of the procedures, made from source: tagged PDF/A-2a with fields to fill and places to sign.

Typst sets the page; each `slot` in the source tells where a field goes, and the fields are created and filled by the code
that does so in signing. Boxes for signatures, numbers and dates are not there yet: the first signature makes them, by
the words that stand in the page. Made when asked for, kept nowhere; a demonstration, not the official forms.

    data = build("giay-gioi-thieu", values={"ho_ten": "Trần Thị Ví Dụ (demo)"})
    python -m signer.procedures.templates giay-gioi-thieu giay-gioi-thieu.pdf
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import typst
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

from signer import fields as forms
from signer import filling, permissions
from signer.errors import FormFieldNotFound
from signer.fields import Field
from signer.font import FontMissing
from signer.model import FieldPlan, Place
from signer.procedure_errors import ProcedureError, TemplateUnknown
from signer.revision import RevisionWriter
from verify import pdf
from verify.document import Limits
from verify.pdf import get

STANDARD: Literal["a-2a"] = "a-2a"
"""ISO 19005-2, conformance level A: tagged, fonts embedded, no outside reference."""

FOLDERS = (Path("/usr/share/fonts/truetype/liberation2"), Path("/usr/share/fonts/truetype/liberation"))
_NONE: Mapping[str, str] = MappingProxyType({})
_MULTILINE = 1 << 12


class TemplateNotMade(ProcedureError):
    """The document could not be typeset."""

    code = "template-not-made"
    actor = "developer"


@dataclass(frozen=True)
class Template:
    """A document that can be made: its source, and what the source is told."""

    source: str
    title: str
    second: str | None = None
    temporary: bool = False


TEMPLATES: Mapping[str, Template] = {
    "giay-gioi-thieu": Template(
        "giay-gioi-thieu", "Giấy giới thiệu sinh hoạt đảng chính thức", "SINH HOẠT ĐẢNG CHÍNH THỨC"
    ),
    "giay-gioi-thieu-tam-thoi": Template(
        "giay-gioi-thieu", "Giấy giới thiệu sinh hoạt đảng tạm thời", "SINH HOẠT ĐẢNG TẠM THỜI", temporary=True
    ),
    "quyet-dinh": Template("quyet-dinh", "Quyết định chuyển sinh hoạt đảng"),
    "phieu-nhan-xet": Template("phieu-nhan-xet", "Phiếu nhận xét đảng viên nơi cư trú"),
    "bien-lai": Template("bien-lai", "Biên lai thu đảng phí"),
    "bao-cao-dang-phi": Template("bao-cao-dang-phi", "Báo cáo thu, nộp đảng phí"),
}


def build(name: str, *, values: Mapping[str, str] = _NONE) -> bytes:
    """The document, its fields filled with `values`, the others left to be filled.

    Raises TemplateUnknown, TemplateNotMade, FontMissing; FormFieldNotFound and others for values that do not fit.
    """
    template = TEMPLATES.get(name)
    if template is None:
        raise TemplateUnknown(template=name[:80], known=", ".join(TEMPLATES))
    with tempfile.TemporaryDirectory(prefix="kyso-template-") as folder:
        page, slots = _typeset(template, Path(folder))
    return _with_fields(page, slots, values)


def _typeset(template: Template, folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The page without fields, and where they go."""
    for name in ("common", template.source):
        (folder / f"{name}.typ").write_bytes(resources.files(__name__).joinpath(f"{name}.typ").read_bytes())
    told = {"title": template.title, "second": template.second, "temporary": template.temporary}
    (folder / "told.json").write_text(json.dumps(told), "utf-8")
    main = str(folder / f"{template.source}.typ")
    try:
        made = typst.compile(main, root=str(folder), font_paths=_fonts(), pdf_standards=[STANDARD])
        asked = typst.query(main, "<slot>", root=str(folder), font_paths=_fonts(), field="value")
    except RuntimeError as error:  # TypstError is one
        raise TemplateNotMade(str(error)[:500], template=template.source) from error
    return made, json.loads(asked)


def _with_fields(page: bytes, slots: list[dict[str, Any]], values: Mapping[str, str]) -> bytes:
    """One more revision with the fields, each an element of the document's structure."""
    unknown = [name for name in values if name not in {slot["name"] for slot in slots}]
    if unknown:
        raise FormFieldNotFound(field=unknown[0], fields=", ".join(slot["name"] for slot in slots))
    reader = pdf.open_reader(io.BytesIO(page), limits=Limits())
    writer = RevisionWriter(reader.stream, prev=reader)
    for slot in slots:
        reference = forms.create(writer, _plan(slot, writer), place=_place(slot, writer))
        if slot["multiline"]:
            reference.get_object()[pdf_name("/Ff")] = generic.NumberObject(_MULTILINE)
        _tag(writer, reference, label=slot["label"])
    fields: Mapping[str, Field] = forms.survey(writer)
    restrictions = permissions.read(fields, root=writer.root)
    filling.fill(writer, fields, tuple(values.items()), restrictions=restrictions)
    return page + bytes(writer.appended(len(page)).getbuffer())


def _plan(slot: dict[str, Any], writer: RevisionWriter) -> FieldPlan:
    return FieldPlan(slot["name"], kind="text", place=_place(slot, writer), label=slot["label"])


def _place(slot: dict[str, Any], writer: RevisionWriter) -> Place:
    """Typst counts from the top of the page."""
    top = float(forms.page_of(writer, slot["page"])["/MediaBox"][3]) - slot["y"]
    box = (slot["x"], top - slot["height"], slot["x"] + slot["width"], top)
    return Place(slot["page"], tuple(round(edge, 2) for edge in box))


def _tag(writer: RevisionWriter, reference: generic.IndirectObject, *, label: str) -> None:
    """A Form element with the field's widget (ISO 32000-1 §14.7.4.3, §14.8.4.5), and the way back (/StructParent)."""
    root = writer.root["/StructTreeRoot"]
    parents = root["/ParentTree"]
    numbers = parents["/Nums"]
    key = (
        int(root["/ParentTreeNextKey"]) if "/ParentTreeNextKey" in root else 1 + max(map(int, numbers[::2]), default=-1)
    )
    above = _top(root)
    top = above.get_object()
    page = reference.get_object().raw_get("/P")
    held = generic.DictionaryObject(
        {pdf_name("/Type"): pdf_name("/OBJR"), pdf_name("/Obj"): reference, pdf_name("/Pg"): page}
    )
    element = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/StructElem"),
            pdf_name("/S"): pdf_name("/Form"),
            pdf_name("/P"): above,
            pdf_name("/Pg"): page,
            pdf_name("/Alt"): generic.TextStringObject(label),
            pdf_name("/K"): held,
        }
    )
    made = writer.add_object(element)
    kids = get(top, "/K")
    if not isinstance(kids, generic.ArrayObject):
        kids = top[pdf_name("/K")] = generic.ArrayObject([top.raw_get("/K")] if "/K" in top else [])
    kids.append(made)
    numbers.extend((generic.NumberObject(key), made))
    root[pdf_name("/ParentTreeNextKey")] = generic.NumberObject(key + 1)
    widget = reference.get_object()
    widget[pdf_name("/StructParent")] = generic.NumberObject(key)
    for changed in (top, kids, parents, numbers, root):
        if changed.container_ref is not None:
            writer.update_container(changed)


def _top(root: generic.DictionaryObject) -> generic.IndirectObject:
    """The document's own element, below the root of the structure."""
    kids = root["/K"]
    top = kids.raw_get(0) if isinstance(kids, generic.ArrayObject) else root.raw_get("/K")
    if not isinstance(top, generic.IndirectObject):
        raise TemplateNotMade("the page has no structure", template="")
    return top


@cache
def _fonts() -> typst.Fonts:
    for folder in FOLDERS:
        if (folder / "LiberationSerif-Regular.ttf").exists():
            return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    raise FontMissing(font="Liberation Serif")
