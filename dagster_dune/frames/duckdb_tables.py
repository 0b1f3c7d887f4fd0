"""Writes results to tables of a DuckDB file."""

from __future__ import annotations

import os
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_dune.errors import DuneConfigurationError, DuneResultError
from dagster_dune.frames.duckdb_transactions import in_transaction
from dagster_dune.frames.exports import Source, local_path
from dagster_dune.frames.extras import needed
from dagster_dune.frames.leftovers import temporary_folder
from dagster_dune.frames.targets import unique_names
from dagster_dune.paging.options import Export

WAIT_SECONDS = 300.0
PARTITION_COLUMN = "dagster_partition"
_ASSET = "dagster-dune/asset: "


def write_duckdb(
    source: Source,
    database: str | os.PathLike[str],
    table: str,
    *,
    partition_key: str | None = None,
    partition_column: str = PARTITION_COLUMN,
    wait_seconds: float = WAIT_SECONDS,
    asset: str | None = None,
) -> Export:
    """Write a result into a table of a DuckDB file, in one transaction: all of it, or nothing.

    The rows are read into a temporary file first, so that the database is locked only while they are copied.

    Args:
        source: The result.
        database: The path of the file; it is created if there is none.
        table: The name, or ``schema.name``, both created if they do not exist.
        partition_key: The partition of the rows: only its rows are replaced. If None, all rows are replaced.
        partition_column: The column that holds the partition key.
        wait_seconds: The maximum time to wait for other writers.
        asset: The asset that owns the table, which is written into the table's comment.

    Returns:
        The rows and bytes that were read.

    Raises:
        DuneResultError: Another process locks the file for longer, or the table has other columns or belongs to another
            asset.
    """
    duckdb = needed("duckdb", "duckdb")
    schema_name, table_name = check_table(database, table)
    names = unique_names(source.schema.names, fold_case=True)
    if partition_key is not None and partition_column.casefold() in map(str.casefold, names):
        raise DuneConfigurationError(
            f"The result has a column {partition_column!r} itself.",
            hint="Name it otherwise in the SQL, leave it out with columns, or give write_duckdb a partition_column.",
        )
    partition = None if partition_key is None else (partition_column, partition_key)
    database = local_path(database)

    def write(connection: Any, rows: Path) -> None:
        with pa.OSFile(str(rows), "rb") as file:
            _copy(connection, pa.ipc.open_stream(file), (schema_name or "main", table_name), partition, asset)

    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder() as folder:
            rows = folder / "rows.arrow"
            _write_to_disk(source, rows, names)
            in_transaction(duckdb, database, partial(write, rows=rows), wait_seconds)
    except OSError as error:
        raise DuneResultError(
            f"The rows for {table} in {database} cannot be kept on disk: {error}.",
            hint="The table is as it was. Make room or give rights there; TMPDIR names the folder that rows wait in.",
        ) from error
    return source.export


def check_table(database: str | os.PathLike[str], table: str) -> tuple[str, str]:
    """Check that a table can be in a DuckDB file on a disk of this machine.

    Args:
        database: The path of the file.
        table: The name, or ``schema.name``.

    Returns:
        The name of the schema, empty where none is named, and that of the table.

    Raises:
        DuneConfigurationError: It is a URL, or DuckDB's name of a database in memory; or this is no table's name.
    """
    place = os.fspath(database)
    if "://" in place:
        raise DuneConfigurationError(f"A DuckDB file is a local one, not {place!r}.", hint="Export to Parquet instead.")
    if place.startswith(":memory:"):
        raise DuneConfigurationError(
            f"A DuckDB file is one on disk, and what is written to {place!r} would be gone at once.",
            hint="Name a file, or read the result as a relation: as_='duckdb'.",
        )
    schema, _, name = table.rpartition(".") if isinstance(table, str) else ("", "", "")
    if not name or "." in schema:
        raise DuneConfigurationError(f"A table of DuckDB is a name or schema.name, not {table!r}.")
    return schema, name


def _write_to_disk(source: Source, rows: Path, names: list[str]) -> None:
    schema = pa.schema([field.with_name(name) for field, name in zip(source.schema, names, strict=True)])
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(rows), "wb") as file, pa.ipc.new_stream(file, schema, options=options) as writer:
        for batch in source.batches():
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def _copy(
    connection: Any,
    rows: pa.RecordBatchReader,
    table: tuple[str, str],
    partition: tuple[str, str] | None,
    asset: str | None,
) -> None:
    """Replace all rows of a table, or those of one partition, which is given as its column and its key."""
    prefix = f"dagster_dune_{uuid.uuid4().hex}"  # views of these names hide no table
    empty, incoming = f"{prefix}_empty", f"{prefix}_incoming"
    connection.register(empty, rows.schema.empty_table())
    connection.register(incoming, rows)
    database = connection.execute("SELECT current_database()").fetchone()[0]
    schema, name = (".".join(map(_quoted, parts)) for parts in ((database, table[0]), (database, *table)))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    if asset is not None:
        _check_asset(connection, table, asset)
    if partition is None:
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM {incoming}")
        _name_asset(connection, name, asset)
        return
    column, key = _quoted(partition[0]), {"key": partition[1]}
    marked = f"SELECT *, CAST($key AS VARCHAR) AS {column} FROM"
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS {marked} {empty}", key)
    expected = _columns(connection, empty) | {partition[0].casefold(): (partition[0], "VARCHAR")}
    if differences := _differences(_columns(connection, name), expected):
        raise DuneResultError(
            f"The table {'.'.join(table)} has other columns: {differences}.",
            hint="It is as it was. Drop it, or write to another one.",
        )
    _name_asset(connection, name, asset)
    connection.execute(f"DELETE FROM {name} WHERE {column} = $key", key)  # noqa: S608 - quoted
    connection.execute(f"INSERT INTO {name} BY NAME {marked} {incoming}", key)


def _check_asset(connection: Any, table: tuple[str, str], asset: str) -> None:
    """Raise an error if the table names another asset as its owner."""
    found = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND lower(schema_name) = lower($1) AND lower(table_name) = lower($2)",
        table,
    ).fetchone()
    existing = (found and found[0]) or ""
    if existing.startswith(_ASSET) and existing != f"{_ASSET}{asset}":
        raise DuneResultError(
            f"The table {'.'.join(table)} has been exported by the asset {existing.removeprefix(_ASSET)}, and {asset} "
            "would replace its rows.",
            hint="It is as it was. Give each export a table of its own. If that asset is no more, drop the table.",
        )


def _name_asset(connection: Any, name: str, asset: str | None) -> None:
    if asset is not None:
        comment = f"{_ASSET}{asset}".replace("'", "''")
        connection.execute(f"COMMENT ON TABLE {name} IS '{comment}'")


def _columns(connection: Any, name: str) -> dict[str, tuple[str, str]]:
    """Return the names and types of the columns of a table or view, by their case-folded names."""
    rows = connection.execute(f"DESCRIBE FROM {name}").fetchall()
    return {column.casefold(): (column, type_) for column, type_, *_ in rows}


def _differences(existing: dict[str, tuple[str, str]], expected: dict[str, tuple[str, str]]) -> str:
    """Return the differences that an insert by name would silently cast or leave out; empty if there are none."""
    texts = [f"{name} is {existing[key][1]} and comes as {type_}" for key, (name, type_) in expected.items()
            if key in existing and existing[key][1] != type_]  # fmt: skip
    texts += [f"{name} {type_} does not exist" for key, (name, type_) in expected.items() if key not in existing]
    texts += [f"{name} {type_} does not come" for key, (name, type_) in existing.items() if key not in expected]
    return "; ".join(texts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
