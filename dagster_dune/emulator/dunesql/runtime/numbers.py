"""Numbers: text of doubles, integers of 256 bits, decimals, statistics."""

from __future__ import annotations

import itertools
import math
import re
import struct
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

UINT256_MAX, INT256_MIN, INT256_MAX = 2**256 - 1, -(2**255), 2**255 - 1


# Assumption: local-double-text.
def java_double(value: float, digits: str) -> str:
    """Write a double as Java does, with the shortest digits that read back."""
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
    """Java writes two digits at least: of those that read back as the same double, the nearest, as in 4.9E-324."""
    two = f"{value:.1e}"
    is_short = len(digits.partition("e")[0].strip("-0.").replace(".", "")) == 1
    return two if is_short and float(two) == value and abs(value) < 1e-300 else digits


def shortest_real(value: float) -> str:
    """The fewest digits that read back as the same real."""
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
    """Write a double as Trino's cast to varchar does: ``1.5E0``."""
    text = java_double(value, repr(value))
    return "0E0" if text == "0.0" else "-0E0" if text == "-0.0" else text


@native("VARCHAR", "FLOAT")
def real_text(value: float) -> str:
    """Write a real as Trino's cast to varchar does."""
    text = java_double(value, shortest_real(value))
    return "0E0" if text == "0.0" else "-0E0" if text == "-0.0" else text


@native("DOUBLE", "DOUBLE")
def cbrt(value: float) -> float:
    """Take the cube root, which of a cube is exact."""
    if not math.isfinite(value) or value == 0:
        return value
    with localcontext(prec=40):
        return math.copysign(float(Decimal(abs(value)) ** (Decimal(1) / 3)), value)


def plain_double(text: str) -> str:
    """Write a double as JSON and Java's Double.toString do: plain from 0.001 up to ten million."""
    value = float(text)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = format(Decimal(text), "f")
        return plain if "." in plain else f"{plain}.0"
    return java_double(value, text)


@native("VARCHAR", "DOUBLE")
def double_plain(value: float) -> str:
    """Write a double for JSON."""
    return plain_double(repr(value))


@native("VARCHAR", "FLOAT")
def real_plain(value: float) -> str:
    """Write a real for JSON."""
    return plain_double(shortest_real(value))


def _ranged(value: int, *, signed: bool, what: str) -> str:
    low, high = (INT256_MIN, INT256_MAX) if signed else (0, UINT256_MAX)
    if not low <= value <= high:
        name = "int256" if signed else "uint256"
        raise FunctionError(f"{name} {what}: {value}" if what else f"Value does not fit {name}: {value}")
    return str(value)


@native("BIGNUM", "BIGNUM", "BIGNUM", "BOOLEAN")
def wide_add(left: str, right: str, signed: bool) -> str:
    """Add."""
    return _ranged(int(left) + int(right), signed=signed, what="addition overflow")


@native("BIGNUM", "BIGNUM", "BIGNUM", "BOOLEAN")
def wide_subtract(left: str, right: str, signed: bool) -> str:
    """Subtract."""
    result = int(left) - int(right)
    if result < 0 and not signed:
        raise FunctionError(f"uint256 subtraction underflow: {left} - {right}")
    return _ranged(result, signed=signed, what="subtraction overflow")


@native("BIGNUM", "BIGNUM", "BIGNUM", "BOOLEAN")
def wide_multiply(left: str, right: str, signed: bool) -> str:
    """Multiply."""
    return _ranged(int(left) * int(right), signed=signed, what="multiplication overflow")


def _divided(left: int, right: int) -> tuple[int, int]:
    if right == 0:
        raise FunctionError("Division by zero")
    quotient, remainder = divmod(abs(left), abs(right))
    return (quotient if (left < 0) == (right < 0) else -quotient), (-remainder if left < 0 else remainder)


@native("BIGNUM", "BIGNUM", "BIGNUM", "BOOLEAN")
def wide_divide(left: str, right: str, signed: bool) -> str:
    """Divide, toward zero."""
    return _ranged(_divided(int(left), int(right))[0], signed=signed, what="division overflow")


@native("BIGNUM", "BIGNUM", "BIGNUM", "BOOLEAN")
def wide_modulo(left: str, right: str, signed: bool) -> str:
    """Take the remainder."""
    return _ranged(_divided(int(left), int(right))[1], signed=signed, what="modulo overflow")


@native("BIGNUM", "VARCHAR", "BOOLEAN")
def wide_cast(text: str, signed: bool) -> str:
    """Read an integer of 256 bits from a text."""
    try:
        value = int(text) if text.strip() == text and "_" not in text else None
    except ValueError:
        value = None
    if value is None:
        raise FunctionError(f"Cannot cast '{text}' to {'int256' if signed else 'uint256'}")
    return _ranged(value, signed=signed, what="")


@native("BIGNUM", "DOUBLE", "BOOLEAN")
def wide_of_double(value: float, signed: bool) -> str:
    """Round a double to an integer of 256 bits, half away from zero."""
    if not math.isfinite(value):
        raise FunctionError(f"Cannot cast {value} to {'int256' if signed else 'uint256'}")
    return _ranged(int(Decimal(value).to_integral_value(ROUND_HALF_UP)), signed=signed, what="")


