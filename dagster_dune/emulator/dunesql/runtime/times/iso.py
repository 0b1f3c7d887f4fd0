"""Parses dates and times of ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native
from dagster_dune.emulator.dunesql.runtime.times.zones import zone_moment, zone_name

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?|-W(?P<week>\d{2})(?:-(?P<weekday>\d))?|-(?P<yearday>\d{3}))?"
    r"(?:T(?:(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?)?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def _iso(text: str) -> tuple[datetime, str, str | None]:
    match = _ISO.fullmatch(text)
    if match is None:
        raise FunctionError(f'Invalid format: "{text}"')
    try:
        if match["week"]:
            day = datetime.fromisocalendar(int(match["year"]), int(match["week"]), int(match["weekday"] or 1))
        elif match["yearday"]:
            day = datetime(int(match["year"]), 1, 1) + timedelta(days=int(match["yearday"]) - 1)  # noqa: DTZ001
            day = day.replace(year=int(match["year"]) if day.year == int(match["year"]) else 0)
        else:
            day = datetime(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))  # noqa: DTZ001
        moment = day.replace(
            hour=int(match["hour"] or 0), minute=int(match["minute"] or 0), second=int(match["second"] or 0)
        )
    except ValueError:
        raise FunctionError(f'Invalid format: "{text}"') from None
    zone = match["zone"]
    return moment, match["fraction"] or "", f"{zone}:00" if zone and len(zone) == 3 else zone


@native("STRUCT(moment TIMESTAMP, zone VARCHAR)", "VARCHAR", "INTEGER")
def iso_timestamp(text: str, digits: int) -> dict[str, object]:
    """Parse a time of ISO 8601 with its offset."""
    moment, fraction, zone = _iso(text)
    name = zone_name(zone or "UTC")
    cut = moment + timedelta(microseconds=int((fraction + "0" * 12)[:digits].ljust(6, "0")[:6]))
    return {"moment": zone_moment(cut, name), "zone": name}


@native("DATE", "VARCHAR")
def iso_date(text: str) -> object:
    """Parse a date of ISO 8601."""
    if "T" in text:
        raise FunctionError(f'Invalid format: "{text}"')
    return _iso(text)[0].date()
