"""Who gives a command on this machine: whoever may read KYSO_HOME, so the file system has said yes to everything.

>>> user().id.startswith("cli:"), user().may_use("seal")
(True, True)
"""

from __future__ import annotations

from api.cli import home
from api.store.callers import Caller, CallerId


def user() -> Caller:
    """An administrator under this machine's user name, for the ledger and for rules (`caller:cli:root`)."""
    name = home.user()
    return Caller(CallerId(name), name, "administrator", ("*",))
