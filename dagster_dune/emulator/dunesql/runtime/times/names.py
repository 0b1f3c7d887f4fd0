"""The names of days and months, and the digits that patterns write."""

from __future__ import annotations

from datetime import datetime, timedelta

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def in_milliseconds(moment: datetime) -> datetime:
    """Round a time to milliseconds, half a one up, as both kinds of patterns do before they write it."""
    whole = moment + timedelta(microseconds=500)
    return whole.replace(microsecond=whole.microsecond // 1000 * 1000)
