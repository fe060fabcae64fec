"""The view of one revision of a PDF, as pyHanko's, with less walking: what holds no reference is not looked into.

Comparing two revisions reads all that the older one reaches, and the paths by which it is reached. In a document with
many signatures that is mostly names, numbers and strings, which lead nowhere.

    view = View(reader, 3)
    view._load_reverse_xref_cache()         # as pyHanko's analysis asks for it
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader, RawPdfPath

from verify.pdf_reader import FileStream

Path = tuple[str | int, ...]

_LEAVES = frozenset(
    (
        generic.BooleanObject,
        generic.ByteStringObject,
        generic.FloatObject,
        generic.NameObject,
        generic.NullObject,
        generic.NumberObject,
        generic.TextStringObject,
    )
)


class View(HistoricalResolver):
    """Gives what HistoricalResolver gives."""

    _paths: dict[generic.Reference, set[Path]] | None = None

    def __init__(self, reader: PdfFileReader, revision: int) -> None:
        super().__init__(reader, revision)
        self._usages: dict[generic.Reference, set[RawPdfPath]] = {}

    def _subsume_object(self, obj: Any) -> Any:
        """The object with its references into this revision; a long stream stays in its file."""
        kind = type(obj)
        if kind in _LEAVES:
            return obj
        if kind is generic.IndirectObject:
            return generic.IndirectObject(obj.idnum, obj.generation, self)
        whole: Any
        if kind is generic.DictionaryObject or kind is FileStream:
            whole = generic.DictionaryObject() if kind is generic.DictionaryObject else obj.empty()
            dict.update(
                whole, {key: one if type(one) in _LEAVES else self._subsume_object(one) for key, one in obj.items()}
            )
        elif kind is generic.ArrayObject:
            whole = generic.ArrayObject(one if type(one) in _LEAVES else self._subsume_object(one) for one in obj)
        else:
            return super()._subsume_object(obj)  # type: ignore[no-untyped-call]  # pyHanko's
        container = obj.get_container_ref()
        whole.container_ref = generic.Reference(container.idnum, container.generation, self)
        return whole

    def _load_reverse_xref_cache(self) -> None:
        if self._paths is None:
            self._paths = _Walk(self).paths()

    def _get_usages_of_ref(self, ref: generic.Reference) -> set[RawPdfPath]:
        if ref not in self._usages:
            self._usages[ref] = {_Known(*path) for path in (self._paths or {}).get(ref, ())}
        return self._usages[ref]


class _Known(RawPdfPath):
    """A path whose hash is computed once; pyHanko sorts hundreds of them into sets again and again."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._tag())  # type: ignore[no-untyped-call]  # pyHanko's
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawPdfPath) and self.path == other.path


class _Walk:
    """All paths from the trailer to each reference, by the rules of HistoricalResolver._load_reverse_xref_cache:

    1. a node of the page tree is entered by its own path through the tree only;
    2. an element of the structure tree is entered within that tree only;
    3. /Parent, and /P in the structure tree, lead nowhere new.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._found: dict[generic.Reference, set[Path]] = defaultdict(set)
        self._pages: dict[generic.Reference, Path] = {}
        self._elements: set[generic.Reference] = set()

    def paths(self) -> dict[generic.Reference, set[Path]]:
        root = self._view.root
        pages = root.raw_get("/Pages")
        path = ("/Root", "/Pages")
        if isinstance(pages, generic.IndirectObject):
            self._pages[pages.reference] = path
        self._note_pages(pages.get_object(), path)
        if "/StructTreeRoot" in root:
            self._note_elements(root["/StructTreeRoot"])
        self._walk(self._view.trailer_view, (), (), in_structure=False)
        return self._found

    def _walk(self, obj: Any, path: Path, above: tuple[tuple[int, int], ...], *, in_structure: bool) -> None:
        if isinstance(obj, generic.IndirectObject):
            ref = obj.reference
            key = (ref.idnum, ref.generation)
            if key in above:
                return
            self._found[ref].add(path)
            above = (*above, key)
            obj = self._view(ref)
            if path != self._pages.get(ref, path):
                return
            if not in_structure and ref in self._elements:
                return
        if isinstance(obj, generic.DictionaryObject):
            is_root = path == ("/Root", "/StructTreeRoot")
            for name, one in obj.items():
                if type(one) in _LEAVES or name == "/Parent" or (in_structure and name == "/P"):
                    continue
                self._walk(one, (*path, name), above, in_structure=in_structure or (is_root and name == "/K"))
        elif isinstance(obj, generic.ArrayObject):
            for position, one in enumerate(obj):
                if type(one) not in _LEAVES:
                    self._walk(one, (*path, position), above, in_structure=in_structure)

    def _note_pages(self, node: Any, path: Path) -> None:
        for position, kid in enumerate(node["/Kids"]):
            own = (*path, "/Kids", position)
            if isinstance(kid, generic.IndirectObject):
                if kid.reference in self._pages:
                    raise misc.PdfReadError("the page tree loops")
                self._pages[kid.reference] = own
            value = kid.get_object()
            if value.get("/Type", None) == "/Pages":
                self._note_pages(value, own)

    def _note_elements(self, element: Any) -> None:
        try:
            children = element["/K"]
        except KeyError:
            return
        for child in children if isinstance(children, generic.ArrayObject) else (children,):
            value = child.get_object()
            if not isinstance(value, generic.DictionaryObject):
                continue
            if "/Type" in value and value["/Type"] != "/StructElem":
                continue
            if isinstance(child, generic.IndirectObject):
                if child.reference in self._elements:
                    raise misc.PdfReadError("the structure tree loops")
                self._elements.add(child.reference)
            self._note_elements(value)
