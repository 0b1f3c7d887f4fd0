"""Replaces times in rows by others of the same form."""

from __future__ import annotations

import re

TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-[0-9]{2}"
    r"(?P<separator>[T ])?(?(separator)[0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2})?(?P<fraction>\.[0-9]+)?)"
    r"(?P<zone>(?(separator) ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)"
)


def other_time(text: str, digits: str) -> str | None:
    """Return another time of the same form; None if a text is no time.

    Args:
        text: The text.
        digits: Hexadecimal digits that determine the other time; if empty, the time is returned unchanged.

    Examples:
        >>> other_time("2024-01-31 12:30:45.123 UTC", "0123456789abcdef" * 4)
        '2001-12-14 07:17:51.234 UTC'
        >>> other_time("2024-01-31 was a Wednesday", "00") is None
        True
    """
    found = TIME.fullmatch(text)
    if found is None:
        return None
    if not digits:
        return text
    numbers = [int(digits[place : place + 2], 16) for place in range(0, 12, 2)]
    year, month, day, hour, minute, second = numbers
    replacement = f"20{year % 30:02d}-{month % 12 + 1:02d}-{day % 28 + 1:02d}"
    if found["separator"]:
        replacement += f"{found['separator']}{hour % 24:02d}:{minute % 60:02d}"
        replacement += f":{second % 60:02d}" if found["seconds"] else ""
        replacement += (
            "." + "".join(str(int(digit, 16) % 10) for digit in digits[12 : 11 + len(found["fraction"])])
            if found["fraction"]
            else ""
        )
    return replacement + found["zone"]
