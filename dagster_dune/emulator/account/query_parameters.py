"""Validates the parameters of saved queries, and returns the texts that an execution substitutes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dagster_dune.emulator.requests import Parameter, ParameterValue, ParameterValues, QueryFields, RequestError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DATETIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


# Assumptions: local-several-values, local-query-parameters.
def checked_parameters(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Return the parameters of a query, and check that the emulator can substitute them.

    Raises:
        RequestError: 400, if a key is repeated, or a parameter has several values but is no multi-select.
    """
    keys = [parameter.key for parameter in parameters]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise RequestError(400, f"Parameter {twice[0]!r} is defined twice")
    for parameter in parameters:
        if parameter.values and not parameter.isMultiselect:
            raise RequestError(400, f"Parameter {parameter.key!r} has several values without isMultiselect")
    return parameters


def parameter_values(parameters: Sequence[Parameter], given: ParameterValues | None = None) -> dict[str, str]:
    """Return the text of each parameter of a query: the given value, or the saved default if there is one.

    Several values become one text, separated by commas.

    Raises:
        RequestError: 400, if a key is unknown or a value is not of the parameter's type.
    """
    known = {parameter.key: parameter for parameter in parameters}
    defaults = {parameter.key: text for parameter in parameters if (text := _default(parameter)) is not None}
    if unknown := sorted((given or {}).keys() - known.keys()):
        raise RequestError(400, f"unknown parameters ({', '.join(unknown)})")
    texts = {key: _checked(known[key], value) for key, value in (given or {}).items()}
    return defaults | texts


def free_values(given: ParameterValues | None) -> dict[str, str]:
    """Return the texts of the parameters of SQL that is not saved, which have no types."""
    return {key: ",".join(_texts(value)) for key, value in (given or {}).items()}


def saved_parameters(fields: QueryFields) -> tuple[Parameter, ...] | None:
    """Return the parameters that a request saves with a query, None if it has no field of parameters."""
    given = fields.query_parameters
    if fields.parameters is not None or given is None:
        return fields.parameters
    if isinstance(given, tuple):
        return given
    return tuple(_parameter_with_default(key, value) for key, value in given.items())


def _parameter_with_default(key: str, value: ParameterValue | tuple[ParameterValue, ...]) -> Parameter:
    """Return a parameter with a default value."""
    if isinstance(value, tuple):
        return Parameter(key=key, values=tuple(_texts(value)), isMultiselect=True)
    return Parameter(key=key, type="text" if isinstance(value, str) else "number", value=_texts(value)[0])


def _texts(value: ParameterValue | tuple[ParameterValue, ...]) -> list[str]:
    values = value if isinstance(value, tuple) else (value,)
    return [value if isinstance(value, str) else repr(value) for value in values]


def _default(parameter: Parameter) -> str | None:
    return ",".join(parameter.values) if parameter.values else parameter.value


def _checked(parameter: Parameter, value: ParameterValue | tuple[ParameterValue, ...]) -> str:
    """Validate the value of a parameter, and return its text. For a multi-select it may be a text with commas."""
    if isinstance(value, tuple) and not parameter.isMultiselect:
        raise RequestError(400, f"Parameter {parameter.key!r} takes one value, not {len(value)}")
    text = ",".join(_texts(value))
    several = _texts(value) if isinstance(value, tuple) else text.split(",")
    for one in several if parameter.isMultiselect else [text]:
        _check_value(parameter, one)
    return text


def _check_value(parameter: Parameter, text: str) -> None:
    if parameter.type == "number" and not NUMBER.fullmatch(text):
        raise RequestError(400, f"Parameter {parameter.key!r} takes a number, not {text!r}")
    if parameter.type == "datetime" and not DATETIME.fullmatch(text):
        raise RequestError(400, f"Parameter {parameter.key!r} takes a time such as 2024-01-31 00:00:00, not {text!r}")
    options = parameter.enumOptions
    if parameter.type == "enum" and options and not parameter.isFreeformAllowed and text not in options:
        raise RequestError(400, f"Parameter {parameter.key!r} takes one of {', '.join(options)}, not {text!r}")
