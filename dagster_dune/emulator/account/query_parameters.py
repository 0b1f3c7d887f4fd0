"""The parameters of saved queries: what may be saved, and what an execution substitutes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dagster_dune.emulator.requests import Parameter, RequestError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DATETIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


def checked_parameters(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Return the parameters of a query, if the emulator can substitute them.

    Raises:
        RequestError: 400, if a key stands twice or a parameter takes several values.
    """
    keys = [parameter.key for parameter in parameters]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise RequestError(400, f"Parameter {twice[0]!r} is defined twice")
    for parameter in parameters:
        if parameter.isMultiselect or parameter.values:
            raise RequestError(
                400, f"Parameter {parameter.key!r} takes several values, which the emulator does not support"
            )
    return parameters


def parameter_values(
    parameters: Sequence[Parameter], given: Mapping[str, str | int | float] | None = None
) -> dict[str, str]:
    """Return the text of each parameter of a query: what is given, else the saved default if there is one.

    Raises:
        RequestError: 400, if a key is unknown or a value is not of the parameter's type.
    """
    known = {parameter.key: parameter for parameter in parameters}
    defaults = {parameter.key: parameter.value for parameter in parameters if parameter.value is not None}
    texts = {key: value if isinstance(value, str) else repr(value) for key, value in (given or {}).items()}
    if unknown := sorted(texts.keys() - known.keys()):
        raise RequestError(
            400, f"unknown parameters ({', '.join(unknown)}): the query has {', '.join(known) or 'none'}"
        )
    for key, text in texts.items():
        _check_value(known[key], text)
    return defaults | texts


def _check_value(parameter: Parameter, text: str) -> None:
    if parameter.type == "number" and not NUMBER.fullmatch(text):
        raise RequestError(400, f"Parameter {parameter.key!r} takes a number, not {text!r}")
    if parameter.type == "datetime" and not DATETIME.fullmatch(text):
        raise RequestError(400, f"Parameter {parameter.key!r} takes a time such as 2024-01-31 00:00:00, not {text!r}")
    options = parameter.enumOptions
    if parameter.type == "enum" and options and not parameter.isFreeformAllowed and text not in options:
        raise RequestError(400, f"Parameter {parameter.key!r} takes one of {', '.join(options)}, not {text!r}")
