"""Guides: what each role does, on one page of A4 to be printed, in Vietnamese, with pictures of this product.

A guide is a Typst source beside this module; what they share is in `guide.typ`. The hotline of `[sessions]` and the
appliance's address are filled in, so that an office prints pages with its own number; without one there is a line to
write on. Tagged PDF/A, fonts embedded. The pictures are made by `make guides`, which drives a browser through a demo.

    data = build("official", hotline="0200 000 000", origin="https://kyso.example.vn")
    python -m api.guides FOLDER                       all of them, without a number
"""

from __future__ import annotations

import json
import tempfile
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import typst

from api.errors import ApiError
from api.reports.pdf import FOLDERS
from signer.font import FontMissing

Role = Literal["official", "clerk", "administrator", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)
STANDARD: Literal["a-2a"] = "a-2a"
"""ISO 19005-2, conformance level A: tagged, fonts embedded, no outside reference."""


class GuideNotMade(ApiError):
    """The guide could not be typeset."""

    code = "report-not-made"
    actor = "developer"


@lru_cache(maxsize=8)
def build(role: Role, *, hotline: str = "", origin: str = "") -> bytes:
    """The PDF. Raises FontMissing, GuideNotMade. The last ones are remembered: they change with the settings alone."""
    with tempfile.TemporaryDirectory(prefix="kyso-guide-") as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        for source in files(__package__).iterdir():
            if source.name.endswith(".typ"):
                (folder / source.name).write_bytes(source.read_bytes())
        for picture in (files(__package__) / "pictures").iterdir():
            (folder / "pictures" / picture.name).write_bytes(picture.read_bytes())
        (folder / "told.json").write_text(json.dumps({"hotline": hotline, "origin": origin}), "utf-8")
        try:
            return typst.compile(str(folder / f"{role}.typ"), root=name, font_paths=_fonts(), pdf_standards=[STANDARD])
        except RuntimeError as error:  # TypstError is one
            raise GuideNotMade(str(error)[:500], guide=role) from error


@cache
def _fonts() -> typst.Fonts:
    for folder in FOLDERS:
        if (folder / "LiberationSans-Regular.ttf").exists():
            return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    raise FontMissing(font="Liberation Sans")
