"""Form values: number, date and whatever else a clerk writes, with the appearance that shows them.

Each value is written as /V and drawn with an embedded font, so that no reader has to draw it and all show the same
(never NeedAppearances). Text, dates, numbers, check boxes, radio buttons and choices; no rich text, no passwords, no
scripts: what a field would compute with JavaScript is checked by its declared format and written as given.

    fill(writer, fields, (("so", "15-GT/ĐU"), ("ngay", "2026-11-22")), restrictions=restrictions)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signer import fields as forms
from signer import font as fonts
from signer.errors import FormFieldNotFound, FormValueInvalid, OrderInvalid, SigningForbidden, TextNotShowable
from signer.fields import Field
from signer.font import Glyph
from signer.permissions import Restrictions
from verify.pdf import UNEXPECTED, get

_MULTILINE, _PASSWORD, _RADIO, _PUSH, _COMBO, _EDIT, _FILE, _COMB, _RICH = (
    1 << bit for bit in (12, 13, 15, 16, 17, 18, 20, 24, 25)
)
_LONGEST = 4000
_MOST = 500
_LARGEST, _SMALLEST, _STEP = 12.0, 4.0, 0.25
_PADDING = 2.0

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_NUMBER = re.compile(r"[+-]?\d{1,3}(?:([. ,])\d{3}(?:\1\d{3})*)?(?:[.,]\d+)?|[+-]?\d+(?:[.,]\d+)?")
_AF_DATE = re.compile(r"AFDate_\w+\(\s*[\"']?([^\"')]*)")
_COLOUR = re.compile(r"((?:[\d.]+\s+){1,4})(g|rg|k)\b")
_SIZE = re.compile(r"/\S+\s+([\d.]+)\s+Tf")
_YES = frozenset(("true", "yes", "on", "1", "x"))
_NO = frozenset(("false", "no", "off", "0", ""))


def fill(
    writer: IncrementalPdfFileWriter,
    fields: Mapping[str, Field],
    values: tuple[tuple[str, str], ...],
    *,
    restrictions: Restrictions,
) -> None:
    """Write the values. Raises FormFieldNotFound, FormValueInvalid, SigningForbidden, TextNotShowable."""
    if len(values) > _MOST or len({name for name, _ in values}) != len(values):
        raise OrderInvalid("a field is to be filled twice, or too many are", reason="fill")
    for name, value in values:
        field = fields.get(name)
        if field is None or field.kind not in ("/Tx", "/Btn", "/Ch"):
            known = ", ".join(one for one, other in fields.items() if other.kind in ("/Tx", "/Btn", "/Ch"))
            raise FormFieldNotFound(field=name, fields=known[:500])
        restrictions.require_filling(name)
        if field.is_read_only:
            raise SigningForbidden(field=name, reason="field-read-only")
        try:
            _fill(writer, field, unicodedata.normalize("NFC", value))
        except TextNotShowable as error:
            raise TextNotShowable(str(error), **{**error.facts, "field": name}) from error
        except UNEXPECTED as error:
            raise FormValueInvalid("the field cannot be read", field=name, reason="field-unreadable") from error


def _fill(writer: IncrementalPdfFileWriter, field: Field, value: str) -> None:
    if field.kind == "/Btn":
        _press(writer, field, value)
        return
    text = _chosen(field, value) if field.kind == "/Ch" else _checked(field, value)
    shown = text[1]
    _set(writer, field.dictionary, "/V", generic.TextStringObject(text[0]))
    for widget in field.widgets:
        _draw(writer, field, widget, shown)


# --- values -----------------------------------------------------------------------------------------------------------


def _checked(field: Field, value: str) -> tuple[str, str]:
    """The text as the field takes it, stored and shown. Raises FormValueInvalid."""
    if field.flags & (_PASSWORD | _FILE | _RICH) or "/RV" in field.dictionary:
        raise FormValueInvalid(field=field.name, reason="field-type")
    if not field.flags & _MULTILINE and any(char in value for char in "\r\n"):
        raise FormValueInvalid(field=field.name, reason="several-lines")
    script = _format_script(field.dictionary)
    if get(field.dictionary, "/KysoKind") == "/Date":
        value = _day(field, value, "dd/mm/yyyy")
    elif (pattern := _AF_DATE.search(script)) is not None:
        value = _day(field, value, pattern[1] if not pattern[1].isdigit() else "dd/mm/yyyy")
    elif "AFNumber_" in script and value and _NUMBER.fullmatch(value) is None:
        raise FormValueInvalid(field=field.name, reason="number")
    longest = field.inherited.get("/MaxLen")
    if isinstance(longest, int) and len(value) > longest:
        raise FormValueInvalid(field=field.name, reason="too-long", longest=int(longest), found=len(value))
    if len(value) > _LONGEST:
        raise FormValueInvalid(field=field.name, reason="too-long", longest=_LONGEST, found=len(value))
    return value, value


def _day(field: Field, value: str, pattern: str) -> str:
    """A day that exists, by ISO 8601 or day first, in the field's own pattern where that is one of numbers."""
    if not value:
        return value
    try:
        if (iso := _ISO.fullmatch(value)) is not None:
            day = date(*map(int, iso.groups()))
        elif (local := _DAY_FIRST.fullmatch(value)) is not None:
            day = date(*map(int, reversed(local.groups())))
        else:
            raise FormValueInvalid(field=field.name, reason="date")
    except ValueError as error:
        raise FormValueInvalid(field=field.name, reason="date") from error
    parts = {"dd": f"{day.day:02d}", "mm": f"{day.month:02d}", "yyyy": f"{day.year:04d}"}
    if re.fullmatch(r"(?:dd|mm|yyyy|[/. -])+", pattern) is None:
        pattern = "dd/mm/yyyy"
    return re.sub(r"dd|mm|yyyy", lambda part: parts[part[0]], pattern)


