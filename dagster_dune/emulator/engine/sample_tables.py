"""Creates the sample tables, such as ``dex.trades`` and ``prices.day``, with ``sample_tables.sql``."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCRIPT = Path(__file__).with_name("sample_tables.sql")
_VERSION_TABLE = "main.sample_version"
_COPY_NAME = "dagster-dune copy"
_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name != 'main'"


def load(connection: DuckDBPyConnection) -> None:
    """Create the sample tables, unless the database has those of the same script.

    Args:
        connection: A connection that can still read files.
    """
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_VERSION_TABLE} (version VARCHAR)")
    if connection.execute(f"SELECT version FROM {_VERSION_TABLE}").fetchall() != [(_version(),)]:  # noqa: S608 - a constant
        _COPY.fill(connection)


def make(connection: DuckDBPyConnection) -> None:
    """Create the sample tables, in place of existing ones."""
    connection.begin()
    connection.execute(_SCRIPT.read_text("utf-8"))
    _write_version(connection)
    connection.commit()


class _Copy:
    """A copy of the tables in a file, from the third database of a process on; generating rows is five times slower."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made = 0
        self._folder: TemporaryDirectory[str] | None = None

    def fill(self, connection: DuckDBPyConnection) -> None:
        """Create the tables in a database that has none yet."""
        with self._lock:
            if self._folder and Path(self._folder.name).exists():
                self._transfer(connection, is_read=True)
                _write_version(connection)
                return
            make(connection)
            self._made += 1
            if self._made == 2:
                self._write(connection)

    def _write(self, connection: DuckDBPyConnection) -> None:
        """Write the copy. If that is impossible, the rows are generated for each database."""
        import duckdb  # noqa: PLC0415 - heavy, and loaded by whoever has made the connection

        try:
            self._folder = TemporaryDirectory(prefix="dagster-dune-")
            self._transfer(connection, is_read=False)
        except (OSError, duckdb.Error):
            self._folder = None

    def _transfer(self, connection: DuckDBPyConnection, *, is_read: bool) -> None:
        file = str(Path(self._folder.name if self._folder else "", "sample_tables.db")).replace("'", "''")
        (own,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"ATTACH '{file}' AS \"{_COPY_NAME}\"" + (" (READ_ONLY)" if is_read else ""))
        source, target = (_COPY_NAME, own) if is_read else (own, _COPY_NAME)
        try:
            for schema, table in connection.execute(_TABLES, [source]).fetchall():
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{target}"."{schema}"')
                connection.execute(
                    f'CREATE OR REPLACE TABLE "{target}"."{schema}"."{table}" AS FROM "{source}"."{schema}"."{table}"'
                )
        finally:
            connection.execute(f'DETACH "{_COPY_NAME}"')


def _version() -> str:
    return sha256(_SCRIPT.read_bytes()).hexdigest()


def _write_version(connection: DuckDBPyConnection) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE {_VERSION_TABLE} AS SELECT $1 AS version", [_version()])


_COPY = _Copy()
