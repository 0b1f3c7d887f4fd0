"""Durations, and differences of times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_UNITS = {"ns": "1e-6", "us": "1e-3", "ms": "1", "s": "1000", "m": "60000", "h": "3600000", "d": "86400000"}


@native("BIGINT", "VARCHAR")
def parse_duration(text: str) -> int:
    """Return a duration such as ``42.8ms`` in milliseconds."""
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise FunctionError(f"duration is not a valid data duration string: {text}")
    return int((Decimal(match[1]) * Decimal(_UNITS[match[2]])).to_integral_value(ROUND_HALF_UP))


@native("BIGINT", "VARCHAR", "TIMESTAMP", "TIMESTAMP")
def date_diff(unit: str, start: datetime, end: datetime) -> int:
    """Return the whole units between two times, as Joda does."""
    micros = int((end - start) / timedelta(microseconds=1))
    steps = {"millisecond": 10**3, "second": 10**6, "minute": 6 * 10**7, "hour": 36 * 10**8, "day": 864 * 10**8,
             "week": 7 * 864 * 10**8}  # fmt: skip
    if unit in steps:
        return micros // steps[unit] if micros >= 0 else -(-micros // steps[unit])
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and _moved(start, months) > end:
        months -= 1
    elif months < 0 and _moved(start, months) < end:
        months += 1
    size = {"month": 1, "quarter": 3, "year": 12}[unit]
    return months // size if months >= 0 else -(-months // size)


def _moved(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment


@native("VARCHAR", "BIGINT")
def human_readable_seconds(seconds: int) -> str:
    """Format seconds in weeks, days, hours, minutes and seconds, without their sign, as in Trino."""
    parts: list[str] = []
    rest = abs(seconds)
    for size, name in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, rest = divmod(rest, size)
        if count or (size == 1 and not parts):
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return ", ".join(parts)