def _format_script(dictionary: generic.DictionaryObject) -> str:
    """The field's format action as text, by which forms declare dates and numbers; it is read, never run."""
    script = get(get(get(dictionary, "/AA"), "/F"), "/JS")
    if isinstance(script, generic.StreamObject):
        return script.data[:2000].decode("latin-1")
    return str(script)[:2000] if script is not None else ""


def _chosen(field: Field, value: str) -> tuple[str, str]:
    """One option of a choice by its export value or as shown; another text where the field may be edited."""
    options = field.inherited.get("/Opt") or ()
    for option in options:
        one = option.get_object()
        pair = [str(part) for part in one] if isinstance(one, generic.ArrayObject) else [str(one), str(one)]
        if value in pair:
            return pair[0], pair[-1]
    if field.flags & _COMBO and field.flags & _EDIT:
        return value, value
    raise FormValueInvalid(field=field.name, reason="option")


# --- buttons ----------------------------------------------------------------------------------------------------------


def _press(writer: IncrementalPdfFileWriter, field: Field, value: str) -> None:
    """Check boxes take yes or no, or the name of their state; radio buttons the name of one."""
    if field.flags & _PUSH:
        raise FormValueInvalid(field=field.name, reason="field-type")
    states = [_state_of(widget.get_object()) for widget in field.widgets]
    known = [state for state in states if state is not None]
    if value in known:
        chosen = value
    elif value.lower() in _NO:
        chosen = "Off"
    elif value.lower() in _YES and not field.flags & _RADIO:
        chosen = known[0] if known else "Yes"
    else:
        raise FormValueInvalid(field=field.name, reason="option")
    _set(writer, field.dictionary, "/V", pdf_name("/" + chosen))
    for widget, state in zip(field.widgets, states, strict=True):
        annotation = widget.get_object()
        if state is None and chosen != "Off":
            _draw_mark(writer, field, annotation, chosen)
        is_on = state in (chosen, None)
        _set(writer, annotation, "/AS", pdf_name("/" + (chosen if is_on else "Off")))


def _state_of(annotation: generic.DictionaryObject) -> str | None:
    """The name under which a button's widget is on."""
    normal = get(get(annotation, "/AP"), "/N")
    if not isinstance(normal, generic.DictionaryObject) or isinstance(normal, generic.StreamObject):
        return None
    return next((str(key).lstrip("/") for key in normal if key != "/Off"), None)


