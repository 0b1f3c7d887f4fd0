"""Registers the functions in Python with DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from dagster_dune.emulator.dunesql.runtime import base58, binary
from dagster_dune.emulator.dunesql.runtime.documents import casts, parts, standard, values
from dagster_dune.emulator.dunesql.runtime.numbers import (
    decimals,
    distributions,
    doubles,
    integers,
    statistics,
    wide_integers,
)
from dagster_dune.emulator.dunesql.runtime.registry import NATIVES
from dagster_dune.emulator.dunesql.runtime.texts import formats, letters, regexes, urls, words
from dagster_dune.emulator.dunesql.runtime.times import iso, joda, mysql, parsing, spans, zones

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MODULES = (
    base58, binary, casts, parts, standard, values, decimals, distributions, doubles, integers, statistics,
    wide_integers, formats, letters, regexes, urls, words, iso, joda, mysql, parsing, spans, zones,
)  # fmt: skip
"""The modules whose import adds their functions to the list."""


def register(connection: DuckDBPyConnection) -> None:
    """Register all functions with a database.

    Args:
        connection: The first connection of the database; other connections have the functions too.
    """
    for each in NATIVES:
        may_be_null = "None" in str(each.function.__annotations__.get("return", ""))
        function = _of_known(each.function) if may_be_null and not each.nulls else each.function
        is_float = each.result in ("DOUBLE", "FLOAT")
        connection.create_function(  # type: ignore[call-overload]
            f"{each.name}_text" if is_float else each.name,
            _as_text(function) if is_float else function,
            list(each.parameters),
            "VARCHAR" if is_float else each.result,
            null_handling="special" if each.nulls or may_be_null else "default",
        )
        if is_float:
            names = ", ".join(f"p{place}" for place in range(len(each.parameters)))
            written = f"CAST({each.name}_text({names}) AS {each.result})"
            connection.execute(f"CREATE OR REPLACE MACRO {each.name}({names}) AS {written}")


def _as_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that returns numbers as texts, since DuckDB reads NaN as NULL."""

    @wraps(function)
    def as_text(*values: Any) -> str | None:
        result = function(*values)
        return None if result is None else repr(float(result))

    return as_text


def _of_known(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that returns NULL for NULL, which DuckDB only does for functions that never return NULL."""

    @wraps(function)
    def of_known(*values: Any) -> Any:
        return None if any(value is None for value in values) else function(*values)

    return of_known
