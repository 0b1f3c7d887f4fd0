"""The steps of JSON paths, which are functions from a context to items."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from dagster_dune.emulator.dunesql.runtime.documents.path_places import (
    Items,
    Number,
    Part,
    PathError,
    Place,
    Test,
    unwrapped,
)
from dagster_dune.emulator.dunesql.runtime.registry import FunctionError


def unquoted(text: str) -> str:
    """Return the value of a text literal in a path."""
    return str(json.loads(text)) if text.startswith('"') else text[1:-1]


def variable(place: Place, name: str) -> Any:
    """Return a value of PASSING."""
    found = {key.lower(): value for key, value in place.passed.items()}
    if name not in place.passed and name.lower() not in found:
        raise FunctionError(f"The JSON path names ${name}, which PASSING does not give")
    return place.passed.get(name, found.get(name.lower()))


def members(part: Part, key: str | None) -> Part:
    """Return the step ``.key``, or ``.*`` if there is no key."""

    def find(place: Place) -> Items:
        found: Items = []
        for item in unwrapped(part(place), place):
            if not isinstance(item, dict) or (key is not None and key not in item):
                if place.strict:
                    raise PathError(f"there is no member {key or '*'}")
                continue
            found += item.values() if key is None else [item[key]]
        return found

    return find


def descendants(part: Part, key: str) -> Part:
    """Return the step ``..key``: the members with that key at any depth."""

    def below(item: Any) -> Items:
        if isinstance(item, dict):
            own = [item[key]] if key in item else []
            return own + [each for value in item.values() for each in below(value)]
        return [each for value in item for each in below(value)] if isinstance(item, list) else []

    return lambda place: [each for item in part(place) for each in below(item)]


def elements(part: Part) -> Part:
    """Return the step ``[*]``."""
    return lambda place: [element for item in part(place) for element in _array(item, place)]


def _array(item: Any, place: Place) -> Items:
    if isinstance(item, list):
        return item
    if place.strict:
        raise PathError("there is no array")
    return [item]


def subscripts(part: Part, ranges: tuple[tuple[Part, Part | None], ...]) -> Part:
    """Return the step ``[0, 2 to last]``."""

    def find(place: Place) -> Items:
        found: Items = []
        for item in part(place):
            array = _array(item, place)
            inside = Place(place.root, place.current, place.strict, place.passed, len(array) - 1)
            for low_part, high_part in ranges:
                low = _position(low_part(inside))
                high = low if high_part is None else _position(high_part(inside))
                if place.strict and not 0 <= low <= high < len(array):
                    raise PathError("a position is outside of its array")
                found += array[max(low, 0) : high + 1] if high >= 0 else []
        return found

    return find


def _position(items: Items) -> int:
    if len(items) != 1 or not isinstance(items[0], Number):
        raise PathError("a position is no number")
    return int(Decimal(items[0]))


def last(place: Place) -> Items:
    """Return the last position of the array in a subscript."""
    if place.last < -1:
        raise FunctionError("last stands outside of a subscript")
    return [Number(place.last)]


def filtered(part: Part, test: Test) -> Part:
    """Return the step ``?(...)``: the items that satisfy a predicate."""

    def find(place: Place) -> Items:
        items = unwrapped(part(place), place)
        return [item for item in items if test(Place(place.root, item, place.strict, place.passed)) is True]

    return find


def method(part: Part, name: str) -> Part:
    """Return the step of a method such as ``.size()``."""

    def find(place: Place) -> Items:
        items = part(place)
        if name in ("size", "type"):
            return [_apply_method(item, name, place) for item in items]
        items = unwrapped(items, place)
        if name == "keyvalue":
            return [pair for item in items for pair in _pairs(item)]
        return [_number_method(item, name) for item in items]

    return find


def _apply_method(item: Any, name: str, place: Place) -> Any:
    if name == "type":
        names = ((bool, "boolean"), (Number, "number"), (str, "string"), (list, "array"), (dict, "object"))
        return next((word for type_, word in names if isinstance(item, type_)), "null")
    if not isinstance(item, list) and place.strict:
        raise PathError("size() takes an array")
    return Number(len(item) if isinstance(item, list) else 1)


def _pairs(item: Any) -> Items:
    if not isinstance(item, dict):
        raise PathError("keyvalue() takes an object")
    return [{"name": key, "value": value, "id": Number(0)} for key, value in item.items()]


def _number_method(item: Any, name: str) -> Any:
    if name == "double" and isinstance(item, str):
        try:
            return Number(repr(float(item)))
        except ValueError:
            raise PathError("double() takes a number") from None
    if not isinstance(item, Number):
        raise PathError(f"{name}() takes a number")
    number = Decimal(item)
    if name == "abs":
        return Number(abs(number))
    return Number(number.to_integral_value("ROUND_CEILING" if name == "ceiling" else "ROUND_FLOOR"))


def signed(sign: str, item: Any) -> Number:
    """Return ``-a`` or ``+a``."""
    if not isinstance(item, Number):
        raise PathError("a sign stands before what is no number")
    return Number(-Decimal(item)) if sign == "-" else item


def arithmetic(sign: str, left: Part, right: Part) -> Part:
    """Return the step ``a + b`` or another operation of integers."""

    def find(place: Place) -> Items:
        sides = [unwrapped(side(place), place) for side in (left, right)]
        if any(len(side) != 1 or not isinstance(side[0], Number) for side in sides):
            raise PathError(f"{sign} takes two numbers")
        one, other = (side[0] for side in sides)
        if not (re.fullmatch(r"-?\d+", one) and re.fullmatch(r"-?\d+", other)):
            raise FunctionError(f"{sign} of other than whole numbers in a JSON path is not supported by this emulator")
        return [Number(_apply_operator(sign, int(one), int(other)))]

    return find


def _apply_operator(sign: str, one: int, other: int) -> int:
    if sign in "/%" and other == 0:
        raise PathError("division by zero")
    quotient = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1) if sign in "/%" else 0
    made = {"+": one + other, "-": one - other, "*": one * other, "/": quotient, "%": one - quotient * other}[sign]
    if not -(2**63) <= made < 2**63:
        raise PathError("a number is out of range")
    return made
