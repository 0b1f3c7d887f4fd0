"""placeholder"""

from __future__ import annotations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def load(connection: DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS dex")
    connection.execute("CREATE TABLE IF NOT EXISTS dex.trades AS SELECT 1::BIGINT AS x")
