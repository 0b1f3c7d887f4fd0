"""The context and the results of the steps of a JSON path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Number(str):
    """A number in its original form."""

    __slots__ = ()


class PathError(Exception):
    """A path has no result, although it must have one."""


Items = list[Any]
Truth = bool | None


@dataclass(frozen=True)
class Place:
    """The context of a step: the document, the current item, the mode and the values of PASSING."""

    root: Any
    current: Any
    strict: bool
    passed: Mapping[str, Any]
    last: int = -1


Part = Callable[[Place], Items]
Test = Callable[[Place], Truth]


def unwrapped(items: Items, place: Place) -> Items:
    """Replace arrays by their elements in lax mode."""
    if place.strict:
        return items
    return [part for item in items for part in (item if isinstance(item, list) else [item])]
