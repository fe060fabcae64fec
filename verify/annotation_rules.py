"""What later revisions may do to pages, annotations and the widgets of fields (ISO 32000-1 §12.8.2.2, Table 254).

A page may change its annotations and nothing that it shows by itself. New are: widgets of new signature fields, as
part of signing; other annotations of the kinds by which people comment, at the level ANNOTATIONS. Which level a
signature permits is decided by `verify.changes`. A field's own dictionary is pyHanko's business; here are its separate
widgets, and the removal of widgets, which only a certification at level 3 allows.

Objects are cleared for all their uses only where every entry that can differ was compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from typing import Literal

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import ModificationLevel, SuspiciousModification
from pyhanko.sign.diff_analysis.commons import compare_dicts
from pyhanko.sign.diff_analysis.constants import VALUE_UPDATE_KEYS
from pyhanko.sign.diff_analysis.form_rules_api import FieldComparisonContext, FieldComparisonSpec, FormUpdate
from pyhanko.sign.diff_analysis.rules.form_field_rules import (
    GenericFieldModificationRule,
    SigFieldModificationRule,
    _allow_appearance_update,
    _allow_in_place_appearance_update,
    is_annot_visible,
)
from pyhanko.sign.diff_analysis.rules_api import Context, QualifiedWhitelistRule, ReferenceUpdate, RelativeContext

from verify.pdf import get
from verify.sameness import Comparison

COMMENTS = frozenset((
    "/Text", "/FreeText", "/Line", "/Square", "/Circle", "/Polygon", "/PolyLine", "/Highlight", "/Underline",
    "/Squiggly", "/StrikeOut", "/Stamp", "/Caret", "/Ink", "/Popup", "/FileAttachment", "/Link",
))  # fmt: skip
"""Kinds of annotation that a person adds to a document; no media, no watermarks, no widgets."""

_COMMENT_KEYS = frozenset((
    "/A", "/AP", "/AS", "/BE", "/BS", "/Border", "/C", "/CA", "/CL", "/Contents", "/CreationDate", "/DA", "/DS",
    "/Dest", "/F", "/FS", "/H", "/IC", "/IRT", "/IT", "/InkList", "/L", "/LE", "/LL", "/LLE", "/Lang", "/M", "/NM",
    "/Name", "/Open", "/P", "/Popup", "/Q", "/QuadPoints", "/RC", "/RD", "/RT", "/Rect", "/RotateDegrees",
    "/Rotation", "/State", "/StateModel", "/StructParent", "/Subj", "/Sy", "/T", "/Type", "/Vertices", "/ca",
))  # fmt: skip
"""Entries of a comment that may change; none of them means anything in a page, a resource or a graphics state."""

_ACTIONS = frozenset(("/URI", "/GoTo", "/GoToR", "/Named", "/Thread"))
_BACKWARDS = frozenset(("/P", "/Parent", "/IRT", "/Popup", "/Dest"))
_PAGE_FREE = frozenset(("/Annots", "/Tabs", "/StructParents"))
_MOST_FIELDS = 5_000
_UNSEEN = 2 | 32
"""Flags of an annotation that is hidden, or not to be viewed."""

Qualified = tuple[ModificationLevel, ReferenceUpdate]


class PageRule(QualifiedWhitelistRule):
    """Annotations come, change and go; everything else of a page stays. `removed` collects fields that lost widgets."""

    def __init__(self, removed: MutableSet[str]) -> None:
        self._removed = removed

    def apply_qualified(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[Qualified]:
        for reference in _overridden(old, new):
            before, after = old(reference), new(reference)
            if isinstance(before, generic.StreamObject):
                continue
            if isinstance(before, generic.ArrayObject):
                yield from self._array(reference, before, after, old, new)
            elif isinstance(before, generic.DictionaryObject):
                if get(before, "/Type") == "/Page":
                    yield from self._page(reference, before, after, old, new)
                elif get(before, "/Subtype") in COMMENTS and "/Rect" in before:
                    yield from _comment_changed(reference, before, after, old, new)

    def _page(
        self,
        reference: Reference,
        before: generic.DictionaryObject,
        after: generic.PdfObject,
        old: HistoricalResolver,
        new: HistoricalResolver,
    ) -> Iterator[Qualified]:
        level = ModificationLevel.LTA_UPDATES
        if not isinstance(after, generic.DictionaryObject) or isinstance(after, generic.StreamObject):
            raise SuspiciousModification("a page is no dictionary any more")
        for fresh in _unchanged(before, after, old, new):
            yield level, ReferenceUpdate(fresh)
        # /Tabs is the order in which fields are reached; /S is what writers of tagged files set with a field.
        if get(before, "/Tabs") != get(after, "/Tabs") and not ("/Tabs" not in before and get(after, "/Tabs") == "/S"):
            level = ModificationLevel.ANNOTATIONS
        if "/StructParents" in before and get(before, "/StructParents") != get(after, "/StructParents"):
            raise SuspiciousModification("/StructParents of a page was changed")
        had, has = get(before, "/Annots"), get(after, "/Annots")
        for change in self._annotations(had, has, old, new):
            level = max(level, change[0])
            yield change
        raw = after.raw_get("/Annots") if "/Annots" in after else None
        if isinstance(raw, generic.IndirectObject) and _is_fresh(old, raw.reference):
            yield level, ReferenceUpdate(raw.reference)
        yield level, ReferenceUpdate(reference)

    def _array(
        self,
        reference: Reference,
        before: generic.ArrayObject,
        after: generic.PdfObject,
        old: HistoricalResolver,
        new: HistoricalResolver,
    ) -> Iterator[Qualified]:
        """/Annots as an object of its own, cleared for its use as that and no other."""
        old._load_reverse_xref_cache()
        paths = [path for path in old._get_usages_of_ref(reference) if _is_annots(path)]
        if not paths:
            return
        changes = list(self._annotations(before, after, old, new))
        yield from changes
        level = max((change[0] for change in changes), default=ModificationLevel.LTA_UPDATES)
        for path in paths:
            yield level, ReferenceUpdate(reference, context_checked=Context.from_absolute(old, path))

    def _annotations(
        self, before: object, after: object, old: HistoricalResolver, new: HistoricalResolver
    ) -> Iterator[Qualified]:
        if _direct(before) != _direct(after):
            raise SuspiciousModification("an annotation that stands in the list itself was changed")
        had, has = _items(before, direct="compared"), _items(after, direct="compared")
        for reference in has.keys() - had.keys():
            yield from _added(reference, old, new)
        for reference in had.keys() - has.keys():
            annotation = old(reference)
            if not isinstance(annotation, generic.DictionaryObject):
                continue
            kind = get(annotation, "/Subtype")
            if kind == "/Widget":
                name, field_type = _field_of(annotation)
                if field_type == "/Sig":
                    raise SuspiciousModification("the widget of a signature field was removed")
                self._removed.add(name)
            elif kind not in COMMENTS:
                raise SuspiciousModification(f"an annotation {kind} was removed")
            yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)


class FieldRule(GenericFieldModificationRule):
    """pyHanko's rule for filling a field; a field may also be reached by other paths than it expects (/CO, several
    structure elements), its widgets may stand apart, and widgets may be taken away (see `PageRule`).

    `removed` collects fields that are not to be seen any more: hiding one shows what lies under it.
    """

    def __init__(self, removed: MutableSet[str]) -> None:
        super().__init__(allow_in_place_appearance_stream_changes=False)  # it fails on buttons; see `_redrawn`
        self._removed = removed

    def compare_fields(self, spec: FieldComparisonSpec) -> bool:
        before, after = spec.old_field, spec.new_field
        if before is None or after is None or _raw(before, "/Kids") == _raw(after, "/Kids"):
            return bool(super().compare_fields(spec))
        kids, kept = _items(get(before, "/Kids")), _items(get(after, "/Kids"))
        if not kept.keys() <= kids.keys():
            raise SuspiciousModification("a field has new kids")
        for reference in kids.keys() - kept.keys():
            if "/T" in kids[reference]:
                raise SuspiciousModification("a field below another was removed")
        compare_dicts(before, after, VALUE_UPDATE_KEYS | {"/Kids"})
        return False

    def check_form_field(
        self, fq_name: str, spec: FieldComparisonSpec, context: FieldComparisonContext
    ) -> Iterable[tuple[ModificationLevel, FormUpdate]]:
        yield from super().check_form_field(fq_name, spec, context)
        if spec.field_type == "/Sig" or not spec.old_field_ref or not spec.new_field_ref:
            return
        if _is_hidden(spec.old_field, spec.new_field):
            self._removed.add(fq_name)
        kids = _raw(spec.new_field, "/Kids")
        if isinstance(kids, generic.IndirectObject):
            yield (
                ModificationLevel.FORM_FILLING,
                FormUpdate(
                    kids.reference,
                    context_checked=RelativeContext(spec.old_field_ref, RawPdfPath("/Kids")),
                    field_name=fq_name,
                    valid_when_locked=True,
                ),
            )
        # Only a value and its appearance differ (`compare_fields`): no use of the object elsewhere can show that.
        locked = self.compare_fields(spec)
        yield ModificationLevel.FORM_FILLING, FormUpdate(spec.new_field_ref, None, fq_name, valid_when_locked=locked)
        if spec.old_field is not None and spec.new_field is not None:
            for update in _redrawn(spec.old_field, spec.new_field, fq_name, context):
                yield ModificationLevel.FORM_FILLING, update
        yield from _widgets_filled(fq_name, spec, context)


class SignatureRule(SigFieldModificationRule):
    """pyHanko's rule for signing a field, and its widgets where they stand apart from it."""

    def check_form_field(
        self, fq_name: str, spec: FieldComparisonSpec, context: FieldComparisonContext
    ) -> Iterable[tuple[ModificationLevel, FormUpdate]]:
        yield from super().check_form_field(fq_name, spec, context)
        before, after = spec.old_field, spec.new_field
        if spec.field_type != "/Sig" or before is None or after is None or "/V" in before or "/V" not in after:
            return
        yield from _widgets_filled(fq_name, spec, context)


