"""DuckDB as the engine under DuneSQL: it runs compiled queries and keeps tables."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dune.emulator import sample, uploads
from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.lowering import lower
from dagster_dune.emulator.dunesql.names import duckdb_name, quoted
from dagster_dune.emulator.dunesql.types import INT256_MIN, UINT256_MAX, trino_type
from dagster_dune.emulator.errors import SqlError
from dagster_dune.emulator.failures import located, sql_error
from dagster_dune.emulator.results import Column, ResultSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PRELUDE = Path(__file__).parent / "dunesql" / "prelude.sql"
_PLAN = "SELECT json_serialize_plan($1, skip_null := true, skip_empty := true, optimize := false)"
_TEAM_SCHEMAS = "SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE starts_with(schema_name, 'dune.')"
_SAFE = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


class Engine:
    """A DuckDB database with Dune's sample tables, and with the matviews and uploads that queries make.

    Every statement runs on a connection of its own, so several run at once; DuckDB shows each the tables as they were
    when it began. The database can reach no file, no network and no extension.

    Args:
        database: The file that keeps the tables, None for a database in memory.

    Examples:
        >>> from dagster_dune.emulator.dunesql import compile_sql
        >>> engine = Engine(None)
        >>> engine.select(compile_sql("SELECT 7 / 2 AS half", parameters={}, views={}.get)).run().rows
        [{'half': 3}]
        >>> engine.close()
    """

    def __init__(self, database: Path | None) -> None:
        import duckdb  # noqa: PLC0415 - heavy, and only the emulator needs it

        self._connection = duckdb.connect(str(database) if database else ":memory:", config=dict(_SAFE))
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._schema_lock = threading.Lock()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(_PRELUDE.read_text("utf-8"))
        sample.load(self._connection)
        self._connection.execute("SET lock_configuration = true")

    def select(self, compiled: Compiled) -> Statement:
        """Prepare a query.

        Args:
            compiled: The query.

        Returns:
            A statement that gives the rows.
        """
        return Statement(self._connection.cursor(), lambda cursor: _rows(cursor, self._lowered(cursor, compiled)))

    def refresh(self, name: str, compiled: Compiled) -> Statement:
        """Prepare the refresh of a matview: readers see the old rows until all the new ones are there.

        Args:
            name: The full name of the matview.
            compiled: Its query.

        Returns:
            A statement that stores the rows, and gives them too.
        """
        target, schema = quoted(name), duckdb_name(name)[0]

        def run(cursor: DuckDBPyConnection) -> ResultSet:
            sql = self._lowered(cursor, compiled)
            self._create_schema(cursor, schema)
            with self._locks[name.lower()], _transaction(cursor):
                _check_names(cursor, sql)
                cursor.execute(f"CREATE OR REPLACE TABLE {target} AS {sql}")  # noqa: S608 - quoted by us
                return _rows(cursor, f"SELECT * FROM {target}")  # noqa: S608

        return Statement(self._connection.cursor(), run)

    def create_upload(self, name: str, data: bytes) -> None:
        """Store a CSV file as a table, in place of the one that had its name.

        Args:
            name: The full name, ``dune.<team>.dataset_<name>``.
            data: The file: UTF-8, a header, then the rows.

        Raises:
            SqlError: The file cannot be read as such a table.
        """
        schema, table = duckdb_name(name)
        cursor = self._connection.cursor()
        with self._locks[name.lower()], _failures():
            self._create_schema(cursor, schema)
            with _transaction(cursor):
                uploads.store(cursor, f'"{schema}"."{table}"', data)

    def drop(self, name: str) -> None:
        """Remove the table of a matview or an upload, if there is one."""
        with _failures():
            self._connection.cursor().execute(f"DROP TABLE IF EXISTS {quoted(name)}") if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether there is a table of a full name."""
        return _exists(self._connection.cursor(), name)

    def size_bytes(self, name: str) -> int:
        """Count the bytes of a table's values written as JSON; 0 where there is no such table."""
        if not self.has(name):
            return 0
        sql = f"SELECT coalesce(sum(strlen(CAST(to_json(t) AS VARCHAR))), 0) FROM {quoted(name)} AS t"  # noqa: S608
        row = self._connection.cursor().execute(sql).fetchone()
        return int(row[0]) if row else 0

    def reset(self) -> None:
        """Remove every matview and upload; the sample data stays."""
        cursor = self._connection.cursor()
        for (schema,) in cursor.execute(_TEAM_SCHEMAS).fetchall():
            cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')

    def close(self) -> None:
        """Close the database, and write what it keeps to its file."""
        self._connection.close()

    def _create_schema(self, cursor: DuckDBPyConnection, schema: str) -> None:
        """Create a team's schema, one statement at a time: two at once would be a conflict in DuckDB."""
        with self._schema_lock:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')

    def _lowered(self, cursor: DuckDBPyConnection, compiled: Compiled) -> str:
        """Write a query as DuckDB's SQL, and bind it, so that a wrong name is blamed at its place."""
        try:
            return lower(
                compiled.statement, exists=lambda name: _exists(cursor, name), plan=lambda sql: _plan(cursor, sql)
            )
        except SqlError as error:
            raise located(error, compiled.statement) from None


