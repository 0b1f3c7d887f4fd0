"""The rows of an execution, as Dune's API writes them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        name: Its name.
        type: Its Trino type: ``bigint``, ``varchar``, ``timestamp(3) with time zone``, ``uint256``.
    """

    name: str
    type: str


@dataclass(frozen=True)
class ResultSet:
    """What an execution gave back.

    Attributes:
        columns: The columns, in the order of the SELECT.
        rows: A dict a row, ready for JSON: see `json_value`.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]

    @cached_property
    def _bytes(self) -> int:
        return sum(len(json.dumps(list(row.values()), separators=(",", ":"))) for row in self.rows)

    def bytes_estimate(self) -> int:
        """Count the bytes of the values written as JSON, which is how results are charged for."""
        return self._bytes

    def to_csv(self) -> str:
        """Write the rows as CSV with a header, NULL as an empty field.

        Examples:
            >>> ResultSet((Column("n", "bigint"), Column("s", "varchar")), [{"n": 1, "s": None}]).to_csv()
            'n,s\\n1,\\n'
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = [column.name for column in self.columns]
        writer.writerow(names)
        writer.writerows([_csv_value(row[name]) for name in names] for row in self.rows)
        return text.getvalue()


def result_set(columns: Sequence[Column], rows: Iterator[tuple[Any, ...]] | Sequence[tuple[Any, ...]]) -> ResultSet:
    """Make a result of Python values.

    Args:
        columns: The columns.
        rows: A tuple a row, as DuckDB's cursor gives them.

    Returns:
        The same with values that JSON can hold.
    """
    names = [column.name for column in columns]
    types = [column.type for column in columns]
    return ResultSet(
        tuple(columns),
        [dict(zip(names, map(json_value, row, types), strict=True)) for row in rows],
    )


def json_value(value: Any, type_name: str = "") -> Any:
    """Write a value as Dune's API does.

    Numbers beyond 64 bits and decimals are strings, bytes are ``0x`` and hexadecimal digits, timestamps have
    milliseconds and, where they have a time zone, the word UTC. JSON has no NaN and no infinity, so these are the strings
    ``NaN``, ``Infinity`` and ``-Infinity``.

    Args:
        value: What DuckDB gave.
        type_name: The Trino type of the column, which tells a uint256 from other text.

    Returns:
        The value for JSON.

    Examples:
        >>> json_value(b"\\x01\\xff"), json_value(date(2024, 1, 2)), json_value(float("inf"))
        ('0x01ff', '2024-01-02', 'Infinity')
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _non_finite(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        element = type_name[len("array(") : -1] if type_name.startswith("array(") else ""
        return [json_value(item, element) for item in value]
    if isinstance(value, dict):
        return {str(json_value(key)): json_value(item) for key, item in value.items()}
    return _text_of_time(value)


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _text_of_time(value: Any) -> str:
    if isinstance(value, datetime):
        text = value.astimezone(timezone.utc) if value.tzinfo else value
        return text.strftime("%Y-%m-%d %H:%M:%S.") + f"{text.microsecond // 1000:03d}" + (" UTC" if value.tzinfo else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, timedelta):
        return _interval(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"No JSON is defined for a {type(value).__name__}.")


def _interval(value: timedelta) -> str:
    milliseconds = value // timedelta(milliseconds=1)
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, milliseconds = divmod(milliseconds, 1000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    return f"{sign}{days} {hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"


def _csv_value(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