def _unchanged(
    before: generic.DictionaryObject,
    after: generic.DictionaryObject,
    old: HistoricalResolver,
    new: HistoricalResolver,
) -> set[Reference]:
    """New objects in which a page says what it said before. Raises SuspiciousModification if it says something else."""
    if before.keys() - _PAGE_FREE != after.keys() - _PAGE_FREE:
        raise SuspiciousModification("entries of a page came or went")
    comparison = Comparison(old, new)
    for key in before.keys() - _PAGE_FREE:
        if comparison.of(before.raw_get(key), after.raw_get(key)) is None:
            raise SuspiciousModification(f"{key} of a page was changed")
    return comparison.fresh


def _widgets_filled(
    name: str, spec: FieldComparisonSpec, context: FieldComparisonContext
) -> Iterator[tuple[ModificationLevel, FormUpdate]]:
    """Widgets that are kids without a name: their appearance follows the value."""
    before, after = spec.old_field, spec.new_field
    if before is None or after is None:
        return
    kids = _items(get(before, "/Kids"))
    for reference, widget in _items(get(after, "/Kids")).items():
        if "/T" in widget or reference not in kids or kids[reference] == widget:
            continue
        compare_dicts(kids[reference], widget, VALUE_UPDATE_KEYS - {"/V"})
        level = ModificationLevel.FORM_FILLING
        yield level, FormUpdate(reference, field_name=name)
        for fresh in _allow_appearance_update(kids[reference], widget, context.old, context.new):
            yield level, FormUpdate(fresh, field_name=name)
        for update in _redrawn(kids[reference], widget, name, context):
            yield level, update


