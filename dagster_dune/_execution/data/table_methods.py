"""The methods of `DuneResource` that write results to files and DuckDB tables, and frames to tables on Dune."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg

from dagster_dune._execution.data.asset_executions import CoercibleKey, execution_of_each, executions_of, key_of
from dagster_dune._execution.data.charges import add_metadata
from dagster_dune._execution.data.has_client import HasClient
from dagster_dune._execution.data.places import ReadContext, log_of, place_of
from dagster_dune._execution.submissions.write import Write
from dagster_dune._execution.submissions.write_record import write_record
from dagster_dune._file_formats import check_export
from dagster_dune._formatting import without_password
from dagster_dune.api.pool import RequestPool
from dagster_dune.errors import DuneConfigurationError
from dagster_dune.metadata import export_metadata, upload_metadata
from dagster_dune.paging.options import ReadOptions, options_from

if TYPE_CHECKING:
    from dagster_dune.frames.uploads.tables import TableWritten
    from dagster_dune.paging.options import Export


FILES_AT_ONCE = 4
"""The number of partitions that are exported at once. Together they read as many pages at once as one export does."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Target:
    """Where a result is written; see `TableMethods.export`."""

    place: str
    table: str | None
    storage_options: Mapping[str, Any] | None
    own_key: CoercibleKey | None


