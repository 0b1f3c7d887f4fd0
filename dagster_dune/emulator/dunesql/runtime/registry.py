"""The list of functions in Python, to which the decorator `native` adds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class FunctionError(ValueError):
    """An error of a function, with Trino's message."""


MAX_CHARACTERS = 10_000_000
"""The maximum length of a text or bytes that a call returns, since other limits do not apply during a call."""


def check_size(size: int, name: str) -> None:
    """Check the length of a text or bytes before they are created."""
    if size > MAX_CHARACTERS:
        raise FunctionError(f"{name} would make {size:,} letters; this emulator makes {MAX_CHARACTERS:,} at the most")


@dataclass(frozen=True)
class Native:
    """A function in Python.

    Attributes:
        name: The name in DuckDB.
        function: The function, which is not called with NULL unless `nulls` is set.
        parameters: The DuckDB types of its arguments.
        result: The DuckDB type of its result.
        nulls: Whether it is called with NULL too.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str
    nulls: bool = False


NATIVES: list[Native] = []


def native(result: str, *parameters: str, nulls: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that lets DuckDB call a function as ``py_`` and its name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        NATIVES.append(Native(f"py_{function.__name__}", function, parameters, result, nulls))
        return function

    return add
