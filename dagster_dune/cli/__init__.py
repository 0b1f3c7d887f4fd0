"""The command line ``dagster-dune``, with one module for each group of commands.

Commands import heavy modules when they run, so that help is quick. ``catalog`` reads folders, documents and accounts,
``emulator`` runs the local Dune.
"""

from dagster_dune.cli.app import app
from dagster_dune.cli.emulator import load_folder

__all__ = ["app", "load_folder"]
