"""Operators, whose meaning depends on the types of both sides.

Trino compares and joins only what is of one family: ``block_date >= '2026-01-01'`` is an error there, and would be a
comparison of other values in DuckDB.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_dune.emulator.dunesql.parse.positions import error_at
from dagster_dune.emulator.dunesql.rewrite.casts import cast
from dagster_dune.emulator.dunesql.rewrite.equality import equal, equal_tuples, in_rows
from dagster_dune.emulator.dunesql.rewrite.expressions import Operation, Rewrite, call, cast_to, integer, joined, text
from dagster_dune.emulator.dunesql.rewrite.functions import times, zones
from dagster_dune.emulator.dunesql.rewrite.functions.arrays import subscript
from dagster_dune.emulator.dunesql.rewrite.unnest import unnest
from dagster_dune.emulator.dunesql.types.types import Type
from dagster_dune.emulator.sql_errors import SqlError

SIGNED = "dune_signed"
"""The mark on a statement that works with int256: then a difference may be negative."""

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.In: "IN",
    exp.Between: "BETWEEN", exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
_SIGNS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    **_COMPARISONS,
}
_EQUALITIES = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)
_CLOCK_UNITS = ("HOUR", "MINUTE", "SECOND")


def add(operation: Operation) -> exp.Expr:
    """Add; a date plus days is a date."""
    operation = _common_256(operation)
    if operation.has("ZONED"):
        return _moved_zoned(operation)
    if moving := _unknown_moved(operation):
        return moving
    if decimals := _decimals(operation):
        return _decimal_sum(exp.Add, operation, *decimals)
    total = exp.Add(this=operation.operands[0], expression=operation.operands[1])
    return _moved_date(operation, total) if operation.has("DATE") else total


def subtract(operation: Operation) -> exp.Expr:
    """Subtract; a date less days is a date, dates have an interval between them, uint256 has no negative numbers."""
    operation = _common_256(operation)
    if operation.has("ZONED") and operation.has("INTERVAL"):
        return zones.moved(operation, exp.Neg(this=exp.Paren(this=operation.operands[1])))
    if moving := _unknown_moved(operation):
        return moving
    if operation.has("ZONED"):
        operation = Operation(operation.node, zones.instants(operation), [Type("TIMESTAMP WITH TIME ZONE")] * 2)
    if _is_exact_256(operation) and not _is_signed(operation):
        return call("trino_bignum_difference", *operation.operands)
    if decimals := _decimals(operation):
        return _decimal_sum(exp.Sub, operation, *decimals)
    difference = exp.Sub(this=operation.operands[0], expression=operation.operands[1])
    if operation.is_at(0, "DATE") and operation.is_at(1, "DATE"):
        return call("to_days", cast_to(exp.Paren(this=difference), "INTEGER"))
    is_date = operation.is_at(0, "DATE") and not operation.is_at(1, "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
    return _moved_date(operation, difference) if is_date else difference


def multiply(operation: Operation) -> exp.Expr:
    """Multiply, exactly where integers have 256 bits."""
    operation = _common_256(operation)
    if _is_exact_256(operation):
        return call("trino_bignum_product", *operation.operands)
    left, right = operation.operands
    if decimals := _decimals(operation):
        width = decimals[0].width + decimals[1].width
        scale = decimals[0].scale + decimals[1].scale
        wide = cast_to(left, f"DECIMAL(38,{decimals[0].scale})")
        return _decimal(exp.Mul(this=wide, expression=right), width, scale)
    return exp.Mul(this=left, expression=right)


def divide(operation: Operation) -> exp.Expr:
    """Divide: integers toward zero, decimals to the greater scale, doubles as IEEE 754 says."""
    operation = _common_256(operation)
    if _is_exact_256(operation):
        return call("struct_extract", call("trino_bignum_division", *operation.operands), text("q"))
    if decimals := _decimals(operation):
        return divide_decimals(operation.operands, *decimals)
    left, right = operation.operands
    if all(type_ is None or type_.is_integer for type_ in operation.types):
        return exp.Paren(this=exp.IntDiv(this=left, expression=right))
    return exp.Paren(this=exp.Div(this=left, expression=right, typed=False, safe=False))


def divide_decimals(operands: list[exp.Expr], left: Type, right: Type) -> exp.Expr:
    """Divide decimals: the quotient has the greater scale, and half rounds away from zero."""
    scale = max(left.scale, right.scale)
    width = left.width + right.scale + max(right.scale - left.scale, 0)
    zeros = integer(scale - left.scale + right.scale)
    return _decimal(call("trino_decimal_quotient", *operands, zeros, integer(scale)), width, scale)


def modulo(operation: Operation) -> exp.Expr:
    """Take the remainder, which has the sign of the dividend."""
    operation = _common_256(operation)
    if _is_exact_256(operation):
        return call("struct_extract", call("trino_bignum_division", *operation.operands), text("r"))
    left, right = (exp.Paren(this=operand) for operand in operation.operands)
    return exp.Paren(this=exp.Mod(this=left, expression=right))


def negate(operation: Operation) -> exp.Expr:
    """Change the sign, which a uint256 has not."""
    if operation.has("BIGNUM") and not _is_signed(operation):
        raise error_at(operation.node, "Cannot negate a uint256; cast it to int256")
    return exp.Neg(this=operation.operands[0])


def concatenate(operation: Operation) -> exp.Expr:
    """Join texts, bytes or arrays; NULL where any part is, unlike DuckDB's concat."""
    families = {type_.family for type_ in operation.types if type_ is not None and type_.family}
    if len(families) > 1 or not families <= {"text", "bytes", "array"}:
        raise _mismatch(operation, "||")
    return joined(operation.operands)


