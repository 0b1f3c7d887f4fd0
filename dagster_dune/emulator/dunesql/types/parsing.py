"""Parses types, and determines the types of numeric literals."""

from __future__ import annotations

import re

from dagster_dune.emulator.dunesql.types.trino import (
    BIGINT,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_MONTH,
    Type,
    decimal,
    row,
)

_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[A-Za-z_][\w]*|\d+|[(),])')
_ALIASES = {"int": "integer", "string": "varchar", "float": "real"}

_MAX_ARGUMENTS = {"varchar": 1, "char": 1, "decimal": 2, "timestamp": 1, "time": 1}
"""The maximum number of numeric arguments of types; others have none."""


class _Parser:
    """A recursive descent parser for types."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        if _TOKEN.sub("", text).strip():
            raise ValueError(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return str(self.tokens[self.at - 1])

    def words(self, *words: str) -> bool:
        found = tuple(self.peek(place).lower() for place in range(len(words))) == words
        self.at += len(words) if found else 0
        return found

    def type(self) -> Type:
        name = self.take().lower()
        name = _ALIASES.get(name, name)
        if name == "interval":
            return INTERVAL_DAY if self.words("day", "to", "second") else self._months()
        if name == "double":
            self.words("precision")
        if name == "row":
            return self._row()
        inside = self._inside()
        numbers = tuple(part for part in inside if isinstance(part, int))
        if len(numbers) > _MAX_ARGUMENTS.get(name, 0):
            raise ValueError(f"{name} with {len(numbers)} numbers")
        types = tuple(part for part in inside if isinstance(part, Type))
        if name in ("timestamp", "time") and self.words("with", "time", "zone"):
            return Type(f"{name} with time zone", numbers or (3,))
        if name in ("timestamp", "time"):
            return Type(name, numbers or (3,))
        if name == "decimal":
            return Type(name, (*numbers, *(38, 0)[len(numbers) :]))
        if name == "char":
            return Type(name, numbers or (1,))
        return Type(name, numbers, types)

    def _months(self) -> Type:
        if not self.words("year", "to", "month"):
            raise ValueError("interval")
        return INTERVAL_MONTH

    def _inside(self) -> list[Type | int]:
        parts: list[Type | int] = []
        if self.peek() == "(":
            self.take()
            while True:
                parts.append(int(self.take()) if self.peek().isdigit() else self.type())
                if self.take() == ")":
                    break
        return parts

    def _row(self) -> Type:
        names: list[str | None] = []
        types: list[Type] = []
        self.take()
        while True:
            is_named = self.peek().startswith('"') or (
                self.peek(1) not in (",", ")", "(") and self.peek(1).lower() not in ("with", "day", "year", "precision")
            )
            name = self.take() if is_named else None
            names.append(name[1:-1].replace('""', '"') if name and name.startswith('"') else name)
            types.append(self.type())
            if self.take() == ")":
                return row(tuple(types), tuple(names))


def read_type(text: str) -> Type:
    """Parse a type in Trino's syntax.

    Args:
        text: The type, such as ``decimal(38,0)`` or ``row(a bigint, b array(varchar))``.

    Returns:
        The type.

    Raises:
        ValueError: It is not a known type.

    Examples:
        >>> str(read_type("ROW(a bigint, b Array(timestamp))"))
        'row(a bigint, b array(timestamp(3)))'
    """
    reader = _Parser(text)
    try:
        type_ = reader.type()
        type_.duckdb  # noqa: B018 - a type that nothing holds is none
    except (IndexError, KeyError) as error:
        raise ValueError(text) from error
    if reader.at < len(reader.tokens):
        raise ValueError(text)
    return type_


def literal_type(literal: str) -> Type:
    """Return the type of a numeric literal: ``1`` is an integer, ``1.5`` a decimal, ``1e0`` a double.

    Examples:
        >>> str(literal_type("001.50")), str(literal_type("0.05")), str(literal_type("2147483648"))
        ('decimal(3,2)', 'decimal(2,2)', 'bigint')
    """
    if "e" in literal.lower():
        return DOUBLE
    whole, point, fraction = literal.partition(".")
    if point:
        return decimal(max(1, len(whole.lstrip("0") + fraction)), len(fraction))
    return INTEGER if int(literal) < 2**31 else BIGINT
