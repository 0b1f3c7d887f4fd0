"""Integers: other bases, bits, and combinations."""

from __future__ import annotations

import itertools
import math

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@native("VARCHAR", "BIGINT", "BIGINT")
def to_base(value: int, radix: int) -> str:
    """Format an integer in another base."""
    if not 2 <= radix <= 36:
        raise FunctionError("Radix must be between 2 and 36")
    number, digits = abs(value), ""
    while number:
        number, digit = divmod(number, radix)
        digits = _DIGITS[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


@native("BIGINT", "VARCHAR", "BIGINT")
def from_base(text: str, radix: int) -> int:
    """Parse an integer in another base."""
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
    """Return the number of set bits in two's complement of a number of bits."""
    _checked_bits(value, bits)
    return int.bit_count(value & (2**bits - 1))


# Assumption: local-shifts-and-clocks.
@native("BIGINT", "BIGINT", "BIGINT", "INTEGER", "VARCHAR")
def shift(value: int, count: int, bits: int, way: str) -> int:
    """Shift an integer of a number of bits."""
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


@native("BIGINT[][]", "BIGINT", "BIGINT")
def combinations(length: int, size: int) -> list[list[int]]:
    """Return the positions of all subsets with a number of elements, in colexicographic order."""
    if size < 0:
        raise FunctionError(f"combination size must not be negative: {size}")
    if size > 5:
        raise FunctionError(f"combination size must not exceed 5: {size}")
    if math.comb(length, size) > 100_000:
        raise FunctionError("combinations exceed max size: 100000")
    found = itertools.combinations(range(1, length + 1), size)
    return sorted(map(list, found), key=lambda places: places[::-1])
