"""Why a change is not decided or done, by stable code."""

from __future__ import annotations

from api.errors import ApiError


class ChangeNeedsAnother(ApiError):
    """Another administrator has to approve this change than the one who proposed it."""

    code = "change-needs-another"
    actor = "caller"


class ChangeDecided(ApiError):
    """The change was approved, rejected or undone already."""

    code = "change-decided"
    actor = "caller"


class ChangeSuperseded(ApiError):
    """What the change did was changed again since; undo the later change first."""

    code = "change-superseded"
    actor = "caller"


class ChangeUnderWay(ApiError):
    """Another change of the same subject is just being done; ask again in a moment."""

    code = "change-under-way"
    actor = "caller"


class ChangeNotAsProposed(ApiError):
    """The change cannot be done as things stand now."""

    code = "change-not-possible"
    actor = "caller"


class ChangesByTwo(ApiError):
    """Changes of this subject need two administrators here: propose it (`kyso change propose`)."""

    code = "changes-by-two"
    actor = "operator"
