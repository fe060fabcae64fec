"""What later revisions may do beyond pyHanko's own rules, because it cannot change what a reader sees.

Each rule names references and the paths by which the older revision reached them; a reference that is reached by
another path as well stays unexplained, and with that forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import ModificationLevel, StandardDiffPolicy, SuspiciousModification
from pyhanko.sign.diff_analysis.constants import ACROFORM_EXEMPT_STRICT_COMPARISON
from pyhanko.sign.diff_analysis.form_rules_api import FormUpdatingRule
from pyhanko.sign.diff_analysis.rules.file_structure_rules import (
    CatalogModificationRule,
    ObjectStreamRule,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.rules.form_field_rules import SigFieldCreationRule
from pyhanko.sign.diff_analysis.rules.metadata_rules import DocInfoRule, MetadataUpdateRule
from pyhanko.sign.diff_analysis.rules_api import Context, ReferenceUpdate, WhitelistRule

from verify.annotation_rules import FieldRule, PageRule, SignatureRule
from verify.pdf import get
from verify.sameness import Comparison
from verify.structure_rules import StructureRule

_STORE_DEPTH = 6
"""/DSS → /VRI → entry → array → stream → its dictionary."""

_TRAILER_KEYS = frozenset({"/Root", "/Info", "/ID", "/Encrypt", "/Size", "/Prev", "/XRefStm"})


class EvidenceRule(WhitelistRule):
    """Anything may happen inside /DSS: evidence proves itself, and no reader shows it (EN 319 142-1 §5.4.2).

    pyHanko's own rule forbids what writers in the field do, such as writing a /VRI entry again.
    """

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        for view in (old, new):
            if "/DSS" not in view.root:
                continue
            for reference, path in _references(view.root.raw_get("/DSS"), ("/Root", "/DSS"), depth=_STORE_DEPTH):
                yield ReferenceUpdate(reference, context_checked=Context.from_absolute(old, RawPdfPath(*path)))


class UnusedObjectRule(WhitelistRule):
    """An object may be freed when nothing in the new revision refers to it: it is gone for every reader."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:  # noqa: ARG002
        freed = new.refs_freed_in_revision()
        if not freed:
            return
        new._load_reverse_xref_cache()
        for reference in freed:
            if not new._get_usages_of_ref(reference):
                yield ReferenceUpdate(reference)


class SameContentRule(WhitelistRule):
    """An object may be written again with the same content, its parts stored otherwise (`verify.sameness`)."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        for reference in new.explicit_refs_in_revision() - new.refs_freed_in_revision():
            if new.reader.xrefs.get_introducing_revision(reference) > old.revision:
                continue
            fresh = Comparison(old, new).of(old(reference), new(reference))
            if fresh is not None:
                yield ReferenceUpdate(reference)
                yield from map(ReferenceUpdate, fresh)


class PrivateTrailerRule(WhitelistRule):
    """What hangs on entries of the trailer that ISO 32000-1 §7.5.5 does not know is shown by no reader.

    LibreOffice's hybrid files refer from there to objects that do not exist, and writers of later revisions hand out
    the same numbers again.
    """

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        for view in (old, new):
            for key in set(view.trailer_view) - _TRAILER_KEYS:
                for reference, path in _references(view.trailer_view.raw_get(key), (key,), depth=_STORE_DEPTH):
                    yield ReferenceUpdate(reference, context_checked=Context.from_absolute(old, RawPdfPath(*path)))


class MetadataRule(MetadataUpdateRule):
    """Metadata may be written again as XMP; no page shows it. pyHanko's own check of that imports an XML parser when it
    is asked, which a locked-down worker cannot, and a parser is more than is needed here."""

    def __init__(self) -> None:
        super().__init__(check_xml_syntax=False)  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        for view in (old, new):
            metadata = get(view.root, "/Metadata")
            if metadata is not None and not _is_xmp(metadata):
                raise SuspiciousModification("/Metadata is no XMP")
        yield from super().apply(old, new)


def _is_xmp(value: object) -> bool:
    if not isinstance(value, generic.StreamObject):
        return False
    text = value.read_data(DecodePurpose.XMP_METADATA).replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n")
    return text.startswith(b"<") and b"adobe:ns:meta/" in text


def _references(
    raw: generic.PdfObject, path: tuple[str | int, ...], *, depth: int
) -> Iterator[tuple[generic.Reference, tuple[str | int, ...]]]:
    if isinstance(raw, generic.IndirectObject):
        yield raw.reference, path
        raw = raw.get_object()
    if depth == 0:
        return
    if isinstance(raw, generic.DictionaryObject):
        for key in raw:
            yield from _references(raw.raw_get(key), (*path, key), depth=depth - 1)
    elif isinstance(raw, generic.ArrayObject):
        for index, item in enumerate(list(raw)):
            yield from _references(item, (*path, index), depth=depth - 1)


def policy(removed: MutableSet[str]) -> StandardDiffPolicy:
    """pyHanko's rules with ours in the places where its own are narrower than the standards.

    `removed` collects the names of fields that a revision took from sight.
    """
    return StandardDiffPolicy(
        global_rules=[
            CatalogModificationRule(),
            DocInfoRule().as_qualified(ModificationLevel.LTA_UPDATES),
            XrefStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
            ObjectStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
            EvidenceRule().as_qualified(ModificationLevel.LTA_UPDATES),
            UnusedObjectRule().as_qualified(ModificationLevel.LTA_UPDATES),
            PrivateTrailerRule().as_qualified(ModificationLevel.LTA_UPDATES),
            SameContentRule().as_qualified(ModificationLevel.LTA_UPDATES),
            MetadataRule().as_qualified(ModificationLevel.LTA_UPDATES),
            PageRule(removed),
            StructureRule(),
        ],
        form_rule=FormUpdatingRule(
            # The widgets of new fields are PageRule's, which knows the other annotations of a page as well.
            field_rules=[SigFieldCreationRule(approve_widget_bindings=False), SignatureRule(), FieldRule(removed)],
            # /SigFlags tells programs how to save (ISO 32000-1 Table 219); no reader shows it.
            ignored_acroform_keys=ACROFORM_EXEMPT_STRICT_COMPARISON | {"/SigFlags"},
        ),
        reject_object_freeing=False,
    )


def refuse_dangling(old: HistoricalResolver, new: HistoricalResolver) -> None:
    """Raises SuspiciousModification for an object that the older revision refers to without having it, supplied now.

    Signed content would so show what was not there; that the object is also the appearance of a new field, say, does
    not excuse it.
    """
    old._load_reverse_xref_cache()
    for reference in new.explicit_refs_in_revision() - new.refs_freed_in_revision():
        if old.reader.xrefs.get_introducing_revision(reference) <= old.revision:
            continue
        if any(path.path[:1] == ("/Root",) and "/DSS" not in path.path for path in old._get_usages_of_ref(reference)):
            raise SuspiciousModification(f"object {reference.idnum} was referred to before it was there")
