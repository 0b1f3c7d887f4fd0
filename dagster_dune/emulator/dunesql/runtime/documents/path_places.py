"""What the parts of a JSON path see, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class PathError(Exception):
    """A path leads nowhere, where it must lead somewhere."""


Items = list[Any]
Truth = bool | None


@dataclass(frozen=True)
class Place:
    """What a part of a path sees."""

    root: Any
    current: Any
    strict: bool
    passed: Mapping[str, Any]
    last: int = -1


Part = Callable[[Place], Items]
Test = Callable[[Place], Truth]


def unwrapped(items: Items, place: Place) -> Items:
    """In lax mode the elements of arrays in place of these."""
    if place.strict:
        return items
    return [part for item in items for part in (item if isinstance(item, list) else [item])]
