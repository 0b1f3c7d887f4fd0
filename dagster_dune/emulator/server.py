"""Exports `DuneEmulator`, with an error that names the extra if its packages are missing."""

from dagster_dune.errors import DuneConfigurationError

try:
    from dagster_dune.emulator.dune_emulator import DuneEmulator
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] == "dagster_dune":
        raise
    raise DuneConfigurationError(
        f"The local Dune needs {error.name}, which is not installed.",
        hint="Run: pip install 'dagster-dune[emulator]'.",
    ) from error

__all__ = ["DuneEmulator"]
