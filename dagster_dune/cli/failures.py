"""Ends commands that fail with a message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dagster_dune.errors import DuneError

STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def failed(error: Exception) -> typer.Exit:
    """Print an error, and return the exception that ends the command with exit code 1."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    return typer.Exit(1)


def check_output(file: Path) -> None:
    """Check that a file can be written, and create its folder, before any request is sent or charged.

    Raises:
        DuneError: It cannot.
    """
    if why := _obstacle(file):
        raise DuneError(f"{file} cannot be written: {why}.", hint="Name another file.")


def _obstacle(file: Path) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            return "it is a folder"
        is_open = os.access(file if file.exists() else file.parent, os.W_OK)
    except OSError as error:
        return error.strerror or str(error)
    return "" if is_open else "it, or its folder, is closed to you"


class Commands(TyperGroup):
    """The group of all commands, which ends with a one-line message if output cannot be stored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _join_lines(self)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in STORAGE_ERRORS:
                raise
            typer.secho(
                f"What the command prints or writes cannot be stored: {error.strerror}. Make room, or write elsewhere.",
                err=True,
                fg=typer.colors.RED,
            )
            _discard_output()
            sys.exit(1)


def _join_lines(command: Any) -> None:
    """Join the lines of each help paragraph, so that the terminal wraps them instead of typer's source lines."""
    if command.help:
        command.help = "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n"))
    for subcommand in getattr(command, "commands", {}).values():
        _join_lines(subcommand)


def _discard_output() -> None:
    """Redirect stdout to the null device, since flushing it at the end of the process would fail again."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return
