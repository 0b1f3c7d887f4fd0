"""Reads the file ``.env`` of the working directory, which overrides the environment, as in dg and dagster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dagster_dune.errors import DuneConfigurationError

FILE = ".env"


def variables_of_env_file() -> dict[str, str]:
    """Return the variables that the file sets; none if there is no file.

    Raises:
        DuneConfigurationError: It cannot be read.
    """
    if not Path(FILE).is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  (Dagster brings it along; most commands have no such file)

    try:
        return {name: value for name, value in dotenv_values(FILE).items() if value is not None}
    except (OSError, UnicodeError) as error:
        raise DuneConfigurationError(
            f"The file {FILE} of this directory cannot be read: {error}.", hint="It holds lines NAME=value, in UTF-8."
        ) from error


def read_env_file() -> None:
    """Set the variables of the file in the environment of this process and of the commands that it runs."""
    os.environ.update(variables_of_env_file())


def check_env_file(variables: Mapping[str, str]) -> None:
    """Check that the file does not override variables of a command that reads the file itself.

    Raises:
        DuneConfigurationError: The file overrides one: the command could send requests to the real Dune, which charges.
    """
    in_file = variables_of_env_file()
    for name, value in variables.items():
        if in_file.get(name, value) != value:
            raise DuneConfigurationError(
                f"The file {FILE} of this directory sets {name}, and dg and dagster would take that in place of ours.",
                hint=f"Take {name} out of it, or run this in another directory.",
            )
