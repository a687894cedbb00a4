"""When a schedule is due: EventBridge's `rate`, `cron` and `at` expressions. Pure.

Source: EventBridge's pages on schedule types. Cron has six fields: minutes, hours, day of month, month, day of week
(1 is Sunday) and year; of the two fields for days one is `?`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_UNIT: Final[Mapping[str, int]] = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
LAST_YEAR: Final = 2199
HORIZON: Final = 366 * 29
"""Days that are looked ahead: the longest from one 29 February on a weekday to the next."""


class ScheduleError(Exception):
    """No schedule. The message says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`after(moment)`: the first time, in epoch seconds, later than `moment`; None: never again."""

    after: Callable[[float], float | None]
    once: bool = False


def parse(expression: str, zone: str = "UTC", begin: float = 0.0) -> Schedule:
    """`begin`: when a rate begins to count, in epoch seconds. Raises ScheduleError."""
    try:
        # A machine without a time zone database knows UTC.
        place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ScheduleError(f"unknown time zone {zone}") from None
    if found := _RATE.fullmatch(expression):
        period = int(found[1]) * _UNIT[found[2]]
        if not period:
            raise ScheduleError("a rate is at least 1")
        return Schedule(lambda moment: begin + period * max(1.0, (moment - begin) // period + 1))
    if found := _AT.fullmatch(expression):
        try:
            moment = datetime.fromisoformat(found[1]).replace(tzinfo=place).timestamp()
        except ValueError as error:
            raise ScheduleError(str(error)) from None
        return Schedule(lambda asked: moment if asked < moment else None, once=True)
    if found := _CRON.fullmatch(expression):
        return Schedule(_Cron(found.groups(), place).after)
    raise ScheduleError(f"{expression} is no rate, cron or at expression")


class _Cron:
    def __init__(self, fields: Sequence[str], zone: tzinfo) -> None:
        minute, hour, day, month, weekday, year = fields
        if (day == "?") == (weekday == "?"):
            raise ScheduleError("one of day of month and day of week must be ?")
        self._minutes = sorted(_field(minute, 0, 59))
        self._hours = sorted(_field(hour, 0, 23))
        self._months = _field(month, 1, 12, _MONTHS)
        self._years = _field(year, 1970, LAST_YEAR)
        self._falls = _monthday(day) if weekday == "?" else _weekday(weekday)
        self._zone = zone

    def after(self, moment: float) -> float | None:
        start = datetime.fromtimestamp(moment, self._zone)
        day = start.date()
        for _ in range(HORIZON):
            if day.year > LAST_YEAR:
                return None
            if day.year in self._years and day.month in self._months and self._falls(day):
                for hour in self._hours:
                    for minute in self._minutes:
                        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
                        if _exists(at) and at.timestamp() > moment:
                            return at.timestamp()
            day += timedelta(days=1)
        return None


def _exists(at: datetime) -> bool:
    """Not within the hour that clocks skip."""
    return at.astimezone(UTC).astimezone(at.tzinfo).replace(tzinfo=None) == at.replace(tzinfo=None)


def _field(text: str, least: int, most: int, names: Mapping[str, int] | None = None) -> set[int]:
    """A list of numbers, ranges and steps."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span in ("*", "?"):
            first, last = least, most
        else:
            first = _number(begin, names)
            last = _number(end, names) if dash else (most if slash else first)
        width = _number(step, None) if slash else 1
        if not least <= first <= most or not least <= last <= most or not width:
            raise ScheduleError(f"{part} is not between {least} and {most}")
        # SAT-MON goes over the end.
        span_of = range(first, last + 1) if first <= last else [*range(first, most + 1), *range(least, last + 1)]
        found.update(list(span_of)[::width])
    return found


def _number(text: str, names: Mapping[str, int] | None) -> int:
    named = (names or {}).get(text.upper())
    if named is None and not text.isdecimal():
        raise ScheduleError(f"{text!r} is no number")
    return int(text) if named is None else named


def _monthday(text: str) -> Callable[[date], bool]:
    if text == "L":
        return lambda day: day.day == _length(day)
    if text.endswith("W") and text[:-1].isdecimal():
        wanted = int(text[:-1])
        return lambda day: day.day == _workday(day, wanted)
    days = _field(text, 1, 31)
    return lambda day: day.day in days


def _weekday(text: str) -> Callable[[date], bool]:
    if "#" in text:
        name, _, count = text.partition("#")
        which, nth = _number(name, _DAYS), _number(count, None)
        return lambda day: day.isoweekday() % 7 + 1 == which and (day.day - 1) // 7 + 1 == nth
    if text.upper().endswith("L") and len(text) > 1:
        which = _number(text[:-1], _DAYS)
        return lambda day: day.isoweekday() % 7 + 1 == which and day.day + 7 > _length(day)
    days = {7} if text.upper() == "L" else _field(text, 1, 7, _DAYS)
    return lambda day: day.isoweekday() % 7 + 1 in days


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _workday(day: date, wanted: int) -> int:
    """The day from Monday to Friday that is nearest to one of the month, within the month."""
    length = _length(day)
    near = min(wanted, length)
    weekday = date(day.year, day.month, near).isoweekday()
    if weekday == 6:
        return near - 1 if near > 1 else near + 2
    if weekday == 7:
        return near + 1 if near < length else near - 2
    return near
