"""Translates casts to booleans and numbers."""

from __future__ import annotations

from dagster_dune.emulator.dunesql.types.trino import WIDE, Type


def to_boolean(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a boolean."""
    del target
    if source.name == "varchar":
        return f"py_boolean_cast({sql})"
    return f"({sql} <> 0)"


def to_integer(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to an integer, rounded half away from zero."""
    if source.name == "varchar":
        return f"CAST(trino_strict_integer({sql}, '{target.name}') AS {target.duckdb})"
    if source.is_float:
        return f"CAST(trino_rounded({sql}, '{target.name}') AS {target.duckdb})"
    return f"CAST({sql} AS {target.duckdb})"


def to_float(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a double or a real."""
    if source.name == "varchar":
        sql = f"py_double_cast({sql}, '{target.name}')"
    elif source.name == "decimal":
        sql = f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)"
    if target.name == "real" and source.name in ("varchar", "double", *WIDE):
        return f"py_to_real(CAST({sql} AS DOUBLE))"
    return f"CAST({sql} AS {target.duckdb})"


def to_decimal(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a decimal, rounded half away from zero."""
    precision, scale = target.args
    if source.name == "double":
        sql = f"py_double_plain({sql})"
    elif source.name == "real":
        sql = f"py_real_plain({sql})"
    elif source.is_wide:
        sql = f"CAST({sql} AS VARCHAR)"
    elif source.name == "boolean":
        return f"CAST(CAST({sql} AS INTEGER) AS {target.duckdb})"
    elif source.name != "varchar":
        return f"CAST({sql} AS {target.duckdb})"
    return f"CAST(py_decimal_cast({sql}, {precision}, {scale}) AS {target.duckdb})"


def to_wide(sql: str, source: Type, target: Type) -> str:
    """Return SQL of a cast to a uint256 or an int256."""
    signed = str(target.name == "int256").lower()
    if source.is_integer or source.name in WIDE or source.name == "varchar":
        if source.is_integer and target.name == "int256":
            return f"CAST({sql} AS BIGNUM)"
        return f"py_wide_cast(CAST({sql} AS VARCHAR), {signed})"
    if source.is_float:
        return f"py_wide_of_double(CAST({sql} AS DOUBLE), {signed})"
    whole = f"CAST({sql} AS DECIMAL({min(38, source.args[0] - source.args[1] + 1)},0))"
    return f"py_wide_cast(CAST({whole} AS VARCHAR), {signed})"
