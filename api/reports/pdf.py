"""A report as a tagged PDF (PDF/UA-1) with embedded fonts, typeset by Typst from the same content as the page.

Safe by construction rather than by walls: names from the document go in as data and never as markup, pictures have been
checked for what they are, the typesetter is written in a memory-safe language, its template is ours and names no file,
and it sees no folder but its own and the fonts'. Characters that the font does not have are named instead, as `[U+738B]`.

    typeset(told)      # bytes
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst
from fontTools.ttLib import TTFont

from api.errors import ApiError
from api.reports.content import Told
from api.reports.text import only
from signer.font import FontMissing

FONT = "Liberation Sans"
FOLDERS = (Path("/usr/share/fonts/truetype/liberation2"), Path("/usr/share/fonts/truetype/liberation"))
_NEEDED = "ĂơỮỵ"


class ReportNotMade(ApiError):
    """The report could not be typeset."""

    code = "report-not-made"
    actor = "developer"


@dataclass(frozen=True)
class _Typesetter:
    fonts: typst.Fonts
    covered: frozenset[int]
    template: bytes


def typeset(told: Told) -> bytes:
    """The PDF; raises FontMissing, ReportNotMade."""
    ours = _typesetter()
    shape, pictures = _shape(told, show=lambda text: only(text, covered=ours.covered))
    sources = {"main.typ": ours.template, "told.json": json.dumps(shape).encode(), **pictures}
    with tempfile.TemporaryDirectory(prefix="kyso-report-") as folder:
        for name, data in sources.items():
            (Path(folder) / name).write_bytes(data)
        return _compiled(Path(folder), ours)


def _compiled(folder: Path, ours: _Typesetter) -> bytes:
    try:
        made = typst.compile(str(folder / "main.typ"), root=str(folder), font_paths=ours.fonts, pdf_standards=["ua-1"])
    except Exception as error:
        raise ReportNotMade(str(error)[:500]) from error
    except BaseException as error:
        # A panic in the typesetter is no `Exception`; it must not pass for the end of the process.
        if type(error).__name__ == "PanicException":
            raise ReportNotMade(str(error)[:500]) from None
        raise
    return made


def _shape(told: Told, *, show: Callable[[str], str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The report as JSON values, and its pictures as files beside it."""
    pictures: dict[str, bytes] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return show(value)
        if isinstance(value, dict):
            shaped = {name: plain(item) for name, item in value.items() if name != "png"}
            if "png" in value:
                shaped["file"] = f"{len(pictures)}.png"
                pictures[shaped["file"]] = value["png"]
            return shaped
        return [plain(item) for item in value] if isinstance(value, tuple | list) else value

    shape = plain(asdict(told))
    shape |= {"font": FONT, "document_name": shape["document"][0]["value"][:80]}
    return shape, pictures


@cache
def _typesetter() -> _Typesetter:
    for folder in FOLDERS:
        if not (folder / "LiberationSans-Regular.ttf").exists():
            continue
        covered: set[int] | None = None
        for name in ("Regular", "Bold"):
            with TTFont(folder / f"LiberationSans-{name}.ttf", lazy=True) as font:
                here = set(font.getBestCmap())
            covered = here if covered is None else covered & here
        if covered and all(ord(char) in covered for char in _NEEDED):
            fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
            template = (files(__package__) / "report.typ").read_bytes()
            return _Typesetter(fonts, frozenset(covered), template)
    raise FontMissing(font=FONT)
