"""What later revisions may do to the structure tree of a tagged PDF (ISO 32000-1 §14.7): name new annotations.

A tagged file that is signed or commented gets structure elements for the new widgets and comments. No element may
change what it says of the signed content: elements keep their entries and their content in order, and new ones hold
nothing but references to annotations. Which annotations may be new is for `annotation_rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import ModificationLevel, SuspiciousModification
from pyhanko.sign.diff_analysis.commons import compare_dicts
from pyhanko.sign.diff_analysis.rules_api import Context, QualifiedWhitelistRule, ReferenceUpdate

from verify.pdf import get

_DEPTH = 30
_ENTRIES = 200_000
_NEW_ELEMENT = frozenset(["/Type", "/S", "/K", "/P", "/Pg", "/T", "/Lang", "/Alt", "/A", "/R", "/ID", "/NS"])
_TREE_FREE = frozenset(("/K", "/ParentTree", "/ParentTreeNextKey"))

Qualified = tuple[ModificationLevel, ReferenceUpdate]
Path = tuple[str | int, ...]


class StructureRule(QualifiedWhitelistRule):
    """New elements for new annotations; the rest of the tree as it was."""

    def apply_qualified(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[Qualified]:
        before, after = get(old.root, "/StructTreeRoot"), get(new.root, "/StructTreeRoot")
        if not isinstance(before, generic.DictionaryObject) or not isinstance(after, generic.DictionaryObject):
            return
        touched = new.explicit_refs_in_revision() - new.refs_freed_in_revision()
        root = old.root.raw_get("/StructTreeRoot")
        if isinstance(root, generic.IndirectObject) and root.reference in touched:
            compare_dicts(before, after, _TREE_FREE)
            yield from _content(root.reference, before, after, old, new)
            yield ModificationLevel.LTA_UPDATES, ReferenceUpdate(root.reference)
        for reference in touched:
            if not _existed(old, reference):
                continue
            was, is_ = old(reference), new(reference)
            if _is_element(was):
                compare_dicts(was, is_, frozenset(("/K",)))
                assert isinstance(is_, generic.DictionaryObject)
                yield from _content(reference, was, is_, old, new)
                yield ModificationLevel.LTA_UPDATES, ReferenceUpdate(reference)
        yield from _parents(before, after, old)


def _content(
    reference: Reference,
    before: generic.DictionaryObject,
    after: generic.DictionaryObject,
    old: HistoricalResolver,
    new: HistoricalResolver,
) -> Iterator[Qualified]:
    """/K keeps what it had, in order; it may gain what holds only annotations, and lose references to annotations."""
    had, has = _kids(before), _kids(after)
    left = list(map(_essence, had))
    for item in has:
        if left and _essence(item) == left[0]:
            left.pop(0)
        elif _essence(item) in left:  # what stands before it is gone
            gone = left.index(_essence(item))
            _require_annotations(left[:gone])
            del left[: gone + 1]
            yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)
        else:
            yield from _addition(item, old, new, depth=0)
    if left:
        _require_annotations(left)
        yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)
    raw = after.raw_get("/K") if "/K" in after else None
    if isinstance(raw, generic.IndirectObject) and not _is_element(raw.get_object()):
        yield ModificationLevel.LTA_UPDATES, ReferenceUpdate(raw.reference)


def _require_annotations(essences: list[object]) -> None:
    for essence in essences:
        if not (isinstance(essence, tuple) and essence[0] == "/OBJR"):
            raise SuspiciousModification("content was taken out of the structure")


def _addition(
    raw: generic.PdfObject, old: HistoricalResolver, new: HistoricalResolver, *, depth: int
) -> Iterator[Qualified]:
    """A reference to an annotation, or a new element that holds only such."""
    item = raw.get_object()
    if depth > _DEPTH or not isinstance(item, generic.DictionaryObject):
        raise SuspiciousModification("content was added to the structure")
    reference = raw.reference if isinstance(raw, generic.IndirectObject) else None
    if reference is not None and _existed(old, reference):
        raise SuspiciousModification("an element moved within the structure")
    if get(item, "/Type") == "/OBJR":
        level = _target_level(item)
    else:
        level = ModificationLevel.FORM_FILLING
        for change in _new_element(item, old, new, depth=depth):
            level = max(level, change[0])
            yield change
    if reference is not None:
        yield level, ReferenceUpdate(reference)


def _target_level(item: generic.DictionaryObject) -> ModificationLevel:
    target = get(item, "/Obj")
    if not isinstance(target, generic.DictionaryObject) or "/Rect" not in target:
        raise SuspiciousModification("the structure refers to what is no annotation")
    is_widget = get(target, "/Subtype") == "/Widget"
    return ModificationLevel.FORM_FILLING if is_widget else ModificationLevel.ANNOTATIONS


def _new_element(
    element: generic.DictionaryObject, old: HistoricalResolver, new: HistoricalResolver, *, depth: int
) -> Iterator[Qualified]:
    if not _is_element(element) or not element.keys() <= _NEW_ELEMENT:
        raise SuspiciousModification("content was added to the structure")
    for kid in _kids(element):
        yield from _addition(kid, old, new, depth=depth + 1)
    for key in {"/A", "/K"} & element.keys():
        for fresh in _direct(element.raw_get(key)):
            if not _existed(old, fresh):
                yield ModificationLevel.FORM_FILLING, ReferenceUpdate(fresh)


def _direct(raw: generic.PdfObject) -> Iterator[Reference]:
    """The object itself, and those right in it where it is an array: attributes, lists of kids."""
    if isinstance(raw, generic.IndirectObject):
        yield raw.reference
        raw = raw.get_object()
    if isinstance(raw, generic.ArrayObject):
        yield from (item.reference for item in raw if isinstance(item, generic.IndirectObject))


def _parents(
    before: generic.DictionaryObject, after: generic.DictionaryObject, old: HistoricalResolver
) -> Iterator[Qualified]:
    """The parent tree (§14.7.4.4) leads from content to elements: known numbers lead to where they led."""
    if "/ParentTree" not in before and "/ParentTree" not in after:
        return
    was, nodes = _numbers(before)
    is_, more = _numbers(after)
    for number, value in was.items():
        if number not in is_ or _essences(is_[number]) != _essences(value):
            raise SuspiciousModification("the structure leads elsewhere than it did")
    for number in is_.keys() - was.keys():
        if not _is_element(is_[number].get_object()):
            raise SuspiciousModification("the structure says something new of the content")
    for reference, path in (*nodes, *more):
        context = Context.from_absolute(old, RawPdfPath(*path))
        yield ModificationLevel.LTA_UPDATES, ReferenceUpdate(reference, context_checked=context)


def _numbers(
    tree: generic.DictionaryObject,
) -> tuple[dict[int, generic.PdfObject], list[tuple[Reference, Path]]]:
    """The entries of the parent tree, and its nodes and arrays with the path to each."""
    entries: dict[int, generic.PdfObject] = {}
    nodes: list[tuple[Reference, Path]] = []
    base: Path = ("/Root", "/StructTreeRoot", "/ParentTree")
    todo: list[tuple[generic.PdfObject, Path, int]] = []
    if "/ParentTree" in tree:
        todo.append((tree.raw_get("/ParentTree"), base, 0))
    while todo:
        raw, path, depth = todo.pop()
        node = _noted(raw, path, nodes)
        if depth > _DEPTH or len(entries) > _ENTRIES or not isinstance(node, generic.DictionaryObject):
            raise SuspiciousModification("the parent tree cannot be followed")
        if "/Kids" in node:
            kids = _noted(node.raw_get("/Kids"), (*path, "/Kids"), nodes)
            todo += [(kid, (*path, "/Kids", at), depth + 1) for at, kid in enumerate(_array(kids))]
        if "/Nums" in node:
            nums_path = (*path, "/Nums")
            nums = list(_array(_noted(node.raw_get("/Nums"), nums_path, nodes)))
            for at in range(0, len(nums) - 1, 2):
                value = nums[at + 1]
                if isinstance(value.get_object(), generic.ArrayObject):
                    _noted(value, (*nums_path, at + 1), nodes)
                entries[_number(nums[at])] = value
    return entries, nodes


def _noted(raw: generic.PdfObject, path: Path, nodes: list[tuple[Reference, Path]]) -> generic.PdfObject:
    if isinstance(raw, generic.IndirectObject):
        nodes.append((raw.reference, path))
    value: generic.PdfObject = raw.get_object()
    return value


def _number(value: generic.PdfObject) -> int:
    if not isinstance(value, int):
        raise SuspiciousModification("a number in the parent tree is none")
    return value


def _array(value: generic.PdfObject) -> Iterable[generic.PdfObject]:
    if not isinstance(value, generic.ArrayObject):
        raise SuspiciousModification("a list in the structure is no array")
    return value


def _kids(element: generic.DictionaryObject) -> list[generic.PdfObject]:
    if "/K" not in element:
        return []
    raw = element.raw_get("/K")
    value = raw.get_object()
    return list(value) if isinstance(value, generic.ArrayObject) else [raw]


def _essences(raw: generic.PdfObject) -> object:
    value = raw.get_object()
    return tuple(map(_essence, value)) if isinstance(value, generic.ArrayObject) else _essence(raw)


def _essence(raw: generic.PdfObject) -> object:
    """What an item of /K means: which element, which annotation, which marked content."""
    value = raw.get_object()
    if isinstance(value, generic.DictionaryObject) and get(value, "/Type") in ("/OBJR", "/MCR"):
        return (value["/Type"], *(_identity(value, key) for key in ("/Obj", "/Pg", "/MCID", "/Stm", "/StmOwn")))
    if isinstance(raw, generic.IndirectObject) and not isinstance(value, int):
        return raw.idnum, raw.generation
    return value


def _identity(dictionary: generic.DictionaryObject, key: str) -> object:
    if key not in dictionary:
        return None
    raw = dictionary.raw_get(key)
    return (raw.idnum, raw.generation) if isinstance(raw, generic.IndirectObject) else raw


def _is_element(value: object) -> bool:
    """/Type may be left out of a structure element; then /S and /P tell (Table 323)."""
    if not isinstance(value, generic.DictionaryObject) or isinstance(value, generic.StreamObject):
        return False
    return get(value, "/Type") == "/StructElem" or ("/Type" not in value and "/S" in value and "/P" in value)


def _existed(old: HistoricalResolver, reference: Reference) -> bool:
    try:
        return old.reader.xrefs.get_historical_ref(reference, old.revision) is not None
    except KeyError:
        return False
