"""``dagster-dune emulator``.

`commands` are what the shell sees; the options of a local Dune are `server_options`, what it is given before it answers
comes from `folders`, and the tables that SQL reads are found by `table_schemas`.
"""

from dagster_dune.cli.emulator.folders import load_folder

__all__ = ["load_folder"]
