"""What users give to be called in a step, as the plain function that Dagster asks for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from dagster_dune.errors import DuneConfigurationError


def check_callable(name: str, given: object) -> None:
    """Check that an argument can be called, if it is given at all, and is no class.

    Raises:
        DuneConfigurationError: It cannot, or is one.
    """
    if given is not None and (not callable(given) or isinstance(given, type) or inspect.isbuiltin(given)):
        shown = f"the class {given.__name__}" if isinstance(given, type) else repr(given)
        raise DuneConfigurationError(f"{name} takes a function of yours, not {shown}.", hint="Give one with def.")


def as_function(name: str, given: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what a callable does: Dagster takes no partial and no object with ``__call__``.

    Args:
        name: What takes it, for messages.
        given: The callable. What a partial sets by name is none of the function's parameters.

    Raises:
        DuneConfigurationError: It cannot be called, or is a class.
    """
    check_callable(name, given)
    if inspect.isfunction(given) or inspect.ismethod(given):
        return given
    behind, is_set = given, set[str]()
    while isinstance(behind, functools.partial):
        is_set |= behind.keywords.keys()
        behind = behind.func
    behind = behind if inspect.isroutine(behind) else type(behind).__call__
    hints = get_type_hints(behind, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
        for parameter in inspect.signature(given).parameters.values()
        if parameter.name not in is_set
    ]

    def function(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    own_name = getattr(behind, "__name__", "__call__")
    function.__name__ = type(given).__name__.lower() if own_name == "__call__" else own_name
    function.__doc__ = behind.__doc__
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function