def _draw_mark(
    writer: IncrementalPdfFileWriter, field: Field, annotation: generic.DictionaryObject, state: str
) -> None:
    """A tick of two strokes, for a box whose author drew none."""
    width, height = _size(annotation, field)
    tick = f"q 1.2 w 0 G {width * 0.2:.2f} {height * 0.5:.2f} m {width * 0.42:.2f} {height * 0.22:.2f} l "
    tick += f"{width * 0.8:.2f} {height * 0.8:.2f} l S Q"
    states = generic.DictionaryObject(
        {
            pdf_name("/" + state): writer.add_object(_form(width, height, tick.encode())),
            pdf_name("/Off"): writer.add_object(_form(width, height, b"")),
        }
    )
    _set(writer, annotation, "/AP", generic.DictionaryObject({pdf_name("/N"): states}))


# --- text -------------------------------------------------------------------------------------------------------------


def _draw(writer: IncrementalPdfFileWriter, field: Field, widget: generic.IndirectObject, text: str) -> None:
    """The widget's appearance (ISO 32000-1 §12.7.3.3), upright on a turned page by its /MK /R."""
    annotation = widget.get_object()
    width, height = _size(annotation, field)
    look = get(annotation, "/MK")
    turn = get(look, "/R")
    turn = int(turn) % 360 if isinstance(turn, int) else 0
    if turn in (90, 270):
        width, height = height, width
    default = str(get(annotation, "/DA") or field.inherited.get("/DA") or get(forms.form_of(writer), "/DA") or "")
    size = float(found[1]) if (found := _SIZE.search(default)) is not None else 0.0
    colour = found[0] if (found := _COLOUR.search(default)) is not None else "0 g"
    font = fonts.load()
    lines = [font.glyphs_of(line) for line in text.splitlines()] or [()]
    if field.flags & _MULTILINE:
        rows, size = _flow(lines, font.glyphs_of(" ")[0], width=width, height=height, size=size)
    else:
        rows, size = lines[:1], _fitting(lines[0], width=width, height=height, size=size, field=field)
    content = [_background(look, width, height), b"/Tx BMC q"]
    resources = generic.DictionaryObject()
    numbers = frozenset(glyph.number for row in rows for glyph in row)
    if numbers:
        content.append(
            f"{_PADDING / 2:g} 0 {width - _PADDING:.2f} {height:.2f} re W n BT {colour} /F1 {size:g} Tf".encode()
        )
        content += _rows(rows, field, annotation, size=size, width=width, height=height)
        content.append(b"ET")
        embedded = generic.DictionaryObject({pdf_name("/F1"): font.embed(writer, numbers)})
        resources[pdf_name("/Font")] = embedded
    content.append(b"Q EMC")
    stream = _form(width, height, b"\n".join(content))
    stream[pdf_name("/Resources")] = resources
    if turn:
        matrix = {90: (0, 1, -1, 0, height, 0), 180: (-1, 0, 0, -1, width, height), 270: (0, -1, 1, 0, 0, width)}[turn]
        stream[pdf_name("/Matrix")] = generic.ArrayObject(generic.FloatObject(round(x, 3)) for x in matrix)
    appearance = generic.DictionaryObject({pdf_name("/N"): writer.add_object(stream)})
    _set(writer, annotation, "/AP", appearance)


def _fitting(row: tuple[Glyph, ...], *, width: float, height: float, size: float, field: Field) -> float:
    """The field's own size if the text fits at it, else the largest that does. Raises TextNotShowable."""
    wide = sum(glyph.width for glyph in row)
    if field.flags & _COMB and isinstance(cells := field.inherited.get("/MaxLen"), int) and cells > 0:
        wide = max((glyph.width for glyph in row), default=0.0) * int(cells)
    top, bottom = _extent([row])
    largest = size or _LARGEST
    while largest >= min(_SMALLEST, size or _SMALLEST):
        if wide * largest <= width - 2 * _PADDING and (top - bottom) * largest <= height:
            return largest
        largest -= _STEP
    raise TextNotShowable("the box is too small for the text", reason="does-not-fit", width=round(width))


def _flow(
    lines: list[tuple[Glyph, ...]], space: Glyph, *, width: float, height: float, size: float
) -> tuple[list[tuple[Glyph, ...]], float]:
    """Rows broken between words, at the field's size or the largest at which all fit."""
    largest = size or _LARGEST
    while largest >= min(_SMALLEST, size or _SMALLEST):
        room = (width - 2 * _PADDING) / largest
        rows = [row for line in lines for row in _wrap(line, space, room)]
        if all(sum(g.width for g in row) <= room for row in rows) and len(rows) * 1.2 * largest <= height:
            return rows, largest
        largest -= _STEP
    raise TextNotShowable("the box is too small for the text", reason="does-not-fit", width=round(width))


