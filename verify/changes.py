"""What happened to a PDF after a signature: `changes` of the report.

Built on pyHanko's difference analysis of one revision against the next; on top of it stand the cases it misses or
cannot finish: bytes that belong to no revision, a signature dictionary replaced later, exceptions inside the analysis,
and the cost. Each step between two revisions is analysed once and serves all signatures before it, so that the cost is
linear in revisions. What is permitted by its objects must then be so to the eye (`verify.visual`).

    with History(reader, layout=layout, file=file, limits=limits, names=((end, "Signature1"),)) as history:
        changes = history.since(revision, end=end, permission=permission, locked=spec, replaced=False)
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import BinaryIO, Self

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel, SuspiciousModification
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm

from verify import change_rules, object_streams
from verify.document import Limits
from verify.errors import DocumentTooComplex
from verify.pdf import UNEXPECTED
from verify.pdf_views import View
from verify.pictures import NotDrawn, Pictures
from verify.report import Changes
from verify.revisions import Layout
from verify.touched import Touched, touched
from verify.visual import Seen, Sight

logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # findings go into the report, not into a log

_NAMES = {
    ModificationLevel.LTA_UPDATES: "evidence-or-timestamp-added",
    ModificationLevel.FORM_FILLING: "form-filled-or-signed",
    ModificationLevel.ANNOTATIONS: "annotated",
    ModificationLevel.OTHER: "changed",
}

_SET = re.compile(r"\{([^{}]*)\}")
_DRAWN_IF_FORBIDDEN = 10
"""Pages that are drawn for the report's sake when the verdict on changes is known."""


@dataclass(frozen=True)
class _Step:
    """What one revision did to the one before it."""

    kind: str  # "allowed", "suspicious" or "forbidden"
    level: ModificationLevel
    fields: frozenset[str]
    detail: str
    hidden: frozenset[str] = frozenset()
    """Fields that lost widgets."""


class _Metered(View):
    """A view of one revision that stops when following references costs too much."""

    def __init__(self, reader: PdfFileReader, revision: int, budget: _Budget) -> None:
        super().__init__(reader, revision)
        self._budget = budget

    def __call__(self, ref: Reference) -> object:
        self._budget.spend()
        return super().__call__(ref)

    def _collect_indirect_references(
        self, obj: object, seen: set[Reference], since_revision: int | None = None
    ) -> None:
        """A reference to an object that no revision has is null, and leads nowhere; pyHanko fails over it."""
        if isinstance(obj, generic.IndirectObject):
            try:
                self.reader.xrefs.get_introducing_revision(obj.reference)
            except KeyError:
                return
        super()._collect_indirect_references(obj, seen, since_revision)  # type: ignore[no-untyped-call]  # pyHanko's


class _Budget:
    def __init__(self, *, steps: int, seconds: float) -> None:
        self._steps = steps
        self._until = time.process_time() + seconds

    def spend(self) -> None:
        self._steps -= 1
        if self._steps < 0 or (self._steps % 256 == 0 and time.process_time() > self._until):
            raise DocumentTooComplex(reason="comparison")


