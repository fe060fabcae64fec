"""The administrator's page: one template a room, filled in. No script, nothing from elsewhere, every value escaped.

    fill_in("keys", frame, keys=admin_rooms.keys(services))

What the rooms show is `api.workflows.admin_rooms`'s; how things stand and what to do next, in a sentence, `standing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import jinja2

from api import links, locale
from api.changes.showing import visible
from api.locale import Language
from api.pages.admin.standing import standing
from api.pages.templates import OTHER

CSP = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
SOON = 60
"""Days before the end of a certificate or an API key from which it is shown as ending soon."""


@dataclass(frozen=True)
class Fault:
    """What was refused: beside the `field` of a form, or above everything. `exact` is for technicians."""

    sentence: str
    field: str = ""
    exact: str = ""


@dataclass(frozen=True)
class Frame:
    """What every room has around it. `asked` is what the address or a refused form said."""

    language: Language
    zone: tzinfo
    name: str
    caller: str
    csrf: str
    rooms: tuple[str, ...]
    may_change: bool
    did: str = ""
    fault: Fault | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    two: tuple[str, ...] = ()
    """Subjects whose changes need two administrators."""


def fill_in(room: str, frame: Frame, **facts: Any) -> str:
    """The page of a room."""
    words = locale.words(frame.language)["admin_page"]
    stands = standing(room, frame.caller, facts)

    def to_room(name: str, /, **asked: Any) -> str:
        path = "/admin" if name == "overview" else f"/admin/{name}"
        return f"{links.to(path)}?{urlencode({'lang': frame.language, **asked})}"

    def moment(value: Any) -> str:
        """Seconds, ISO text or a datetime, in the service's zone."""
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, (int, float)):
            value = datetime.fromtimestamp(value, UTC)
        return str(value.astimezone(frame.zone).strftime("%d/%m/%Y %H:%M"))

    here = {"lang": OTHER[frame.language]}
    path = "/admin" if room == "overview" else f"/admin/{facts.get('place', room)}"
    return (
        _environment()
        .get_template(f"{room}.html")
        .render(
            frame=frame,
            room=room,
            words=words,
            w=words.get(room, words["changes"]),
            problems=locale.words(frame.language)["problems"],
            kinds=locale.words(frame.language)["audit_page"],
            verdicts=locale.words(frame.language)["verdicts"],
            fill=locale.fill,
            to=links.to,
            to_room=to_room,
            moment=moment,
            stands=stands,
            soon=SOON,
            elsewhere=f"{links.to(path)}?{urlencode(here)}",
            **{"place": room, **facts},
        )
    )


@cache
def _environment() -> jinja2.Environment:
    folder = files(__package__)
    templates = {one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".html")}
    made = jinja2.Environment(
        loader=jinja2.DictLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["visible"] = lambda text: visible(str(text))
    made.filters["visible_lines"] = lambda text: "\n".join(visible(line) for line in str(text).splitlines())
    return made