class TableMethods(HasClient):
    """The methods of `DuneResource` that export results and write tables."""

    def export(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        to: str | os.PathLike[str],
        *,
        table: str | None = None,
        partition_key: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        own_key: CoercibleKey | None = None,
        **options: Any,
    ) -> Export:
        """Write the result of a Dune asset to a Parquet file, or into a table of a DuckDB file, in bounded memory.

        The file stands under its name when it is whole, and never before; the table is changed in one transaction.

        Args:
            context: The context of the asset or op that exports, an instance, or None; see `get_rows`.
            asset_key: The Dune asset.
            to: The path of the file, or a URL that fsspec knows.
            table: The table, where the file is DuckDB's.
            partition_key: Which partition's rows, where the asset is partitioned.
            storage_options: What fsspec needs for a URL.
            own_key: The key of the asset that the file or the table is of, which is written into it; one of another
                asset is then left as it is. Nothing is written or checked if None.
            options: What is read, and how; see `DuneResource.get_result`.

        Returns:
            The rows and bytes that were read.

        Raises:
            DuneResultError: There is no such result, or it cannot be read, or not be told apart from other partitions;
                or what stands there is of another asset than `own_key`.
        """
        destination = checked_destination(to, table, storage_options)
        options_from(ReadOptions, options, "reading")
        with place_of(context) as place:
            (execution_id,) = executions_of(place, asset_key, partition_key)
        target = _Target(destination, table, storage_options, own_key)
        return self._export(context, asset_key, execution_id, partition_key, target, options)

    def export_partitions(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        to: str | os.PathLike[str],
        partition_keys: Sequence[str],
        *,
        table: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        own_key: CoercibleKey | None = None,
        **options: Any,
    ) -> dict[str, Export]:
        """Write the result of each of some partitions to a Parquet file of its own, or to its rows of a DuckDB table.

        Files are written a few at once. As many pages are read at once as for one file, so that it takes no more
        memory. A table has one writer, and each partition is a transaction.

        Args:
            context: The context of the asset or op that exports, an instance, or None; see `get_rows`.
            asset_key: The Dune asset.
            to: Where the files are to stand, named ``<partition>.parquet``: a path, or a URL that fsspec knows. With
                `table` the path of the DuckDB file.
            partition_keys: The partitions.
            table: The table, where they are to be rows of one.
            storage_options: What fsspec needs for a URL.
            own_key: As of `export`.
            options: What is read, and how; see `DuneResource.get_result`.

        Returns:
            The rows and bytes that were read, by partition.

        Raises:
            DuneResultError: As of `export`. Nothing is written where one of them was never made; of other failures, the
                files and rows of other partitions are whole, and stand or do not.
        """
        place_name = checked_destination(to, table, storage_options)
        chosen = options_from(ReadOptions, options, "reading")
        with place_of(context) as place:
            executions = execution_of_each(place, asset_key, partition_keys)

        def write(partition: str, execution_id: str) -> Export:
            file = f"{with_trailing_slash(place_name)}{quote(partition, safe='')}.parquet"
            target = _Target(file if table is None else place_name, table, storage_options, own_key)
            return self._export(context, asset_key, execution_id, partition, target, options)

        if table is not None:
            return {partition: write(partition, execution_id) for partition, execution_id in executions.items()}
        options["concurrency"] = max(1, chosen.concurrency // FILES_AT_ONCE)
        with RequestPool(FILES_AT_ONCE, "dune-export") as pool:
            exports = pool.in_order(partial(write, *each) for each in executions.items())
            return dict(zip(executions, exports, strict=True))

    def _export(
        self,
        context: ReadContext,
        asset_key: CoercibleKey,
        execution_id: str,
        partition_key: str | None,
        target: _Target,
        options: Mapping[str, Any],
    ) -> Export:
        from dagster_dune.frames.duckdb_tables import write_duckdb  # noqa: PLC0415
        from dagster_dune.frames.exports import write_parquet  # noqa: PLC0415
        from dagster_dune.frames.results import open_reader  # noqa: PLC0415
        from dagster_dune.frames.types.columns import ARROW_DIGITS, SHORT_DIGITS  # noqa: PLC0415  (pyarrow is slow to import)

        log, asset = log_of(context) or logger, None
        if target.own_key is not None:
            asset = key_of(target.own_key).to_user_string()
        digits = ARROW_DIGITS if target.table is None else SHORT_DIGITS
        with self.get_client() as client:
            reader = open_reader(client, execution_id, digits=digits, **options)
            log.info("Exporting %s to %s: %s rows.", reader.name, without_password(target.place), reader.expected_rows)
            if target.table is None:
                export = write_parquet(reader, target.place, storage_options=target.storage_options, asset=asset)
            else:
                export = write_duckdb(reader, target.place, target.table, partition_key=partition_key, asset=asset)
        log.info("Exported %s rows, %s bytes.", f"{export.rows:,}", f"{export.bytes:,}")
        name = key_of(asset_key).to_user_string()
        name = name if partition_key is None else f"{name}/{partition_key}"
        add_metadata(context, export_metadata(name, [execution_id], export.rows, export.bytes), partition_key)
        return export

    def write_table(self, frame: Any, name: str, *, context: ReadContext = None, **options: Any) -> TableWritten:
        """Write a frame into a table on Dune, which is created where it does not exist. Charged for.

        See docs/data.md for the types, the price and what Dune does in one piece. With the context of a step, no
        other write of the same rows or table comes between, nor what is left of one that was cut off.

        Args:
            frame: A frame of polars, pandas or Arrow, a record batch reader, a DuckDB relation, or the path of a
                Parquet file.
            name: ``dune.<team>.<table>``.
            context: The context of the op or asset, for its log and metadata; whatever `get_rows` takes.
            options: ``mode`` ("replace" or "append"), ``types``, ``on_schema_change``, ``max_credits``, ``is_private``,
                ``marker``, ``marker_column``; see `dagster_dune.frames.uploads.tables.write_table`.

        Returns:
            The rows, bytes, requests and credits.

        Raises:
            DuneConfigurationError: A name, a type or a value is none that a table can have; nothing was sent.
            DuneUploadError: The columns do not fit, it would cost too much, or a step failed: the message says what is
                there now.
        """
        from dagster_dune.frames.uploads.options import WriteOptions, table_parts  # noqa: PLC0415  (pyarrow is slow to import)
        from dagster_dune.frames.uploads.tables import write_table  # noqa: PLC0415

        chosen = options_from(WriteOptions, options, "writing")
        table = ".".join(("dune", *table_parts(name)))
        record = write_record(context, Write(table, chosen.mode == "replace", chosen.marker, chosen.settle_seconds))
        with self.get_client() as client:
            written = write_table(client, frame, name, log=log_of(context), exclusion=record, **options)
        add_metadata(context, upload_metadata(written.name, written.rows, written.bytes, written.credits))
        return written


def checked_destination(
    to: str | os.PathLike[str], table: str | None, storage_options: Mapping[str, Any] | None
) -> str:
    """Check the destination of a result: a Parquet file, a folder of such files, or a table of a DuckDB file.

    Returns:
        The path or URL.

    Raises:
        DuneConfigurationError: It is no path or URL, or its name has the extension of another format.
    """
    place: object = os.fspath(to) if isinstance(to, str | os.PathLike) else None
    if not isinstance(place, str) or not place or "\0" in place:
        raise DuneConfigurationError(f"to must be a path or a URL, not {to!r}.")
    if not isinstance(storage_options, Mapping | None):
        raise DuneConfigurationError(f"storage_options must be a mapping, not {storage_options!r}.")
    _check_no_variable("to", place)
    for option, value in (storage_options or {}).items():
        _check_no_variable(f"storage_options[{option!r}]", value)
    check_export(place, has_table=table is not None)
    if table is not None:
        from dagster_dune.frames.duckdb_tables import check_table  # noqa: PLC0415  (pyarrow is slow to import)

        check_table(place, table)
    return place


def _check_no_variable(name: str, value: object) -> None:
    if isinstance(value, dg.EnvVar):  # a text, which says the variable's name and not its value
        raise DuneConfigurationError(
            f"{name} is EnvVar({value.env_var_name!r}), which has its value in resources and configuration alone.",
            hint="Read it from os.environ, or take its value with get_value().",
        )


def with_trailing_slash(folder: str) -> str:
    """Return a folder with one slash at its end. A URL without a path stays as it is."""
    scheme, separator, path = folder.rpartition("://")
    return f"{scheme}{separator}{path.rstrip('/')}/" if path else folder
