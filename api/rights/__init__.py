"""Who may do what with which keys, beyond the role: rules on the use of keys, and what of an organisation is seen.

The doors are `Rights` (what an order would be refused for, and the counting of those that are not) and `Scopes` (which
keys, signatures, ledger lines and people a caller's organisation reaches). Roles are in `api.auth`. See README.md.
"""

from api.rights.errors import RightRefused
from api.rights.gate import Grant, Rights
from api.rights.rule import Rule, Use
from api.rights.scope import Scopes

__all__ = ["Grant", "RightRefused", "Rights", "Rule", "Scopes", "Use"]
