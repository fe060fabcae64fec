"""Small secrets of the api: a webhook's, a proxy's. From a file that only this user reads, or a systemd credential.

PINs are no business of this process (`hsm.lifecycle`), storage keys have a file of their own (`api.store.encryption`).
"""

from __future__ import annotations

import os
from pathlib import Path

from api.settings import SettingsUnusable

LARGEST = 4096


def read(*, home: Path, file: Path | None, credential: str | None) -> str:
    """The secret without white space around it. Raises SettingsUnusable, which names the place and never the content."""
    if credential is not None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise SettingsUnusable(f"credential {credential}: this process was given none (systemd LoadCredential=)")
        path = Path(folder) / credential
    else:
        path = home / (file or "")
    try:
        with path.open("rb") as opened:
            if credential is None and os.fstat(opened.fileno()).st_mode & 0o077:
                raise SettingsUnusable(f"{path}: others can read it; chmod 600")
            text = opened.read(LARGEST).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsUnusable(f"{path}: {type(error).__name__}") from None
    if not text:
        raise SettingsUnusable(f"{path}: empty")
    return text
