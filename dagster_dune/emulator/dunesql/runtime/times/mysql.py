"""Formats and parses times with MySQL's patterns."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native
from dagster_dune.emulator.dunesql.runtime.times.names import MONTHS, WEEKDAYS, in_milliseconds


def _mysql(letter: str, t: datetime) -> str:
    iso = t.isocalendar()
    if letter in "aW":
        return WEEKDAYS[t.weekday()][: 3 if letter == "a" else None]
    if letter in "bM":
        return MONTHS[t.month - 1][: 3 if letter == "b" else None]
    if letter in "hI":
        return f"{(t.hour % 12) or 12:02d}"
    if letter in "rT":
        clock = f"{t.minute:02d}:{t.second:02d}"
        return f"{t.hour:02d}:{clock}" if letter == "T" else f"{_mysql('h', t)}:{clock} {_mysql('p', t)}"
    plain = {
        "c": str(t.month), "d": f"{t.day:02d}", "e": str(t.day), "f": f"{t.microsecond:06d}", "H": f"{t.hour:02d}",
        "i": f"{t.minute:02d}", "j": f"{t.timetuple().tm_yday:03d}", "k": str(t.hour), "l": str((t.hour % 12) or 12),
        "m": f"{t.month:02d}", "p": "AM" if t.hour < 12 else "PM", "S": f"{t.second:02d}", "s": f"{t.second:02d}",
        "v": f"{iso.week:02d}", "x": f"{iso.year:04d}", "Y": f"{t.year:04d}", "y": f"{t.year % 100:02d}",
    }  # fmt: skip
    if letter in plain:
        return plain[letter]
    if letter in "DUuVwX":
        raise FunctionError(f"%{letter} not supported in date format string")
    return letter


@native("VARCHAR", "TIMESTAMP", "VARCHAR")
def date_format(moment: datetime, pattern: str) -> str:
    """Format a time by a pattern of MySQL."""
    milliseconds = in_milliseconds(moment)
    made = re.sub(r"%(.)", lambda match: _mysql(match[1], milliseconds), pattern, flags=re.DOTALL)
    return made[:-1] if re.search(r"(?<!%)(?:%%)*%$", pattern) else made


_NAMES = {"a": WEEKDAYS, "W": WEEKDAYS, "b": MONTHS, "M": MONTHS}
_SIZES = {"Y": 4, "y": 2, "m": 2, "c": 2, "d": 2, "e": 2, "H": 2, "k": 2, "h": 2, "I": 2, "l": 2, "i": 2, "s": 2,
          "S": 2, "f": 9, "j": 3, "v": 2, "x": 4}  # fmt: skip


def _scan(  # noqa: C901 - a kind of letter a line
    text: str, pattern: str, letters: re.Pattern[str]
) -> dict[str, str]:
    """Parse a text by a pattern, and return the texts of its parts."""
    found: dict[str, str] = {}
    place = 0

    def refuse() -> FunctionError:
        return FunctionError(f'Invalid format: "{text}" is malformed at "{text[place:]}"')

    for match in letters.finditer(pattern):
        kind, literal = match["kind"], match["literal"]
        if literal is not None:
            if text[place : place + len(literal)] != literal:
                raise refuse()
            place += len(literal)
        elif kind in _NAMES:
            names = sorted((n for name in _NAMES[kind] for n in (name, name[:3])), key=len, reverse=True)
            name = next((name for name in names if text[place:].lower().startswith(name.lower())), None)
            if name is None:
                raise refuse()
            found[kind], place = name, place + len(name)
        elif kind == "p":
            found[kind] = text[place : place + 2].upper()
            if found[kind] not in ("AM", "PM"):
                raise refuse()
            place += 2
        else:
            digits = re.compile(rf"\d{{1,{_SIZES[kind]}}}").match(text, place)
            if digits is None:
                raise refuse()
            found[kind], place = digits[0], digits.end()
    if place < len(text):
        raise refuse()
    return found


_MYSQL = re.compile(r"%(?P<kind>[YymcdeHkhIlisSfjvxaWbMp])|(?P<literal>%%|[^%]|%.)", re.DOTALL)


@native("TIMESTAMP", "VARCHAR", "VARCHAR")
def date_parse(text: str, pattern: str) -> datetime:
    """Parse a time by a pattern of MySQL."""
    expanded = pattern.replace("%T", "%H:%i:%s").replace("%r", "%h:%i:%s %p").replace("%%", "%\0")
    if match := re.search(r"%([DUuVwX])", expanded):
        raise FunctionError(f"%{match[1]} not supported in date format string")
    pieces = _MYSQL.sub(lambda m: m[0] if m["kind"] else m[0].replace("%\0", "\0"), expanded)
    return _assembled(_scan(text, pieces, re.compile(_MYSQL.pattern.replace("%%|", "\0|"), re.DOTALL)), text)


def _assembled(found: dict[str, str], text: str) -> datetime:
    """Return the time with parsed parts."""
    number = {key: int(value) for key, value in found.items() if value.isdigit()}
    year = number.get("Y", 1970 if "y" not in number else 1970 + (number["y"] - 70) % 100)
    hour = number.get("H", number.get("k", 0))
    half = number.get("h", number.get("I", number.get("l")))
    if half is not None:
        hour = half % 12 + (12 if found.get("p") == "PM" else 0)
    month = number.get("m", number.get("c", 1))
    if name := found.get("b", found.get("M")):
        month = next(place for place, each in enumerate(MONTHS, start=1) if each.lower().startswith(name.lower()[:3]))
    fraction = int(found["f"].ljust(9, "0")[:3]) * 1000 if "f" in found else 0
    try:
        if "x" in number or "v" in number:
            day = datetime.fromisocalendar(number.get("x", year), number.get("v", 1), 1)
        elif "j" in number:
            day = datetime(year, 1, 1) + timedelta(days=number["j"] - 1)  # noqa: DTZ001
        else:
            day = datetime(year, month, number.get("d", number.get("e", 1)))  # noqa: DTZ001
        seconds = number.get("s", number.get("S", 0))
        return day.replace(hour=hour, minute=number.get("i", 0), second=seconds, microsecond=fraction)
    except ValueError as error:
        raise FunctionError(f'Cannot parse "{text}": {error}') from None
