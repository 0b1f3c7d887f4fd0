"""`Engine`: executes compiled queries in DuckDB, and stores tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_dune.emulator.dunesql.compiler import Compiled
from dagster_dune.emulator.dunesql.parse.incremental import PREVIOUS, is_incremental
from dagster_dune.emulator.dunesql.resolve.names import duckdb_name, quoted
from dagster_dune.emulator.dunesql.rewrite.translation import Translated, translate
from dagster_dune.emulator.dunesql.runtime.registration import register
from dagster_dune.emulator.dunesql.runtime.wire import fetched_sql, text_sql
from dagster_dune.emulator.dunesql.types.trino import VARCHAR, Type
from dagster_dune.emulator.engine import csv_tables, loaded_tables, sample_tables
from dagster_dune.emulator.engine.error_messages import with_position
from dagster_dune.emulator.engine.http_answers import register_answers
from dagster_dune.emulator.engine.results import Column, ResultSet
from dagster_dune.emulator.engine.statements import Statement, failures
from dagster_dune.emulator.engine.tables import (
    TableColumn,
    describe,
    sample_table_names,
    store_types,
    stored_columns,
    tables_of_contract,
)
from dagster_dune.emulator.sql_errors import SqlError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MACROS = [
    Path(__file__).parents[1] / "dunesql" / "macros" / name
    for name in ("basics.sql", "arrays.sql", "times.sql", "aggregates.sql")
]
_TABLE = "SELECT 1 FROM duckdb_tables() WHERE NOT internal AND schema_name = $1 AND table_name = $2"
_INFORMATION_SCHEMA = Path(__file__).with_name("information_schema.sql")
_TEAM_SCHEMAS = "SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE starts_with(schema_name, 'dune.')"
_DOCUMENT = "main.saved_document"
_SAFE = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
}
_RESERVED = ("main", "readable", "pg_catalog")
DEFAULT_MAX_BYTES = 4_000_000_000


class Engine:
    """A DuckDB database with the sample tables, matviews and uploads.

    Each statement runs on its own connection, so that several run at the same time, each with a snapshot of the tables
    at its start. Statements have no access to files, the network and extensions.

    Args:
        database: The file of the database, None for a database in memory.
        max_bytes: The memory limit for tables, sorts and aggregates of all statements together. Nothing is spilled to
            disk.
        http_answers: The answers of `http_get` and `http_post`, by ``GET`` or ``POST`` and the URL.

    Examples:
        >>> from dagster_dune.emulator.dunesql import compile_sql
        >>> engine = Engine(None)
        >>> engine.select(compile_sql("SELECT 7 / 2 AS half", parameters={}, views={}.get)).run().rows
        [{'half': 3}]
        >>> engine.close()
    """

    def __init__(
        self, database: Path | None, max_bytes: int = DEFAULT_MAX_BYTES, http_answers: Mapping[str, str] | None = None
    ) -> None:
        import duckdb  # noqa: PLC0415 - heavy, and only the emulator needs it

        config = _SAFE | {"memory_limit": f"{max_bytes // 1_000_000}MB"}
        self._connection = duckdb.connect(str(database) if database else ":memory:", config=dict(config))
        self._locks: dict[str, threading.Lock] = {}
        self._schema_lock = threading.Lock()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        register(self._connection)
        for file in (*_MACROS, _INFORMATION_SCHEMA):
            self._connection.execute(file.read_text("utf-8"))
        register_answers(self._connection, http_answers or {})
        sample_tables.load(self._connection)
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def select(self, compiled: Compiled, previous: ResultSet | None = None) -> Statement:
        """Prepare a query.

        Args:
            compiled: The query.
            previous: The previous result, for a query that reads it.

        Returns:
            A statement that returns the rows.
        """

        def find_previous(cursor: DuckDBPyConnection) -> str | None:
            if previous is None or not is_incremental(compiled.statement):
                return None
            _store_previous(cursor, previous)
            return PREVIOUS

        return self._statement(compiled, _rows, find_previous, previous.columns if previous else ())

    def refresh(self, name: str, compiled: Compiled) -> Statement:
        """Prepare the refresh of a matview. Readers see the old rows until all new ones are stored.

        Args:
            name: The full name of the matview.
            compiled: The query of the matview.

        Returns:
            A statement that stores the rows, and returns them too.
        """
        target, schema = quoted(name), duckdb_name(name)[0]

        def run(cursor: DuckDBPyConnection, query: Translated) -> ResultSet:
            _check_no_generated_names([column for column, _ in query.columns])
            _check_unique_names([column for column, _ in query.columns])
            self._create_schema(cursor, schema)
            names = ", ".join('"' + column.replace('"', '""') + '"' for column, _ in query.columns)
            with self._lock(name), _transaction(cursor):
                cursor.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM ({query.sql}) AS rows({names})")  # noqa: S608
                store_types(cursor, target, query.columns)
                return _result(cursor, f"SELECT * FROM {target}", query.columns)  # noqa: S608 - quoted by us

        return self._statement(compiled, run, lambda cursor: name if _exists(cursor, name) else None)

    def create_upload(self, name: str, data: bytes) -> None:
        """Store a CSV file as a table, in place of an existing one.

        Args:
            name: The full name, ``dune.<team>.dataset_<name>``.
            data: The file: UTF-8, a header, then the rows.

        Raises:
            SqlError: The file is invalid.
        """
        self.change(name, lambda cursor, table: csv_tables.store(cursor, table, data))

    def load_table(self, name: str, rows: Sequence[Mapping[str, Any]], declared: Mapping[str, str]) -> None:
        """Create a table of any name, in place of an existing one.

        Args:
            name: The full name, of two or three parts.
            rows: Python values by column; missing values are NULL.
            declared: The Trino types of columns; other types are inferred from the values.

        Raises:
            SqlError: A value is not of the type of its column, or the name is invalid.
        """
        target = duckdb_name(name)
        if target[0] in _RESERVED:
            raise SqlError(f"{name!r} is no name of a table: write <schema>.<table>")
        columns = loaded_tables.table_columns(rows, declared)
        self.change(name, lambda cursor, table: loaded_tables.load(cursor, table, target, columns, rows))

    def change(self, name: str, change: Callable[[DuckDBPyConnection, str], None]) -> None:
        """Change a table in a transaction.

        Args:
            name: The full name of the table, which need not exist.
            change: A function that changes the table, given a cursor and the quoted name.

        Raises:
            SqlError: DuckDB refused it.
        """
        cursor = self._connection.cursor()
        with self._lock(name), failures():
            self._create_schema(cursor, duckdb_name(name)[0])
            with _transaction(cursor):
                change(cursor, quoted(name))

    def columns(self, name: str) -> list[TableColumn]:
        """Return the columns of a table by its full name; none if it does not exist."""
        return describe(self._connection.cursor(), name)

    def sample_tables(self) -> list[str]:
        """Return the full names of the tables with Dune's sample data."""
        return sample_table_names(self._connection.cursor())

    def tables_of_contract(self, address: bytes) -> set[str]:
        """Return the full names of the tables whose column ``contract_address`` contains an address."""
        return tables_of_contract(self._connection.cursor(), address)

    def drop(self, name: str) -> None:
        """Remove the table of a matview or an upload, if there is one."""
        cursor = self._connection.cursor()
        with self._lock(name), failures():
            if _exists(cursor, name):
                cursor.execute(f"DROP TABLE {quoted(name)}")

    def has(self, name: str) -> bool:
        """Return whether there is a table with a full name."""
        return _exists(self._connection.cursor(), name)

    def size_bytes(self, name: str) -> int:
        """Return the number of bytes of a table's values in JSON; 0 if it does not exist."""
        if not self.has(name):
            return 0
        sql = f"SELECT coalesce(sum(strlen(CAST(to_json(t) AS VARCHAR))), 0) FROM {quoted(name)} AS t"  # noqa: S608
        row = self._connection.cursor().execute(sql).fetchone()
        return int(row[0]) if row else 0

    def reset(self) -> None:
        """Remove all matviews, uploads and loaded tables, but not the sample tables."""
        cursor = self._connection.cursor()
        if loaded_tables.remove_all(cursor):
            sample_tables.make(cursor)
        for (schema,) in cursor.execute(_TEAM_SCHEMAS).fetchall():
            cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')

    def save_document(self, text: str) -> None:
        """Store a text that queries cannot read, in place of the previous one."""
        self._connection.execute(f"CREATE OR REPLACE TABLE {_DOCUMENT} AS SELECT $1 AS document", [text])

    def saved_document(self) -> str | None:
        """Return the stored text, or None."""
        cursor = self._connection.cursor()
        if cursor.execute(_TABLE, _DOCUMENT.split(".")).fetchone() is None:
            return None
        row = cursor.execute(f"SELECT document FROM {_DOCUMENT}").fetchone()  # noqa: S608 - a constant
        return str(row[0]) if row else None

    def close(self) -> None:
        """Close the database, and write it to its file."""
        self._connection.close()

    def _lock(self, name: str) -> threading.Lock:
        """Return the lock of a table, since simultaneous changes would be a conflict in DuckDB."""
        return self._locks.setdefault(name.lower(), threading.Lock())

    def _create_schema(self, cursor: DuckDBPyConnection, schema: str) -> None:
        """Create the schema of a team under a lock, since simultaneous changes would be a conflict in DuckDB."""
        with self._schema_lock:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')

    def _statement(
        self,
        compiled: Compiled,
        run: Callable[[DuckDBPyConnection, Translated], ResultSet],
        find_previous: Callable[[DuckDBPyConnection], str | None],
        previous_columns: Sequence[Column] = (),
    ) -> Statement:
        """Prepare a query, which is translated on the connection that runs it. Errors get positions in its text."""

        def execute(cursor: DuckDBPyConnection) -> ResultSet:
            try:
                with failures():
                    previous = find_previous(cursor)
                    texts = [(each.key, VARCHAR, "$") for each in previous_columns]

                    @cache
                    def tables(name: str) -> list[tuple[str, Type, str]] | None:
                        return texts if name == PREVIOUS else stored_columns(cursor, name)

                    query = translate(compiled.statement, tables, previous=previous)
                    return run(cursor, query)
            except SqlError as error:
                raise with_position(error, compiled.statement) from None

        return Statement(self._connection.cursor, execute)


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
    return schema != "main" and cursor.execute(_TABLE, [schema, table]).fetchone() is not None


