"""The rows of an execution, as Dune's API writes them.

A number of 256 bits (uint256, int256) or with a fixed point (decimal) is text, bytes are ``0x`` and hexadecimal
digits, a timestamp has milliseconds and, if it has a time zone, the word UTC. JSON has no NaN and no infinity: these
doubles are the texts ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from dagster_dune.emulator.dunesql.runtime.wire import converter
from dagster_dune.emulator.dunesql.types.trino import Type

NULL_IN_CSV = "<nil>"
_NEEDS_QUOTES = re.compile(r'^\s|[,"\r\n]')


# Assumptions: local-timestamp-types, local-json-rows.
@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: Its name.
        type: Its Trino type: ``bigint``, ``varchar``, ``timestamp(3) with time zone``, ``uint256``.
    """

    name: str
    type: str

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
        rows: A dict a row, ready for JSON.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> ResultSet:
        r"""Make a result of the values that DuckDB's cursor gives.

        Args:
            columns: The columns.
            rows: The values of a row in the order of the columns.

        Returns:
            The same values, ready for JSON.

        Examples:
            >>> ResultSet.of([Column("hash", "varbinary"), Column("on", "date")], [(b"\x01", date(2024, 1, 2))]).rows
            [{'hash': '0x01', 'on': '2024-01-02'}]
        """
        names = [column.name for column in columns]
        return cls(tuple(columns), [dict(zip(names, map(json_value, row), strict=True)) for row in rows])

    @classmethod
    def typed(cls, columns: Sequence[tuple[str, Type]], rows: Iterable[Sequence[Any]]) -> ResultSet:
        """Make a result of the values that a query gives, each as its type is written.

        Args:
            columns: The names and types of the columns.
            rows: The values of a row in the order of the columns.

        Returns:
            The same values, ready for JSON.
        """
        named = tuple(Column(name, type_.shown) for name, type_ in columns)
        writers = [(name, converter(type_)) for name, type_ in columns]
        made = [{name: write(value) for (name, write), value in zip(writers, row, strict=True)} for row in rows]
        return cls(named, made)

    def bytes_estimate(self) -> int:
        """Count the bytes of the values written as JSON, which is how results are charged for."""
        return sum(len(json.dumps(list(row.values()), separators=(",", ":"))) for row in self.rows)

    def with_null_as(self, text: str) -> ResultSet:
        """The same rows with a text in place of NULL."""
        return ResultSet(self.columns, [{k: text if v is None else v for k, v in row.items()} for row in self.rows])

    def to_csv(self) -> str:
        r"""Write the rows as CSV with a header, NULL as ``<nil>``, and an empty text as an empty field.

        Examples:
            >>> ResultSet((Column("n", "bigint"), Column("s", "varchar")), [{"n": 1, "s": None}]).to_csv()
            'n,s\n1,<nil>\n'
        """
        names = [column.name for column in self.columns]
        lines = [names, *([_csv_value(row[name]) for name in names] for row in self.rows)]
        return "".join(",".join(map(_csv_field, line)) + "\n" for line in lines)


def json_value(value: Any) -> Any:
    """Write a value as Dune's API does.

    Args:
        value: What DuckDB gave.

    Returns:
        A value that JSON can hold.
    """
    convert = _CONVERTERS.get(type(value))
    return convert(value) if convert else value


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _bytes(value: bytes) -> str:
    return "0x" + value.hex()


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _datetime(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(" ", "milliseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds") + " UTC"


def _interval(value: timedelta) -> str:
    milliseconds = value // timedelta(milliseconds=1)
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours // 24} {hours % 24:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _list(value: Iterable[Any]) -> list[Any]:
    return [json_value(item) for item in value]


def _dict(value: dict[Any, Any]) -> dict[str, Any]:
    return {str(json_value(key)): json_value(item) for key, item in value.items()}


_CONVERTERS: dict[type, Callable[[Any], Any]] = {
    float: _float,
    bytes: _bytes,
    Decimal: _decimal,
    datetime: _datetime,
    date: date.isoformat,
    time: lambda value: value.isoformat("milliseconds"),
    timedelta: _interval,
    UUID: str,
    list: _list,
    tuple: _list,
    dict: _dict,
}


def _csv_value(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return NULL_IN_CSV if value is None else str(value)


def _csv_field(text: str) -> str:
    """Put a field in quotes where a reader of CSV needs them; Python's own writer forgets a lone carriage return."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
