"""What later revisions may do beyond pyHanko's own rules, because it cannot change what a reader sees.

Each rule names references and the paths by which the older revision reached them; a reference that is reached by
another path as well stays unexplained, and with that forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, RawPdfPath
from pyhanko.sign.diff_analysis import ModificationLevel, StandardDiffPolicy
from pyhanko.sign.diff_analysis.form_rules_api import FormUpdatingRule
from pyhanko.sign.diff_analysis.rules.file_structure_rules import (
    CatalogModificationRule,
    ObjectStreamRule,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.rules.form_field_rules import (
    GenericFieldModificationRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
)
from pyhanko.sign.diff_analysis.rules.metadata_rules import DocInfoRule, MetadataUpdateRule
from pyhanko.sign.diff_analysis.rules_api import Context, ReferenceUpdate, WhitelistRule

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


POLICY = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),
        DocInfoRule().as_qualified(ModificationLevel.LTA_UPDATES),
        XrefStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        ObjectStreamRule().as_qualified(ModificationLevel.LTA_UPDATES),
        EvidenceRule().as_qualified(ModificationLevel.LTA_UPDATES),
        UnusedObjectRule().as_qualified(ModificationLevel.LTA_UPDATES),
        PrivateTrailerRule().as_qualified(ModificationLevel.LTA_UPDATES),
        MetadataUpdateRule().as_qualified(ModificationLevel.LTA_UPDATES),
    ],
    form_rule=FormUpdatingRule(
        field_rules=[SigFieldCreationRule(), SigFieldModificationRule(), GenericFieldModificationRule()]
    ),
    reject_object_freeing=False,
)
"""pyHanko's rules with ours in the places where its own are narrower than the standards."""
