"""Converts callables of users to functions, which Dagster requires."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from dagster_dune.errors import DuneConfigurationError


def check_callable(name: str, given: object) -> None:
    """Check that an argument is None or a callable, but no class and no builtin.

    Raises:
        DuneConfigurationError: It is not.
    """
    if given is not None and (not callable(given) or isinstance(given, type) or inspect.isbuiltin(given)):
        shown = f"the class {given.__name__}" if isinstance(given, type) else repr(given)
        raise DuneConfigurationError(f"{name} takes a function of yours, not {shown}.", hint="Give one with def.")


def as_function(name: str, given: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a callable, since Dagster accepts no partial and no object with ``__call__``.

    Args:
        name: The name of the argument or decorator, for messages.
        given: The callable. Keyword arguments that a partial sets are not parameters of the function.

    Raises:
        DuneConfigurationError: It is no callable, or a class.
    """
    check_callable(name, given)
    if inspect.isfunction(given) or inspect.ismethod(given):
        return given
    target, is_set = given, set[str]()
    while isinstance(target, functools.partial):
        is_set |= target.keywords.keys()
        target = target.func
    target = target if inspect.isroutine(target) else type(target).__call__
    hints = get_type_hints(target, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
        for parameter in inspect.signature(given).parameters.values()
        if parameter.name not in is_set
    ]

    def function(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    own_name = getattr(target, "__name__", "__call__")
    function.__name__ = type(given).__name__.lower() if own_name == "__call__" else own_name
    function.__doc__ = target.__doc__
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function
