"""Reads rows of CSV or NDJSON for tables with a schema."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from dagster_dune._csv_lines import csv_lines
from dagster_dune.emulator.engine.tables import Record, TableColumn
from dagster_dune.emulator.sql_errors import SqlError


def read_csv(data: bytes, columns: Sequence[TableColumn]) -> list[Record]:
    """Return the rows of a CSV file for a table; an empty field is NULL.

    Raises:
        SqlError: It is no CSV in UTF-8, or its header differs from the columns of the table.
    """
    try:
        lines = list(csv_lines(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SqlError(f"The data is no CSV in UTF-8: {error}") from None
    header = lines[0] if lines else []
    _check_keys(header, columns, "The header")
    records = []
    for number, line in enumerate(lines[1:], start=2):
        if line and len(line) != len(header):
            raise SqlError(f"Row {number} has {len(line)} fields, the header {len(header)}")
        if line:
            records.append({name: value or None for name, value in zip(header, line, strict=True)})
    return records


def read_ndjson(data: bytes, columns: Sequence[TableColumn]) -> list[Record]:
    """Return the rows of NDJSON for a table.

    Raises:
        SqlError: A line is no JSON object, or its keys differ from the columns of the table.
    """
    records = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line, parse_float=str, parse_constant=str)
        except ValueError as error:
            raise SqlError(f"Line {number} is no JSON: {error}") from None
        if not isinstance(values, dict):
            raise SqlError(f"Line {number} is no JSON object")
        _check_keys(list(values), columns, f"Line {number}")
        records.append({name: _scalar(value, name, number) for name, value in values.items()})
    return records


def _check_keys(keys: list[str], columns: Sequence[TableColumn], where: str) -> None:
    if sorted(keys) != sorted(column.name for column in columns):
        wanted = ", ".join(column.name for column in columns)
        raise SqlError(f"{where} must name the columns of the table, each once: {wanted}")


def _scalar(value: Any, name: str, line: int) -> str | None:
    if isinstance(value, dict | list):
        raise SqlError(f"Line {line}: column {name!r} takes no {type(value).__name__}")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
