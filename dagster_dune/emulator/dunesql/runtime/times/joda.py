"""Formats and parses times with Joda's patterns."""

from __future__ import annotations

import re
from datetime import datetime

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native
from dagster_dune.emulator.dunesql.runtime.times.mysql import date_parse
from dagster_dune.emulator.dunesql.runtime.times.names import MONTHS, WEEKDAYS, in_milliseconds
from dagster_dune.emulator.dunesql.runtime.times.zones import zone_moment, zone_name

_JODA = re.compile(r"(?P<letters>([A-Za-z])\2*)|'(?P<text>(?:[^']|'')*)'|(?P<other>[^A-Za-z'])")


def _joda(letters: str, t: datetime, zone: str) -> str:
    letter, size = letters[0], len(letters)
    iso = t.isocalendar()
    if letter in "yYx":
        year = iso.year if letter == "x" else t.year
        return f"{year % 100:02d}" if size == 2 else f"{year:0{size}d}"
    if letter == "M" and size > 2:
        return MONTHS[t.month - 1][: 3 if size == 3 else None]
    if letter == "E":
        return WEEKDAYS[t.weekday()][: 3 if size <= 3 else None]
    if letter == "a":
        return "AM" if t.hour < 12 else "PM"
    if letter == "S":
        return f"{t.microsecond // 1000:03d}".ljust(size, "0")[:size]
    if letter == "G":
        return "AD"
    if letter in "Zz":
        return _joda_zone(letters, t, zone)
    numbers = {
        "M": t.month, "d": t.day, "H": t.hour, "h": t.hour % 12 or 12, "K": t.hour % 12, "k": t.hour or 24,
        "m": t.minute, "s": t.second, "D": t.timetuple().tm_yday, "e": iso.weekday, "w": iso.week,
        "C": t.year // 100,
    }  # fmt: skip
    if letter not in numbers:
        raise FunctionError(f"Illegal pattern component: {letters}")
    return f"{numbers[letter]:0{size}d}"


def _joda_zone(letters: str, shown: datetime, zone: str) -> str:
    if letters.startswith("ZZZ") or (letters[0] == "z" and zone == "UTC"):
        return zone
    if letters[0] == "z":
        raise FunctionError(f"'{letters}' in format_datetime is not supported by this emulator")
    minutes = int((shown - zone_moment(shown, zone)).total_seconds() // 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02d}{':' if letters == 'ZZ' else ''}{minutes % 60:02d}"


@native("VARCHAR", "TIMESTAMP", "VARCHAR", "VARCHAR")
def format_datetime(shown: datetime, pattern: str, zone: str) -> str:
    """Format a time by a pattern of Joda."""
    shown = in_milliseconds(shown)

    def piece(match: re.Match[str]) -> str:
        if match["letters"]:
            return _joda(match["letters"], shown, zone)
        if match["other"]:
            return match["other"]
        return match["text"].replace("''", "'") or "'"

    if not pattern or _JODA.sub("", pattern):
        raise FunctionError(f"Illegal pattern: {pattern}")
    return _JODA.sub(piece, pattern)


_JODA_KINDS = {
    "y": "Y",
    "Y": "Y",
    "M": "m",
    "d": "d",
    "H": "H",
    "h": "h",
    "m": "i",
    "s": "s",
    "S": "f",
    "D": "j",
    "a": "p",
}


@native("STRUCT(moment TIMESTAMP, zone VARCHAR)", "VARCHAR", "VARCHAR")
def parse_datetime(text: str, pattern: str) -> dict[str, object]:
    """Parse a time by a pattern of Joda."""
    zone = "UTC"
    pieces: list[str] = []
    for match in _JODA.finditer(pattern):
        letters = match["letters"]
        if letters and letters[0] == "Z":
            offset = re.search(r"(Z|[+-]\d{2}:?\d{2}|[A-Za-z]+/[\w/]+|UTC)$", text)
            if offset is None or match.end() != len(pattern):
                raise FunctionError(f'Invalid format: "{text}"')
            zone, text = zone_name(offset[0]), text[: offset.start()]
        elif letters:
            kind = (
                "b"
                if letters[0] == "M" and len(letters) > 2
                else "a"
                if letters[0] == "E"
                else _JODA_KINDS.get(letters[0])
            )
            if kind is None:
                raise FunctionError(f"'{letters}' in parse_datetime is not supported by this emulator")
            pieces.append(f"%{'y' if kind == 'Y' and len(letters) == 2 else kind}")
        else:
            pieces.append((match["other"] or match["text"] or "'").replace("%", "%%"))
    if not pieces:
        raise FunctionError("Pattern must not be empty")
    return {"moment": zone_moment(date_parse(text, "".join(pieces)), zone), "zone": zone}