def compare(operation: Operation) -> exp.Expr:
    """Compare, if both sides are of one family."""
    families = {type_.family for type_ in operation.types if type_ is not None and type_.family}
    if len(families) > 1:
        raise _mismatch(operation, _SIGNS[type(operation.node)])
    node = operation.node
    if operation.has("ZONED"):
        return _with_operands(node, zones.instants(operation))
    is_subquery = bool(node.args.get("query"))
    if operation.operands and None in operation.types and not is_subquery:
        return _with_operands(node, [_is_null(operand) for operand in operation.operands])
    if isinstance(node, exp.Binary) and operation.has("BIGNUM") and operation.has("DECIMAL"):
        return _with_operands(node, _common_256(operation).operands)
    nested = next((type_ for type_ in operation.types if type_ is not None and type_.fields), None)
    return _compare_nested(node, nested) if nested else _compare_plain(node)


def _compare_nested(node: exp.Expr, type_: Type) -> exp.Expr:
    """Compare arrays, maps or rows, part by part."""
    if isinstance(node, exp.In) and type_.is_row:
        return in_rows(node, type_)
    if not isinstance(node, _EQUALITIES):
        raise error_at(
            node, f"Comparing {type_.trino_name} with {_SIGNS[type(node)]} is not supported by this emulator"
        )
    if not isinstance(node, exp.EQ | exp.NEQ):
        return node
    return _equality(node, equal(node, node.this, node.expression, type_))


def _compare_plain(node: exp.Expr) -> exp.Expr:
    is_equal = equal_tuples(node) if isinstance(node, exp.EQ | exp.NEQ) else None
    return node if is_equal is None else _equality(node, is_equal)


def _equality(node: exp.Expr, is_equal: exp.Expr) -> exp.Expr:
    return is_equal if isinstance(node, exp.EQ) else exp.Paren(this=exp.Not(this=is_equal))


def substring(operation: Operation) -> exp.Expr:
    """Take a part of a text, or of bytes."""
    if operation.types[0] is None:
        return operation.operands[0]
    return call("trino_bytes_substr" if operation.is_at(0, "BLOB") else "trino_substr", *operation.operands)


OPERATORS: dict[type[exp.Expr], Rewrite] = {
    exp.Add: add,
    exp.Sub: subtract,
    exp.Mul: multiply,
    exp.Div: divide,
    exp.Mod: modulo,
    exp.Neg: negate,
    exp.DPipe: concatenate,
    exp.Bracket: subscript,
    exp.AtTimeZone: zones.at_time_zone,
    exp.Extract: times.extract,
    exp.Substring: substring,
    exp.Unnest: unnest,
    exp.Cast: cast,
    exp.TryCast: lambda operation: call("TRY", cast(operation)),
    **dict.fromkeys(_COMPARISONS, compare),
}


def operands_of(node: exp.Expr) -> list[exp.Expr]:
    """Name the operands of an operator whose types matter."""
    if zones.literal(node) is not None:
        return []
    if named := _OPERANDS.get(type(node)):
        return [part for name in named for part in _parts(node.args.get(name))]
    sides = [node.this, node.expression]
    return [] if any(isinstance(side, exp.Any | exp.All | exp.Tuple) for side in sides) else sides