def _wrap(line: tuple[Glyph, ...], space: Glyph, room: float) -> list[tuple[Glyph, ...]]:
    rows: list[tuple[Glyph, ...]] = []
    row: tuple[Glyph, ...] = ()
    words: list[tuple[Glyph, ...]] = [()]
    for glyph in line:
        if glyph == space:
            words.append(())
        else:
            words[-1] += (glyph,)
    for word in words:
        longer = (*row, space, *word) if row else word
        if row and sum(glyph.width for glyph in longer) > room:
            rows.append(row)
            row = word
        else:
            row = longer
    return [*rows, row]


def _rows(
    rows: list[tuple[Glyph, ...]],
    field: Field,
    annotation: generic.DictionaryObject,
    *,
    size: float,
    width: float,
    height: float,
) -> list[bytes]:
    top, bottom = _extent(rows)
    is_flow = bool(field.flags & _MULTILINE)
    baseline = height - _PADDING - top * size if is_flow else (height - (top + bottom) * size) / 2
    align = get(annotation, "/Q")
    align = align if align is not None else field.inherited.get("/Q", 0)
    cells = field.inherited.get("/MaxLen") if field.flags & _COMB else None
    shown = []
    for number, row in enumerate(rows):
        y = baseline - number * 1.2 * size
        if isinstance(cells, int) and cells > 0:
            step = width / cells
            for at, glyph in enumerate(row):
                x = step * at + (step - glyph.width * size) / 2
                shown.append(f"1 0 0 1 {x:.3f} {y:.3f} Tm <{glyph.number:04X}> Tj".encode())
            continue
        spare = width - 2 * _PADDING - sum(glyph.width for glyph in row) * size
        x = _PADDING + {1: spare / 2, 2: spare}.get(int(align), 0.0)
        text = "".join(f"{glyph.number:04X}" for glyph in row)
        shown.append(f"1 0 0 1 {x:.3f} {y:.3f} Tm <{text}> Tj".encode())
    return shown


def _extent(rows: list[tuple[Glyph, ...]]) -> tuple[float, float]:
    """Top and bottom in em: at least those of plain letters, so that fields side by side share a line."""
    glyphs = [glyph for row in rows for glyph in row]
    return max((0.72, *(glyph.top for glyph in glyphs))), min((-0.2, *(glyph.bottom for glyph in glyphs)))


def _background(look: object, width: float, height: float) -> bytes:
    """Fill and border as the field's /MK says."""
    drawn = ""
    if (fill := _colour(get(look, "/BG"), "g", "rg", "k")) is not None:
        drawn += f"q {fill} 0 0 {width:.2f} {height:.2f} re f Q "
    if (line := _colour(get(look, "/BC"), "G", "RG", "K")) is not None:
        drawn += f"q 1 w {line} 0.5 0.5 {width - 1:.2f} {height - 1:.2f} re S Q"
    return drawn.encode()


def _colour(values: Any, *operators: str) -> str | None:
    operator = dict(zip((1, 3, 4), operators, strict=True)).get(len(values)) if values is not None else None
    return None if operator is None else " ".join(f"{float(part):g}" for part in values) + f" {operator}"


def _size(annotation: generic.DictionaryObject, field: Field) -> tuple[float, float]:
    x1, y1, x2, y2 = (float(edge) for edge in get(annotation, "/Rect"))
    width, height = abs(x2 - x1), abs(y2 - y1)
    if not width or not height:
        raise FormValueInvalid("the field has no room on the page", field=field.name, reason="field-invisible")
    return width, height


def _form(width: float, height: float, content: bytes) -> generic.StreamObject:
    return generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject(generic.FloatObject(round(x, 3)) for x in (0, 0, width, height)),
            pdf_name("/Resources"): generic.DictionaryObject(),
        },
        stream_data=content,
    )


def _set(
    writer: IncrementalPdfFileWriter, target: generic.DictionaryObject, key: str, value: generic.PdfObject
) -> None:
    target[pdf_name(key)] = value
    writer.update_container(target)
