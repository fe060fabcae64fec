"""Object streams (ISO 32000-1 §7.5.7) stay as they are while objects stand in them.

No table of a later revision names the objects that change when the stream they stand in is written again or freed, and
nothing in the document refers to the stream itself: neither a comparison of what a revision wrote nor the paths to it
would see what became of them. The same goes for what the stream's dictionary refers to (/Length, /Filter, /DecodeParms).

    refuse_rewritten(old, new)      # raises SuspiciousModification
"""

from __future__ import annotations

from collections.abc import Iterator

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver
from pyhanko.pdf_utils.xref import ObjStreamRef
from pyhanko.sign.diff_analysis import SuspiciousModification

_DEPTH = 5
"""/DecodeParms → array → dictionary → entry."""


def refuse_rewritten(old: HistoricalResolver, new: HistoricalResolver) -> None:
    """Raises SuspiciousModification if the revision of `new` wrote or freed what objects of `old` still stand in."""
    written = {reference.idnum for reference in new.explicit_refs_in_revision() | new.refs_freed_in_revision()}
    # Numbers that are new are nobody's stream; without this, each revision would walk through all tables before it.
    written = {number for number in written if not old.is_ref_unassignable(Reference(number, 0, old))}
    if not written:
        return
    for stream in _streams_in_use(old, new):
        if stream in written:
            raise SuspiciousModification(f"object stream {stream} was written again")
        used = written & set(_referred(old(Reference(stream, 0, old))))
        if used:
            raise SuspiciousModification(f"object {min(used)} of object stream {stream} was written again")


def _streams_in_use(old: HistoricalResolver, new: HistoricalResolver) -> Iterator[int]:
    """The streams in which an object stands in both revisions."""
    xrefs = new.reader.xrefs
    known: set[int] = set()
    for revision in range(old.revision + 1):
        data = xrefs.get_xref_data(revision)
        for part in (data, data.hybrid.xref_data) if data.hybrid is not None else (data,):
            for number, place in part.xrefs_in_objstm.items():
                if place.obj_stream_id in known:
                    continue
                now = xrefs.get_historical_ref(Reference(number, 0, new), new.revision)
                if isinstance(now, ObjStreamRef) and now.obj_stream_id == place.obj_stream_id:
                    known.add(place.obj_stream_id)
                    yield place.obj_stream_id


def _referred(stream: object) -> Iterator[int]:
    """Numbers of the objects that the stream's dictionary refers to, to the depth at which filters have parameters."""
    todo: list[tuple[object, int]] = [(stream, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > _DEPTH:
            continue
        if isinstance(value, generic.DictionaryObject):
            todo.extend((value.raw_get(key), depth + 1) for key in value)
        elif isinstance(value, generic.ArrayObject):
            todo.extend((value.raw_get(at), depth + 1) for at in range(len(value)))
        elif isinstance(value, generic.IndirectObject):
            yield value.idnum
            todo.append((value.get_object(), depth + 1))