def _is_hidden(before: generic.DictionaryObject | None, after: generic.DictionaryObject | None) -> bool:
    """Whether a widget of the field was to be seen and is not: flags (ISO 32000-1 Table 165), or nothing left to draw."""
    pairs = [(before, after)]
    kids = _items(get(after, "/Kids"))
    pairs += [(one, kids[reference]) for reference, one in _items(get(before, "/Kids")).items() if reference in kids]
    return any(_is_shown(one) and not _is_shown(other) for one, other in pairs)


def _is_shown(widget: generic.DictionaryObject | None) -> bool:
    if widget is None or "/Rect" not in widget:
        return False
    flags = get(widget, "/F")
    return is_annot_visible(widget) and not (isinstance(flags, int) and flags & _UNSEEN)


def _redrawn(
    before: generic.DictionaryObject, after: generic.DictionaryObject, name: str, context: FieldComparisonContext
) -> Iterable[FormUpdate]:
    """Appearance streams that were written again in their place. The states of a button are not of that kind."""
    looks = (get(before, "/AP"), get(after, "/AP"))
    for look in looks:
        if not isinstance(look, generic.DictionaryObject):
            return ()
        if any(not isinstance(look.raw_get(key), generic.IndirectObject) for key in look):
            return ()
    found: Iterable[FormUpdate] = _allow_in_place_appearance_update(
        before, after, context.old, context.new, fq_name=name
    )
    # pyHanko takes a stream for rewritten unless the revision just before wrote it: a locked field would seem changed.
    last_change = context.old.reader.xrefs.get_last_change
    return (update for update in found if last_change(update.updated_ref) > context.old.revision)


def _added(reference: Reference, old: HistoricalResolver, new: HistoricalResolver) -> Iterator[Qualified]:
    annotation = new(reference)
    if not isinstance(annotation, generic.DictionaryObject) or isinstance(annotation, generic.StreamObject):
        raise SuspiciousModification("an annotation is no dictionary")
    if not _is_fresh(old, reference):
        raise SuspiciousModification("an object of the signed document became an annotation")
    if get(annotation, "/Subtype") == "/Widget":
        if reference not in _new_signature_widgets(old, new):
            raise SuspiciousModification("a widget was added that belongs to no new signature field")
        shown = is_annot_visible(annotation)
        yield (
            ModificationLevel.FORM_FILLING if shown else ModificationLevel.LTA_UPDATES,
            ReferenceUpdate(reference),
        )
        return
    _require_comment(annotation)
    yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)
    yield from _own_objects(annotation, old, new)


