"""The command line: ``dagster-dune``, a module a group of commands.

What comes in are words of a shell; each command imports what it needs when it runs, so that help is quick. Folders,
documents and accounts are read by ``catalog``, the local Dune is run by ``emulator``.
"""

from dagster_dune.cli.app import app
from dagster_dune.cli.emulator import load_folder

__all__ = ["app", "load_folder"]
