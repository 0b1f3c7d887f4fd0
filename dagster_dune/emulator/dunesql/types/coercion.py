"""Implicit coercions between types, and the common supertype of types.

See https://trino.io/docs/current/language/types.html; uint256 and int256 are Dune's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dagster_dune.emulator.dunesql.types.trino import (  # fmt: skip
    DOUBLE,
    INTEGERS,
    REAL,
    TIMESTAMPS,
    UNKNOWN,
    VARCHAR,
    Type,
    decimal,
)

_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}


def as_decimal(type_: Type) -> Type:
    """Return the decimal type for all values of an integer type; a decimal type is returned unchanged."""
    return type_ if type_.name == "decimal" else decimal(_DIGITS[type_.name], 0)


def common_type(left: Type, right: Type) -> Type | None:
    """Return the common supertype of two types, None if there is none.

    Examples:
        >>> from dagster_dune.emulator.dunesql.types.parsing import read_type
        >>> str(common_type(read_type("bigint"), read_type("decimal(5,2)")))
        'decimal(21,2)'
    """
    if left == right:
        return left
    if left.name == "unknown":
        return right
    if right.name == "unknown":
        return left
    if left.is_number and right.is_number:
        return _common_number(left, right)
    if left.name == right.name:
        return _common_parts(left, right)
    names = {left.name, right.name}
    if names == {"varchar", "char"}:
        return next(type_ for type_ in (left, right) if type_.name == "char")
    if "date" in names and (other := next((t for t in (left, right) if t.name in TIMESTAMPS), None)):
        return other
    if names == set(TIMESTAMPS):
        zoned = next(type_ for type_ in (left, right) if type_.name != "timestamp")
        return replace(zoned, args=(max(left.digits, right.digits),))
    return None


def _common_number(left: Type, right: Type) -> Type:
    names = {left.name, right.name}
    if "double" in names:
        return DOUBLE
    if left.is_wide or right.is_wide:
        if names & {"real"} or any(type_.name == "decimal" and type_.args[1] for type_ in (left, right)):
            return DOUBLE
        return Type("int256" if "int256" in names else "uint256")
    if "real" in names:
        return REAL
    if "decimal" in names:
        one, other = as_decimal(left), as_decimal(right)
        scale = max(one.args[1], other.args[1])
        return decimal(max(one.args[0] - one.args[1], other.args[0] - other.args[1]) + scale, scale)
    return max(left, right, key=lambda type_: INTEGERS.index(type_.name))


def _common_parts(left: Type, right: Type) -> Type | None:
    if left.name == "varchar":
        return Type("varchar", (max(left.args[0], right.args[0]),)) if left.args and right.args else VARCHAR
    if left.name == "row":
        names = tuple(
            one if one and other and one.lower() == other.lower() else None
            for one, other in zip(left.names, right.names, strict=False)
        )
        if len(left.of) != len(right.of):
            return None
    else:
        names = ()
    if left.of:
        parts = [common_type(one, other) for one, other in zip(left.of, right.of, strict=True)]
        return Type(left.name, of=tuple(p for p in parts if p), names=names) if all(parts) else None
    if left.args and left.name != "decimal":
        return Type(left.name, (max(left.args[0], right.args[0]),), zoned=left.zoned or right.zoned)
    return replace(left, zoned=left.zoned or right.zoned)


def common_of(types: Iterable[Type]) -> Type | None:
    """Return the common supertype of types; unknown if there are no types."""
    found: Type | None = UNKNOWN
    for type_ in types:
        found = common_type(found, type_) if found else None
    return found


def can_coerce(source: Type, target: Type) -> bool:
    """Return whether a type is implicitly coerced to another."""
    if source == target:
        return True
    if source.name == "char" and target.name == "varchar":
        return True
    found = common_type(source, target)
    if found is None:
        return False
    if found == target:
        return True
    if target.name == "varchar" and source.name == "varchar":
        return not target.args
    return found.name == target.name == "row" and found.of == target.of