def _comment_changed(
    reference: Reference,
    before: generic.DictionaryObject,
    after: generic.PdfObject,
    old: HistoricalResolver,
    new: HistoricalResolver,
) -> Iterator[Qualified]:
    compare_dicts(before, after, _COMMENT_KEYS)
    assert isinstance(after, generic.DictionaryObject)
    _require_comment(after)
    yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)
    yield from _own_objects(after, old, new)


def _require_comment(annotation: generic.DictionaryObject) -> None:
    if get(annotation, "/Subtype") not in COMMENTS:
        raise SuspiciousModification(f"an annotation {annotation.get('/Subtype')} is no comment")
    if "/AA" in annotation or "/OC" in annotation:
        raise SuspiciousModification("an annotation acts or hides by itself")
    action = get(annotation, "/A")
    if action is not None and not (
        isinstance(action, generic.DictionaryObject) and get(action, "/S") in _ACTIONS and "/Next" not in action
    ):
        raise SuspiciousModification("an annotation does more than to lead somewhere")


def _own_objects(
    annotation: generic.DictionaryObject, old: HistoricalResolver, new: HistoricalResolver
) -> Iterator[Qualified]:
    """New objects that the annotation brings along: appearance, action, file."""
    for key in annotation.keys() - _BACKWARDS:
        for reference in new.collect_dependencies(annotation.raw_get(key), since_revision=old.revision + 1):
            if _is_fresh(old, reference):
                yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(reference)


def _new_signature_widgets(old: HistoricalResolver, new: HistoricalResolver) -> set[Reference]:
    """Widgets of signature fields that the form has since this revision."""
    form = get(new.root, "/AcroForm")
    todo = [_items(get(form, "/Fields"))] if isinstance(form, generic.DictionaryObject) else []
    found: set[Reference] = set()
    seen = 0
    while todo and seen < _MOST_FIELDS:
        for reference, field in todo.pop().items():
            seen += 1
            if get(field, "/FT") == "/Sig" and _is_fresh(old, reference):
                found |= {reference, *_items(get(field, "/Kids"))}
            elif "/Kids" in field and seen < _MOST_FIELDS:
                todo.append(_items(get(field, "/Kids")))
    return found


def _field_of(widget: generic.DictionaryObject) -> tuple[str, object]:
    """Full name and type of the field that a widget shows."""
    names: list[str] = []
    kind: object = None
    node: object = widget
    for _ in range(50):
        if not isinstance(node, generic.DictionaryObject):
            break
        if "/T" in node:
            names.append(str(node["/T"]))
        kind = kind or get(node, "/FT")
        node = get(node, "/Parent")
    return ".".join(reversed(names)), kind


def _overridden(old: HistoricalResolver, new: HistoricalResolver) -> Iterator[Reference]:
    freed = new.refs_freed_in_revision()
    for reference in new.explicit_refs_in_revision() - freed:
        if not _is_fresh(old, reference):
            yield reference


def _is_fresh(old: HistoricalResolver, reference: Reference) -> bool:
    """Whether the older revision had no object of this number."""
    try:
        return old.reader.xrefs.get_historical_ref(reference, old.revision) is None
    except KeyError:
        return True


def _is_annots(path: RawPdfPath) -> bool:
    parts = path.path
    return len(parts) > 2 and parts[0] == "/Root" and parts[1] == "/Pages" and parts[-1] == "/Annots"


def _direct(array: object) -> list[generic.DictionaryObject]:
    """Annotations that stand in the list itself, as some writers have their links; compared with all that is in them."""
    return [one for one in array if isinstance(one, generic.DictionaryObject)] if isinstance(array, list) else []


def _items(
    array: object, *, direct: Literal["refused", "compared"] = "refused"
) -> dict[Reference, generic.DictionaryObject]:
    """The dictionaries that an array refers to, in order. Raises SuspiciousModification for anything else in it, but
    for `_direct` ones that were compared."""
    if array is None:
        return {}
    if not isinstance(array, generic.ArrayObject):
        raise SuspiciousModification("a list of annotations or fields is no array")
    found = {}
    for item in array:
        if direct == "compared" and isinstance(item, generic.DictionaryObject):
            continue
        value = item.get_object()
        if not isinstance(item, generic.IndirectObject) or not isinstance(value, generic.DictionaryObject):
            raise SuspiciousModification("a list of annotations or fields holds something else")
        found[item.reference] = value
    return found


def _raw(dictionary: generic.DictionaryObject | None, key: str) -> generic.PdfObject | None:
    return None if dictionary is None or key not in dictionary else dictionary.raw_get(key)