_OPERANDS: dict[type[exp.Expr], tuple[str, ...]] = {
    **dict.fromkeys((exp.Cast, exp.TryCast, exp.Neg, exp.Bracket, exp.AtTimeZone), ("this",)),
    exp.Extract: ("expression",),
    exp.Substring: ("this", "start", "length"),
    exp.Unnest: ("expressions",),
    exp.In: ("this", "expressions"),
    exp.Between: ("this", "low", "high"),
}
"""The arguments of nodes that hold operands; all others have two sides."""


def _parts(argument: list[exp.Expr] | exp.Expr | None) -> list[exp.Expr]:
    if argument is None:
        return []
    return argument if isinstance(argument, list) else [argument]


def _is_null(value: exp.Expr) -> exp.Expr:
    """Something that can be compared, while the types of both sides are not known."""
    return exp.Paren(this=exp.Is(this=exp.Paren(this=value), expression=exp.null()))


def _with_operands(node: exp.Expr, operands: list[exp.Expr]) -> exp.Expr:
    new = node.copy()
    for old, operand in zip(operands_of(new), operands, strict=True):
        old.replace(operand.copy())
    return new


def _unknown_moved(operation: Operation) -> exp.Expr | None:
    """A time before an interval is added, which has the type of the sum, while that type is not known."""
    return operation.operands[0] if operation.types[0] is None and operation.is_at(1, "INTERVAL") else None


def _moved_zoned(operation: Operation) -> exp.Expr:
    if not operation.is_at(0, "ZONED") or not operation.is_at(1, "INTERVAL"):
        raise _mismatch(operation, "+")
    return zones.moved(operation, operation.operands[1])


def _is_signed(operation: Operation) -> bool:
    return bool(operation.node.root().meta.get(SIGNED))


def _common_256(operation: Operation) -> Operation:
    """Bring a 256 bit integer and a decimal to one type, as Dune does: double, or 256 bits if there is no fraction."""
    if not (operation.has("BIGNUM") and operation.has("DECIMAL")):
        return operation
    common = "DOUBLE" if any(type_ is not None and type_.scale for type_ in operation.types) else "BIGNUM"
    operands = [
        operand if type_ is not None and type_.id == common else exp.Paren(this=to_common(operand, type_, common))
        for operand, type_ in zip(operation.operands, operation.types, strict=True)
    ]
    return Operation(operation.node, operands, [Type(common)] * len(operands))


def to_common(operand: exp.Expr, type_: Type | None, common: str) -> exp.Expr:
    """Cast to the type that a 256 bit integer and another number have in common."""
    is_decimal = type_ is not None and type_.id == "DECIMAL" and common == "BIGNUM"
    return cast_to(cast_to(operand, "VARCHAR") if is_decimal else operand, common)


def _is_exact_256(operation: Operation) -> bool:
    """Whether it works on 256 bit integers alone."""
    if not operation.has("BIGNUM"):
        return False
    return all(type_ is not None and (type_.id == "BIGNUM" or type_.is_integer) for type_ in operation.types)


def _decimals(operation: Operation) -> tuple[Type, Type] | None:
    """The two decimals that it works on, where one side is a decimal and the other no double."""
    left, right = operation.types
    if left is None or right is None or not operation.has("DECIMAL"):
        return None
    if all(type_.is_integer or type_.id == "DECIMAL" for type_ in (left, right)):
        return left.as_decimal(), right.as_decimal()
    return None


def _decimal_sum(operator: type[exp.Binary], operation: Operation, left: Type, right: Type) -> exp.Expr:
    scale = max(left.scale, right.scale)
    width = max(left.width - left.scale, right.width - right.scale) + scale + 1
    wide = cast_to(operation.operands[0], f"DECIMAL(38,{left.scale})")
    return _decimal(operator(this=wide, expression=operation.operands[1]), width, scale)


def _decimal(value: exp.Expr, width: int, scale: int) -> exp.Expr:
    return cast_to(exp.Paren(this=value), f"DECIMAL({min(38, width)},{scale})")


def _moved_date(operation: Operation, moved: exp.Expr) -> exp.Expr:
    if not operation.has("INTERVAL"):
        raise _mismatch(operation, _SIGNS[type(operation.node)])
    for interval in operation.node.find_all(exp.Interval):
        if interval.text("unit").upper() in _CLOCK_UNITS:
            raise error_at(operation.node, "Cannot add hour, minutes or seconds to a date")
    return cast_to(exp.Paren(this=moved), "DATE")


def _mismatch(operation: Operation, sign: str) -> SqlError:
    sides = f" {sign} ".join(operation.type_names()[:2])
    return error_at(operation.node, f"Cannot apply operator: {sides}")
