"""Times: formats, ISO 8601, durations, zones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone are shown times
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


# Assumption: local-shifts-and-clocks.
@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """Find a zone by its name or its offset."""
    if match := _OFFSET.fullmatch(name):
        minutes = int(match[2]) * 60 + int(match[3])
        if minutes > 14 * 60:
            raise FunctionError(f"'{name}' is not a valid time zone")
        return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FunctionError(f"'{name}' is not a valid time zone") from None


@native("VARCHAR", "VARCHAR")
def zone_name(name: str) -> str:
    """Check the name of a zone, and write it in one way."""
    zone_of(name)
    if name.upper() in ("Z", "UTC") or (_OFFSET.fullmatch(name) and name[1:].replace(":", "") == "0000"):
        return "UTC"
    return f"{name[:3]}:{name[-2:]}" if _OFFSET.fullmatch(name) else name


@native("TIMESTAMP", "TIMESTAMP", "VARCHAR")
def zone_shown(moment: datetime, name: str) -> datetime:
    """What clocks show at a moment of UTC."""
    return moment.replace(tzinfo=UTC).astimezone(zone_of(name)).replace(tzinfo=None)


@native("TIMESTAMP", "TIMESTAMP", "VARCHAR")
def zone_moment(shown: datetime, name: str) -> datetime:
    """The moment in UTC when clocks show a time; the earlier one where they show it twice."""
    zone = zone_of(name)
    moment = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != shown:
        raise FunctionError(
            f"{shown} does not exist in {name}: clocks are set forward there, which is not supported by this emulator"
        )
    return moment.replace(tzinfo=None)


@native("BIGINT", "TIMESTAMP", "VARCHAR")
def zone_offset(moment: datetime, name: str) -> int:
    """How many minutes clocks of a zone are ahead of UTC at a moment."""
    offset = moment.replace(tzinfo=UTC).astimezone(zone_of(name)).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0


_TEXT = re.compile(
    r"\s*(?P<year>[+-]?\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[ ](?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,12}))?)?)?"
    r"\s*(?P<zone>[A-Za-z+-][\w/:+-]*)?\s*"
)


def read_timestamp(text: str) -> tuple[datetime, str, str | None]:
    """Read a time as Trino writes it: without its fraction, the digits of that, and its zone.

    Raises:
        ValueError: It is none.
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
    """Round a fraction to so many digits, half up.

    Returns:
        The time to its microseconds, and the picoseconds beyond.
    """
    picos = int((fraction + "0" * 12)[:12])
    step = 10 ** (12 - digits)
    picos = (picos + step // 2) // step * step
    return moment + timedelta(microseconds=picos // 10**6), picos % 10**6


@native("TIMESTAMP", "VARCHAR", "INTEGER")
def timestamp_cast(text: str, digits: int) -> datetime:
    """Read a timestamp, rounded."""
    try:
        moment, fraction, zone = read_timestamp(text)
        if zone is None:
            return rounded(moment, fraction, min(digits, 6))[0]
    except (ValueError, OverflowError):
        pass
    raise FunctionError(f"Value cannot be cast to timestamp: {text}")


@native("STRUCT(micros TIMESTAMP, picos INTEGER)", "VARCHAR", "INTEGER")
def precise_cast(text: str, digits: int) -> dict[str, object]:
    """Read a timestamp of more than six digits."""
    try:
        moment, fraction, zone = read_timestamp(text)
        if zone is None:
            micros, picos = rounded(moment, fraction, digits)
            return {"micros": micros, "picos": picos}
    except (ValueError, OverflowError):
        pass
    raise FunctionError(f"Value cannot be cast to timestamp: {text}")


@native("STRUCT(moment TIMESTAMP, zone VARCHAR)", "VARCHAR", "INTEGER")
def zoned_cast(text: str, digits: int) -> dict[str, object]:
    """Read a timestamp with its zone, UTC where it names none."""
    try:
        moment, fraction, zone = read_timestamp(text)
    except (ValueError, OverflowError):
        raise FunctionError(f"Value cannot be cast to timestamp with time zone: {text}") from None
    name = zone_name(zone or "UTC")
    return {"moment": zone_moment(rounded(moment, fraction, min(digits, 6))[0], name), "zone": name}


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
    """Read a time of ISO 8601, with its offset."""
    moment, fraction, zone = _iso(text)
    name = zone_name(zone or "UTC")
    cut = moment + timedelta(microseconds=int((fraction + "0" * 12)[:digits].ljust(6, "0")[:6]))
    return {"moment": zone_moment(cut, name), "zone": name}


@native("DATE", "VARCHAR")
def iso_date(text: str) -> object:
    """Read a date of ISO 8601."""
    if "T" in text:
        raise FunctionError(f'Invalid format: "{text}"')
    return _iso(text)[0].date()


_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_UNITS = {"ns": "1e-6", "us": "1e-3", "ms": "1", "s": "1000", "m": "60000", "h": "3600000", "d": "86400000"}


@native("BIGINT", "VARCHAR")
def parse_duration(text: str) -> int:
    """Read a duration such as ``42.8ms``, in milliseconds."""
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise FunctionError(f"duration is not a valid data duration string: {text}")
    return int((Decimal(match[1]) * Decimal(_UNITS[match[2]])).to_integral_value(ROUND_HALF_UP))


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def _mysql(letter: str, t: datetime) -> str:
    iso = t.isocalendar()
    if letter in "aW":
        return _WEEKDAYS[t.weekday()][: 3 if letter == "a" else None]
    if letter in "bM":
        return _MONTHS[t.month - 1][: 3 if letter == "b" else None]
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
    """Write a time with MySQL's letters."""
    milliseconds = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    made = re.sub(r"%(.)", lambda match: _mysql(match[1], milliseconds), pattern, flags=re.DOTALL)
    return made[:-1] if re.search(r"(?<!%)(?:%%)*%$", pattern) else made


_NAMES = {"a": _WEEKDAYS, "W": _WEEKDAYS, "b": _MONTHS, "M": _MONTHS}
_SIZES = {"Y": 4, "y": 2, "m": 2, "c": 2, "d": 2, "e": 2, "H": 2, "k": 2, "h": 2, "I": 2, "l": 2, "i": 2, "s": 2,
          "S": 2, "f": 9, "j": 3, "v": 2, "x": 4}  # fmt: skip


def _scan(  # noqa: C901 - a kind of letter a line
    text: str, pattern: str, letters: re.Pattern[str]
) -> dict[str, str]:
    """Read a text by a pattern, letter by letter."""
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
    """Read a time by MySQL's letters."""
    expanded = pattern.replace("%T", "%H:%i:%s").replace("%r", "%h:%i:%s %p").replace("%%", "%\0")
    if match := re.search(r"%([DUuVwX])", expanded):
        raise FunctionError(f"%{match[1]} not supported in date format string")
    pieces = _MYSQL.sub(lambda m: m[0] if m["kind"] else m[0].replace("%\0", "\0"), expanded)
    return _assembled(_scan(text, pieces, re.compile(_MYSQL.pattern.replace("%%|", "\0|"), re.DOTALL)), text)


def _assembled(found: dict[str, str], text: str) -> datetime:
    """Make a time of the parts that were read."""
    number = {key: int(value) for key, value in found.items() if value.isdigit()}
    year = number.get("Y", 1970 if "y" not in number else 1970 + (number["y"] - 70) % 100)
    hour = number.get("H", number.get("k", 0))
    half = number.get("h", number.get("I", number.get("l")))
    if half is not None:
        hour = half % 12 + (12 if found.get("p") == "PM" else 0)
    month = number.get("m", number.get("c", 1))
    if name := found.get("b", found.get("M")):
        month = next(place for place, each in enumerate(_MONTHS, start=1) if each.lower().startswith(name.lower()[:3]))
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


_JODA = re.compile(r"(?P<letters>([A-Za-z])\2*)|'(?P<text>(?:[^']|'')*)'|(?P<other>[^A-Za-z'])")


def _joda(letters: str, t: datetime, zone: str) -> str:
    letter, size = letters[0], len(letters)
    iso = t.isocalendar()
    if letter in "yYx":
        year = iso.year if letter == "x" else t.year
        return f"{year % 100:02d}" if size == 2 else f"{year:0{size}d}"
    if letter == "M" and size > 2:
        return _MONTHS[t.month - 1][: 3 if size == 3 else None]
    if letter == "E":
        return _WEEKDAYS[t.weekday()][: 3 if size <= 3 else None]
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
    """Write a time with Joda's letters."""

    def piece(match: re.Match[str]) -> str:
        if match["letters"]:
            return _joda(match["letters"], shown, zone)
        if match["other"]:
            return match["other"]
        return match["text"].replace("''", "'") or "'"

    if _JODA.sub("", pattern):
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
    """Read a time by Joda's letters."""
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


@native("BIGINT", "VARCHAR", "TIMESTAMP", "TIMESTAMP")
def date_diff(unit: str, start: datetime, end: datetime) -> int:
    """Count the whole units between two times, as Joda does."""
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
    """Write seconds in weeks, days, hours, minutes and seconds; their sign is left out, as in Trino."""
    parts: list[str] = []
    rest = abs(seconds)
    for size, name in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, rest = divmod(rest, size)
        if count or (size == 1 and not parts):
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return ", ".join(parts)


_DAY = re.compile(r"\s*([+-]?\d{1,6})-(\d{1,2})-(\d{1,2})\s*")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,12}))?)?")


@native("DATE", "VARCHAR")
def date_cast(text: str) -> object:
    """Read a date."""
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
    """Read a time of a day, rounded."""
    match = _CLOCK.fullmatch(text)
    try:
        if match is not None:
            hour, minute, second = (int(part or 0) for part in match.groups()[:3])
            return rounded(_EPOCH.replace(hour=hour, minute=minute, second=second), match[4] or "", digits)[0].time()
    except ValueError:
        pass
    raise FunctionError(f"Value cannot be cast to time: {text}")
