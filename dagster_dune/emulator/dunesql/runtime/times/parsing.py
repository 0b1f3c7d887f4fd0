"""Casts texts in Trino's form to dates and times, with rounding."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native
from dagster_dune.emulator.dunesql.runtime.times.zones import zone_moment, zone_name

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone are shown times
_TEXT = re.compile(
    r"\s*(?P<year>[+-]?\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[ ](?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,12}))?)?)?"
    r"\s*(?P<zone>[A-Za-z+-][\w/:+-]*)?\s*"
)


def read_timestamp(text: str) -> tuple[datetime, str, str | None]:
    """Parse a time in Trino's form: return the time in seconds, the digits of its fraction, and its zone.

    Raises:
        ValueError: It is invalid.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (
        int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    return moment, match["fraction"] or "", match["zone"]


def rounded(moment: datetime, fraction: str, digits: int) -> tuple[datetime, int]:
    """Round a fraction to a number of digits, half up.

    Returns:
        The time in microseconds, and the remaining picoseconds.
    """
    picos = int((fraction + "0" * 12)[:12])
    step = 10 ** (12 - digits)
    picos = (picos + step // 2) // step * step
    return moment + timedelta(microseconds=picos // 10**6), picos % 10**6


@native("TIMESTAMP", "VARCHAR", "INTEGER")
def timestamp_cast(text: str, digits: int) -> datetime:
    """Cast a text to a timestamp."""
    return _without_zone(text, min(digits, 6))[0]


@native("STRUCT(micros TIMESTAMP, picos INTEGER)", "VARCHAR", "INTEGER")
def precise_cast(text: str, digits: int) -> dict[str, object]:
    """Cast a text to a timestamp with more than six digits."""
    micros, picos = _without_zone(text, digits)
    return {"micros": micros, "picos": picos}


def _without_zone(text: str, digits: int) -> tuple[datetime, int]:
    try:
        moment, fraction, zone = read_timestamp(text)
        if zone is None:
            return rounded(moment, fraction, digits)
    except (ValueError, OverflowError):
        pass
    raise FunctionError(f"Value cannot be cast to timestamp: {text}")


@native("STRUCT(moment TIMESTAMP, zone VARCHAR)", "VARCHAR", "INTEGER")
def zoned_cast(text: str, digits: int) -> dict[str, object]:
    """Cast a text to a timestamp with time zone, which is UTC if the text has none."""
    try:
        moment, fraction, zone = read_timestamp(text)
    except (ValueError, OverflowError):
        raise FunctionError(f"Value cannot be cast to timestamp with time zone: {text}") from None
    name = zone_name(zone or "UTC")
    return {"moment": zone_moment(rounded(moment, fraction, min(digits, 6))[0], name), "zone": name}


_DAY = re.compile(r"\s*([+-]?\d{1,6})-(\d{1,2})-(\d{1,2})\s*")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,12}))?)?")


@native("DATE", "VARCHAR")
def date_cast(text: str) -> object:
    """Cast a text to a date."""
    match = _DAY.fullmatch(text)
    try:
        if match is not None:
            year, month, day = map(int, match.groups())
            return datetime(year, month, day).date()  # noqa: DTZ001
    except ValueError:
        pass
    raise FunctionError(f"Value cannot be cast to date: {text}")


@native("TIME", "VARCHAR", "INTEGER")
def time_cast(text: str, digits: int) -> object:
    """Cast a text to a time of day."""
    match = _CLOCK.fullmatch(text)
    try:
        if match is not None:
            hour, minute, second = (int(part or 0) for part in match.groups()[:3])
            return rounded(_EPOCH.replace(hour=hour, minute=minute, second=second), match[4] or "", digits)[0].time()
    except ValueError:
        pass
    raise FunctionError(f"Value cannot be cast to time: {text}")
