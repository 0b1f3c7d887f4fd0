"""Results as tables of a DuckDB file, one writer at a time."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.exports import Source
from dagster_dune.frames.extras import needed
from dagster_dune.frames.targets import unique_names
from dagster_dune.paging.options import Export

WAIT_SECONDS = 300.0
PAUSE_SECONDS = 0.1
PARTITION_COLUMN = "dagster_partition"
_ONE_WRITER = threading.Lock()
"""Of the threads of this process; other processes are kept out by DuckDB's lock of the file."""


def write_duckdb(
    source: Source,
    database: str | os.PathLike[str],
    table: str,
    *,
    partition_key: str | None = None,
    partition_column: str = PARTITION_COLUMN,
    wait_seconds: float = WAIT_SECONDS,
) -> Export:
    """Write a result into a table of a DuckDB file, in one transaction: all of it, or nothing.

    The rows are read into a temporary file first, so that the database is held for as long as it takes to copy them.

    Args:
        source: The result.
        database: The path of the file; it is created if there is none.
        table: The name, or ``schema.name``, both created if they do not exist.
        partition_key: The partition whose rows these are: only its rows are replaced. All rows are, if None.
        partition_column: The column that tells partitions apart.
        wait_seconds: How long another writer is waited for.

    Returns:
        The rows and bytes that were read.

    Raises:
        DuneResultError: Another process holds the file for longer, or the table has other columns.
    """
    duckdb = needed("duckdb", "duckdb")
    schema_name, _, table_name = table.rpartition(".")
    if not table_name or "." in schema_name:
        raise DuneConfigurationError(f"A table of DuckDB is a name or schema.name, not {table!r}.")
    names = unique_names(source.schema.names, fold_case=True)
    if partition_key is not None and partition_column.casefold() in map(str.casefold, names):
        raise DuneConfigurationError(
            f"The result has a column {partition_column!r} itself.", hint="Give another partition_column."
        )
    name = ".".join(_quoted(part) for part in (schema_name or "main", table_name))

    def write(connection: Any, rows: Path) -> None:
        with pa.OSFile(str(rows), "rb") as file:
            incoming = pa.ipc.open_stream(file)
            connection.register("empty", incoming.schema.empty_table())
            connection.register("incoming", incoming)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(schema_name or 'main')}")
            if partition_key is None:
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM incoming")
                return
            marked = f"SELECT *, CAST($key AS VARCHAR) AS {_quoted(partition_column)} FROM"
            key = {"key": partition_key}
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS {marked} empty", key)
            connection.execute(f"DELETE FROM {name} WHERE {_quoted(partition_column)} = $key", key)  # noqa: S608 - quoted
            connection.execute(f"INSERT INTO {name} BY NAME {marked} incoming", key)

    try:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dagster-dune-") as folder:
            rows = Path(folder) / "rows.arrow"
            _keep(source, rows, names)
            _in_transaction(duckdb, Path(database), lambda connection: write(connection, rows), wait_seconds)
    except OSError as error:
        raise DuneResultError(
            f"The rows for {table} in {os.fspath(database)} cannot be kept on disk: {error}.",
            hint="The table is as it was. Make room or give rights there; TMPDIR names the folder that rows wait in.",
        ) from error
    return source.export


def _keep(source: Source, rows: Path, names: list[str]) -> None:
    schema = pa.schema([field.with_name(name) for field, name in zip(source.schema, names, strict=True)])
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(rows), "wb") as file, pa.ipc.new_stream(file, schema, options=options) as writer:
        for batch in source.batches():
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def _in_transaction(duckdb: Any, database: Path, work: Callable[[Any], None], wait_seconds: float) -> None:
    """Do something in one transaction, after those of other threads and processes."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            with _ONE_WRITER, _transaction(duckdb, database) as connection:
                work(connection)
        except (duckdb.IOException, duckdb.TransactionException) as error:
            is_busy = isinstance(error, duckdb.TransactionException) or "lock" in str(error).lower()
            if not is_busy or time.monotonic() > deadline:
                raise DuneResultError(
                    f"The DuckDB file {database} could not be written: {str(error).splitlines()[0]}",
                    hint=f"Another writer was waited for, {wait_seconds:g} s at the most." if is_busy else "",
                ) from error
            time.sleep(PAUSE_SECONDS)
        except (duckdb.BinderException, duckdb.ConversionException, duckdb.CatalogException) as error:
            raise DuneResultError(
                f"The rows do not fit the table in {database}: {str(error).splitlines()[0]}",
                hint="The columns of the result have changed: drop the table, or write to another one.",
            ) from error
        except duckdb.Error as error:
            raise DuneResultError(
                f"The DuckDB file {database} could not be written: {str(error).splitlines()[0]}",
                hint="The table is as it was.",
            ) from error
        else:
            return


@contextmanager
def _transaction(duckdb: Any, database: Path) -> Iterator[Any]:
    connection = duckdb.connect(str(database))
    try:
        connection.begin()
        yield connection
        connection.commit()
    finally:
        connection.close()  # which rolls back what was not committed


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
