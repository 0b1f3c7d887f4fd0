"""Dune's 256-bit integers, which are passed and returned as texts."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native

UINT256_MAX, INT256_MIN, INT256_MAX = 2**256 - 1, -(2**255), 2**255 - 1


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
    """Return the remainder."""
    return _ranged(_divided(int(left), int(right))[1], signed=signed, what="modulo overflow")


@native("BIGNUM", "VARCHAR", "BOOLEAN")
def wide_cast(text: str, signed: bool) -> str:
    """Cast a text to a 256-bit integer."""
    try:
        value = int(text) if text.strip() == text and "_" not in text else None
    except ValueError:
        value = None
    if value is None:
        raise FunctionError(f"Cannot cast '{text}' to {'int256' if signed else 'uint256'}")
    return _ranged(value, signed=signed, what="")


@native("BIGNUM", "DOUBLE", "BOOLEAN")
def wide_of_double(value: float, signed: bool) -> str:
    """Round a double to a 256-bit integer, half away from zero."""
    if not math.isfinite(value):
        raise FunctionError(f"Cannot cast {value} to {'int256' if signed else 'uint256'}")
    return _ranged(int(Decimal(value).to_integral_value(ROUND_HALF_UP)), signed=signed, what="")


@native("BIGNUM", "BIGNUM", "BIGNUM", "VARCHAR")
def wide_bits(left: str, right: str, operator: str) -> str:
    """Apply a bitwise operator to unsigned 256-bit integers."""
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
    """Return the 32 bytes of a 256-bit integer."""
    return int(value).to_bytes(32, "big", signed=int(value) < 0)


@native("BIGNUM", "BLOB", "BOOLEAN")
def wide_of_bytes(value: bytes, signed: bool) -> str:
    """Return the 256-bit integer of at most 32 bytes."""
    if len(value) > 32:
        raise FunctionError(f"bytearray is longer than 32 bytes: {len(value)}")
    return str(int.from_bytes(value.rjust(32, b"\0"), "big", signed=signed))
