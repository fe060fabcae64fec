"""Changes of trust, policies, rules and keys: proposed, tried, decided by one or two administrators, undone.

    proposed ──▶ applying ──▶ applied ──▶ (undone by another change, which is decided in the same way)
        └──▶ rejected

Whatever such a change does is worked out when it is decided and stored before it is done, so that one which was cut off
is finished by doing it again. What can be changed so stands in `kinds`; the decisions in `deciding`. See README.md.
"""

from api.changes.deciding import Changes
from api.changes.errors import ChangeDecided, ChangeNeedsAnother, ChangeNotAsProposed, ChangeSuperseded
from api.changes.store import Change

__all__ = ["Change", "ChangeDecided", "ChangeNeedsAnother", "ChangeNotAsProposed", "ChangeSuperseded", "Changes"]
