"""Imports optional packages where they are used, with an error that names the extra if one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dagster_dune.errors import DuneConfigurationError


def needed(module: str, extra: str) -> Any:
    """Import a package of one of the extras.

    Args:
        module: Its name.
        extra: The extra of dagster-dune that installs it.

    Returns:
        The module.

    Raises:
        DuneConfigurationError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise DuneConfigurationError(
            f"This needs {module}, which is not installed.", hint=f"Run: pip install 'dagster-dune[{extra}]'."
        ) from error