@native("BIGNUM", "BIGNUM", "BIGNUM", "VARCHAR")
def wide_bits(left: str, right: str, operator: str) -> str:
    """Work on the bits of unsigned integers of 256 bits."""
    one, other = int(left), int(right)
    if operator == "and":
        return str(one & other)
    if operator == "or":
        return str(one | other)
    if operator == "xor":
        return str(one ^ other)
    if other < 0:
        raise FunctionError(f"Shift must be at least 0, got {other}")
    if operator == "right":
        return str(one >> other)
    if other > 255 or one << other > UINT256_MAX:
        raise FunctionError(f"uint256 shift overflow: {other} bits")
    return str(one << other)


@native("BLOB", "BIGNUM")
def wide_bytes(value: str) -> bytes:
    """Write an integer of 256 bits as 32 bytes."""
    return int(value).to_bytes(32, "big", signed=int(value) < 0)


@native("BIGNUM", "BLOB", "BOOLEAN")
def wide_of_bytes(value: bytes, signed: bool) -> str:
    """Read an integer of 256 bits from no more than 32 bytes."""
    if len(value) > 32:
        raise FunctionError(f"bytearray is longer than 32 bytes: {len(value)}")
    return str(int.from_bytes(value.rjust(32, b"\0"), "big", signed=signed))


def _fits(value: Decimal, precision: int, scale: int) -> str:
    text = format(value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP), "f")
    if len(text.lstrip("-").replace(".", "").lstrip("0")) > precision:
        raise FunctionError(f"Decimal overflow: {text} does not fit decimal({precision},{scale})")
    return text


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "INTEGER")
def decimal_apply(left: str, right: str, operator: str, precision: int, scale: int) -> str:
    """Multiply, divide or take the remainder of decimals, exactly; half rounds away from zero."""
    with localcontext() as context:
        context.prec = 160
        one, other = Decimal(left), Decimal(right)
        if operator == "*":
            return _fits(one * other, precision, scale)
        if other == 0:
            raise FunctionError("Division by zero")
        return _fits(one / other if operator == "/" else one % other, precision, scale)


@native("VARCHAR", "VARCHAR", "INTEGER", "INTEGER")
def decimal_cast(text: str, precision: int, scale: int) -> str:
    """Read a decimal from a number's text, rounded half away from zero."""
    try:
        with localcontext() as context:
            context.prec = 400
            value = Decimal(text) if "_" not in text and text.strip() == text else None
            if value is not None and value.is_finite():
                return _fits(value, precision, scale)
    except ArithmeticError:
        pass
    raise FunctionError(f"Cannot cast '{text}' to DECIMAL({precision}, {scale})")


