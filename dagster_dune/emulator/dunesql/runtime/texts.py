"""Texts: formats, stems, escapes, distances, URLs."""

from __future__ import annotations

import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import quote_plus, unquote_plus, urlsplit

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, check_size, native

_SPECIFIER = re.compile(
    r"%(?:(?P<index>\d+)\$)?(?P<flags>[-#+ 0,(]*)(?P<width>\d+)?(?:\.(?P<precision>\d+))?"
    r"(?P<kind>[a-zA-Z%])(?P<part>[A-Za-z])?"
)
_TIMES = {
    "Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "B": "%B", "b": "%b", "h": "%b", "A": "%A", "a": "%a", "H": "%H",
    "I": "%I", "M": "%M", "S": "%S", "j": "%j", "p": "%p", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M",
    "D": "%m/%d/%y",
}  # fmt: skip


@native("VARCHAR", "VARCHAR", "VARCHAR[]", "VARCHAR", nulls=True)
def format(pattern: str | None, values: list[str | None], kinds: str) -> str | None:  # noqa: A001
    """Write values by a pattern of Java's; they come as texts, with the kind of each."""
    if pattern is None:
        return None
    types, place, made, end = kinds.split(","), 0, [], 0
    for match in _SPECIFIER.finditer(pattern):
        between = pattern[end : match.start()]
        if "%" in between:
            raise FunctionError(f"Invalid format string: {pattern}")
        kind, part = match["kind"], match["part"]
        end = match.end() - (len(part) if part and kind not in "tT" else 0)
        made.append(between)
        _check_flags(match)
        if kind == "%":
            made.append("%")
        elif kind == "n":
            made.append("\n")
        else:
            index = int(match["index"]) - 1 if match["index"] else place
            place += not match["index"]
            if index >= len(values):
                raise FunctionError(f"Invalid format string: {pattern} (missing argument for '{match[0]}')")
            made.append(_formatted(match, values[index], types[index]))
    if "%" in pattern[end:]:
        raise FunctionError(f"Invalid format string: {pattern}")
    return "".join([*made, pattern[end:]])


def _formatted(match: re.Match[str], value: str | None, type_: str) -> str:
    kind, flags, precision = match["kind"], match["flags"], match["precision"]
    text = "null"
    if kind.lower() == "s":
        text = ("null" if value is None else _java_text(value, type_))[: int(precision) if precision else None]
    elif kind.lower() == "b":
        text = "false" if value is None else value if type_ == "boolean" else "true"
    elif value is not None:
        text = _number(match, value, type_)
    if kind.isupper() and kind not in "T":
        text = text.upper()
    width = int(match["width"] or 0)
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _check_flags(match: re.Match[str]) -> None:
    """Refuse the flags that Java's conversions do not take, as Java names them."""
    kind, flags = match["kind"].lower(), match["flags"]
    has_width = match["width"] is not None
    problem = ""
    if len(set(flags)) < len(flags):
        twice = next(flag for flag in flags if flags.count(flag) > 1)
        problem = f"DuplicateFormatFlags: Flags = '{twice}'"
    elif kind == "n" and (has_width or match["precision"]):
        problem = f"IllegalFormatWidth: {match['width']}" if has_width else "IllegalFormatPrecision"
    elif kind in "dxo" and match["precision"]:
        problem = f"IllegalFormatPrecision: {match['precision']}"
    elif ("-" in flags or "0" in flags) and not has_width and kind != "n":
        problem = f"MissingFormatWidth: {match[0]}"
    elif {"-", "0"} <= set(flags) or {"+", " "} <= set(flags):
        problem = f"IllegalFormatFlags: Flags = '{flags}'"
    elif wrong := [flag for flag in flags if flag in _WRONG_FLAGS.get(kind, "")]:
        problem = f"FormatFlagsConversionMismatch: Conversion = {kind}, Flags = {wrong[0]}"
    if problem:
        raise FunctionError(f"Invalid format string: {match.string} ({problem})")


_WRONG_FLAGS = {"s": "#+ 0,(", "b": "#+ 0,(", "c": "#+ 0,(", "x": "+ ,(", "o": "+ ,(", "d": "#", "e": ",", "g": "#"}


