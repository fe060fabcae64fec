"""Which pages, and which annotations on them, a revision can have changed: by what leads to each object it wrote.

What a page shows depends on the objects that its dictionary leads to, on the page tree above it and on the optional
content of the document. A page is left out only if the revision wrote none of these: then both revisions hold the
same bytes for everything that is drawn, and pictures of it would be equal. Whatever cannot be placed counts as
touching every page. Nothing is drawn and nothing is judged here.

    step = touched(old, new)          # what the revision of `new` touched of what `old` shows
    step.pages[page]                  # the annotations of that page that it touched
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver

from verify.pdf import UNEXPECTED, get
from verify.sameness import Comparison

_DEPTH = 50
_KIDS = 5_000
_DRAWN_BY_DOCUMENT = frozenset(("/OCProperties", "/Pages"))
"""Entries of the catalog that decide what pages show."""

Key = tuple[int, int]
"""Number and generation of an object, the same in every view."""
Steps = tuple[str | int, ...]


@dataclass
class Touched:
    """What one revision touched. `everything`: any page may have changed."""

    pages: dict[Key, set[Key]] = field(default_factory=dict)
    everything: bool = False

    def note(self, page: Key, *annotations: Key) -> None:
        self.pages.setdefault(page, set()).update(annotations)


def touched(old: HistoricalResolver, new: HistoricalResolver) -> Touched:
    """Compares two revisions, one next to the other. Raises what following references raises."""
    old._load_reverse_xref_cache()
    found = Touched()
    written = new.explicit_refs_in_revision() | new.refs_freed_in_revision()
    for reference in written:
        for path in old._get_usages_of_ref(reference):
            _place(path.path, reference, old, new, found)
    return found


def _place(
    steps: Steps, reference: Reference, old: HistoricalResolver, new: HistoricalResolver, found: Touched
) -> None:
    """Notes what one use of a written object means for what is seen."""
    match steps:
        case ("/Root",):
            _catalog(old, new, found)
        case ("/Root", "/AcroForm", *rest):
            _form(tuple(rest), reference, old, new, found)
        case ("/Root", "/Pages", *rest):
            _page_tree(tuple(rest), reference, old, new, found)
        case ("/Root", "/OCProperties", *_) | ("/Encrypt", *_):
            found.everything |= not _is_same(reference, old, new)
        case _:  # outlines, names, structure, metadata, evidence: no page shows them
            pass


def _catalog(old: HistoricalResolver, new: HistoricalResolver, found: Touched) -> None:
    before, after = old.root, new.root
    for key in _DRAWN_BY_DOCUMENT:
        if (key in before) != (key in after) or (
            key in before and Comparison(old, new).of(before.raw_get(key), after.raw_get(key)) is None
        ):
            found.everything = True
    _appearances(old, new, found)


def _form(rest: Steps, reference: Reference, old: HistoricalResolver, new: HistoricalResolver, found: Touched) -> None:
    """A field shows itself by its widgets. Fonts of the form matter where readers make the appearances anew."""
    if rest[:1] == ("/Fields",):
        for widget in {*_widgets(old, reference), *_widgets(new, reference)}:
            for path in old._get_usages_of_ref(Reference(*widget, old)):
                page, inside = _page_of(path.path[2:], old) if path.path[:2] == ("/Root", "/Pages") else (None, ())
                if page is not None and inside[:1] == ("/Annots",):
                    found.note(page, widget)
    else:
        _appearances(old, new, found)


def _appearances(old: HistoricalResolver, new: HistoricalResolver, found: Touched) -> None:
    forms = [get(view.root, "/AcroForm") for view in (old, new)]
    if not any(get(form, "/NeedAppearances") for form in forms):
        return
    before, after = (
        form if isinstance(form, generic.DictionaryObject) else generic.DictionaryObject() for form in forms
    )
    for key in ("/DR", "/DA", "/NeedAppearances"):
        if (key in before) != (key in after) or (
            key in before and Comparison(old, new).of(before.raw_get(key), after.raw_get(key)) is None
        ):
            found.everything = True


def _page_tree(
    rest: Steps, reference: Reference, old: HistoricalResolver, new: HistoricalResolver, found: Touched
) -> None:
    page, inside = _page_of(rest, old)
    if page is None:
        found.everything |= not _is_same(reference, old, new)
    elif not inside or inside == ("/Annots",):
        before, after = (_annotations(view, page) for view in (old, new))
        found.note(page, *(before ^ after))
    elif inside[0] == "/Annots" and isinstance(inside[1], int):
        annotation = _item(get(old(Reference(*page, old)), "/Annots"), inside[1])
        found.note(page, *(() if annotation is None else (annotation,)))
    else:
        found.note(page)


def _page_of(rest: Steps, view: HistoricalResolver) -> tuple[Key | None, Steps]:
    """The page in which a path below /Pages ends, and the way within it; None where it ends in the tree itself."""
    node: object = get(view.root, "/Pages")
    at = 0
    while rest[at : at + 1] == ("/Kids",) and at + 1 < len(rest) and at < 2 * _DEPTH:
        kids = get(node, "/Kids")
        index = rest[at + 1]
        key = _item(kids, index) if isinstance(index, int) else None
        if key is None:
            return None, ()
        node, at = view(Reference(*key, view)), at + 2
        if get(node, "/Kids") is None:
            return key, rest[at:]
    return None, ()


def _annotations(view: HistoricalResolver, page: Key) -> set[Key]:
    items = get(view(Reference(*page, view)), "/Annots")
    found = (_item(items, at) for at in range(len(items))) if isinstance(items, generic.ArrayObject) else ()
    return {key for key in found if key is not None}


def _item(array: object, index: int) -> Key | None:
    """The object that an array refers to at an index."""
    if not isinstance(array, generic.ArrayObject) or not 0 <= index < len(array):
        return None
    raw = array.raw_get(index)
    return (raw.idnum, raw.generation) if isinstance(raw, generic.IndirectObject) else None


def _widgets(view: HistoricalResolver, reference: Reference) -> Iterator[Key]:
    """The object itself, and what it has below it as a field."""
    todo, seen = [(reference.idnum, reference.generation)], set[Key]()
    while todo and len(seen) < _KIDS:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        yield key
        try:
            kids = get(view(Reference(*key, view)), "/Kids")
        except UNEXPECTED:  # freed, or not there yet
            continue
        for at in range(len(kids)) if isinstance(kids, generic.ArrayObject) else ():
            kid = _item(kids, at)
            if kid is not None:
                todo.append(kid)


def _is_same(reference: Reference, old: HistoricalResolver, new: HistoricalResolver) -> bool:
    try:
        return Comparison(old, new).of(old(reference), new(reference)) is not None
    except UNEXPECTED:
        return False
