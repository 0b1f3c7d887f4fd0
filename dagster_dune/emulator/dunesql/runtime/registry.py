"""The functions in Python, and how DuckDB gets to know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class FunctionError(ValueError):
    """What a function refuses, in Trino's words."""


@dataclass(frozen=True)
class Native:
    """A function in Python.

    Attributes:
        name: What DuckDB calls it.
        function: What it does; it sees no NULL unless `nulls` says so.
        parameters: DuckDB's types of its arguments.
        result: That of what it gives.
        nulls: Whether it is called with NULL too.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str
    nulls: bool = False


NATIVES: list[Native] = []


def native(result: str, *parameters: str, nulls: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function one that DuckDB can call, as ``py_`` and its name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        NATIVES.append(Native(f"py_{function.__name__}", function, parameters, result, nulls))
        return function

    return add


def register(connection: DuckDBPyConnection) -> None:
    """Make every function known to a database.

    Args:
        connection: Its first connection; the others see them too.
    """
    from dagster_dune.emulator.dunesql.runtime import binary, documents, numbers, regexes, texts, times  # noqa: F401, PLC0415

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
    """Give a number as text, since DuckDB takes a NaN of Python's for NULL."""

    @wraps(function)
    def as_text(*values: Any) -> str | None:
        result = function(*values)
        return None if result is None else repr(float(result))

    return as_text


def _of_known(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give NULL for NULL, as DuckDB does by itself for functions that never give it."""

    @wraps(function)
    def of_known(*values: Any) -> Any:
        return None if any(value is None for value in values) else function(*values)

    return of_known
