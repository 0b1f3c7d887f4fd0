"""The sample tables: ``dex.trades``, ``ethereum.transactions``, ``prices.day`` and more, made by ``sample.sql``."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCRIPT = Path(__file__).with_name("sample_tables.sql")
_MARK = "main.sample_version"


def load(connection: DuckDBPyConnection, *, again: bool = False) -> None:
    """Make the sample tables, unless the database holds those of this very script.

    Args:
        connection: The database.
        again: Make them even so.
    """
    script = _SCRIPT.read_text("utf-8")
    version = sha256(script.encode()).hexdigest()
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_MARK} (version VARCHAR)")
    if not again and connection.execute(f"SELECT version FROM {_MARK}").fetchall() == [(version,)]:  # noqa: S608 - a constant
        return
    connection.begin()
    connection.execute(script)
    connection.execute(f"CREATE OR REPLACE TABLE {_MARK} AS SELECT $1 AS version", [version])
    connection.commit()