class History:
    """The revisions of one document and what each did. Answers are kept, so one instance serves all signatures.

    `names`: where the bytes of each signature end, and its id.
    """

    def __init__(
        self,
        reader: PdfFileReader,
        *,
        layout: Layout,
        file: BinaryIO,
        limits: Limits,
        names: tuple[tuple[int, str], ...] = (),
        password: str | None = None,
    ) -> None:
        self._reader = reader
        self._layout = layout
        self._file = file
        self._budget = _Budget(steps=limits.comparisons, seconds=limits.seconds)
        self._views: dict[int, _Metered] = {}
        self._steps: dict[tuple[int, bool], _Step] = {}
        self._touched: dict[int, Touched] = {}
        self._pictures = Pictures(file, password=password, seconds=limits.drawing)
        ends = tuple(one.marker_end for one in layout.revisions)
        signed = ((layout.signed_by(end=end), name) for end, name in names)
        self._sight = Sight(
            self._pictures,
            ends=ends,
            view=self._view,
            names=tuple((revision, name) for revision, name in signed if revision is not None),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pictures.close()

    def since(
        self,
        revision: int | None,
        *,
        end: int,
        permission: MDPPerm | None,
        locked: FieldMDPSpec | None,
        replaced: bool,
    ) -> Changes:
        """What later revisions did to the bytes [0, end), which hold `revision` in full.

        `permission` and `locked` are what the signature's DocMDP and FieldMDP ask for (ISO 32000-1 §12.8.2);
        `replaced` says that its dictionary was written again afterwards.
        """
        # 1. The signature covers a whole number of revisions.
        if revision is None or self._layout.cut_by(end=end):
            return Changes(modified=True, kind="forbidden", details=("revision-not-covered",))
        # 2. What follows belongs to revisions.
        stray = self._layout.unaccounted(self._file, end=end)
        if stray is not None:
            return Changes(modified=True, kind="forbidden", details=(stray,))
        if replaced:
            return Changes(modified=True, kind="forbidden", details=("signature-dictionary-replaced",))
        later = range(revision + 1, len(self._layout.revisions))
        if not later:
            return Changes()
        # 3. Each of them does only what is permitted,
        changes = self._judge(later, permission=permission, locked=locked)
        # 4. also to the eye.
        return self._seen(changes, revision, later)

    def _judge(self, later: range, *, permission: MDPPerm | None, locked: FieldMDPSpec | None) -> Changes:
        details: list[str] = []
        suspicious = False
        for number in later:
            step = self._step(number, certified=permission is not None and permission < MDPPerm.ANNOTATE)
            details.append(f"revision {number}: {step.detail}")
            if step.kind == "forbidden" or _exceeds(step.level, permission):
                return Changes(modified=True, kind="forbidden", details=tuple(details))
            if step.hidden and permission != MDPPerm.ANNOTATE:
                details.append(f"revision {number}: field-hidden {min(step.hidden)}")
                return Changes(modified=True, kind="forbidden", details=tuple(details))
            touched = sorted(
                name for name in step.fields | step.hidden if locked is not None and locked.is_locked(name)
            )
            if touched:
                details.append(f"revision {number}: locked-field-changed {touched[0]}")
                return Changes(modified=True, kind="forbidden", details=tuple(details))
            suspicious = suspicious or step.kind == "suspicious"
        return Changes(modified=False, kind="suspicious" if suspicious else "allowed", details=tuple(details))

    def _seen(self, changes: Changes, signed: int, later: range) -> Changes:
        """Adds the places, and what only a look at the pages tells."""
        seen = self._look(signed, later, most=_DRAWN_IF_FORBIDDEN if changes.modified else None)
        changes = replace(changes, places=tuple(seen.places))
        if changes.modified:
            return changes
        if seen.differs is not None:
            details = (*changes.details, f"page-differs {seen.differs}")
            return replace(changes, modified=True, kind="forbidden", details=details)
        if seen.covered is not None:
            return replace(changes, kind="suspicious", details=(*changes.details, f"content-covered {seen.covered}"))
        if seen.not_drawn is not None:
            return replace(changes, kind="suspicious", details=(*changes.details, f"not-drawn {seen.not_drawn}"))
        return changes

    def _look(self, signed: int, later: range, *, most: int | None) -> Seen:
        strict, self._reader.strict = self._reader.strict, False
        try:
            steps = {number: self._touches(number) for number in later}
            if not any(step.everything or step.pages for step in steps.values()):
                return Seen()
            return self._sight.compare(signed, later[-1], steps=steps, most=most)
        except NotDrawn as error:
            return Seen(not_drawn=str(error))
        except (DocumentTooComplex, RecursionError, MemoryError, *UNEXPECTED) as error:
            return Seen(not_drawn=type(error).__name__)
        finally:
            self._reader.strict = strict

    def _touches(self, number: int) -> Touched:
        if number not in self._touched:
            try:
                self._touched[number] = touched(self._view(number - 1), self._view(number))
            except (DocumentTooComplex, RecursionError, MemoryError, *UNEXPECTED):
                self._touched[number] = Touched(everything=True)
        return self._touched[number]

    def _step(self, number: int, *, certified: bool) -> _Step:
        key = (number, certified)
        if key not in self._steps:
            self._steps[key] = self._analyse(number, certified=certified)
        return self._steps[key]

    def _analyse(self, number: int, *, certified: bool) -> _Step:
        """Compared as lenient readers read: a reference to nothing is null (ISO 32000-1 §7.3.10), and no error."""
        strict, self._reader.strict = self._reader.strict, False
        try:
            return self._compare(number, certified=certified)
        finally:
            self._reader.strict = strict

    def _compare(self, number: int, *, certified: bool) -> _Step:
        hidden: set[str] = set()
        old, new = self._view(number - 1), self._view(number)
        try:
            object_streams.refuse_rewritten(old, new)
            result = change_rules.policy(hidden).apply(
                old=old,
                new=new,
                doc_mdp=MDPPerm.FILL_FORMS if certified else None,  # levels are compared here, not there
            )
            change_rules.refuse_dangling(old, new)
        except SuspiciousModification as error:
            return _Step("forbidden", ModificationLevel.OTHER, frozenset(), f"undefined-change {_first_line(error)}")
        except (DocumentTooComplex, RecursionError, MemoryError) as error:
            return _Step("suspicious", ModificationLevel.NONE, frozenset(), f"not-compared {type(error).__name__}")
        except UNEXPECTED as error:
            if self._has_unreadable_objects(number):
                return _Step("forbidden", ModificationLevel.OTHER, frozenset(), "unreadable-object")
            return _Step("suspicious", ModificationLevel.NONE, frozenset(), f"not-compared {type(error).__name__}")
        level = result.modification_level
        return _Step(
            "allowed",
            level,
            frozenset(result.changed_form_fields),
            _NAMES.get(level, "no-visible-change"),
            frozenset(hidden),
        )

    def _has_unreadable_objects(self, number: int) -> bool:
        """Whether a revision names objects that are not where it says: readers would each show something else."""
        view = self._view(number)
        freed: set[Reference] = view.refs_freed_in_revision()  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
        try:
            named: set[Reference] = view.explicit_refs_in_revision()  # type: ignore[no-untyped-call]  # likewise
            for reference in named - freed:
                view(reference)
        except UNEXPECTED:
            return True
        return False

    def _view(self, number: int) -> _Metered:
        if number not in self._views:
            self._views[number] = _Metered(self._reader, number, self._budget)
        return self._views[number]


def _exceeds(level: ModificationLevel, permission: MDPPerm | None) -> bool:
    """DocMDP 1 allows evidence and timestamps, 2 also forms and signatures, 3 also annotations (§12.8.2.2)."""
    if level == ModificationLevel.OTHER:
        return True
    return permission is not None and level.value > permission.value


def _first_line(error: Exception) -> str:
    """Sets in it are sorted: the same document gets the same report in every process."""
    line = str(error).split("\n", 1)[0]
    return _SET.sub(lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", line)[:200]
