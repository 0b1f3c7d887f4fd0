"""Ends commands that fail."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dagster_dune.errors import DuneError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def failed(error: Exception) -> typer.Exit:
    """Tell an error, and return what ends the command with 1."""
    typer.secho(str(error), err=True, fg=typer.colors.RED)
    return typer.Exit(1)


def check_output(file: Path) -> None:
    """Check that a file can be written, and make its folder: before what it is to hold is asked and paid for.

    Raises:
        DuneError: It cannot.
    """
    if why := _obstacle(file):
        raise DuneError(f"{file} cannot be written: {why}.", hint="Name another file.")


def _obstacle(file: Path) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    if file.is_dir():
        return "it is a folder"
    is_open = os.access(file if file.exists() else file.parent, os.W_OK)
    return "" if is_open else "it, or its folder, is closed to you"


class Commands(TyperGroup):
    """All commands; where what one prints or writes finds no room, it ends with one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _join_lines(self)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the words of a shell name."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            typer.secho(
                f"What the command prints or writes cannot be stored: {error.strerror}. Make room, or write elsewhere.",
                err=True,
                fg=typer.colors.RED,
            )
            _forget_output()
            sys.exit(1)


def _join_lines(command: Any) -> None:
    """Let paragraphs of the help be broken by the terminal: typer keeps the lines that the source has."""
    if command.help:
        command.help = "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n"))
    for below in getattr(command, "commands", {}).values():
        _join_lines(below)


def _forget_output() -> None:
    """Let the end of the process write to nowhere what could not be written, or it would fail once more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return
