"""How a command ends that could not do its work."""

from __future__ import annotations

import typer


def failed(error: Exception) -> typer.Exit:
    """Tell an error, and return what ends the command with 1."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    return typer.Exit(1)
