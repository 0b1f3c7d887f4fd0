"""Parameters of queries: what they are, and which values they take.

See https://docs.dune.com/web-app/query-editor/parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dagster_dune.errors import DuneCatalogError

ParameterType = Literal["text", "number", "datetime", "enum"]
ParameterValue = Any
"""A text, a number, a date, a datetime or, where several values are allowed, a list of these."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATETIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z?)?", re.ASCII)


class QueryParameter(BaseModel):
    """A parameter that a query declares.

    Attributes:
        key: Its name, verbatim: ``Start Date`` is one.
        type: Its type on Dune.
        default: The value that Dune saved with the query.
        options: The values that an enum allows.
        multiple: Whether several values may be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    key: str
    type: ParameterType = "text"
    default: str | None = None
    options: tuple[str, ...] = ()
    multiple: bool = False


def checked_values(
    query: str, parameters: Iterable[QueryParameter], values: Mapping[str, ParameterValue]
) -> dict[str, str]:
    """Check the values for a query's parameters, and write them as Dune takes them.

    Args:
        query: The query's name, for messages.
        parameters: The parameters it declares; empty where they are not known, and then any key will do.
        values: A value a parameter key.

    Returns:
        The same keys with texts: numbers in digits, datetimes as ``YYYY-MM-DD hh:mm:ss``, several values as one text
        with commas between them.

    Raises:
        DuneCatalogError: A key is not declared, or a value is not of its parameter's type.
    """
    declared = {parameter.key: parameter for parameter in parameters}
    check_keys(query, declared.values(), values)
    return {
        key: _text(query, declared.get(key) or QueryParameter(key=key, multiple=True), value)
        for key, value in values.items()
    }


def check_keys(query: str, parameters: Iterable[QueryParameter], keys: Iterable[str]) -> None:
    """Check that a query declares some parameters. Where none is known, any key will do.

    Raises:
        DuneCatalogError: A key is not declared.
    """
    declared = [parameter.key for parameter in parameters]
    for key in keys:
        if declared and key not in declared:
            close = get_close_matches(key, declared, n=1)
            raise DuneCatalogError(
                f"{query} has no parameter {key!r}.",
                hint=f"Did you mean {close[0]!r}?" if close else f"Its parameters: {', '.join(map(repr, declared))}.",
            )


def plain_value(value: ParameterValue) -> ParameterValue:
    """Write a value such that JSON can hold it: dates and datetimes become the text that Dune takes.

    Examples:
        >>> plain_value([date(2024, 1, 31), 1])
        ['2024-01-31 00:00:00', 1]
    """
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value
        return utc.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    return value


def likely_type(text: str) -> ParameterType:
    """Tell what a parameter is from a value of it.

    Examples:
        >>> likely_type("0.5"), likely_type("2024-01-31"), likely_type("ethereum")
        ('number', 'datetime', 'text')
    """
    if _is_number(text):
        return "number"
    return "datetime" if _is_datetime(text) else "text"


def _text(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    if isinstance(value, list | tuple) and parameter.multiple:
        return ",".join(_single(query, parameter, item) for item in value)
    return _single(query, parameter, value)


def _single(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    plain = plain_value(value)
    is_finite = not isinstance(plain, float) or math.isfinite(plain)
    if isinstance(plain, bool) or not isinstance(plain, str | int | float) or not is_finite:
        raise _wrong(query, parameter, value, "a text, a number or a datetime")
    text = str(plain)
    if parameter.type == "number" and not _is_number(text):
        raise _wrong(query, parameter, value, "a number")
    if parameter.type == "datetime" and not _is_datetime(text):
        raise _wrong(query, parameter, value, "a datetime such as '2024-01-31 00:00:00'")
    if parameter.type == "enum" and parameter.options and text not in parameter.options:
        raise _wrong(query, parameter, value, f"one of {', '.join(map(repr, parameter.options))}")
    return text


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None


def _is_datetime(text: str) -> bool:
    if not DATETIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:19].rstrip("Z"))
    except ValueError:
        return False
    return True


def _wrong(query: str, parameter: QueryParameter, value: object, wanted: str) -> DuneCatalogError:
    return DuneCatalogError(f"The parameter {parameter.key!r} of {query} must be {wanted}, not {value!r}.")
