"""Parameters of queries, and the validation of their values.

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
"""A value in a request. Several values are a JSON array, so that they may contain commas."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATETIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z?)?", re.ASCII)

MIN_SUSPICIOUS_NUMBER = 2**63
"""A whole number this large in YAML was probably meant as a text, such as an address or a hash."""

MAX_PLAIN_DIGITS = 100


class QueryParameter(BaseModel):
    """A parameter that a query declares.

    Attributes:
        key: Its name, verbatim, such as ``Start Date``.
        type: Its type on Dune.
        default: The value that is saved with the query on Dune. Several values are one text; see `joined`.
        options: The options of an enum.
        multiple: Whether several values may be given.
        freeform: Whether an enum also takes values that are not among its options.
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
    """Check the values for a query's parameters, and convert them to the form that Dune takes.

    Args:
        query: The query's name, for messages.
        parameters: The parameters that it declares. If they are not known, it is empty, and any key is valid.
        values: The values by parameter key.

    Returns:
        The values as texts, by the same keys: numbers in digits, datetimes as ``YYYY-MM-DD hh:mm:ss`` in UTC. Several
        values of a parameter are a list of texts.

    Raises:
        DuneCatalogError: A key is not declared, or a value is not of its parameter's type.
    """
    declared = {parameter.key: parameter for parameter in parameters}
    check_keys(query, declared.values(), values)
    return {
        key: _checked_value(query, declared.get(key) or QueryParameter(key=key, multiple=True), value)
        for key, value in values.items()
    }


def check_unchanged_by_yaml(
    query: str, parameters: Iterable[QueryParameter], values: Mapping[str, ParameterValue]
) -> None:
    """Check that YAML did not change values of a run's configuration that were meant as texts.

    YAML 1.1 reads ``0x10``, ``0123`` and ``12:30:45`` as numbers and ``no`` as false, and the original text is lost.

    Args:
        query: The query's name, for messages.
        parameters: The parameters that it declares; empty if they are not known.
        values: The values by parameter key.

    Raises:
        DuneCatalogError: A value is a boolean, the value of a text parameter is a number, or the value of an unknown
            parameter is a number too large to be meant as one.
    """
    declared = {parameter.key: parameter for parameter in parameters}
    for key, value in values.items():
        parameter = declared.get(key)
        for item in value if isinstance(value, list | tuple) else (value,):
            if _is_changed_by_yaml(parameter, item):
                what = {bool: "truth value"}.get(type(item), "number")
                raise DuneCatalogError(
                    f"The parameter {key!r} of {query} is a text, and is given the {what} {item!r}."
                    if parameter and parameter.type != "number"
                    else f"The parameter {key!r} of {query} is given the {what} {item!r}, which was hardly meant so.",
                    hint="Put it in quotes as it is meant: YAML reads 0x10, 0123 and 12:30:45 as numbers, and no as "
                    "false.",
                )


def _is_changed_by_yaml(parameter: QueryParameter | None, value: ParameterValue) -> bool:
    if isinstance(value, bool):
        return True
    if not isinstance(value, int | float):
        return False
    if parameter is None:
        return abs(value) >= MIN_SUSPICIOUS_NUMBER
    is_option = parameter.type == "enum" and not parameter.freeform and str(value) in parameter.options
    return parameter.type in ("text", "enum") and not is_option


def joined(values: Sequence[str]) -> str:
    """Return several values as one text: with commas between them or, if one contains a comma, as JSON.

    Examples:
        >>> joined(["ethereum", "base"]), joined(["a, b", "c"])
        ('ethereum,base', '["a, b", "c"]')
    """
    return json.dumps(list(values), ensure_ascii=False) if any("," in value for value in values) else ",".join(values)


def check_keys(query: str, parameters: Iterable[QueryParameter], keys: Iterable[str]) -> None:
    """Check that a query declares parameters with some keys. If its parameters are not known, any key is valid.

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
    """Convert a value to one that JSON supports: dates, datetimes and decimals become the text that Dune takes.

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
        is_short = value.is_finite() and abs(value.adjusted()) < MAX_PLAIN_DIGITS
        return f"{value:f}" if is_short else str(value)
    return value


def likely_type(text: str) -> ParameterType:
    """Guess the type of a parameter from one of its values.

    Examples:
        >>> likely_type("0.5"), likely_type("2024-01-31"), likely_type("ethereum")
        ('number', 'datetime', 'text')
    """
    if _is_number(text):
        return "number"
    return "datetime" if _is_datetime(text) else "text"


def _checked_value(query: str, parameter: QueryParameter, value: ParameterValue) -> WireValue:
    if isinstance(value, list | tuple) and parameter.multiple:
        return [_checked_item(query, parameter, item) for item in value]
    return _checked_item(query, parameter, value)


def _checked_item(query: str, parameter: QueryParameter, value: ParameterValue) -> str:
    if value is None:
        raise DuneCatalogError(
            f"The parameter {parameter.key!r} of {query} is given no value.",
            hint="Leave it out to keep its default, or write '' for an empty text.",
        )
    plain = plain_value(value)
    is_finite = math.isfinite(value) if isinstance(value, float) else True
    if isinstance(plain, bool) or not isinstance(plain, str | int | float) or not is_finite:
        raise _type_error(query, parameter, value, "a text, a number or a datetime")
    text = str(plain)
    if parameter.type == "number" and not _is_number(text):
        raise _type_error(query, parameter, value, "a number")
    if parameter.type == "datetime" and not _is_datetime(text):
        raise _type_error(query, parameter, value, "a datetime such as '2024-01-31 00:00:00'")
    if parameter.type == "enum" and parameter.options and not parameter.freeform and text not in parameter.options:
        raise _type_error(query, parameter, value, f"one of {', '.join(map(repr, parameter.options))}")
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


def _type_error(query: str, parameter: QueryParameter, value: object, wanted: str) -> DuneCatalogError:
    return DuneCatalogError(f"The parameter {parameter.key!r} of {query} must be {wanted}, not {value!r}.")
