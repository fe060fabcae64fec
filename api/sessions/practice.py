"""Practice sessions: anybody opens one with demo documents, where `[sessions] unsafe_practice` names the caller in whose
name that is done. Production refuses the setting (`api.production`)."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime

from api.errors import NotFound
from api.services import Services
from api.sessions import creating
from api.sessions.creating import digest_of
from api.settings.sessions import SigningSessions
from api.store import callers
from api.store.callers import Caller
from api.uploads import Upload

LASTS = 3600.0
"""Seconds that a practice session lasts."""


def begin(services: Services, *, language: str) -> str:
    """Where its page is. Raises NotFound where there is no practice here."""
    caller = _caller(services)
    chosen = services.settings.sessions
    with ExitStack() as opened:
        uploads = []
        for name in chosen.practice_documents:
            path = services.settings.home / name
            if path.is_file():
                file = opened.enter_context(path.open("rb"))
                uploads.append(Upload(file, path.name, *digest_of(file)))
        if not uploads:
            raise NotFound
        asked = {
            "documents": [_request(one, chosen) for one in uploads],
            "person": chosen.practice_person,
            "expires_at": datetime.fromtimestamp(time.time() + LASTS, UTC).isoformat(),
            "language": language,
        }
        told, _ = creating.create(services, caller, json.dumps(asked).encode(), uploads, idempotency_key=None)
    return f"/sign/{told['id']}#token={told['token']}"


def _request(document: Upload, chosen: SigningSessions) -> dict[str, object]:
    """What is asked for one document: a PDF is signed in the box that practice is for, with the look that is chosen."""
    is_boxed = bool(chosen.practice_field) and document.file.read(5) == b"%PDF-"
    document.file.seek(0)
    if not is_boxed:
        return {"document": document.name}
    look = {"profile": chosen.practice_look} if chosen.practice_look else {}
    return {"document": document.name, "order": {"field": chosen.practice_field, **look}}


def _caller(services: Services) -> Caller:
    name = services.settings.sessions.unsafe_practice
    if not name or services.settings.production:
        raise NotFound
    for one in services.database.read(callers.listed):
        if one.name == name:
            return one
    raise NotFound