def _store_previous(cursor: DuckDBPyConnection, previous: ResultSet) -> None:
    """Create a temporary table of texts from a result."""
    names = ['"' + column.key.replace('"', '""') + '"' for column in previous.columns]
    cursor.execute(f"CREATE TEMP TABLE previous_result ({', '.join(f'{name} VARCHAR' for name in names)})")
    texts = [[_as_text(row[column.key], column.type) for row in previous.rows] for column in previous.columns]
    unnested = ", ".join(f"unnest(CAST(${position + 1} AS VARCHAR[]))" for position in range(len(names)))
    cursor.execute(f"INSERT INTO previous_result SELECT {unnested}", texts)


def _as_text(value: Any, type_name: str) -> str | None:
    if isinstance(value, list | dict):
        raise SqlError(f"A previous result with a column of type {type_name} is not supported by this emulator")
    if isinstance(value, str) and type_name.endswith("time zone") and not value.endswith(" UTC"):
        raise SqlError(
            "A previous result with times in zones is not supported by this emulator; write AT TIME ZONE 'UTC'"
        )
    if value is None or isinstance(value, str):
        return value.removesuffix(" UTC") if value and type_name.startswith("timestamp") else value
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _check_unique_names(names: list[str]) -> None:
    """Check that no two columns have the same name, since a table cannot have them."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise SqlError(f"Column name '{name}' is used more than once; name the columns apart with AS")
        seen.add(name.lower())


def _check_no_generated_names(names: list[str]) -> None:
    """Check that all columns have names, since a table cannot have the ones that Trino generates."""
    for position, name in enumerate(names):
        if name == f"_col{position}":
            raise SqlError(f"Column {position + 1} of a materialized view has no name; give it one with AS")


def _rows(cursor: DuckDBPyConnection, query: Translated) -> ResultSet:
    return _result(cursor, query.sql, query.columns)


def _result(cursor: DuckDBPyConnection, sql: str, columns: Sequence[tuple[str, Type]]) -> ResultSet:
    """Fetch rows. DuckDB converts times to texts, which is faster by column than in Python."""
    names = [f"c{place}" for place in range(len(columns))]
    texts = {place: text for place, (_, type_) in enumerate(columns) if (text := text_sql(names[place], type_))}
    written = [texts.get(place) or fetched_sql(names[place], type_) for place, (_, type_) in enumerate(columns)]
    if written != names:
        sql = f"SELECT {', '.join(written)} FROM ({sql}) AS dune_rows({', '.join(names)})"  # noqa: S608 - ours
    return ResultSet.typed(columns, cursor.execute(sql).fetchall(), texts.keys())
