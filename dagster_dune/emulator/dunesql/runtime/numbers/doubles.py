"""Doubles and reals: casts, Java's text form, rounding and powers."""

from __future__ import annotations

import math
import re
import struct
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


# Assumption: local-double-text.
def java_double(value: float, digits: str) -> str:
    """Format a double as Java does, with the shortest digits that represent it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    sign, figures, exponent = Decimal(_two_digits(value, digits)).as_tuple()
    text = "".join(map(str, figures)).rstrip("0") or "0"
    power = len(figures) + int(exponent) - 1
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"


def _two_digits(value: float, digits: str) -> str:
    """Return at least two digits, as Java: the nearest ones that represent the double, as in 4.9E-324."""
    two = f"{value:.1e}"
    is_short = len(digits.partition("e")[0].strip("-0.").replace(".", "")) == 1
    return two if is_short and float(two) == value and abs(value) < 1e-300 else digits


def shortest_real(value: float) -> str:
    """Return the shortest digits that represent a real."""
    if not math.isfinite(value) or value == 0:
        return repr(value)
    for digits in range(1, 10):
        text = f"{value:.{digits - 1}e}"
        try:
            if struct.unpack("f", struct.pack("f", float(text)))[0] == value:
                return text
        except OverflowError:
            continue
    return repr(value)


@native("VARCHAR", "DOUBLE")
def double_text(value: float) -> str:
    """Format a double as Trino's cast to varchar: ``1.5E0``."""
    text = java_double(value, repr(value))
    return "0E0" if text == "0.0" else "-0E0" if text == "-0.0" else text


@native("VARCHAR", "FLOAT")
def real_text(value: float) -> str:
    """Format a real as Trino's cast to varchar."""
    digits = shortest_real(value)
    if len(digits.partition("e")[0].strip("-").replace(".", "")) > _REAL_DIGITS:
        digits = f"{Decimal(value):.{_REAL_DIGITS - 1}e}"
    text = java_double(value, digits)
    return "0E0" if text == "0.0" else "-0E0" if text == "-0.0" else text


_REAL_DIGITS = 7
"""The most digits in the cast of a real to varchar, which may be too few to read the same value back."""


@native("DOUBLE", "DOUBLE")
def cbrt(value: float) -> float:
    """Return the cube root, which is exact for cubes."""
    if not math.isfinite(value) or value == 0:
        return value
    with localcontext(prec=40):
        return math.copysign(float(Decimal(abs(value)) ** (Decimal(1) / 3)), value)


def plain_double(text: str) -> str:
    """Format a double as Java's Double.toString: without exponent from 0.001 up to ten million."""
    value = float(text)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = format(Decimal(text), "f")
        return plain if "." in plain else f"{plain}.0"
    return java_double(value, text)


@native("VARCHAR", "DOUBLE")
def double_plain(value: float) -> str:
    """Format a double for JSON."""
    return plain_double(repr(value))


@native("VARCHAR", "FLOAT")
def real_plain(value: float) -> str:
    """Format a real for JSON."""
    return plain_double(shortest_real(value))


@native("VARCHAR", "DOUBLE")
# Assumption: local-links.
def format_number(value: float) -> str:
    """Format a number with at most three digits and a unit for powers of a thousand."""
    if not math.isfinite(value) or 0 < abs(value) < 1 or abs(value) >= 1e19:
        raise FunctionError(f"format_number of {value!r} is not supported by this emulator")
    units = ["", "K", "M", "B", "T", "Q"]
    number, place = Decimal(repr(abs(value))), 0
    while number >= 1000 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    digits = 2 if number < 10 else 1 if number < 100 else 0
    text = format(number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if value < 0 else ''}{text}{units[place]}"


@native("DOUBLE", "DOUBLE", "DOUBLE")
def power(base: float, exponent: float) -> float:
    """Return a power, as Java does."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base == 0:
            return -math.inf if math.copysign(1, base) < 0 and exponent % 2 == 1 else math.inf
        return math.nan


@native("DOUBLE", "DOUBLE", "BIGINT")
def truncate(value: float, digits: int) -> float:
    """Truncate a double to a number of fractional digits."""
    if not math.isfinite(value):
        return value
    with localcontext() as context:
        context.prec = 400
        return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)) if digits < 320 else value


@native("BOOLEAN", "VARCHAR")
def boolean_cast(text: str) -> bool:
    """Cast a text to a boolean."""
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise FunctionError(f"Cannot cast '{text}' to BOOLEAN")


_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?)")


@native("DOUBLE", "VARCHAR", "VARCHAR")
def double_cast(text: str, name: str) -> float:
    """Cast a text to a double as Java does."""
    body = text.strip()
    if not _DOUBLE.fullmatch(body):
        raise FunctionError(f"Cannot cast '{text}' to {name.upper()}")
    return float(body.rstrip("dDfF") if body[-1:] in "dDfF" else body)


@native("FLOAT", "DOUBLE")
def to_real(value: float) -> float:
    """Round a double to a real, which is infinite if it is too large."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
