"""`format`, with patterns of Java's Formatter."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_SPECIFIER = re.compile(
    r"%(?:(?P<index>\d+)\$|(?P<same><))?(?P<flags>[-#+ 0,(]*)(?P<width>\d+)?(?:\.(?P<precision>\d+))?"
    r"(?P<kind>[a-zA-Z%])(?P<part>[A-Za-z])?"
)
_TIMES = {
    "Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "B": "%B", "b": "%b", "h": "%b", "A": "%A", "a": "%a", "H": "%H",
    "I": "%I", "M": "%M", "S": "%S", "j": "%j", "p": "%p", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M",
    "D": "%m/%d/%y",
}  # fmt: skip


@native("VARCHAR", "VARCHAR", "VARCHAR[]", "VARCHAR", nulls=True)
def format(pattern: str | None, values: list[str | None], kinds: str) -> str | None:  # noqa: A001
    """Format values, which are given as texts with their kinds, by a pattern of Java's Formatter."""
    if pattern is None:
        return None
    types, place, made, end, index = kinds.split(","), 0, [], 0, -1
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
            if not match["same"]:
                index = int(match["index"]) - 1 if match["index"] else place
                place += not match["index"]
            if not 0 <= index < len(values):
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
    """Check the flags of a conversion, with the errors of Java."""
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
    """Format a time as Java's classes: without seconds if they are zero, and with 0, 3, 6 or 9 fractional digits."""
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
        prefix = ("0" if kind == "o" else "0x") if "#" in flags else ""
        return prefix + (text.rjust(int(match["width"] or 0) - len(prefix), "0") if "0" in flags else text)
    if kind == "d":
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