def _java_text(value: str, type_: str) -> str:
    """Write a time as Java's classes do: no second where it is zero, and a fraction of 3, 6 or 9 digits."""
    if not type_.startswith("time"):
        return value
    day, _, clock = value.rpartition(" ") if type_ == "time" else value.partition(" ")
    hour, minute, second = re.split(r"[ +]", clock)[0].split(":")
    whole, _, fraction = second.partition(".")
    fraction = fraction.rstrip("0")
    fraction = fraction.ljust(-(-len(fraction) // 3) * 3, "0")
    text = f"{hour}:{minute}" + (f":{whole}" if int(whole) or fraction else "") + (f".{fraction}" if fraction else "")
    return (f"{day}T" if day else "") + text + ("Z[UTC]" if type_ == "timestamp_with_time_zone" else "")


def _number(match: re.Match[str], value: str, type_: str) -> str:  # noqa: C901 - a conversion a line
    kind, flags = match["kind"], match["flags"]
    if kind in "tT":
        return _time(match, value, type_)
    is_whole = type_ == "integer"
    if kind in "dxXo" and not is_whole:
        raise FunctionError(f"Invalid format string: {kind} != {type_}")
    if kind in "feEgG" and type_ not in ("double", "decimal"):
        raise FunctionError(f"Invalid format string: {kind} != {type_}")
    if kind in ("x", "X", "o"):
        number = int(value)
        number += 2**64 if number < 0 else 0
        text = f"{number:x}" if kind != "o" else f"{number:o}"
    elif kind == "d":
        text = value
    elif kind in "feEgG":
        if value in ("NaN", "Infinity", "-Infinity"):
            return value
        text = _fraction(kind, Decimal(value), int(match["precision"] or 6))
    else:
        raise FunctionError(f"The conversion '%{kind}' of format is not supported by this emulator")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if "," in flags:
        whole, point, fraction = digits.partition(".")
        digits = re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", whole) + point + fraction
    if "(" in flags and sign:
        sign, digits = "(", f"{digits})"
    elif not sign and "+" in flags:
        sign = "+"
    elif not sign and " " in flags:
        sign = " "
    return sign + (digits.rjust(int(match["width"] or 0) - len(sign), "0") if "0" in flags else digits)


def _fraction(kind: str, number: Decimal, digits: int) -> str:
    if kind == "f":
        rounded = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        return rounded.__format__("f")
    if kind in "gG" and (number == 0 or Decimal("0.0001") <= abs(number) < Decimal(10) ** max(digits, 1)):
        places = max(digits, 1) - (number.adjusted() + 1 if number else 1)
        return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP).__format__("f")
    places = digits if kind in "eE" else max(digits, 1) - 1
    power = number.adjusted() if number else 0
    scaled = number.scaleb(-power).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if abs(scaled) >= 10:
        power, scaled = power + 1, scaled.scaleb(-1).quantize(Decimal(1).scaleb(-places))
    return f"{scaled.__format__('f')}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _time(match: re.Match[str], value: str, type_: str) -> str:
    from datetime import datetime  # noqa: PLC0415

    part = match["part"] or ""
    if type_ not in ("date", "timestamp") or part not in (*_TIMES, "e", "k", "l", "L"):
        raise FunctionError(f"The conversion '%{match['kind']}{part}' of format is not supported by this emulator")
    moment = datetime.fromisoformat(value)
    if part in _TIMES:
        text = moment.strftime(_TIMES[part])
        return text.lower() if part == "p" else text
    if part == "L":
        return f"{moment.microsecond // 1000:03d}"
    return str({"e": moment.day, "k": moment.hour, "l": moment.hour % 12 or 12}[part])


@native("VARCHAR", "VARCHAR", "VARCHAR")
def normalize(text: str, form: str) -> str:
    """Bring a text into one of Unicode's normal forms."""
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


@native("VARCHAR", "VARCHAR")
def url_encode(text: str) -> str:
    """Escape what no URL's parameter may hold."""
    return quote_plus(text, safe="*").replace("~", "%7E")


@native("VARCHAR", "VARCHAR")
def url_decode(text: str) -> str:
    """Read what is escaped."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise FunctionError(f"URLDecoder: Illegal hex characters in escape (%) pattern: {text}")
    return unquote_plus(text)


@native("VARCHAR", "VARCHAR", "VARCHAR")
def url_part(url: str, part: str) -> str | None:
    """Take a part of a URL, None where it is none."""
    if re.search(r"[\s<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})", url):
        return None
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    if part == "port":
        return None if port is None else str(port)
    if part == "host":
        authority = split.netloc.rpartition("@")[2]
        return authority.rpartition(":")[0] if port is not None else authority
    raw = {"protocol": url.partition(":")[0] if split.scheme else "", "path": split.path, "query": split.query,
           "fragment": split.fragment}[part]  # fmt: skip
    return unquote_plus(raw.replace("+", "%2B")) if part in ("path", "query", "fragment") else raw


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def url_parameter(url: str, name: str, _part: str) -> str | None:
    """Take the first parameter of a name out of a URL."""
    if url_part(url, "query") is None:
        return None
    query = urlsplit(url).query
    for pair in query.split("&") if query else ():
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name:
            return unquote_plus(value)
    return None


@native("VARCHAR", "VARCHAR")
def soundex(text: str) -> str:
    """Write how a word sounds."""
    codes = {**dict.fromkeys("BFPV", "1"), **dict.fromkeys("CGJKQSXZ", "2"), **dict.fromkeys("DT", "3"), "L": "4",
             **dict.fromkeys("MN", "5"), "R": "6"}  # fmt: skip
    letters = [letter for letter in text.upper() if letter.isalpha()]
    if not letters:
        return ""
    if any(letter > "Z" for letter in letters):
        raise FunctionError(f"The character is not mapped: {text}")
    made, last = letters[0], codes.get(letters[0], "")
    for letter in letters[1:]:
        code = codes.get(letter, "")
        if code and code != last:
            made += code
        if letter not in "HW":
            last = code
    return (made + "000")[:4]


_MOST_STEPS = 1_000_000


@native("BIGINT", "VARCHAR", "VARCHAR")
def levenshtein_distance(left: str, right: str) -> int:
    """Count the letters to change, add or remove from one text to another."""
    if len(left) * len(right) > _MOST_STEPS:
        raise FunctionError(
            f"The combined inputs size exceeded max Levenshtein distance calculation size {_MOST_STEPS}"
        )
    before = list(range(len(right) + 1))
    for row, letter in enumerate(left, start=1):
        now = [row]
        for column, other in enumerate(right, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (letter != other)))
        before = now
    return before[-1]


@native("BIGINT", "VARCHAR", "VARCHAR")
def hamming_distance(left: str, right: str) -> int:
    """Count the places where texts of one length differ."""
    if len(left) != len(right):
        raise FunctionError("The input strings to hamming_distance function must have the same length")
    return sum(one != other for one, other in zip(left, right, strict=True))


@native("BOOLEAN", "VARCHAR")
def luhn_check(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    if not re.fullmatch(r"[0-9]*", digits):
        raise FunctionError(f"Input must contain only digits: {digits}")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return bool(digits) and total % 10 == 0


@native("VARCHAR", "VARCHAR", "BIGINT", "VARCHAR", "BOOLEAN")
def pad(text: str, size: int, padding: str, left: bool) -> str:
    """Fill a text up to a size, or cut it."""
    if size < 0 or size > 2**31 - 1:
        raise FunctionError("Target length must be in the range [0..2147483647]")
    check_size(size, "lpad" if left else "rpad")
    if not padding:
        raise FunctionError("Padding string must not be empty")
    if len(text) >= size:
        return text[:size]
    missing = size - len(text)
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + text if left else text + filled


@native("BLOB", "BLOB", "BIGINT", "BLOB", "BOOLEAN")
def pad_bytes(value: bytes, size: int, padding: bytes, left: bool) -> bytes:
    """Fill bytes up to a size, or cut them."""
    if size < 0 or size > 2**31 - 1:
        raise FunctionError("Target length must be in the range [0..2147483647]")
    check_size(size, "lpad" if left else "rpad")
    if not padding:
        raise FunctionError("Padding bytes must not be empty")
    if len(value) >= size:
        return value[:size]
    missing = size - len(value)
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + value if left else value + filled


@native("VARCHAR[]", "VARCHAR", "VARCHAR", "BIGINT")
def split(text: str, delimiter: str, limit: int) -> list[str]:
    """Split a text at a delimiter; the last part holds the rest."""
    if not delimiter:
        raise FunctionError("The delimiter may not be the empty string")
    if limit <= 0:
        raise FunctionError("Limit must be positive")
    if limit >= 2**31:
        raise FunctionError("Limit is too large")
    return text.split(delimiter, limit - 1)


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def replace(text: str, search: str, replacement: str) -> str:
    """Replace every occurrence; an empty search stands before, between and after all letters."""
    check_size(len(text) + text.count(search) * max(len(replacement) - len(search), 0), "replace")
    return text.replace(search, replacement)


@native("BIGINT", "VARCHAR", "VARCHAR", "BIGINT")
def strpos(text: str, part: str, instance: int) -> int:
    """Find where a part stands for the nth time, from the end if n is negative; 0 where it does not."""
    if instance == 0:
        raise FunctionError("'instance' must not be a positive or negative number.")
    if not part:
        return 1
    place = -1 if instance > 0 else len(text) + 1
    for _ in range(abs(instance)):
        place = text.find(part, place + 1) if instance > 0 else text.rfind(part, 0, max(0, place + len(part) - 1))
        if place < 0:
            return 0
    return place + 1


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR")
def translate(text: str, source: str, target: str) -> str:
    """Replace letters by those at the same places; what has none is removed."""
    table: dict[str, str] = {}
    for place, letter in enumerate(source):
        table.setdefault(letter, target[place] if place < len(target) else "")
    return "".join(table.get(letter, letter) for letter in text)


@native("VARCHAR", "VARCHAR")
def initcap(text: str) -> str:
    """Make the first letter of each word a capital one."""
    return re.sub(r"[^\W_]+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


@native("VARCHAR", "BIGINT")
def chr(code: int) -> str:  # noqa: A001
    """The letter of a code point."""
    import builtins  # noqa: PLC0415

    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise FunctionError(f"Not a valid Unicode code point: {code}")
    return builtins.chr(code)


_VOWELS = "aeiouy"


@native("VARCHAR", "VARCHAR", "VARCHAR")
def word_stem(word: str, language: str) -> str:
    """Reduce an English word to its stem."""
    if language != "en":
        raise FunctionError(f"word_stem knows English alone in this emulator, not '{language}'")
    import snowballstemmer  # noqa: PLC0415

    return str(snowballstemmer.stemmer("english").stemWord(word))
