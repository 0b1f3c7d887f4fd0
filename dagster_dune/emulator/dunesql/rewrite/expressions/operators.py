"""Translates arithmetic and concatenation by the types of the operands.

See https://trino.io/docs/current/functions/math.html, decimal.html and datetime.html.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.functions.registry import Operand
from dagster_dune.emulator.dunesql.functions.texts import joined_char
from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts.conversion import coerced
from dagster_dune.emulator.dunesql.rewrite.observation import elements_of, observe_type
from dagster_dune.emulator.dunesql.rewrite.scopes import row_field
from dagster_dune.emulator.dunesql.types.coercion import as_decimal, can_coerce, common_type
from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    BIGINT,
    DATE,
    DOUBLE,
    INT256,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    MICROS,
    MOMENT,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    decimal,
    timestamp,
)
from dagster_dune.emulator.sql_errors import SqlError

SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_WIDE = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}


# Assumption: local-uint256-minus.
def mismatch(node: exp.Expr, sign: str, *types: Type) -> SqlError:
    """Return the error of an operator that does not support types."""
    return error_at(node, f"Cannot apply operator: {f' {sign} '.join(map(str, types))}")


def arithmetic(node: exp.Expr, sign: str, left: Operand, right: Operand) -> Operand:
    """Translate ``left sign right``."""
    for one, other in ((left, right), (right, left)):
        if one.type.name == "unknown" and other.type.name != "unknown" and not _shifts_time(sign, one, other):
            one_as = coerced(one, timestamp(3) if other.type.is_interval and sign in "+-" else other.type)
            left, right = (one_as, other) if one is left else (other, one_as)
            break
    for one, other in ((left, right), (right, left)):
        observe_type(one, other.type if other.type.name in _TIMES and sign == "-" else DOUBLE)
    if left.type.name == right.type.name == "unknown":
        left = right = Operand("CAST(NULL AS INTEGER)", Type("integer"))
    if left.type.is_number and right.type.is_number:
        return _number_arithmetic(sign, left, right)
    if (moved := _time_arithmetic(node, sign, left, right)) is not None:
        return moved
    raise mismatch(node, sign, left.type, right.type)


def _shifts_time(sign: str, unknown: Operand, other: Operand) -> bool:
    del unknown
    return sign in "+-" and (other.type.name in ("date", "time", "timestamp", "timestamp with time zone"))


def _number_arithmetic(sign: str, left: Operand, right: Operand) -> Operand:
    common = common_type(left.type, right.type)
    assert common is not None  # noqa: S101 - all numbers have one
    if common.name == "decimal":
        return _decimal_arithmetic(sign, left, right)
    left, right = (Operand(coerced(side, common).typed, common) for side in (left, right))
    if common.is_wide:
        return Operand(
            f"py_wide_{_WIDE[sign]}({left.sql}, {right.sql}, {str(common.name == 'int256').lower()})", common
        )
    if common.is_integer and sign == "/":
        return Operand(f"({left.sql} // {right.sql})", common)
    return Operand(f"({left.sql} {sign} {right.sql})", common)


def _decimal_arithmetic(sign: str, left: Operand, right: Operand) -> Operand:
    one, other = as_decimal(left.type), as_decimal(right.type)
    (p1, s1), (p2, s2) = one.args, other.args
    scale = s1 + s2 if sign == "*" else max(s1, s2)
    precision = {
        "+": max(p1 - s1, p2 - s2) + scale + 1,
        "-": max(p1 - s1, p2 - s2) + scale + 1,
        "*": p1 + p2,
        "/": p1 + s2 + max(s2 - s1, 0),
        "%": min(p2 - s2, p1 - s1) + scale,
    }[sign]
    if scale > 38:
        raise ValueError("DECIMAL scale must be in range [0, precision (38)]")
    result = decimal(max(precision, 1), scale)
    left, right = coerced(left, one), coerced(right, other)
    if sign in "+-" and precision <= 38:
        wide = f"CAST({left.sql} AS DECIMAL({result.args[0]},{scale}))"
        return Operand(f"CAST({wide} {sign} {right.sql} AS {result.duckdb})", result)
    if sign == "*" and precision <= 38:
        return Operand(f"CAST(CAST({left.sql} AS DECIMAL(38,{s1})) * {right.sql} AS {result.duckdb})", result)
    if sign in "+-":
        wide = f"CAST({left.sql} AS DECIMAL(38,{scale})) {sign} CAST({right.sql} AS DECIMAL(38,{scale}))"
        return Operand(f"CAST({wide} AS {result.duckdb})", result)
    sides = ", ".join(f"CAST({side.sql} AS VARCHAR)" for side in (left, right))
    made = f"py_decimal_apply({sides}, '{sign}', {result.args[0]}, {scale})"
    return Operand(f"CAST({made} AS {result.duckdb})", result)


_TIMES = ("date", "time", "timestamp", "timestamp with time zone")


def _time_arithmetic(node: exp.Expr, sign: str, left: Operand, right: Operand) -> Operand | None:
    if left.type.is_interval and right.type.name in _TIMES and sign == "+":
        left, right = right, left
    if left.type.name in _TIMES and right.type.is_interval and sign in "+-":
        return _shifted_time(node, sign, left, right)
    if left.type.is_interval and left.type == right.type and sign in "+-":
        return Operand(f"({left.sql} {sign} {right.sql})", left.type)
    if sign == "*" and left.type.is_number:
        left, right = right, left
    if left.type.is_interval and sign in "*/" and can_coerce(right.type, DOUBLE):
        return _scaled_interval(sign, left, right)
    if sign == "-" and left.type.name in _TIMES and right.type.name in _TIMES:
        return _time_difference(left, right)
    return None


def _scaled_interval(sign: str, interval: Operand, factor: Operand) -> Operand:
    if factor.type.is_integer and sign == "*":
        return Operand(f"CAST({interval.sql} * {factor.sql} AS {interval.type.duckdb})", interval.type)
    number = coerced(factor, DOUBLE).sql
    rounding = "trunc" if interval.type == INTERVAL_DAY else "round"
    return Operand(f"CAST({rounding}({interval.sql} {sign} {number}) AS {interval.type.duckdb})", interval.type)


def _time_difference(left: Operand, right: Operand) -> Operand | None:
    common = common_type(left.type, right.type)
    if common is None:
        return None
    left, right = coerced(left, common), coerced(right, common)
    if common == DATE:
        return Operand(f"(CAST({left.sql} - {right.sql} AS BIGINT) * 86400000)", INTERVAL_DAY)
    if common.name == "time":
        return Operand(
            "trino_rounded_milliseconds("
            f"epoch_us(DATE '1970-01-01' + {left.sql}) - epoch_us(DATE '1970-01-01' + {right.sql}))",
            INTERVAL_DAY,
        )
    part = MOMENT if common.zoned else MICROS if common.is_precise else ""
    moments = [f"struct_extract({side.sql}, '{part}')" if part else side.sql for side in (left, right)]
    return Operand(f"trino_rounded_milliseconds(epoch_us({moments[0]}) - epoch_us({moments[1]}))", INTERVAL_DAY)


def _shifted_time(node: exp.Expr, sign: str, time: Operand, interval: Operand) -> Operand:
    is_months = interval.type == INTERVAL_MONTH
    minus = "-" if sign == "-" else ""
    if time.type == DATE and not is_months:
        return Operand(f"CAST({time.sql} + trino_whole_days({minus}{interval.sql}) AS DATE)", DATE)
    duration = f"to_months({minus}{interval.sql})" if is_months else f"to_milliseconds({minus}{interval.sql})"
    if time.type == DATE:
        return Operand(f"CAST({time.sql} + {duration} AS DATE)", DATE)
    if time.type.name == "time":
        if is_months:
            raise mismatch(node, sign, time.type, interval.type)
        return Operand(f"({time.sql} + {duration})", Type("time", (max(3, time.type.digits),)))
    if time.type.zoned:
        name = "trino_zoned_add_date" if is_months else "trino_zoned_add_clock"
        return Operand(f"{name}({time.sql}, {duration})", time.type)
    if time.type.is_precise:
        return Operand(f"trino_precise_add({time.sql}, {duration})", time.type)
    type_ = time.type if time.type.digits >= 3 else Type(time.type.name, (3,))
    return Operand(f"({time.sql} + {duration})", type_)


def negated(node: exp.Expr, value: Operand) -> Operand:
    """Translate negation; that of a uint256 is an int256."""
    if value.type.is_wide:
        return Operand(f"py_wide_subtract(CAST(0 AS BIGNUM), {value.sql}, true)", INT256)
    if value.type.is_integer:
        return Operand(f"CAST((-({value.sql})) AS {value.type.duckdb})", value.type)
    if value.type.is_number or value.type.is_interval or value.type.name == "unknown":
        return Operand(f"(-({value.sql}))", value.type)
    raise error_at(node, f"Cannot negate {value.type}")


def joined(node: exp.Expr, left: Operand, right: Operand) -> Operand:
    """Translate ``||`` of texts, bytes, arrays, or an array and an element."""
    names = {left.type.name, right.type.name}
    if "array" in names:
        return _joined_arrays(node, left, right)
    if "char" in names and names <= {"char", "varchar"} and left.type.args and right.type.args:
        return Operand(f"({left.sql} || {right.sql})", joined_char((left.type, right.type)))
    for name in ("varchar", "varbinary"):
        if names <= {name, "unknown", "char"} and name in names:
            sides = [coerced(side, Type(name)) for side in (left, right)]
            return Operand(f"({sides[0].sql} || {sides[1].sql})", Type(name))
    raise mismatch(node, "||", left.type, right.type)


def _joined_arrays(node: exp.Expr, left: Operand, right: Operand) -> Operand:
    common = common_type(left.type, right.type)
    if common is not None and (left.type.name == right.type.name or "unknown" in (left.type.name, right.type.name)):
        return Operand(f"trino_array_concat({coerced(left, common).sql}, {coerced(right, common).sql})", common)
    whole, element = (left, right) if left.type.name == "array" else (right, left)
    inside = common_type(whole.type.of[0], element.type)
    if inside is None and right.type.name == "array":
        whole, element = right, left
        inside = common_type(whole.type.of[0], element.type)
    if inside is None:
        raise mismatch(node, "||", left.type, right.type)
    one = coerced(element, inside).sql
    sides = {True: coerced(whole, array(inside)).sql, False: f"CASE WHEN {one} IS NOT NULL THEN [{one}] END"}
    return Operand(f"trino_array_concat({sides[whole is left]}, {sides[whole is not left]})", array(inside))


def subscript(node: exp.Expr, container: Operand, key: Operand, position: int | None) -> Operand:
    """Translate ``a[1]``, which counts from 1, and fails if an array, a map or a row has no such element."""
    type_ = container.type
    if can_coerce(key.type, BIGINT) and (element := elements_of(container)):
        return Operand(element, UNKNOWN)
    if type_.name == "array" and can_coerce(key.type, BIGINT):
        return Operand(f"trino_subscript({container.sql}, {coerced(key, BIGINT).sql})", type_.of[0])
    if type_.name == "map" and can_coerce(key.type, type_.of[0]):
        return Operand(f"trino_map_subscript({container.sql}, {coerced(key, type_.of[0]).sql})", type_.of[1])
    if type_.name == "row":
        if position is None or not 1 <= position <= len(type_.of):
            raise error_at(node, "A field of a row is a position from 1 to the number of its fields, written out")
        return Operand(f"struct_extract_at({container.sql}, {position})", type_.of[position - 1])
    observe_type(container, Type("map", of=(VARCHAR, VARCHAR)) if key.type.name == "varchar" else array(UNKNOWN))
    raise error_at(node, f"Cannot use {key.type} for subscript of {type_}")


def dereference(node: exp.Dot, value: Operand) -> Operand:
    """Translate ``(r).a``, which is a field of a row."""
    return row_field(node, value, node.expression.name.lower())
