"""KYSO_HOME for commands that need neither a key nor a document worker: the same services, nothing started for them.

with home.services(settings.load()) as found: ...
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.settings import Settings

if TYPE_CHECKING:
    from api.services import Services


@contextmanager
def services(settings: Settings) -> Iterator[Services]:
    """What stands on the database and the store; beside a running service too."""
    from api.composition import compose  # noqa: PLC0415 - help is shown without it

    found = compose(settings)
    try:
        yield found
    finally:
        found.documents.sandbox.close()
        found.database.close()


def user() -> str:
    """Who does it, for the ledger: whoever may read KYSO_HOME is somebody of this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's number without a name (OSError as of Python 3.13)
        return f"cli:{os.getuid()}"
