"""Parses the dates, times and intervals that Arrow cannot parse, into whole numbers of days or microseconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LONGEST = 2**63 - 1

_DATE = r"([+-]?\d{4,9})-(\d\d)-(\d\d)"
_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
_TIMESTAMP = re.compile(rf"{_DATE}(?:[ T]{_CLOCK})?\s*(\S+)?", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_MIDNIGHT = re.compile(rf"{_DATE}(?:[ T]00:00(?::00(?:\.0+)?)?(?: UTC|Z)?)?", re.ASCII)
_INTERVAL = re.compile(r"(-)?(\d{1,9}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)


def microseconds(text: str, *, cut: bool) -> int:
    """Parse a timestamp into microseconds since 1970 in UTC. A timestamp without a zone is read as UTC.

    Args:
        text: Such as ``2024-01-02 03:04:05.678 UTC``; the zone may be an offset or a name.
        cut: Whether a value that does not fit is changed: digits after the microseconds are cut off, a year outside
            of 1 to 9999 becomes the nearest one, and of a local time that occurs twice, the earlier one is taken.

    Raises:
        ValueError: The text is no timestamp, or does not fit and `cut` is False.

    Examples:
        >>> microseconds("1970-01-01 00:00:00.000001 UTC", cut=False)
        1
        >>> microseconds("1970-01-01T01:00:00+01:00", cut=False)
        0
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if not match:
        raise ValueError("it is no timestamp")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if not 1 <= int(year) <= 9999:
        return _in_range(_FIRST - 1 if int(year) < 1 else _LAST + 1, cut=cut)
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    local = (moment - _EPOCH) // _MICROSECOND + _fraction(fraction, cut=cut)
    if zone in (None, "UTC", "Z"):
        return local
    return _in_range(local - _offset(str(zone), moment.replace(tzinfo=None), cut=cut) // _MICROSECOND, cut=cut)


def _offset(zone: str, shown: datetime, *, cut: bool) -> timedelta:
    """Return the UTC offset of a zone at a local time, which is ambiguous when clocks are set back or forward."""
    earlier, later = (_zone(zone).utcoffset(shown.replace(fold=fold)) or timedelta() for fold in (0, 1))
    if earlier != later and not cut:
        raise ValueError(f"clocks of {zone} show it twice, or skip it")
    return earlier


def _in_range(moment: int, *, cut: bool) -> int:
    if _FIRST <= moment <= _LAST:
        return moment
    if not cut:
        raise ValueError("in UTC, the year is none of 1 to 9999, and was not cut")
    return min(max(moment, _FIRST), _LAST)


def clock_microseconds(text: str, *, cut: bool) -> int:
    """Parse a time of day into microseconds since midnight; see `microseconds`."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        raise ValueError("it is no time of the day")
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        raise ValueError("it is no time of the day")
    return ((int(hour) * 60 + int(minute)) * 60 + int(second or 0)) * 1_000_000 + _fraction(fraction, cut=cut)


def days(text: str) -> int:
    """Parse a date, or a timestamp at midnight, into days since 1970."""
    match = _MIDNIGHT.fullmatch(text.strip())
    if not match:
        raise ValueError("it is no date")
    return (date(int(match[1]), int(match[2]), int(match[3])) - _EPOCH.date()).days


def interval_microseconds(text: str) -> int:
    """Parse an interval of days, hours, minutes and seconds into microseconds.

    Examples:
        >>> interval_microseconds("-1 00:00:00.500") == -86_400_500_000
        True
    """
    match = _INTERVAL.fullmatch(text.strip())
    if not match:
        raise ValueError("it is no interval of days, hours, minutes and seconds")
    sign, days_, hours, minutes, seconds, fraction = match.groups()
    length = int(days_) * _DAY + ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000
    length += _fraction(fraction, cut=False)
    if length > _LONGEST:
        raise ValueError("64 bits do not hold so many microseconds")
    return -length if sign else length


def _fraction(digits: str | None, *, cut: bool) -> int:
    digits = digits or ""
    if digits[6:].strip("0") and not cut:
        raise ValueError("it is finer than a microsecond, and was not cut")
    return int(digits[:6].ljust(6, "0"))


@lru_cache(maxsize=1024)
def _zone(name: str) -> timezone | ZoneInfo:
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that is known here") from error
