"""Decimals with 38 digits: exact arithmetic, casts and rounding."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from dagster_dune.emulator.dunesql.runtime.registry import FunctionError, native


def _fits(value: Decimal, precision: int, scale: int) -> str:
    text = format(value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP), "f")
    if len(text.lstrip("-").replace(".", "").lstrip("0")) > precision:
        raise FunctionError(f"Decimal overflow: {text} does not fit decimal({precision},{scale})")
    return text


@native("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "INTEGER", "INTEGER")
def decimal_apply(left: str, right: str, operator: str, precision: int, scale: int) -> str:
    """Multiply, divide or take the remainder of decimals exactly, rounded half away from zero."""
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
    """Cast a text to a decimal, rounded half away from zero."""
    try:
        with localcontext() as context:
            context.prec = 400
            value = Decimal(text) if "_" not in text and text.strip() == text else None
            if value is not None and value.is_finite():
                return _fits(value, precision, scale)
    except ArithmeticError:
        pass
    raise FunctionError(f"Cannot cast '{text}' to DECIMAL({precision}, {scale})")


@native("VARCHAR", "VARCHAR", "BIGINT")
def decimal_round(text: str, digits: int) -> str:
    """Round a decimal to a number of fractional digits, half away from zero, without changing its scale."""
    return _scaled(text, digits, ROUND_HALF_UP)


@native("VARCHAR", "VARCHAR", "BIGINT")
def decimal_truncate(text: str, digits: int) -> str:
    """Truncate a decimal to a number of fractional digits, without changing its scale."""
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


_SIZE = re.compile(r"(\d+(?:\.\d+)?)(B|[kMGTPEZY]B)")
_SIZES = {unit: 1024**power for power, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"))}


@native("VARCHAR", "VARCHAR")
def parse_data_size(text: str) -> str:
    """Return a size such as ``2.3MB`` in whole bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise FunctionError(f"Invalid data size: '{text}'")
    with localcontext() as context:
        context.prec = 76
        size = int(Decimal(match[1]) * _SIZES[match[2]])
    if size >= 10**38:
        raise FunctionError(f"Value out of range: '{text}' ('{size}B')")
    return str(size)
