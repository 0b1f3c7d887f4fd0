"""The rows of an execution, as Dune's API writes them.

A number of 256 bits (uint256, int256) or with a fixed point (decimal) is text, bytes are ``0x`` and hexadecimal
digits, a timestamp has milliseconds and, if it has a time zone, the word UTC. JSON has no NaN and no infinity: these
doubles are the texts ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_dune.emulator.dunesql.runtime.wire import written_column
from dagster_dune.emulator.dunesql.types.trino import Type

NULL_IN_CSV = "<nil>"
_NEEDS_QUOTES = re.compile(r'^\s|[,"\r\n]')


# Assumptions: local-timestamp-types, local-json-rows.
@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: Its name, which another column may have, too.
        type: Its Trino type: ``bigint``, ``varchar``, ``timestamp(3) with time zone``, ``uint256``.
        key: What its values are called in rows: its name, unless a column before it has that.
    """

    name: str
    type: str
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.name)

    @property
    def shown_type(self) -> str:
        """The type as Dune's answers write it: times with zones have no precision there where it is Trino's default.

        Examples:
            >>> Column("at", "array(timestamp(3) with time zone)").shown_type
            'array(timestamp with time zone)'
        """
        return self.type.replace("timestamp(3) with time zone", "timestamp with time zone")


@dataclass(frozen=True)
class ResultSet:
    """What an execution gave back.

    Attributes:
        columns: The columns, in the order of the SELECT.
        rows: A dict a row, its values ready for JSON.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    @classmethod
    def typed(
        cls, columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]], texts: Container[int] = ()
    ) -> ResultSet:
        r"""Make a result of the values that a query gives, each as its type is written.

        Args:
            columns: The names and types of the columns.
            rows: The values of a row in the order of the columns.
            texts: The places of columns whose values are written already.

        Returns:
            The same values, ready for JSON.

        Examples:
            >>> ResultSet.typed([("hash", Type("varbinary")), ("n", Type("bigint"))], [(b"\x01", 7)]).rows
            [{'hash': '0x01', 'n': 7}]
        """
        keys = _keys([name for name, _ in columns])
        named = tuple(Column(name, type_.shown, key) for (name, type_), key in zip(columns, keys, strict=True))
        values = ([row[place] for row in rows] for place in range(len(columns)))
        written = [
            column if place in texts else written_column(type_, column)
            for place, ((_, type_), column) in enumerate(zip(columns, values, strict=True))
        ]
        return cls(named, [dict(zip(keys, row, strict=True)) for row in zip(*written, strict=True)])

    def by_name(self, fold: Callable[[str], str] = str) -> dict[str, Column]:
        """The columns by name, in order; of several of one name, the first."""
        found = dict[str, Column]()
        for column in self.columns:
            found.setdefault(fold(column.name), column)
        return found

    def bytes_estimate(self) -> int:
        """Count the bytes of the values written as JSON, which is how results are charged for."""
        return sum(len(json.dumps(list(row.values()), separators=(",", ":"))) for row in self.rows)

    def with_null_as(self, text: str) -> ResultSet:
        """The same rows with a text in place of NULL."""
        return ResultSet(self.columns, [{k: text if v is None else v for k, v in row.items()} for row in self.rows])

    # Assumption: local-same-column-names.
    def to_json(self) -> list[dict[str, Any]]:
        """Write the rows as JSON's objects, in which a name stands as often as there are columns of it."""
        if all(column.key == column.name for column in self.columns):
            return self.rows
        names = [(_Name(column.name), column.key) for column in self.columns]
        return [{name: row[key] for name, key in names} for row in self.rows]

    def to_csv(self) -> str:
        r"""Write the rows as CSV with a header, NULL as ``<nil>``, and an empty text as an empty field.

        Examples:
            >>> ResultSet((Column("n", "bigint"), Column("s", "varchar")), [{"n": 1, "s": None}]).to_csv()
            'n,s\n1,<nil>\n'
        """
        names = [column.name for column in self.columns]
        lines = [names, *([_csv_value(row[column.key]) for column in self.columns] for row in self.rows)]
        return "".join(",".join(map(_csv_field, line)) + "\n" for line in lines)


class _Name(str):
    """A name that stands beside its like in one object."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _keys(names: Sequence[str]) -> list[str]:
    """Call the values of each column as no other column's are called, whatever the capitals."""
    taken, keys = {name.lower() for name in names}, list[str]()
    for name in names:
        key, number = name, 1
        while key.lower() in map(str.lower, keys) or (key != name and key.lower() in taken):
            number += 1
            key = f"{name}_{number}"
        keys.append(key)
    return keys


def _csv_value(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return NULL_IN_CSV if value is None else str(value)


def _csv_field(text: str) -> str:
    """Put a field in quotes where a reader of CSV needs them; Python's own writer forgets a lone carriage return."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
