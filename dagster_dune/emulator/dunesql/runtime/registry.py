"""The list of functions in Python, which each of them enters by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class FunctionError(ValueError):
    """What a function refuses, in Trino's words."""


MOST_LETTERS = 10_000_000
"""How long a text or bytes may be that one call makes, which nothing else bounds while it is made."""


def check_size(size: int, name: str) -> None:
    """Refuse to make a text or bytes that are too long."""
    if size > MOST_LETTERS:
        raise FunctionError(f"{name} would make {size:,} letters; this emulator makes {MOST_LETTERS:,} at the most")


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
