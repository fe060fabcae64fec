"""What holds across the lines of an import, once all of them are known.

1. Organisations: no circle above anybody; whoever was merged has an end, and its successor exists from that moment on.
2. What hangs on an organisation or a person ends with it: posts, roles and delegations end with their organisation, all of
   them, subjects and a person's keys with the person. Authority does not pass to a successor by itself: who holds an office
   in the new body is said by a line of its own. Keys of the organisation stay on record, in its successor's care.
3. What begins where its organisation or person is not (yet, or any more) in force is refused.
4. A certificate has one holder; a delegation that must end has an end, and nobody gives it to themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from api.directory import records, rules
from api.directory.faults import Bad
from api.directory.model import Form
from api.directory.records import RecordKind
from api.directory.timeline import Stretch, Timeline

if TYPE_CHECKING:
    from api.directory.planning import Planner

HANGING: tuple[tuple[RecordKind, tuple[str, ...], tuple[str, ...]], ...] = (
    (records.POSTS, ("organisation",), ("person",)),
    (records.ROLES, ("organisation",), ("person",)),
    (records.DELEGATIONS, ("organisation",), ("giver", "receiver")),
    (records.KEYS, (), ("person",)),
    (records.SUBJECTS, (), ("person",)),
)
"""Kinds, and their columns that name an organisation or a person with which they end."""
DEEPEST = 64


def settle(planner: Planner) -> None:
    """Look at everything that the import changes; end what ends with it; faults go to the planner."""
    organisations, people = (_by_id(planner, kind) for kind in (records.ORGANISATIONS, records.PEOPLE))
    _tree(planner, organisations)
    moved = _moved(organisations) | _moved(people)
    for kind, of_organisation, of_person in HANGING:
        if not moved and kind.name not in planner.state:
            continue
        at = [(kind.columns.index(name), organisations) for name in of_organisation]
        at += [(kind.columns.index(name), people) for name in of_person]
        for line in planner.timelines(kind).values():
            for stretch in line.periods:
                if stretch.is_changed or any(stretch.values[index] in moved for index, _ in at):
                    for index, owners in at:
                        if (owner := stretch.values[index]) is not None:
                            _within(planner, kind, stretch, owners[owner], column=kind.columns[index])
    _certificates(planner)
    _delegations(planner)


def _by_id(planner: Planner, kind: RecordKind) -> dict[str, Timeline]:
    if not any(
        one.name in planner.state for one in (records.ORGANISATIONS, records.PEOPLE, *(one for one, *_ in HANGING))
    ):
        return {}
    return {str(line.periods[0].id): line for line in planner.timelines(kind).values()}


def _changed(planner: Planner, kind: RecordKind) -> Iterator[Stretch]:
    for line in planner.state.get(kind.name, {}).values():
        yield from (one for one in line.periods if one.is_changed)


def _moved(lines: dict[str, Timeline]) -> set[str]:
    """Those of which a beginning or an end is another than on record."""
    return {
        identity
        for identity, line in lines.items()
        if any(one.was is not None and one.was[:2] != (one.start, one.end) for one in line.periods)
    }


# --- 1 -----------------------------------------------------------------------------------------------------------------


def _tree(planner: Planner, organisations: dict[str, Timeline]) -> None:
    columns = records.ORGANISATIONS.columns
    parent, merged, code = (columns.index(name) for name in ("parent", "merged_into", "code"))
    for stretch in _changed(planner, records.ORGANISATIONS):
        if stretch.values[parent] is not None and _circles(organisations, stretch, parent):
            planner.fault(stretch, Bad("parent-circle", organisation=stretch.values[code] or ""))
        into = stretch.values[merged]
        if into is None:
            continue
        if stretch.end is None:
            planner.fault(stretch, Bad("merged-without-end"))
        elif into == stretch.id:
            planner.fault(stretch, Bad("merged-into-itself"))
        elif not any(one.holds(stretch.end) for one in organisations[into].periods):
            planner.fault(stretch, Bad("successor-not-in-force"))


def _circles(organisations: dict[str, Timeline], stretch: Stretch, parent: int) -> bool:
    """Whether the way up from here leads back, at the time when the period begins."""
    above, steps = stretch.values[parent], 0
    while above is not None:
        steps += 1
        if above == stretch.id or steps > DEEPEST:
            return True
        begun = [one for one in organisations[above].periods if one.start <= stretch.start] or organisations[
            above
        ].periods
        above = begun[-1].values[parent]
    return False


# --- 2 and 3 -----------------------------------------------------------------------------------------------------------


def _within(planner: Planner, kind: RecordKind, stretch: Stretch, owner: Timeline, *, column: str) -> None:
    """Let a period end with the one that it hangs on; those of a line that begins outside are faults."""
    holding = next((one for one in owner.periods if one.holds(stretch.start)), None)
    if holding is None:
        code = "person-not-in-force" if column in ("person", "giver", "receiver") else "organisation-not-in-force"
        if stretch.where is None:  # the thing was on record before, and what it hangs on is moved
            stretch = next((one for one in owner.periods if one.where is not None), stretch)
        planner.fault(stretch, Bad(code, column=column, what=kind.name))
        return
    end = _unbroken(owner, holding)
    if end is not None and (stretch.end is None or stretch.end > end):
        if stretch.where is None or stretch.was is not None:
            planner.count(kind, "ended")
        stretch.end = end


def _unbroken(owner: Timeline, holding: Stretch) -> int | None:
    """When the thing ends: periods that follow one another without a gap are one life."""
    end = holding.end
    for one in owner.periods:
        if end is not None and one.start == end:
            end = one.end
    return end


# --- 4 -----------------------------------------------------------------------------------------------------------------


def _certificates(planner: Planner) -> None:
    columns = records.CERTIFICATES.columns
    person, organisation = columns.index("person"), columns.index("organisation")
    for stretch in _changed(planner, records.CERTIFICATES):
        if (stretch.values[person] is None) == (stretch.values[organisation] is None):
            planner.fault(stretch, Bad("certificate-of-one"))


def _delegations(planner: Planner) -> None:
    columns = records.DELEGATIONS.columns
    form, giver, receiver = (columns.index(name) for name in ("form", "giver", "receiver"))
    for stretch in _changed(planner, records.DELEGATIONS):
        if stretch.values[giver] == stretch.values[receiver]:
            planner.fault(stretch, Bad("delegation-to-oneself"))
        name: Form | None = rules.form(stretch.values[form] or "")
        if name is not None and rules.form_rule(name).ends and stretch.end is None:
            planner.fault(stretch, Bad("delegation-without-end", form=name))
