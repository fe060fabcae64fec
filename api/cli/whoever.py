"""Who gives a command on this machine: whoever may read KYSO_HOME, so the file system has said yes to everything.

>>> user().id.startswith("cli:"), user().may_use("seal")
(True, True)
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api import auth
from api.cli import home
from api.cli.console import t
from api.errors import NotAuthenticated
from api.store import callers
from api.store.callers import Caller, CallerId
from api.store.database import Database

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        envvar="KYSO_API_KEY_FILE",
        help=t("tệp chứa khóa API của quản trị viên", "file with an administrator's API key"),
    ),
]


def user() -> Caller:
    """An administrator under this machine's user name, for the ledger and for rules (`caller:cli:root`)."""
    name = home.user()
    return Caller(CallerId(name), name, "administrator", ("*",))


def named(database: Database, file: Path | None) -> Caller | None:
    """Whose API key the file holds: on the machine, too, a change that takes two has names behind it; None without a file.

    Raises NotAuthenticated, NotPermitted where it is no administrator's."""
    if file is None:
        return None
    found = database.read(callers.find, file.read_text("utf-8").strip())
    if found is None:
        raise NotAuthenticated
    auth.require(found, "administer")
    return found
