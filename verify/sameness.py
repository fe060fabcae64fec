"""Whether two values of two revisions say the same, however their parts are stored.

Programs that save a file again turn direct objects into indirect ones and back. That changes object numbers and nothing
else. References to the same number count as the same: what became of that object is judged by itself.

    fresh = Comparison(old, new).of(before, after)      # new objects that the answer rests on, None if they differ
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver

_DEPTH = 40
_STEPS = 20_000


@dataclass
class Comparison:
    """One comparison; bounded, and what is too deep or too large is not the same."""

    old: HistoricalResolver
    new: HistoricalResolver
    fresh: set[Reference] = field(default_factory=set)
    steps: int = 0

    def of(self, before: generic.PdfObject, after: generic.PdfObject) -> set[Reference] | None:
        """Raw values, of which `before` is read in the old revision and `after` in the new one."""
        return self.fresh if self._same(before, after, 0) else None

    def _same(self, before: generic.PdfObject, after: generic.PdfObject, depth: int) -> bool:
        self.steps += 1
        if depth > _DEPTH or self.steps > _STEPS:
            return False
        if _number(before) is not None and _number(before) == _number(after):
            return True
        if isinstance(after, generic.IndirectObject):
            if not self._is_usable(after.reference):
                return False
            after = self.new(after.reference)
        if isinstance(before, generic.IndirectObject):
            before = self.old(before.reference)
        return type(before) is type(after) and self._same_content(before, after, depth + 1)

    def _is_usable(self, reference: Reference) -> bool:
        """A new object, noted as such, or an old one that still is what it was."""
        xrefs = self.new.reader.xrefs
        if xrefs.get_introducing_revision(reference) > self.old.revision:
            self.fresh.add(reference)
            return True
        return bool(xrefs.get_last_change(reference) <= self.old.revision)

    def _same_content(self, before: generic.PdfObject, after: generic.PdfObject, depth: int) -> bool:
        if isinstance(before, generic.ArrayObject) and isinstance(after, generic.ArrayObject):
            return len(before) == len(after) and all(
                self._same(before.raw_get(at), after.raw_get(at), depth) for at in range(len(before))
            )
        if isinstance(before, generic.DictionaryObject) and isinstance(after, generic.DictionaryObject):
            if _octets(before) != _octets(after):
                return False
            return before.keys() == after.keys() and all(
                self._same(before.raw_get(key), after.raw_get(key), depth) for key in before
            )
        return bool(before == after)


def _octets(value: generic.DictionaryObject) -> bytes | None:
    return value.encoded_data if isinstance(value, generic.StreamObject) else None


def _number(value: generic.PdfObject) -> tuple[int, int] | None:
    return (value.idnum, value.generation) if isinstance(value, generic.IndirectObject) else None
