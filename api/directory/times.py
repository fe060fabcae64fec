"""Dates as people write them, as Unix seconds: a date alone is a whole day of the appliance's zone.

A beginning is the first second of its day, an end the first second after its day ("đến hết ngày"). A moment with a time of
day is taken as it is. Day before month, as Vietnamese spreadsheets have it; month first is refused where it shows.

>>> from datetime import timedelta, timezone
>>> zone = timezone(timedelta(hours=7))
>>> shown_start(start_of("1/7/2025", zone), zone), shown_end(end_of("30/06/2025", zone), zone)
('2025-07-01', '2025-06-30')
>>> start_of("2025-07-01", zone) == end_of("30/06/2025", zone)
True
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

ALWAYS = -(2**36)
"""The beginning of what needs none: a person is somebody before any office."""
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: 0?0:00(?::00)?)?")
_LONGEST_DAY = len("2025-07-01")
_YEARS = range(1900, 3000)


def start_of(text: str, zone: tzinfo) -> int:
    """When something begins. Raises ValueError for what is no date."""
    moment, _ = _read(text, zone)
    return int(moment.timestamp())


def end_of(text: str, zone: tzinfo) -> int:
    """The first second after it. Raises ValueError."""
    moment, is_day = _read(text, zone)
    return int((moment + timedelta(days=1) if is_day else moment).timestamp())


def shown_start(second: int, zone: tzinfo) -> str:
    """As `start_of` reads it; empty for what was always."""
    if second == ALWAYS:
        return ""
    moment = datetime.fromtimestamp(second, zone)
    return moment.date().isoformat() if _is_midnight(moment) else moment.isoformat()


def shown_end(second: int | None, zone: tzinfo) -> str:
    """As `end_of` reads it; empty while it is open."""
    if second is None:
        return ""
    moment = datetime.fromtimestamp(second, zone)
    return (moment - timedelta(days=1)).date().isoformat() if _is_midnight(moment) else moment.isoformat()


def _read(text: str, zone: tzinfo) -> tuple[datetime, bool]:
    """The moment, and whether it is a whole day."""
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year = map(int, found.groups())
        moment, is_day = datetime(year, month, day, tzinfo=zone), True
    else:
        moment, is_day = datetime.fromisoformat(text), len(text) <= _LONGEST_DAY and ":" not in text and "T" not in text
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
    if moment.year not in _YEARS:
        raise ValueError("not a year of our time")
    return moment, is_day


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)
