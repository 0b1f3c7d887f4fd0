"""Parameters of queries: what they are, and which values they take.

See https://docs.dune.com/web-app/query-editor/parameters.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dagster_dune.errors import DuneCatalogError

ParameterType = Literal["text", "number", "datetime", "enum"]
ParameterValue = Any
"""A text, a number, a date, a datetime or, where several values are allowed, a list of these."""

WireValue = str | list[str]
"""A value as a request carries it: several values are a JSON array, so that they may hold commas."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATETIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z?)?", re.ASCII)

LARGEST_NUMBER = 2**63
"""What YAML reads as a larger whole number was hardly meant as one: an address, a hash."""

LONGEST_PLAIN_NUMBER = 100


class QueryParameter(BaseModel):
    """A parameter that a query declares.

    Attributes:
        key: Its name, verbatim: ``Start Date`` is one.
        type: Its type on Dune.
        default: The value that Dune saved with the query; several are one text, see `joined`.
        options: The values that an enum suggests.
        multiple: Whether several values may be given.
        freeform: Whether an enum takes other values than its options too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    key: str
    type: ParameterType = "text"
    default: str | None = None
    options: tuple[str, ...] = ()
    multiple: bool = False
    freeform: bool = False


def checked_values(
    query: str, parameters: Iterable[QueryParameter], values: Mapping[str, ParameterValue]
) -> dict[str, WireValue]:
    """Check the values for a query's parameters, and write them as Dune takes them.

    Args:
        query: The query's name, for messages.
        parameters: The parameters it declares; empty where they are not known, and then any key will do.
        values: A value a parameter key.

    Returns:
        The same keys with texts: numbers in digits, datetimes as ``YYYY-MM-DD hh:mm:ss`` in UTC. Several values are a
        list of texts.

    Raises:
        DuneCatalogError: A key is not declared, or a value is not of its parameter's type.
    """
    declared = {parameter.key: parameter for parameter in parameters}
    check_keys(query, declared.values(), values)
    return {
        key: _checked(query, declared.get(key) or QueryParameter(key=key, multiple=True), value)
        for key, value in values.items()
    }


def check_as_written(query: str, parameters: Iterable[QueryParameter], values: Mapping[str, ParameterValue]) -> None:
    """Check that values of a run's configuration are what somebody has typed, and not what YAML has made of it.

    YAML 1.1 reads ``0x10``, ``0123``, ``12:30:45`` as numbers and ``no`` as false; what was typed cannot be told from
    these any more.

    Args:
        query: The query's name, for messages.
        parameters: The parameters it declares; empty where they are not known.
        values: A value a parameter key.

    Raises:
        DuneCatalogError: A text parameter is given a number or a truth value, or a number is larger than any that
            somebody would type.
    """
    declared = {parameter.key: parameter for parameter in parameters}
    for key, value in values.items():
        parameter = declared.get(key)
        for item in value if isinstance(value, list | tuple) else (value,):
            if _was_changed(parameter, item):
                what = {bool: "truth value"}.get(type(item), "number")
                raise DuneCatalogError(
                    f"The parameter {key!r} of {query} is a text, and is given the {what} {item!r}."
                    if parameter and parameter.type != "number"
                    else f"The parameter {key!r} of {query} is given the {what} {item!r}, which was hardly meant so.",
                    hint="Put it in quotes as it is meant: YAML reads 0x10, 0123 and 12:30:45 as numbers, and no as "
                    "false.",
                )


def _was_changed(parameter: QueryParameter | None, value: ParameterValue) -> bool:
    if isinstance(value, bool):
        return True
    if not isinstance(value, int | float):
        return False
    if parameter is None:
        return abs(value) >= LARGEST_NUMBER
    is_option = parameter.type == "enum" and not parameter.freeform and str(value) in parameter.options
    return parameter.type in ("text", "enum") and not is_option


def joined(values: Sequence[str]) -> str:
    """Write several values as one text: with commas between them or, where one holds a comma, as JSON.

    Examples:
        >>> joined(["ethereum", "base"]), joined(["a, b", "c"])
        ('ethereum,base', '["a, b", "c"]')
    """
    return json.dumps(list(values), ensure_ascii=False) if any("," in value for value in values) else ",".join(values)


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
    """Write a value such that JSON can hold it: dates, datetimes and decimals become the text that Dune takes.

    Examples:
        >>> plain_value([date(2024, 1, 31), 1, Decimal("0.10")])
        ['2024-01-31 00:00:00', 1, '0.10']
    """
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value
        return utc.replace(tzinfo=None).isoformat(sep=" ")
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, Decimal):
        is_short = value.is_finite() and abs(value.adjusted()) < LONGEST_PLAIN_NUMBER
        return f"{value:f}" if is_short else str(value)
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


def _checked(query: str, parameter: QueryParameter, value: ParameterValue) -> WireValue:
    if isinstance(value, list | tuple) and parameter.multiple:
        return [_single(query, parameter, item) for item in value]
    return _single(query, parameter, value)


def _single(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    if value is None:
        raise DuneCatalogError(
            f"The parameter {parameter.key!r} of {query} is given no value.",
            hint="Leave it out to keep its default, or write '' for an empty text.",
        )
    plain = plain_value(value)
    is_finite = math.isfinite(value) if isinstance(value, float) else True
    if isinstance(plain, bool) or not isinstance(plain, str | int | float) or not is_finite:
        raise _wrong(query, parameter, value, "a text, a number or a datetime")
    text = str(plain)
    if parameter.type == "number" and not _is_number(text):
        raise _wrong(query, parameter, value, "a number")
    if parameter.type == "datetime" and not _is_datetime(text):
        raise _wrong(query, parameter, value, "a datetime such as '2024-01-31 00:00:00'")
    if parameter.type == "enum" and parameter.options and not parameter.freeform and text not in parameter.options:
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
