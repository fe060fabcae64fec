"""What a reader sees otherwise than when it was signed: the signed revision against the last one, page by page.

1. A page that no later revision touched holds the same bytes for everything it draws (`verify.touched`): left out.
2. Every other page is drawn from both revisions, each once a page, and compared pixel by pixel outside the rectangles
   of the annotations that were touched. Those were permitted, or the structure would have been refused before.
3. An annotation that came later and is no signature may not hide what was signed.

Not the comparison of objects, which `verify.changes` makes first and which decides what is permitted at all.

    sight = Sight(pictures, ends=ends, view=view, signatures=names)
    seen = sight.compare(revision, last, steps={...}, most=None)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver

from verify import comparing
from verify.byte_ranges import is_timestamp
from verify.pdf import UNEXPECTED, get
from verify.pictures import Box, NotDrawn, Pictures
from verify.report import ChangePlace
from verify.touched import Key, Touched

View = Callable[[int], HistoricalResolver]
_MOST_PLACES = 200
_DEPTH = 50
_HIDDEN, _NO_VIEW = 2, 32


@dataclass
class Seen:
    """`differs`: a permitted change alone cannot explain what a page shows; the first such page, from 1.
    `covered`: something that came later hides what was signed. `not_drawn`: why a page could not be compared."""

    places: list[ChangePlace] = field(default_factory=list)
    differs: int | None = None
    covered: int | None = None
    not_drawn: str | None = None

    def note(self, *places: ChangePlace) -> None:
        self.places.extend(places[: _MOST_PLACES - len(self.places)])


@dataclass(frozen=True)
class _Annotation:
    """One touched annotation of a page, before and after; `box` is None where it is not there or not to be seen."""

    what: str
    before: Box | None
    after: Box | None
    is_stamped: bool = False
    """Whether it shows a document timestamp that came later: nobody answers for that picture."""

    @property
    def boxes(self) -> tuple[Box, ...]:
        return tuple(box for box in (self.before, self.after) if box is not None)


class Sight:
    """Comparisons of one document. `ends`: where each revision ends; `names`: (revision, id) of its signatures."""

    def __init__(
        self, pictures: Pictures, *, ends: tuple[int, ...], view: View, names: tuple[tuple[int, str], ...]
    ) -> None:
        self._pictures, self._ends, self._view, self._names = pictures, ends, view, names
        self._numbers: dict[int, dict[Key, int]] = {}
        self._annotations: dict[tuple[int, Key], Mapping[Key, generic.DictionaryObject]] = {}

    def compare(self, signed: int, last: int, *, steps: Mapping[int, Touched], most: int | None) -> Seen:
        """Revision `signed` against `last`; `steps` are those behind it, `most` bounds the pages that are drawn."""
        seen = Seen()
        was, is_ = self._pages(signed), self._pages(last)
        for key in was.keys() ^ is_.keys():
            what, number = ("page-added", is_[key]) if key in is_ else ("page-removed", was[key])
            seen.note(ChangePlace(number + 1, None, what, self._after(last)))
        everything = any(step.everything for step in steps.values())
        by_page: dict[Key, set[Key]] = {key: set() for key in is_} if everything else {}
        newest: dict[Key, int] = {}
        for number, step in sorted(steps.items()):
            for page, ones in step.pages.items():
                by_page.setdefault(page, set()).update(ones)
                newest.update(dict.fromkeys((page, *ones), number))
        order = sorted((key for key in by_page if key in was and key in is_), key=lambda key: is_[key])
        for drawn, key in enumerate(order):
            touched = {one: self._annotation(key, one, signed, last) for one in sorted(by_page[key])}
            seen.note(*self._annotated(touched, newest, page=is_[key], last=last))
            if most is None or drawn < most:
                after = self._after(newest.get(key, last))
                self._look(seen, tuple(touched.values()), before=(signed, was[key]), now=(last, is_[key]), after=after)
        return seen

    def _look(
        self,
        seen: Seen,
        touched: tuple[_Annotation, ...],
        *,
        before: tuple[int, int],
        now: tuple[int, int],
        after: str | None,
    ) -> None:
        """Step 2 and 3 for one page, of (revision, number from 0) `before` and `now`."""
        if seen.not_drawn in {"time", "not-opened"}:  # no page after this one would fare better
            return
        number = now[1]
        try:
            for revision, _ in (before, now):
                if self._pictures.pages(end=self._ends[revision]) != len(self._pages(revision)):
                    raise NotDrawn("page-count")  # noqa: TRY301  one handler for all reasons
            one = self._pictures.draw(end=self._ends[before[0]], page=before[1])
            other = self._pictures.draw(end=self._ends[now[0]], page=number)
            changed = any(annotation.what == "annotation-changed" for annotation in touched)
            bare = self._pictures.draw(end=self._ends[before[0]], page=before[1], annotated=False) if changed else one
        except NotDrawn as error:
            seen.not_drawn = seen.not_drawn or str(error)
            return
        allowed = [box for annotation in touched for box in annotation.boxes]
        box = comparing.differing(one, other, allowed=allowed)
        if box is not None:
            seen.differs = seen.differs or number + 1
            seen.note(ChangePlace(number + 1, box, "page-differs", after))
        for annotation in touched:
            if annotation.after is not None:
                if annotation.what == "annotation-changed":  # its own former ink may go, what hid the page may stay
                    covering = comparing.hides(bare, other, under=annotation.after)
                    covering = covering and not comparing.hides(bare, one, under=annotation.after)
                elif annotation.what == "field-added" and self._lies_on_field(annotation.after, before):
                    covering = True
                else:
                    is_new = annotation.before is None or annotation.is_stamped
                    covering = is_new and comparing.hides(one, other, under=annotation.after)
                if covering:
                    seen.note(ChangePlace(number + 1, annotation.after, "content-covered", after))
                    if annotation.what != "signature-added" or annotation.is_stamped:  # who signs answers for it
                        seen.covered = seen.covered or number + 1

    def _lies_on_field(self, box: Box, place: tuple[int, int]) -> bool:
        """Whether a box overlaps a visible field of the signed page by more than a point."""
        revision, number = place
        page = next(key for key, at in self._pages(revision).items() if at == number)
        fields = (one for one in self._on_page(revision, page).values() if get(one, "/Subtype") == "/Widget")
        return any(
            all(min(box[i + 2], other[i + 2]) - max(box[i], other[i]) > 1 for i in (0, 1))
            for other in map(_box, fields)
            if other is not None
        )

    def _annotated(
        self, touched: Mapping[Key, _Annotation], newest: Mapping[Key, int], *, page: int, last: int
    ) -> Iterator[ChangePlace]:
        for key, one in touched.items():
            if one.boxes:
                yield ChangePlace(page + 1, one.boxes[-1], one.what, self._after(newest.get(key, last)))

    def _annotation(self, page: Key, key: Key, signed: int, last: int) -> _Annotation:
        before, after = (self._on_page(revision, page).get(key) for revision in (signed, last))
        kind = get(after if after is not None else before, "/Subtype")
        noun = "field" if kind == "/Widget" else "annotation"
        signing = self._signing(after, signed) if kind == "/Widget" else None
        if signing is not None:
            what = "signature-added"
        elif before is None:
            what = f"{noun}-added"
        else:
            what = f"{noun}-changed" if after is not None else f"{noun}-removed"
        return _Annotation(what, _box(before), _box(after), is_stamped=signing is not None and is_timestamp(signing))

    def _on_page(self, revision: int, page: Key) -> Mapping[Key, generic.DictionaryObject]:
        """The annotations of a page in a revision, by their objects."""
        if (revision, page) not in self._annotations:
            view = self._view(revision)
            items = get(view(Reference(*page, view)), "/Annots")
            found: dict[Key, generic.DictionaryObject] = {}
            for at in range(len(items)) if isinstance(items, generic.ArrayObject) else ():
                raw, value = items.raw_get(at), items[at]
                if isinstance(raw, generic.IndirectObject) and isinstance(value, generic.DictionaryObject):
                    found[raw.idnum, raw.generation] = value
            self._annotations[revision, page] = found
        return self._annotations[revision, page]

    def _signing(self, widget: generic.DictionaryObject | None, signed: int) -> object | None:
        """The value of its field if that is a signature whose dictionary came after the signed revision."""
        node: object = widget
        kind: object = None
        for _ in range(_DEPTH):
            if not isinstance(node, generic.DictionaryObject):
                return None
            kind = kind or get(node, "/FT")
            if "/V" in node:
                raw = node.raw_get("/V")
                if kind is None:
                    kind = get(get(node, "/Parent"), "/FT")
                is_new = not isinstance(raw, generic.IndirectObject) or self._came_after(raw.reference, signed)
                value: object = get(node, "/V")
                return value if kind == "/Sig" and is_new else None
            node = get(node, "/Parent")
        return None

    def _came_after(self, reference: Reference, signed: int) -> bool:
        try:
            return bool(self._view(signed).reader.xrefs.get_introducing_revision(reference) > signed)
        except KeyError:
            return False

    def _after(self, revision: int) -> str | None:
        """The newest signature that revision came after."""
        return max(((at, name) for at, name in self._names if at < revision), default=(0, None))[1]

    def _pages(self, revision: int) -> dict[Key, int]:
        """The pages of a revision with their numbers from 0."""
        if revision not in self._numbers:
            view = self._view(revision)
            self._numbers[revision] = {key: number for number, key in enumerate(_leaves(view))}
        return self._numbers[revision]


def _leaves(view: HistoricalResolver) -> Iterator[Key]:
    """Raises NotDrawn for a tree that loops or holds pages that are no objects of their own."""
    todo = [view.root.raw_get("/Pages")]
    seen: set[Key] = set()
    while todo:
        raw = todo.pop()
        if not isinstance(raw, generic.IndirectObject):
            raise NotDrawn("page-tree")
        key = raw.idnum, raw.generation
        if key in seen:
            raise NotDrawn("page-tree")
        seen.add(key)
        kids = get(view(Reference(*key, view)), "/Kids")
        if isinstance(kids, generic.ArrayObject):
            todo.extend(kids.raw_get(at) for at in reversed(range(len(kids))))
        else:
            yield key


def _box(annotation: generic.DictionaryObject | None) -> Box | None:
    """Its rectangle, None when it is not to be seen (ISO 32000-1 §12.5.3)."""
    if annotation is None:
        return None
    flags, rectangle = get(annotation, "/F"), get(annotation, "/Rect")
    if (isinstance(flags, int) and flags & (_HIDDEN | _NO_VIEW)) or not isinstance(rectangle, generic.ArrayObject):
        return None
    try:
        one, two, three, four = (float(number) for number in rectangle)
    except UNEXPECTED:
        return None
    box = (min(one, three), min(two, four), max(one, three), max(two, four))
    return box if box[0] < box[2] and box[1] < box[3] else None