class Statement:
    """A query that is ready to run, once.

    Args:
        cursor: A connection of its own.
        execute: Runs it there.
    """

    def __init__(self, cursor: DuckDBPyConnection, execute: Callable[[DuckDBPyConnection], ResultSet]) -> None:
        self._cursor = cursor
        self._execute = execute
        self._interrupted = threading.Event()

    def run(self) -> ResultSet:
        """Run it, and wait for its rows.

        Returns:
            All rows.

        Raises:
            SqlError: It failed, or was interrupted.
        """
        try:
            with _failures():
                if self._interrupted.is_set():
                    raise SqlError("The query was cancelled", type="FAILED_TYPE_CANCELLED")
                return self._execute(self._cursor)
        finally:
            self._cursor.close()

    def interrupt(self) -> None:
        """Stop it, from any thread; `run` then raises."""
        self._interrupted.set()
        self._cursor.interrupt()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what DuckDB raises into what Dune says."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except duckdb.Error as error:
        raise sql_error(str(error)) from None


@contextmanager
def _transaction(cursor: DuckDBPyConnection) -> Iterator[None]:
    cursor.begin()
    try:
        yield
    except BaseException:
        cursor.rollback()
        raise
    cursor.commit()


def _exists(cursor: DuckDBPyConnection, name: str) -> bool:
    schema, table = duckdb_name(name)
    sql = "SELECT 1 FROM duckdb_tables() WHERE NOT internal AND schema_name <> 'main' AND schema_name = $1 AND table_name = $2"
    return cursor.execute(sql, [schema, table]).fetchone() is not None


def _plan(cursor: DuckDBPyConnection, sql: str) -> str:
    """Bind a query without running it."""
    row = cursor.execute(_PLAN, [sql]).fetchone()
    plan = str(row[0]) if row else ""
    if not plan:
        raise SqlError("The types of this query cannot be told; write CAST around its 256 bit numbers")
    if plan.startswith('{"error":true'):
        failure = json.loads(plan)
        raise sql_error(f"{str(failure['error_type']).title()} Error: {failure['error_message']}")
    return plan


def _check_names(cursor: DuckDBPyConnection, sql: str) -> None:
    cursor.execute(f"SELECT * FROM ({sql}) LIMIT 0")  # noqa: S608 - compiled by us
    _columns(cursor)


def _columns(cursor: DuckDBPyConnection) -> list[Column]:
    columns = [Column(item[0], trino_type(str(item[1]))) for item in cursor.description or ()]
    names = [column.name.lower() for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise SqlError(f"Column name '{name}' is used more than once; name the columns apart with AS")
    return columns


def _rows(cursor: DuckDBPyConnection, sql: str) -> ResultSet:
    cursor.execute(sql)
    columns = _columns(cursor)
    rows = cursor.fetchall()
    return ResultSet.of([_exact(column, position, rows) for position, column in enumerate(columns)], rows)


def _exact(column: Column, position: int, rows: list[tuple[Any, ...]]) -> Column:
    """Check that integers fit the type they are given, and tell an int256 by its negative numbers."""
    if column.type == "hugeint":
        if any(abs(row[position] or 0) >= 2**63 for row in rows):
            raise SqlError(f"bigint overflow in column '{column.name}'", type="FAILED_TYPE_EXECUTION_FAILED")
        return Column(column.name, "bigint")
    if column.type != "uint256":
        return column
    values = [int(row[position]) for row in rows if row[position] is not None]
    if any(value > UINT256_MAX or value < INT256_MIN for value in values):
        raise SqlError(f"256 bit integer out of range in column '{column.name}'", type="FAILED_TYPE_EXECUTION_FAILED")
    return Column(column.name, "int256") if any(value < 0 for value in values) else column
