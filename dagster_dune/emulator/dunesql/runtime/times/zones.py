"""Time zones: names, and conversions between UTC and local times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_OFFSET = re.compile(r"(?:UTC|GMT|UT)?(?P<sign>[+-])(?:(?P<hours>\d{2}):?(?P<minutes>\d{2})|(?P<alone>\d{1,2}))", re.I)


# Assumption: local-shifts-and-clocks.
@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """Return the zone with a name or an offset."""
    if match := _OFFSET.fullmatch(name):
        minutes = int(match["hours"] or match["alone"]) * 60 + int(match["minutes"] or 0)
        if minutes > 14 * 60:
            raise FunctionError(f"'{name}' is not a valid time zone")
        return timezone(timedelta(minutes=-minutes if match["sign"] == "-" else minutes))
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FunctionError(f"'{name}' is not a valid time zone") from None


@native("VARCHAR", "VARCHAR")
def zone_name(name: str) -> str:
    """Return the canonical name of a zone."""
    zone_of(name)
    match = _OFFSET.fullmatch(name)
    if match is None:
        return "UTC" if name.upper() in ("Z", "UTC") else name
    written = f"{int(match['hours'] or match['alone']):02d}:{match['minutes'] or '00'}"
    return "UTC" if written == "00:00" else match["sign"] + written


@native("TIMESTAMP", "TIMESTAMP", "VARCHAR")
def zone_shown(moment: datetime, name: str) -> datetime:
    """Convert a time in UTC to local time."""
    return moment.replace(tzinfo=UTC).astimezone(zone_of(name)).replace(tzinfo=None)


@native("TIMESTAMP", "TIMESTAMP", "VARCHAR")
def zone_moment(shown: datetime, name: str) -> datetime:
    """Convert local time to UTC; the earlier time if it is ambiguous."""
    zone = zone_of(name)
    moment = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != shown:
        raise FunctionError(
            f"{shown} does not exist in {name}: clocks are set forward there, which is not supported by this emulator"
        )
    return moment.replace(tzinfo=None)


@native("BIGINT", "TIMESTAMP", "VARCHAR")
def zone_offset(moment: datetime, name: str) -> int:
    """Return the offset of a zone from UTC in minutes at a time."""
    offset = moment.replace(tzinfo=UTC).astimezone(zone_of(name)).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0