@native("VARCHAR", "DOUBLE")
# Assumption: local-links.
def format_number(value: float) -> str:
    """Write a number with three digits at the most and a unit for each thousand."""
    if not math.isfinite(value) or 0 < abs(value) < 1 or abs(value) >= 1e18:
        raise FunctionError(f"format_number of {value!r} is not supported by this emulator")
    units = ["", "K", "M", "B", "T", "Q"]
    number, place = Decimal(repr(abs(value))), 0
    while number >= 1000 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    digits = 2 if number < 10 else 1 if number < 100 else 0
    text = format(number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if value < 0 else ''}{text}{units[place]}"


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@native("VARCHAR", "BIGINT", "BIGINT")
def to_base(value: int, radix: int) -> str:
    """Write a whole number in another base."""
    if not 2 <= radix <= 36:
        raise FunctionError("Radix must be between 2 and 36")
    number, digits = abs(value), ""
    while number:
        number, digit = divmod(number, radix)
        digits = _DIGITS[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


@native("BIGINT", "VARCHAR", "BIGINT")
def from_base(text: str, radix: int) -> int:
    """Read a whole number in another base."""
    if not 2 <= radix <= 36:
        raise FunctionError("Radix must be between 2 and 36")
    body = text[1:] if text[:1] in "+-" else text
    if not body or any(_DIGITS.find(letter) not in range(radix) for letter in body.lower()):
        raise FunctionError(f"Not a valid base-{radix} number: {text}")
    value = int(body, radix) * (-1 if text[0] == "-" else 1)
    if not -(2**63) <= value < 2**63:
        raise FunctionError(f"Not a valid base-{radix} number: {text}")
    return value


def _checked_bits(value: int, bits: int) -> None:
    if not 2 <= bits <= 64:
        raise FunctionError(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise FunctionError(
            f"Number must be representable with the bits specified. {value} can not be represented with {bits} bits"
        )


@native("BIGINT", "BIGINT", "BIGINT")
def bit_count(value: int, bits: int) -> int:
    """Count the bits that are set, in two's complement of so many bits."""
    _checked_bits(value, bits)
    return int.bit_count(value & (2**bits - 1))


# Assumption: local-shifts-and-clocks.
@native("BIGINT", "BIGINT", "BIGINT", "INTEGER", "VARCHAR")
def shift(value: int, count: int, bits: int, way: str) -> int:
    """Shift the bits of an integer of so many bits."""
    if count < 0:
        raise FunctionError(f"Specified shift must be positive, got {count}")
    unsigned = value & (2**bits - 1)
    if way == "arithmetic":
        shifted = value >> min(count, bits - 1)
    elif way == "left":
        shifted = (unsigned << count) & (2**bits - 1) if count < bits else 0
    else:
        shifted = unsigned >> count if count < bits else 0
    return shifted - 2**bits if shifted >= 2 ** (bits - 1) else shifted


@native("DOUBLE", "DOUBLE", "DOUBLE")
def power(base: float, exponent: float) -> float:
    """Raise to a power, as Java does."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base == 0:
            return -math.inf if math.copysign(1, base) < 0 and exponent % 2 == 1 else math.inf
        return math.nan


@native("VARCHAR", "VARCHAR", "BIGINT")
def decimal_round(text: str, digits: int) -> str:
    """Round a decimal to so many digits after its point, half away from zero; its scale stays."""
    return _scaled(text, digits, ROUND_HALF_UP)


@native("VARCHAR", "VARCHAR", "BIGINT")
def decimal_truncate(text: str, digits: int) -> str:
    """Cut a decimal off after so many digits; its scale stays."""
    return _scaled(text, digits, ROUND_DOWN)


def _scaled(text: str, digits: int, rounding: str) -> str:
    value = Decimal(text)
    scale = -int(value.as_tuple().exponent)
    if digits >= scale:
        return text
    with localcontext() as context:
        context.prec = 160
        if digits < -80:
            return format(Decimal(0).scaleb(-scale), "f")
        rounded = value.quantize(Decimal(1).scaleb(-digits), rounding)
        return format(rounded.quantize(Decimal(1).scaleb(-scale)), "f")


@native("DOUBLE", "DOUBLE", "BIGINT")
def truncate(value: float, digits: int) -> float:
    """Cut a double off after so many digits."""
    if not math.isfinite(value):
        return value
    with localcontext() as context:
        context.prec = 400
        return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)) if digits < 320 else value


@native("BIGINT", "DOUBLE", "DOUBLE[]")
def width_bucket(value: float, bins: list[float | None]) -> int:
    """Count the bins, whose lower bounds are given in order, up to that of a value."""
    bounds = [bound if bound is not None else math.nan for bound in bins]
    if not bounds:
        raise FunctionError("Bins cannot be an empty array")
    if math.isnan(value):
        raise FunctionError("Operand cannot be NaN")
    for bound in bounds:
        if not math.isfinite(bound):
            raise FunctionError(f"Bin value must be finite, got {bound}")
    if any(one > other for one, other in itertools.pairwise(bounds)):
        raise FunctionError("Bin values are not sorted in ascending order")
    return sum(bound <= value for bound in bounds)


@native("DOUBLE", "DOUBLE[]")
def entropy(counts: list[float | None]) -> float:
    """The entropy of counts, in bits."""
    given = [count for count in counts if count is not None]
    if any(count < 0 for count in given):
        raise FunctionError("Entropy count argument must be non-negative")
    total = sum(given)
    return -sum(count / total * math.log2(count / total) for count in given if count) if total else 0.0


@native("DOUBLE", "DOUBLE[]", "DOUBLE[]", "DOUBLE")
def weighted_percentile(values: list[float | None], weights: list[float | None], share: float) -> float | None:
    """The value below which a share of the weight lies."""
    if not 0 <= share <= 1:
        raise FunctionError("Percentile must be between 0 and 1")
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if v is not None and w is not None and w > 0)
    target, reached = share * sum(weight for _, weight in pairs), 0.0
    for value, weight in pairs:
        reached += weight
        if reached >= target:
            return value
    return pairs[-1][0] if pairs else None


@native("BIGINT[][]", "BIGINT", "BIGINT")
def combinations(length: int, size: int) -> list[list[int]]:
    """The places of each subset of so many elements, in the order of the places at its end."""
    if size < 0:
        raise FunctionError(f"combination size must not be negative: {size}")
    if size > 5:
        raise FunctionError(f"combination size must not exceed 5: {size}")
    if math.comb(length, size) > 100_000:
        raise FunctionError("combinations exceed max size: 100000")
    found = itertools.combinations(range(1, length + 1), size)
    return sorted(map(list, found), key=lambda places: places[::-1])


@native("BOOLEAN", "VARCHAR")
def boolean_cast(text: str) -> bool:
    """Read a boolean."""
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise FunctionError(f"Cannot cast '{text}' to BOOLEAN")


_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?)")


@native("DOUBLE", "VARCHAR", "VARCHAR")
def double_cast(text: str, name: str) -> float:
    """Read a double as Java does."""
    body = text.strip()
    if not _DOUBLE.fullmatch(body):
        raise FunctionError(f"Cannot cast '{text}' to {name.upper()}")
    return float(body.rstrip("dDfF") if body[-1:] in "dDfF" else body)


@native("FLOAT", "DOUBLE")
def to_real(value: float) -> float:
    """Round a double to a real, to infinity where it is too great."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
