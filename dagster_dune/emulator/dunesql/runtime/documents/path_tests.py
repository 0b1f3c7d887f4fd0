"""The predicates in filters of JSON paths, which are true, false or unknown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import (
    Items,
    Number,
    Part,
    PathError,
    Place,
    Test,
    Truth,
    unwrapped,
)


def either(tests: list[Test]) -> Test:
    """Return the predicate ``a || b``."""

    def test(place: Place) -> Truth:
        truths = [each(place) for each in tests]
        return True if True in truths else None if None in truths else False

    return test


def both(tests: list[Test]) -> Test:
    """Return the predicate ``a && b``."""

    def test(place: Place) -> Truth:
        truths = [each(place) for each in tests]
        return False if False in truths else None if None in truths else True

    return test


def exists(part: Part) -> Test:
    """Return the predicate ``exists(a)``."""

    def test(place: Place) -> Truth:
        try:
            return bool(part(place))
        except PathError:
            return None

    return test


def starts(left: Part, right: Part) -> Test:
    """Return the predicate ``a starts with b``."""

    def test(place: Place) -> Truth:
        try:
            items, prefix = unwrapped(left(place), place), right(place)
        except PathError:
            return None
        if len(prefix) != 1 or not _is_text(prefix[0]):
            return None
        return _any(items, lambda item: item.startswith(prefix[0]) if _is_text(item) else None, place)

    return test


def comparison(sign: str, left: Part, right: Part) -> Test:
    """Return the predicate ``a == b`` or another comparison, which is true if it is for any pair."""

    def test(place: Place) -> Truth:
        try:
            sides = [unwrapped(side(place), place) for side in (left, right)]
        except PathError:
            return None
        pairs = [(one, other) for one in sides[0] for other in sides[1]]
        return _any(pairs, lambda pair: _compared(sign, *pair), place)

    return test


def _any(items: Items, test: Callable[[Any], Truth], place: Place) -> Truth:
    """Return whether a predicate is true for any item. Errors make it unknown, in lax mode only before a true item."""
    truths = [test(item) for item in items]
    if place.strict:
        return None if None in truths else True in truths
    return next((truth for truth in truths if truth is not False), False)


def _is_text(item: Any) -> bool:
    return isinstance(item, str) and not isinstance(item, Number)


def _compared(sign: str, one: Any, other: Any) -> Truth:
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return None
    if one is None or other is None:
        is_same = one is None and other is None
        return {"==": is_same, "<>": not is_same, "!=": not is_same, "<=": is_same, ">=": is_same}.get(sign, False)
    kinds: tuple[tuple[type, Callable[[Any], Any]], ...] = ((Number, Decimal), (bool, bool), (str, str))
    for kind, read in kinds:
        if isinstance(one, kind) or isinstance(other, kind):
            if not (isinstance(one, kind) and isinstance(other, kind)) or (
                isinstance(one, Number) != isinstance(other, Number)
            ):
                return None
            low, high = read(one), read(other)
            truths: dict[str, bool] = {
                "==": low == high, "<>": low != high, "!=": low != high, "<": low < high, ">": low > high,
                "<=": low <= high, ">=": low >= high,
            }  # fmt: skip
            return truths[sign]
    return None
