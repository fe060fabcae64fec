"""The newest signature of a file, whatever state the earlier ones are in: which one it is, and whether it holds.

>>> newest.name(Path("signed.pdf"))                                               # doctest: +SKIP
'Signature2'
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from tests import readers


def name(path: Path) -> str:
    """The field of the signature whose byte range ends where the file does; empty if pyHanko finds none."""
    with path.open("rb") as file:
        found = _found(file, size=path.stat().st_size)
        return found.field_name if found else ""


def by_pyhanko(path: Path) -> bool:
    """Whether pyHanko finds it intact, its value valid, and all of the file covered."""
    with path.open("rb") as file:
        found = _found(file, size=path.stat().st_size)
        if found is None:
            return False
        found.compute_integrity_info(skip_diff=True)
        covers = found.summarise_integrity_info()["coverage"].name == "ENTIRE_FILE"
        return covers and readers.value_holds(found)


def by_poppler(path: Path) -> bool:
    """Whether Poppler finds a signature valid that signs the whole document."""
    return (True, True) in readers.poppler(path)


def is_kept(source: Path, out: Path) -> bool:
    """Whether Poppler finds every former signature as it was, so that one more is valid than before, and pyHanko finds
    no more signatures than before whose permissions were not kept."""
    before, after = (sum(valid for valid, _ in readers.poppler(path)) for path in (source, out))
    return after >= before + 1 and _harmed(out) <= _harmed(source)


def _harmed(path: Path) -> int:
    """How many signatures find something later that their DocMDP or FieldMDP forbids, by pyHanko."""
    with path.open("rb") as file:
        try:
            found = PdfFileReader(file, strict=False).embedded_regular_signatures
            for one in found:
                one.compute_integrity_info()
            return sum(one.summarise_integrity_info().get("docmdp_ok") is False for one in found)
        except Exception:  # noqa: BLE001 - what pyHanko cannot compare, it cannot speak about
            return 0


def _found(file: BinaryIO, *, size: int) -> EmbeddedPdfSignature | None:
    try:
        reader = PdfFileReader(file, strict=False)
        fields = list(enumerate_sig_fields(reader, filled_status=True))
    except Exception:  # noqa: BLE001 - a hostile file stays one when it is signed
        return None
    for field_name, _, field in fields:
        try:
            one = EmbeddedPdfSignature(reader, field.get_object(), field_name)
        except Exception:  # noqa: BLE001 - a former signature that cannot be read is not the newest
            continue
        if sum(list(one.byte_range)[2:]) == size:
            return one
    return None
