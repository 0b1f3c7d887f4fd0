"""``dagster-dune emulator``: runs a local Dune.

`commands` defines the commands, and `server_options` the options that they share. `folders` loads queries and matviews
into the local Dune, and `table_schemas` finds and creates the tables that they read.
"""

from dagster_dune.cli.emulator.folders import load_folder

__all__ = ["load_folder"]
