"""`ResultSet`: the rows of an execution, and their form in Dune's API.

Values of the types uint256, int256 and decimal are texts, bytes are ``0x`` and hexadecimal digits, timestamps have
milliseconds and, if they have a time zone, the suffix UTC. The doubles that JSON cannot represent are the texts
``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_dune.emulator.dunesql.runtime.wire import converted_column
from dagster_dune.emulator.dunesql.types.trino import Type

NULL_IN_CSV = "<nil>"
_NEEDS_QUOTES = re.compile(r'^\s|[,"\r\n]')


# Assumptions: local-timestamp-types, local-json-rows.
@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: The name, which other columns may have too.
        type: The Trino type: ``bigint``, ``varchar``, ``timestamp(3) with time zone``, ``uint256``.
        key: The key of its values in rows: its name, unless an earlier column has that.
    """

    name: str
    type: str
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.name)

    @property
    def shown_type(self) -> str:
        """The type in Dune's answers, in which times with zones have no precision if it is Trino's default.

        Examples:
            >>> Column("at", "array(timestamp(3) with time zone)").shown_type
            'array(timestamp with time zone)'
        """
        return self.type.replace("timestamp(3) with time zone", "timestamp with time zone")


@dataclass(frozen=True)
class ResultSet:
    """The result of an execution.

    Attributes:
        columns: The columns, in the order of the SELECT.
        rows: The rows as dictionaries of JSON values.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    @classmethod
    def typed(
        cls, columns: Sequence[tuple[str, Type]], rows: Sequence[Sequence[Any]], texts: Container[int] = ()
    ) -> ResultSet:
        r"""Return a result of Python values, which are converted by their types.

        Args:
            columns: The names and types of the columns.
            rows: The values of a row in the order of the columns.
            texts: The positions of columns whose values are converted already.

        Returns:
            The result with JSON values.

        Examples:
            >>> ResultSet.typed([("hash", Type("varbinary")), ("n", Type("bigint"))], [(b"\x01", 7)]).rows
            [{'hash': '0x01', 'n': 7}]
        """
        keys = _unique_keys([name for name, _ in columns])
        named = tuple(Column(name, type_.shown, key) for (name, type_), key in zip(columns, keys, strict=True))
        values = ([row[place] for row in rows] for place in range(len(columns)))
        written = [
            column if place in texts else converted_column(type_, column)
            for place, ((_, type_), column) in enumerate(zip(columns, values, strict=True))
        ]
        return cls(named, [dict(zip(keys, row, strict=True)) for row in zip(*written, strict=True)])

    def by_name(self, fold: Callable[[str], str] = str) -> dict[str, Column]:
        """Return the columns by name, in order; the first one of several with the same name."""
        found = dict[str, Column]()
        for column in self.columns:
            found.setdefault(fold(column.name), column)
        return found

    def bytes_estimate(self) -> int:
        """Return the number of bytes of the values in JSON, by which results are charged."""
        return sum(len(json.dumps(list(row.values()), separators=(",", ":"))) for row in self.rows)

    def with_null_as(self, text: str) -> ResultSet:
        """Return the result with a text in place of NULL."""
        return ResultSet(self.columns, [{k: text if v is None else v for k, v in row.items()} for row in self.rows])

    # Assumption: local-same-column-names.
    def to_json(self) -> list[dict[str, Any]]:
        """Return the rows as JSON objects, in which the names of equally named columns are repeated."""
        if all(column.key == column.name for column in self.columns):
            return self.rows
        names = [(_RepeatableKey(column.name), column.key) for column in self.columns]
        return [{name: row[key] for name, key in names} for row in self.rows]

    def to_csv(self) -> str:
        r"""Return the rows as CSV with a header, NULL as ``<nil>``, and an empty text as an empty field.

        Examples:
            >>> ResultSet((Column("n", "bigint"), Column("s", "varchar")), [{"n": 1, "s": None}]).to_csv()
            'n,s\n1,<nil>\n'
        """
        names = [column.name for column in self.columns]
        lines = [names, *([_csv_value(row[column.key]) for column in self.columns] for row in self.rows)]
        return "".join(",".join(map(_csv_field, line)) + "\n" for line in lines)


class _RepeatableKey(str):
    """A key of a JSON object that may be repeated, since it equals no other key."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _unique_keys(names: Sequence[str]) -> list[str]:
    """Return unique keys for the values of the columns, case-insensitively."""
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
    """Quote a field if necessary, also one with a lone carriage return, which Python's writer does not quote."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
