"""Telling of changes: an alarm that comes, one that gets worse, one that is over. In the log, and to the webhook.

1. One process at a time; the others only look.
2. What stands now is compared with the book: what is new, what changed its severity, what is gone.
3. Each change is a line in the log and, where `[alarms] webhook` is set, a message.
4. Messages that were not taken wait in the book and are sent again at the next look, at most `notes.MOST` of them.

A message is signed by Standard Webhooks 1.0 (HMAC-SHA256 over id, time and body): `webhook-id`, `webhook-timestamp`,
`webhook-signature`. Its body: `{"type": "alarm.raised", "timestamp": …, "data": {…}}`, data as `GET /v1/alarms` has it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from api import credentials, telemetry
from api.errors import ApiError
from api.services import Services
from api.watching import notes
from api.watching.alarm import Alarm
from api.watching.notes import Book, Message, Standing
from verify.fetcher import FetchFailed


def tell(services: Services) -> None:
    """Look, and tell what changed. Raises OSError when the book cannot be kept."""
    with notes.alone(services.settings) as alone:  # 1
        if not alone:
            return
        book = notes.book(services.settings)
        now = services.watch.look(services, remembered=0.0)
        changes = list(_changes(book, now))  # 2
        messages = [*book.messages]
        for what, alarm in changes:  # 3
            _log(what, alarm)
            if services.settings.alarms.webhook:
                messages.append(_message(services, what, alarm))
        left = _send(services, messages[-notes.MOST :]) if services.settings.alarms.webhook else ()  # 4
        standing = tuple(
            Standing(one.code, one.subject, one.severity, one.since.timestamp(), dict(one.facts)) for one in now
        )
        if changes or left != book.messages:
            notes.keep(services.settings, Book(standing, left))


def _changes(book: Book, now: tuple[Alarm, ...]) -> Iterator[tuple[str, Alarm]]:
    before = {(one.code, one.subject): one for one in book.alarms}
    for alarm in now:
        known = before.pop(alarm.identity, None)
        if known is None or known.severity != alarm.severity:
            yield "raised", alarm
    for gone in before.values():
        yield "cleared", gone.alarm()


def _log(what: str, alarm: Alarm) -> None:
    say = telemetry.logger().info if what == "cleared" else telemetry.logger().error
    say(
        f"alarm {what}",
        code=alarm.code,
        subject=alarm.subject,
        severity=alarm.severity,
        since=alarm.since.isoformat(timespec="seconds"),
        **{f"fact_{name}": value for name, value in alarm.facts.items()},
    )


def _message(services: Services, what: str, alarm: Alarm) -> Message:
    at = time.time()
    body = {
        "type": f"alarm.{what}",
        "timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
        "data": alarm.as_json(zone=services.settings.zone),
    }
    return Message(f"msg_{secrets.token_hex(12)}", at, json.dumps(body, ensure_ascii=False))


def _send(services: Services, messages: list[Message]) -> tuple[Message, ...]:
    """Those that were not taken; after the first failure the others wait, so that their order stays."""
    chosen = services.settings.alarms
    for number, one in enumerate(messages):
        try:
            secret = credentials.read(
                home=services.settings.home,
                file=chosen.webhook_secret_file,
                credential=chosen.webhook_secret_credential,
            )
            # The time is that of the sending: who takes it refuses old ones, and knows a repetition by its id.
            at = datetime.now(UTC)
            headers = [
                ("Content-Type", "application/json"),
                ("webhook-id", one.id),
                ("webhook-timestamp", str(int(at.timestamp()))),
                ("webhook-signature", Webhook(secret).sign(one.id, at, one.body)),
            ]
            services.post(chosen.webhook, one.body.encode(), headers)
        except (FetchFailed, ApiError, ValueError) as error:
            telemetry.logger().warning(
                "the webhook did not take an alarm", reason=str(error)[:200], waiting=len(messages)
            )
            return tuple(messages[number:])
    return ()
