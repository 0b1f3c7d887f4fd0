"""Parameters of queries: what they are, and which values they take.

See https://docs.dune.com/web-app/query-editor/parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dagster_dune.errors import DuneCatalogError

ParameterType = Literal["text", "number", "datetime", "enum"]
ParameterValue = Any
"""A text, a number, a date, a datetime or, where several values are allowed, a list of these."""


class QueryParameter(BaseModel):
    """A parameter that a query declares.

    Attributes:
        key: Its name, verbatim: ``Start Date`` is one.
        type: Its type on Dune.
        default: The value that Dune saved with the query.
        options: The values that an enum allows.
        multiple: Whether several values may be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    texts = {}
    for key, value in values.items():
        if declared and key not in declared:
            close = get_close_matches(key, declared, n=1)
            raise DuneCatalogError(
                f"{query} has no parameter {key!r}.",
                hint=f"Did you mean {close[0]!r}?" if close else f"Its parameters: {', '.join(map(repr, declared))}.",
            )
        texts[key] = _text(query, declared.get(key) or QueryParameter(key=key, multiple=True), value)
    return texts


def _text(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    if isinstance(value, list | tuple) and parameter.multiple:
        return ",".join(_single(query, parameter, item) for item in value)
    return _single(query, parameter, value)


def _single(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | date):
        raise _wrong(query, parameter, value, "a text, a number or a datetime")
    if isinstance(value, datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
    elif isinstance(value, date):
        text = f"{value.isoformat()} 00:00:00"
    else:
        text = str(value)
    if parameter.type == "number" and not _is_number(text):
        raise _wrong(query, parameter, value, "a number")
    if parameter.type == "datetime" and not _is_datetime(text):
        raise _wrong(query, parameter, value, "a datetime such as '2024-01-31 00:00:00'")
    if parameter.type == "enum" and parameter.options and text not in parameter.options:
        raise _wrong(query, parameter, value, f"one of {', '.join(map(repr, parameter.options))}")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_datetime(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _wrong(query: str, parameter: QueryParameter, value: object, wanted: str) -> DuneCatalogError:
    return DuneCatalogError(f"The parameter {parameter.key!r} of {query} must be {wanted}, not {value!r}.")
