"""Validates the cron schedules that Dune accepts for matviews: five fields, from every 15 minutes to weekly."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import count, pairwise

from dagster_dune.emulator.requests import RequestError

MINUTES_PER_DAY = 24 * 60
MIN_INTERVAL = 15
MAX_INTERVAL = 7 * MINUTES_PER_DAY
FIRST_DAY = date(2024, 1, 1)
DAYS = 4 * 366  # leap years and all
FIELDS = {"minute": (0, 59), "hour": (0, 23), "day of month": (1, 31), "month": (1, 12), "day of week": (0, 7)}


def check_cron(expression: str) -> None:
    """Check that a schedule is valid.

    Raises:
        RequestError: 400.

    Examples:
        >>> check_cron("*/15 * * * *")
        >>> check_cron("0 0 * *")
        Traceback (most recent call last):
        ...
        dagster_dune.emulator.requests.RequestError: cron_expression '0 0 * *' must have five fields, not 4
    """
    times, runs_on = _schedule(expression)
    starts = [number * MINUTES_PER_DAY for number in range(DAYS) if runs_on(FIRST_DAY + timedelta(days=number))]
    gaps = [after - before for before, after in pairwise(times)]
    gaps += [after - before - times[-1] + times[0] for before, after in pairwise(starts)]
    if not starts or max(gaps, default=MAX_INTERVAL + 1) > MAX_INTERVAL:
        raise RequestError(400, f"cron_expression {expression!r} leaves more than a week between two runs")
    if min(gaps) < MIN_INTERVAL:
        raise RequestError(400, f"cron_expression {expression!r} runs {min(gaps)} minutes apart, but 15 are the least")


def next_run(expression: str, after: datetime) -> datetime:
    """Return the first run of a schedule after a time.

    Args:
        expression: A schedule that `check_cron` accepts.
        after: The time in UTC.

    Examples:
        >>> from datetime import UTC
        >>> next_run("30 6 * * 1", datetime(2024, 1, 1, 6, 30, tzinfo=UTC)).isoformat()
        '2024-01-08T06:30:00+00:00'
    """
    times, runs_on = _schedule(expression)
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (midnight + timedelta(days=number) for number in count())
    moments = (day + timedelta(minutes=minutes) for day in days if runs_on(day.date()) for minutes in times)
    return next(moment for moment in moments if moment > after)


def _schedule(expression: str) -> tuple[list[int], Callable[[date], bool]]:
    """Return the minutes of a day at which a schedule runs, and a function that returns whether it runs on a day."""
    texts = expression.split()
    if len(texts) != len(FIELDS):
        raise RequestError(400, f"cron_expression {expression!r} must have five fields, not {len(texts)}")
    minutes, hours, days, months, weekdays = (
        _values(text, name, first, last) for text, (name, (first, last)) in zip(texts, FIELDS.items(), strict=True)
    )
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    weekdays = {weekday % 7 for weekday in weekdays}
    either = texts[2] != "*" and texts[4] != "*"  # cron's rule: if both are restricted, one of them has to match

    def runs_on(day: date) -> bool:
        by_month_day, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and (by_month_day or by_weekday if either else by_month_day and by_weekday)

    return times, runs_on


def _values(text: str, name: str, first: int, last: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|(?P<low>\d{1,2})(-(?P<high>\d{1,2}))?)(/(?P<step>[1-9]\d?))?", part)
        if not match:
            raise RequestError(400, f"cron_expression: {part!r} is no {name}")
        low = int(match["low"] or first)
        high = int(match["high"] or (low if match["low"] and not match["step"] else last))
        if not first <= low <= high <= last:
            raise RequestError(400, f"cron_expression: {part!r} is no {name} from {first} to {last}")
        values.update(range(low, high + 1, int(match["step"] or 1)))
    return values
